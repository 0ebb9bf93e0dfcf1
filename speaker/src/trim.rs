//! When to give memory back that lists and bursts have left behind: every node of a cluster pays for it. Owns the
//! moments; never looks at how much there is.

use std::time::Duration;

use metallb_sys::give_back_memory;
use tokio::time::Instant;

/// After the first thing heard, so that a list is through and its pages are free.
const DELAY: Duration = Duration::from_secs(2);
/// At most so often: it takes milliseconds, in which the owner task does nothing else.
const INTERVAL: Duration = Duration::from_mins(1);

/// The next time.
pub(crate) struct Trim {
    due: Option<Instant>,
    earliest: Instant,
}

impl Trim {
    /// Nothing to give back yet.
    pub(crate) fn new() -> Self {
        Self {
            due: None,
            earliest: Instant::now(),
        }
    }

    /// Something was heard.
    pub(crate) fn heard(&mut self) {
        if self.due.is_none() {
            self.due = Some(self.earliest.max(Instant::now() + DELAY));
        }
    }

    /// When to call [`Self::run`].
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Does it.
    pub(crate) fn run(&mut self) {
        give_back_memory();
        self.due = None;
        self.earliest = Instant::now() + INTERVAL;
    }
}
