//! What a watch tells about the objects of one kind. Data only: who watches, and what is kept, is decided elsewhere.

use std::collections::BTreeMap;

use crate::NamespacedName;

/// What changed in the set of objects of one kind, reduced to facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<F, K: Ord = NamespacedName> {
    /// The object exists, with these facts.
    Apply(K, F),
    /// The object is gone.
    Delete(K),
    /// All objects there are. It comes once at the start and again whenever the watch had to start over, so that
    /// deletions during a disconnection are seen.
    Reset(BTreeMap<K, F>),
}

impl<F> Change<F> {
    /// The namespace of the objects, for kinds that are watched in one; empty if there is no object.
    pub fn namespace(&self) -> String {
        let key = match self {
            Self::Apply(key, _) | Self::Delete(key) => Some(key),
            Self::Reset(all) => all.keys().next(),
        };
        key.map(|key| key.namespace.clone()).unwrap_or_default()
    }

    /// The same for objects whose name is enough: cluster-wide kinds, and those of the one configuration namespace.
    #[must_use]
    pub fn by_name(self) -> Change<F, String> {
        match self {
            Self::Apply(key, facts) => Change::Apply(key.name, facts),
            Self::Delete(key) => Change::Delete(key.name),
            Self::Reset(all) => {
                Change::Reset(all.into_iter().map(|(key, facts)| (key.name, facts)).collect())
            }
        }
    }
}
