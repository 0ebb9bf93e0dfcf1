//! How long a suspected member has to object: the more others suspect it, the shorter.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Settings;
use crate::Time;

/// One suspicion, from its beginning until the member objects or is declared dead.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    start: Time,
    shortest: Duration,
    longest: Duration,
    /// So many others make it shortest. None, if there are too few members.
    wanted: usize,
    /// Who suspects, the first one included. At most one more than `wanted`.
    by: BTreeSet<String>,
}

impl Suspicion {
    /// `from` suspects somebody among `members`.
    pub(super) fn new(settings: &Settings, members: usize, from: String, now: Time) -> Self {
        // Two less than the intervals it has at least: by then so many others can have probed it.
        let wanted = usize::try_from(settings.suspicion_multiplier.saturating_sub(2)).unwrap_or(0);
        let others = members.saturating_sub(2); // neither we nor the suspected one
        let shortest = settings.suspicion_min(members);
        Self {
            start: now,
            shortest,
            longest: shortest * settings.suspicion_max_multiplier.max(1),
            wanted: if others < wanted { 0 } else { wanted },
            by: BTreeSet::from([from]),
        }
    }

    /// `from` suspects it, too. False if that is known or no longer of interest.
    pub(super) fn confirm(&mut self, from: &str) -> bool {
        self.by.len() <= self.wanted && self.by.insert(from.to_owned())
    }

    /// When it is declared dead.
    pub(super) fn deadline(&self) -> Time {
        if self.wanted == 0 {
            return self.start + self.shortest;
        }
        let log = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX)).ln();
        let part = log(self.by.len()) / log(self.wanted + 1);
        let most_saved = self.longest.saturating_sub(self.shortest);
        let saved = most_saved.mul_f64(part.clamp(0.0, 1.0));
        self.start + self.longest.saturating_sub(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadlines(members: usize, confirmations: &[&str]) -> Vec<u128> {
        let mut suspicion = Suspicion::new(&Settings::default(), members, "a".to_owned(), Time::START);
        let deadline = |suspicion: &Suspicion| suspicion.deadline().elapsed().as_millis();
        let mut all = vec![deadline(&suspicion)];
        for from in confirmations {
            suspicion.confirm(from);
            all.push(deadline(&suspicion));
        }
        all
    }

    #[test]
    fn among_few_members_nobody_needs_to_confirm() {
        assert_eq!(deadlines(3, &["b", "c"]), [4_000, 4_000, 4_000]);
    }

    #[test]
    fn each_other_member_that_suspects_shortens_it_once() {
        assert_eq!(
            deadlines(10, &["b", "b", "a", "c", "d"]),
            [24_000, 11_381, 11_381, 11_381, 4_000, 4_000]
        );
    }
}
