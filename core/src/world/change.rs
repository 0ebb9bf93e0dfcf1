//! From changes of watched objects to the speaker's tables. Owns the merge, which reports only what differs: a status
//! heartbeat or a re-list that brings nothing new causes no work.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use metallb_api::Change;

/// One object that differs from what was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touched<F, K> {
    pub(super) key: K,
    pub(super) before: Option<F>,
}

/// Brings `known` in line with the change and returns what differs.
pub(super) fn merge<F: PartialEq, K: Ord + Clone>(
    known: &mut BTreeMap<K, F>,
    change: Change<F, K>,
) -> Vec<Touched<F, K>> {
    match change {
        Change::Apply(key, facts) => apply(known, key, facts).into_iter().collect(),
        Change::Delete(key) => {
            let before = known.remove(&key);
            before
                .map(|before| Touched {
                    key,
                    before: Some(before),
                })
                .into_iter()
                .collect()
        }
        Change::Reset(all) if known.is_empty() => {
            *known = all;
            let new = |key: &K| Touched {
                key: key.clone(),
                before: None,
            };
            known.keys().map(new).collect()
        }
        Change::Reset(all) => {
            let mut touched: Vec<_> = known
                .extract_if(.., |key, _| !all.contains_key(key))
                .map(|(key, before)| Touched {
                    key,
                    before: Some(before),
                })
                .collect();
            touched.extend(
                all.into_iter()
                    .filter_map(|(key, facts)| apply(known, key, facts)),
            );
            touched
        }
    }
}

fn apply<F: PartialEq, K: Ord + Clone>(
    known: &mut BTreeMap<K, F>,
    key: K,
    facts: F,
) -> Option<Touched<F, K>> {
    match known.entry(key) {
        Entry::Vacant(entry) => {
            let key = entry.key().clone();
            entry.insert(facts);
            Some(Touched { key, before: None })
        }
        Entry::Occupied(entry) if *entry.get() == facts => None,
        Entry::Occupied(mut entry) => {
            // The key of before, of which other tables have copies.
            let key = entry.key().clone();
            let before = Some(entry.insert(facts));
            Some(Touched { key, before })
        }
    }
}

/// The usable part of a change, if any is left, and what is wrong with each other object.
pub(super) type Sifted<F, K, E> = (Option<Change<F, K>>, Vec<(K, E)>);

/// Objects that did not parse are taken out of the change, each with what is wrong about it. Their last good facts
/// stay in force: a typing error must not take an address off the network.
pub(super) fn good<F: Clone, E, K: Ord + Clone>(
    change: Change<Result<F, E>, K>,
    known: &BTreeMap<K, F>,
) -> Sifted<F, K, E> {
    match change {
        Change::Apply(key, Ok(facts)) => (Some(Change::Apply(key, facts)), Vec::new()),
        Change::Apply(key, Err(fault)) => (None, vec![(key, fault)]),
        Change::Delete(key) => (Some(Change::Delete(key)), Vec::new()),
        Change::Reset(all) => {
            let mut faults = Vec::new();
            let mut parsed = BTreeMap::new();
            for (key, facts) in all {
                match facts {
                    Ok(facts) => {
                        parsed.insert(key, facts);
                    }
                    Err(fault) => {
                        parsed.extend(
                            known
                                .get_key_value(&key)
                                .map(|(key, last)| (key.clone(), last.clone())),
                        );
                        faults.push((key, fault));
                    }
                }
            }
            (Some(Change::Reset(parsed)), faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use metallb_api::NamespacedName;

    use super::*;

    fn key(name: &str) -> NamespacedName {
        NamespacedName::new("ns", name)
    }

    fn table<F: Clone>(rows: &[(&str, F)]) -> BTreeMap<NamespacedName, F> {
        rows.iter()
            .map(|(name, facts)| (key(name), facts.clone()))
            .collect()
    }

    #[test]
    fn only_differences_are_reported() {
        let before = table(&[("a", 1), ("b", 2)]);
        let touched = |name: &str, before| Touched {
            key: key(name),
            before,
        };
        for (change, after, differences) in [
            (Change::Apply(key("a"), 1), before.clone(), vec![]),
            (
                Change::Apply(key("a"), 3),
                table(&[("a", 3), ("b", 2)]),
                vec![touched("a", Some(1))],
            ),
            (
                Change::Apply(key("c"), 3),
                table(&[("a", 1), ("b", 2), ("c", 3)]),
                vec![touched("c", None)],
            ),
            (
                Change::Delete(key("a")),
                table(&[("b", 2)]),
                vec![touched("a", Some(1))],
            ),
            (Change::Delete(key("c")), before.clone(), vec![]),
            (Change::Reset(before.clone()), before.clone(), vec![]),
            (
                Change::Reset(table(&[("b", 2), ("c", 3)])),
                table(&[("b", 2), ("c", 3)]),
                vec![touched("a", Some(1)), touched("c", None)],
            ),
        ] {
            let mut known = before.clone();
            assert_eq!(merge(&mut known, change.clone()), differences, "{change:?}");
            assert_eq!(known, after, "{change:?}");
        }
    }

    #[test]
    fn a_broken_object_keeps_its_last_good_facts() {
        let known = table(&[("a", 1)]);
        let broken = || Change::Apply(key("a"), Err("typo"));
        assert_eq!(good(broken(), &known), (None, vec![(key("a"), "typo")]));

        let all = Change::Reset(table(&[("a", Err("typo")), ("b", Ok(2)), ("c", Err("typo"))]));
        let (change, faults) = good(all, &known);
        assert_eq!(change, Some(Change::Reset(table(&[("a", 1), ("b", 2)]))));
        assert_eq!(faults, [(key("a"), "typo"), (key("c"), "typo")]);
    }
}
