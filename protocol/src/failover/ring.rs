//! Who watches whom: all capable members in a circle, and each is watched by those that follow it.
//!
//! The circle is in the order of a hash of the names, so that machines that are numbered, racked and switched off together
//! are not neighbours. Everybody who knows the same members knows the same circle, without a word. Each watches as many as
//! watch it, exactly, and a member that comes or goes changes nothing but the places beside it.

use crate::memberlist::random::mix;

/// A place on the circle.
type Place = (u64, String);

/// The circle, in order. Bounded by the number of members.
#[derive(Debug, Default)]
pub(super) struct Ring(Vec<Place>);

/// FNV-1a, and then mixed: neighbouring names go far apart.
fn place(name: &str) -> Place {
    let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    (mix(hash), name.to_owned())
}

impl<'a> FromIterator<&'a str> for Ring {
    fn from_iter<Names: IntoIterator<Item = &'a str>>(names: Names) -> Self {
        let mut places: Vec<Place> = names.into_iter().map(place).collect();
        places.sort_unstable();
        places.dedup();
        Self(places)
    }
}

impl Ring {
    pub(super) fn insert(&mut self, name: &str) -> bool {
        let place = place(name);
        let found = self.0.binary_search(&place);
        if let Err(index) = found {
            self.0.insert(index, place);
        }
        found.is_err()
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        let found = self.find(name);
        if let Ok(index) = found {
            self.0.remove(index);
        }
        found.is_ok()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that follow `name`, which need not be on the circle itself, once around.
    pub(super) fn after(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> + use<'_> {
        let (before, after) = match self.find(name) {
            Ok(index) => (&self.0[..index], &self.0[index + 1..]),
            Err(index) => self.0.split_at(index),
        };
        after.iter().chain(before).map(|(_, name)| name.as_str())
    }

    /// Those before `name`, the nearest first, once around.
    pub(super) fn before(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> + use<'_> {
        self.after(name).rev()
    }

    /// How far after `root` comes `name`: one for the next, zero for `root` itself. None if `name` is not on the circle.
    pub(super) fn steps(&self, root: &str, name: &str) -> Option<usize> {
        let place = self.find(name).ok()?;
        let (root, beyond) = match self.find(root) {
            Ok(index) => (index, 0),
            Err(index) => (index, 1),
        };
        // Who is not on the circle stands just before whoever follows it.
        Some((place + self.len() - root) % self.len() + beyond)
    }

    /// With whose beats those of `name` fall in: of the one before it, whose first watcher it is. Who is first where the
    /// circle begins has none, so that nobody follows itself.
    pub(super) fn pacemaker(&self, name: &str) -> Option<&str> {
        let (Ok(index) | Err(index)) = self.find(name);
        let before = self.0.get(index.checked_sub(1)?)?;
        Some(&before.1)
    }

    /// Where `name` is, or would be.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search(&place(name))
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
            let mut roots = std::collections::BTreeSet::new();
            for name in &names {
                let mut last = name.as_str();
                while let Some(next) = ring.pacemaker(last) {
                    assert_eq!(
                        ring.after(next).next(),
                        Some(last),
                        "{next} tells it of each beat"
                    );
                    last = next;
                }
                roots.insert(last.to_owned());
            }
            assert_eq!(roots.len(), 1);
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

    #[test]
    fn steps_are_counted_as_the_circle_is_walked() {
        let names = ["a", "b", "c", "d", "e"];
        for ring in [names.into_iter().collect::<Ring>(), ["c"].into_iter().collect()] {
            for root in names.into_iter().chain(["not there"]) {
                let walked: Vec<&str> = ring.after(root).collect();
                for name in names {
                    let at = walked.iter().position(|other| *other == name).map(|at| at + 1);
                    let at = if name == root && ring.contains(name) {
                        Some(0)
                    } else {
                        at
                    };
                    assert_eq!(ring.steps(root, name), at, "from {root} to {name}");
                }
            }
        }
    }
}
