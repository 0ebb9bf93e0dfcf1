//! The key of a namespaced object. Never checks that the object exists.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// Namespace and name of one object, ordered by namespace first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NamespacedName {
    /// Namespace of the object; empty for a cluster-scoped one.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl NamespacedName {
    /// The key of the object `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key in an object's metadata. What is unset there is empty here: an object that came from the API
    /// server always has a name.
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

/// `namespace/name`, and only `name` for a cluster-scoped object.
impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
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
        let mut keys = [("b", "a"), ("a", "b"), ("a", "a")].map(|(ns, name)| NamespacedName::new(ns, name));
        keys.sort();
        assert_eq!(keys.map(|key| key.to_string()), ["a/a", "a/b", "b/a"]);
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
