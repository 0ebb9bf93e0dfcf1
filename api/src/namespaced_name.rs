//! The key of a namespaced object. Never checks that the object exists.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Namespace and name of one object, ordered by namespace first.
///
/// One piece of memory, which all copies share: each of thousands of Services is named in half a dozen tables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName(
    /// Both, with [`BETWEEN`] between them.
    Arc<str>,
);

/// Less than every sign that a namespace may have, so that the texts have the order of the names.
const BETWEEN: char = '\n';

impl NamespacedName {
    /// The key of the object `name` in `namespace`.
    pub fn new(namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        let (namespace, name) = (namespace.as_ref(), name.as_ref());
        let mut text = String::with_capacity(namespace.len() + 1 + name.len());
        text.push_str(namespace);
        text.push(BETWEEN);
        text.push_str(name);
        Self(text.into())
    }

    /// The key in an object's metadata. What is unset there is empty here: an object that came from the API
    /// server always has a name.
    pub fn of(metadata: &ObjectMeta) -> Self {
        let [namespace, name] =
            [&metadata.namespace, &metadata.name].map(|part| part.as_deref().unwrap_or_default());
        Self::new(namespace, name)
    }

    /// Namespace of the object; empty for a cluster-scoped one.
    pub fn namespace(&self) -> &str {
        self.parts().0
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(BETWEEN).unwrap_or_default()
    }
}

/// Before all others.
impl Default for NamespacedName {
    fn default() -> Self {
        Self::new("", "")
    }
}

/// `namespace/name`, and only `name` for a cluster-scoped object.
impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            ("", name) => f.write_str(name),
            (namespace, name) => write!(f, "{namespace}/{name}"),
        }
    }
}

impl fmt::Debug for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_kubectl_prints_it() {
        assert_eq!(NamespacedName::new("default", "web").to_string(), "default/web");
        assert_eq!(NamespacedName::new("", "node1").to_string(), "node1");
    }

    #[test]
    fn keys_sort_by_namespace_then_name() {
        let mut keys = [("b", "a"), ("a-b", "a"), ("a", "b"), ("a", "a"), ("", "z")]
            .map(|(ns, name)| NamespacedName::new(ns, name));
        keys.sort();
        assert_eq!(
            keys.each_ref().map(ToString::to_string),
            ["z", "a/a", "a/b", "a-b/a", "b/a"]
        );
        assert!(NamespacedName::default() < keys[0]);
    }

    #[test]
    fn metadata_without_a_namespace_gives_a_cluster_scoped_key() {
        let metadata = ObjectMeta {
            name: Some("node1".into()),
            ..ObjectMeta::default()
        };
        assert_eq!(NamespacedName::of(&metadata), NamespacedName::new("", "node1"));
    }
}
