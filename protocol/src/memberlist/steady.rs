//! A clock that stands still while we were not running.
//!
//! A process that was stopped, or starved, wakes to find every timeout past. None of them says anything about the others:
//! what they sent waits in our sockets, unread. So the time between the moment at which the machine wanted to be called
//! and the moment at which it was called does not count, and every timer goes on with what it had left.

use std::time::Duration;

use crate::Time;

/// Subtracts the time that was lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steady {
    lost: Duration,
}

impl Steady {
    /// What the machine takes `now` for, and how late it was called, if later than `tolerance` after it was `due`.
    pub(crate) fn read(&mut self, now: Time, due: Option<Time>, tolerance: Duration) -> (Time, Duration) {
        let steady = now.elapsed().saturating_sub(self.lost);
        let late = due.map_or(Duration::ZERO, |due| steady.saturating_sub(due.elapsed()));
        if late <= tolerance {
            return (Time::since_start(steady), Duration::ZERO);
        }
        self.lost += late;
        (Time::since_start(steady.saturating_sub(late)), late)
    }

    /// When a moment of the machine is for its caller.
    pub(crate) fn outside(&self, moment: Time) -> Time {
        moment + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_time_does_not_count() {
        let at = |ms| Time::since_start(Duration::from_millis(ms));
        let mut clock = Steady::default();
        let mut read = |now, due| {
            let (time, late) = clock.read(at(now), Some(at(due)), Duration::from_millis(10));
            (time.elapsed().as_millis(), late.as_millis())
        };
        assert_eq!(read(100, 100), (100, 0));
        assert_eq!(read(210, 200), (210, 0), "late within reason");
        assert_eq!(read(5_300, 300), (300, 5_000), "stopped for 5 s");
        assert_eq!(read(5_400, 400), (400, 0), "and on");
        assert_eq!(clock.outside(at(500)), at(5_500));
    }
}
