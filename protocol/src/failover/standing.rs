//! Whether the others reckon with us, and so whether we may announce.
//!
//! Never two owners: whoever may have been declared dead stops first and asks then. It asks its watchers, since these are
//! who would have declared it dead, and goes on once more than half of them take it for alive as it is now.

use std::collections::BTreeSet;

use super::Settings;
use crate::Time;

/// Whether we may announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Certain,
    /// Not now: this process has just started, or was stopped, and asks whether the others reckon with it.
    Doubtful,
    /// No: others took it for dead, and it is not back yet as far as it knows.
    Deposed,
}

/// How long a member that is deposed, and knows of nobody who could tell that it is back, waits until it goes on: the
/// news that it is there has gone round among upstream's members, if there are any.
const ALONE_FOR: std::time::Duration = std::time::Duration::from_secs(1);

/// Our standing, and who has confirmed it.
#[derive(Clone, Debug)]
pub(super) struct Review {
    standing: Standing,
    since: Time,
    /// Until when we wait for answers while in doubt.
    until: Time,
    next_ask: Time,
    confirmed_by: BTreeSet<String>,
}

/// Who could tell how we stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Company<'a> {
    /// Our watchers.
    pub(super) watchers: &'a [String],
    /// Whether there are other members at all, upstream's included.
    pub(super) others: bool,
}

impl Review {
    /// We have just started.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            standing: Standing::Doubtful,
            since: Time::START,
            until: Time::START + settings.join_for,
            next_ask: Time::START,
            confirmed_by: BTreeSet::new(),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// We were stopped for so long that we may have been deposed.
    pub(super) fn doubt(&mut self, settings: &Settings, now: Time) {
        if self.standing == Standing::Certain {
            self.begin(Standing::Doubtful, now);
            self.until = now + settings.ask_others_for;
        }
    }

    /// Somebody still took us for dead after we have objected. Watchers can tell whether that is old; without any, it is
    /// true.
    pub(super) fn doubted(&mut self, settings: &Settings, alone: bool, now: Time) {
        match self.standing {
            Standing::Deposed => self.since = now,
            Standing::Certain | Standing::Doubtful if alone => self.depose(now),
            Standing::Certain => self.doubt(settings, now),
            Standing::Doubtful => {}
        }
    }

    /// Others took us for dead.
    pub(super) fn depose(&mut self, now: Time) {
        self.begin(Standing::Deposed, now);
    }

    fn begin(&mut self, standing: Standing, now: Time) {
        self.standing = standing;
        self.since = now;
        self.next_ask = now;
        self.confirmed_by.clear();
    }

    /// There is nobody else, for certain.
    pub(super) fn only_us(&mut self) {
        if self.standing == Standing::Doubtful {
            self.standing = Standing::Certain;
        }
    }

    /// `from` takes us for alive as we are now.
    pub(super) fn confirm(&mut self, from: &str) {
        if self.standing != Standing::Certain {
            self.confirmed_by.insert(from.to_owned());
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Time> {
        match self.standing {
            Standing::Certain => None,
            Standing::Doubtful => Some(self.next_ask.min(self.until)),
            Standing::Deposed => Some(self.next_ask),
        }
    }

    /// Whether the watchers are to be asked now.
    pub(super) fn is_to_ask(&mut self, settings: &Settings, now: Time) -> bool {
        let is_due = self.standing != Standing::Certain && self.next_ask <= now;
        if is_due {
            self.next_ask = now + settings.beat_interval;
        }
        is_due
    }

    /// Looks whether we stand better now.
    pub(super) fn conclude(&mut self, company: Company<'_>, now: Time) {
        let confirmed = company
            .watchers
            .iter()
            .filter(|name| self.confirmed_by.contains(*name))
            .count();
        let enough = confirmed * 2 > company.watchers.len();
        let nobody_can_tell = company.watchers.is_empty();
        let is_over = match self.standing {
            Standing::Certain => false,
            Standing::Doubtful => enough || (nobody_can_tell && company.others) || self.until <= now,
            Standing::Deposed => enough || (nobody_can_tell && self.since + ALONE_FOR <= now),
        };
        if is_over {
            self.standing = Standing::Certain;
            self.confirmed_by.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("w{number}")).collect()
    }

    /// How we stand `ms` after `begin`, with so many watchers of which so many have confirmed us.
    fn check(begin: Standing, (watchers, confirmed, others): (usize, usize, bool), ms: u64) -> Standing {
        let settings = Settings::default();
        let mut review = Review::new(&settings);
        review.only_us();
        match begin {
            Standing::Certain => {}
            Standing::Doubtful => review.doubt(&settings, at(0)),
            Standing::Deposed => review.depose(at(0)),
        }
        let watchers = names(watchers);
        for name in watchers.iter().take(confirmed) {
            review.confirm(name);
        }
        review.confirm("nobody who watches us");
        let company = Company {
            watchers: &watchers,
            others,
        };
        review.conclude(company, at(ms));
        review.standing()
    }

    #[test]
    fn more_than_half_of_the_watchers_bring_us_back() {
        use Standing::{Certain, Deposed, Doubtful};
        for (begin, company, ms, expected) in [
            (Certain, (3, 0, true), 0, Certain),
            (Doubtful, (3, 1, true), 0, Doubtful),
            (Doubtful, (3, 2, true), 0, Certain),
            (Doubtful, (1, 1, true), 0, Certain),
            (Doubtful, (3, 0, true), 299, Doubtful),
            (Doubtful, (3, 0, true), 300, Certain),
            (Doubtful, (0, 0, true), 0, Certain),
            (Deposed, (3, 1, true), 60_000, Deposed),
            (Deposed, (3, 2, true), 0, Certain),
            (Deposed, (2, 1, true), 0, Deposed),
            (Deposed, (0, 0, false), 999, Deposed),
            (Deposed, (0, 0, false), 1_000, Certain),
        ] {
            assert_eq!(
                check(begin, company, ms),
                expected,
                "{begin:?} {company:?} {ms} ms"
            );
        }
    }

    #[test]
    fn alone_we_stay_deposed_as_long_as_anybody_says_so() {
        let settings = Settings::default();
        let mut review = Review::new(&settings);
        let company = Company {
            watchers: &[],
            others: false,
        };
        for ms in (0..5_000).step_by(250) {
            review.doubted(&settings, true, at(ms));
            review.conclude(company, at(ms));
            assert_eq!(review.standing(), Standing::Deposed);
        }
        review.conclude(company, at(5_750));
        assert_eq!(review.standing(), Standing::Certain);
    }

    #[test]
    fn a_process_that_starts_waits_until_it_knows_that_it_is_alone() {
        let mut review = Review::new(&Settings::default());
        let company = Company {
            watchers: &[],
            others: false,
        };
        review.conclude(company, at(2_999));
        assert_eq!(review.standing(), Standing::Doubtful);
        review.conclude(company, at(3_000));
        assert_eq!(review.standing(), Standing::Certain);
    }
}
