//! How often one object may be written. The first write is at once; somebody who keeps undoing it, or an API server
//! that keeps refusing it, is met ever more slowly.

use std::time::Duration;

use super::validity::Time;

/// The wait after a first write: what a watch may be behind, so that one change is not written twice.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait. Two processes that undo each other's writes for ever cost the API server two requests a minute.
const LONGEST: Duration = Duration::from_mins(1);
/// After this long without a write all is forgiven.
const QUIET: Duration = Duration::from_mins(10);

/// The pace of one object.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Time>,
    wait: Duration,
}

impl Pace {
    /// When the next write may be.
    pub(super) fn ready(&self) -> Time {
        self.last.map_or(Time::ZERO, |last| last + self.wait)
    }

    /// There was one, whatever came of it.
    pub(super) fn tried(&mut self, now: Time) {
        let quiet = self.last.is_none_or(|last| now.saturating_sub(last) > QUIET);
        self.wait = if quiet {
            FIRST
        } else {
            (self.wait * 2).min(LONGEST)
        };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_at_once_and_the_others_ever_later() {
        let (mut pace, mut now) = (Pace::default(), Time::from_hours(1000));
        assert!(pace.ready() <= now);
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                pace.tried(now);
                let wait = pace.ready().saturating_sub(now);
                now = pace.ready();
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now += QUIET + FIRST;
        pace.tried(now);
        assert_eq!(pace.ready(), now + FIRST);
    }
}
