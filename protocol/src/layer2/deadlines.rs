//! What is due when: one deadline for each key. Owns their order, so that a station with thousands of addresses does not
//! look at all of them at each frame.

use std::collections::{BTreeMap, BTreeSet};

use crate::Time;

#[derive(Debug)]
pub(super) struct Deadlines<K> {
    by_key: BTreeMap<K, Time>,
    by_time: BTreeSet<(Time, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> Deadlines<K> {
    /// Sets or moves the deadline of `key`.
    pub(super) fn set(&mut self, key: K, time: Time) {
        self.remove(key);
        self.by_key.insert(key, time);
        self.by_time.insert((time, key));
    }

    pub(super) fn remove(&mut self, key: K) {
        if let Some(time) = self.by_key.remove(&key) {
            self.by_time.remove(&(time, key));
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// Takes out the first key whose deadline has come by `now`.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<K> {
        let (_, key) = *self.by_time.first().filter(|(time, _)| *time <= now)?;
        self.remove(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_set_again_is_due_at_its_last_time_only() {
        let at = |ms| Time::since_start(Duration::from_millis(ms));
        let mut deadlines = Deadlines::default();
        for (key, ms) in [("a", 3), ("b", 2), ("a", 1), ("c", 9)] {
            deadlines.set(key, at(ms));
        }
        deadlines.remove("c");
        assert_eq!(deadlines.next(), Some(at(1)));
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(at(5))).collect();
        assert_eq!(due, ["a", "b"]);
        assert_eq!(deadlines.next(), None);
    }
}
