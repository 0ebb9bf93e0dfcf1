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

impl<F, K: Ord> Change<F, K> {
    /// Brings `known` in line with the change and tells whether that made a difference. Facts that are the `same` make
    /// none.
    pub fn merge_into(self, known: &mut BTreeMap<K, F>, same: impl Fn(&F, &F) -> bool) -> bool {
        match self {
            Self::Apply(key, new) => {
                let equal = known.get(&key).is_some_and(|old| same(old, &new));
                known.insert(key, new);
                !equal
            }
            Self::Delete(key) => known.remove(&key).is_some(),
            Self::Reset(all) => {
                let equal = known.len() == all.len()
                    && (known.iter().zip(&all))
                        .all(|((old_key, old), (key, new))| old_key == key && same(old, new));
                *known = all;
                !equal
            }
        }
    }
}

impl<F> Change<F> {
    /// The namespace of the objects, for kinds that are watched in one; empty if there is no object.
    pub fn namespace(&self) -> String {
        let key = match self {
            Self::Apply(key, _) | Self::Delete(key) => Some(key),
            Self::Reset(all) => all.keys().next(),
        };
        key.map(|key| key.namespace().to_owned()).unwrap_or_default()
    }

    /// The same for objects whose name is enough: cluster-wide kinds, and those of the one configuration namespace.
    #[must_use]
    pub fn by_name(self) -> Change<F, String> {
        match self {
            Self::Apply(key, facts) => Change::Apply(key.name().to_owned(), facts),
            Self::Delete(key) => Change::Delete(key.name().to_owned()),
            Self::Reset(all) => {
                let named = |(key, facts): (NamespacedName, F)| (key.name().to_owned(), facts);
                Change::Reset(all.into_iter().map(named).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_the_same_makes_a_difference() {
        let mut known = BTreeMap::new();
        let tenth = |old: &i32, new: &i32| old / 10 == new / 10;
        let all = |pairs: &[(&'static str, i32)]| Change::Reset(pairs.iter().copied().collect());
        for (change, difference) in [
            (all(&[]), false),
            (all(&[("a", 10)]), true),
            (Change::Apply("a", 11), false),
            (Change::Apply("a", 20), true),
            (Change::Apply("b", 30), true),
            (all(&[("a", 21), ("b", 31)]), false),
            (all(&[("a", 21), ("c", 31)]), true),
            (Change::Delete("b"), false),
            (Change::Delete("c"), true),
        ] {
            assert_eq!(
                change.clone().merge_into(&mut known, tenth),
                difference,
                "{change:?}"
            );
        }
        assert_eq!(known, BTreeMap::from([("a", 21)]));
    }
}
