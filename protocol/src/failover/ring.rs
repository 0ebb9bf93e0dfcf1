//! Who watches whom: all capable members in a circle, and each is watched by those that follow it.
//!
//! The circle is in the order of a hash of the names, so that machines that are numbered, racked and switched off together
//! are not neighbours. Everybody who knows the same members knows the same circle, without a word. Each watches as many as
//! watch it, exactly, and a member that comes or goes changes nothing but the places beside it.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use crate::memberlist::random::mix;

/// A place on the circle.
type Place = (u64, String);

/// The circle. Bounded by the number of members.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring(BTreeSet<Place>);

/// FNV-1a, and then mixed: neighbouring names go far apart.
fn place(name: &str) -> Place {
    let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    (mix(hash), name.to_owned())
}

impl Ring {
    pub(super) fn insert(&mut self, name: &str) -> bool {
        self.0.insert(place(name))
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(&place(name))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains(&place(name))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that follow `name`, which need not be on the circle itself, once around.
    pub(super) fn after(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> + use<'_> {
        let place = place(name);
        let after = self.0.range((Excluded(place.clone()), Unbounded));
        after.chain(self.0.range(..place)).map(|(_, name)| name.as_str())
    }

    /// Those before `name`, the nearest first, once around.
    pub(super) fn before(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> + use<'_> {
        self.after(name).rev()
    }

    /// With whose beats those of `name` fall in: of the `count` that it watches the one nearest to where the circle begins.
    /// Who is first there has none, so that nobody follows itself.
    pub(super) fn pacemaker(&self, name: &str, count: usize) -> Option<&str> {
        let before = self.0.range(..place(name)).rev().take(count);
        before.last().map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_watches_as_many_as_watch_it() {
        let mut ring = Ring::default();
        let names: Vec<String> = (0..50).map(|number| format!("worker-{number}")).collect();
        for name in &names {
            assert!(ring.insert(name));
        }
        for name in &names {
            let watched: Vec<&str> = ring.before(name).take(3).collect();
            for other in &names {
                let watchers: Vec<&str> = ring.after(other).take(3).collect();
                assert_eq!(
                    watchers.contains(&name.as_str()),
                    watched.contains(&other.as_str())
                );
            }
            assert_eq!(ring.after(name).count(), 49);
        }
    }

    #[test]
    fn everybody_falls_in_with_the_first_one_in_the_end() {
        for size in [1, 3, 50] {
            let mut ring = Ring::default();
            let names: Vec<String> = (0..size).map(|number| format!("worker-{number}")).collect();
            for name in &names {
                ring.insert(name);
            }
            let (mut roots, mut farthest) = (Vec::new(), 0);
            for name in &names {
                let (mut last, mut steps) = (name.as_str(), 0);
                while let Some(next) = ring.pacemaker(last, 3) {
                    assert!(ring.before(last).take(3).any(|watched| watched == next));
                    (last, steps) = (next, steps + 1);
                }
                roots.push(last.to_owned());
                farthest = farthest.max(steps);
            }
            roots.dedup();
            assert_eq!((roots.len(), farthest), (1, (size - 1usize).div_ceil(3)));
        }
    }

    #[test]
    fn who_is_not_on_the_circle_has_a_place_there() {
        let mut ring = Ring::default();
        for name in ["a", "b", "c", "d"] {
            ring.insert(name);
        }
        let before: Vec<String> = ring.after("b").map(str::to_owned).collect();
        assert!(ring.remove("b"));
        assert_eq!(ring.after("b").collect::<Vec<_>>(), before);
    }
}
