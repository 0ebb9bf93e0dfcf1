//! When to give memory back that lists and bursts have left behind: every node of a cluster pays for it. Owns the
//! moments; never looks at how much there is.

use std::time::Duration;

use metallb_sys::give_back_memory;
use tokio::time::Instant;

/// After the start, so that the first lists are through and their pages are free.
const FIRST: Duration = Duration::from_secs(5);
/// It takes a millisecond or two, in which the owner task does nothing else: so often that costs next to nothing.
const INTERVAL: Duration = Duration::from_mins(1);

/// The next time.
pub(crate) struct Trim {
    due: Instant,
}

impl Trim {
    /// Soon after the start, then once a minute.
    pub(crate) fn new() -> Self {
        Self {
            due: Instant::now() + FIRST,
        }
    }

    /// When to call [`Self::run`].
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Does it.
    pub(crate) fn run(&mut self) {
        give_back_memory();
        self.due = Instant::now() + INTERVAL;
    }
}
