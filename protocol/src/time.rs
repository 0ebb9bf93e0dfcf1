//! The machines' notion of time: how long the process has been running. Owns no clock: whoever drives a machine reads
//! one and passes the result in.

use std::ops::Add;
use std::time::Duration;

/// A moment, as the time elapsed since the driver of the machine started.
///
/// Unlike [`std::time::Instant`] it can be built in a test, written to a file and replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Duration);

impl Time {
    /// The moment at which the driver started.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment that never comes.
    pub const END: Self = Self(Duration::MAX);

    /// The moment `elapsed` after the start.
    pub const fn since_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the start this moment is.
    pub const fn elapsed(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates: a deadline beyond the end of time is one that never comes.
    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}
