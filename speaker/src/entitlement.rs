//! Whether this node may answer for its addresses: found out by the membership thread, obeyed by the layer 2 thread.
//!
//! What crosses over is a moment and not a flag, because a flag would have to be taken back. A process that was stopped
//! may have been declared dead meanwhile, and its threads wake in any order: the one that answers looks at the clock
//! before each frame, finds that the moment has passed, and says nothing until the other one has asked how they stand.
//! Nothing is locked, and neither waits for the other.
//!
//! Beside it crosses over whether this node misses half of the others or more: then the other thread looks at what it sees
//! on the segment.
//!
//! The clock is the one that goes on while the machine sleeps. Owns the moment; never decides about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

/// Since the machine was started, the time in which it slept included.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place, and nobody can set this clock"
)]
pub(crate) fn since_boot() -> Duration {
    // Linux has had this clock since 2.6.39, and reading it has no other way to fail.
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .expect("the kernel has a clock")
        .into()
}

#[derive(Debug)]
struct Shared {
    /// Nanoseconds of [`since_boot`]; this is five hundred years.
    until: AtomicU64,
    cut_off: AtomicBool,
    changed: Notify,
}

impl Shared {
    fn new(until: u64) -> Arc<Self> {
        Arc::new(Self {
            until: AtomicU64::new(until),
            cut_off: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }
}

/// The side that finds out.
#[derive(Debug)]
pub(crate) struct Grantor(Arc<Shared>);

/// The side that obeys. There is one.
#[derive(Debug)]
pub(crate) struct Entitlement(Arc<Shared>);

/// Both sides; nothing may be answered yet.
pub(crate) fn pair() -> (Grantor, Entitlement) {
    let shared = Shared::new(0);
    (Grantor(Arc::clone(&shared)), Entitlement(shared))
}

impl Grantor {
    /// This node may answer until then, by [`since_boot`]; not at all if there is no such moment. Whoever obeys hears of
    /// it if it may now and did not, or the other way round.
    pub(crate) fn grant(&self, until: Option<Duration>) {
        let until = nanos(until.unwrap_or_default());
        let before = self.0.until.swap(until, Ordering::AcqRel);
        let now = nanos(since_boot());
        if before != until && (before <= now || until <= now) {
            self.0.changed.notify_one();
        }
    }

    /// Whether this node misses half of the others or more. Whoever obeys hears of a change.
    pub(crate) fn cut_off(&self, is_cut_off: bool) {
        if self.0.cut_off.swap(is_cut_off, Ordering::AcqRel) != is_cut_off {
            self.0.changed.notify_one();
        }
    }

    /// It may answer whatever happens: there is nobody who could tell.
    pub(crate) fn grant_for_ever(&self) {
        self.grant(Some(Duration::MAX));
    }
}

impl Entitlement {
    /// Of a node that nobody else takes for dead.
    pub(crate) fn for_ever() -> Self {
        Self(Shared::new(u64::MAX))
    }

    /// Whether this node may answer now.
    pub(crate) fn holds(&self) -> bool {
        nanos(since_boot()) < self.0.until.load(Ordering::Acquire)
    }

    /// Whether this node misses half of the others or more.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.0.cut_off.load(Ordering::Acquire)
    }

    /// Waits until it may again, or may no longer, or is cut off, or no longer. That time passes is not told.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn it_ends_by_itself_and_begins_when_it_is_granted() {
        let (grantor, entitlement) = pair();
        assert!(!entitlement.holds());
        let hour = Duration::from_hours(1);
        for (until, holds, told) in [
            (Some(since_boot() + hour), true, true),
            (Some(since_boot() + 2 * hour), true, false),
            (Some(since_boot()), false, true),
            (None, false, true),
            (None, false, false),
            (Some(Duration::MAX), true, true),
            (Some(Duration::MAX), true, false),
        ] {
            grantor.grant(until);
            assert_eq!(entitlement.holds(), holds, "{until:?}");
            assert_eq!(entitlement.changed().now_or_never().is_some(), told, "{until:?}");
        }
        assert!(Entitlement::for_ever().holds());
    }

    #[test]
    fn that_nobody_is_heard_is_told_when_it_changes() {
        let (grantor, entitlement) = pair();
        for (cut_off, told) in [(false, false), (true, true), (true, false), (false, true)] {
            grantor.cut_off(cut_off);
            assert_eq!(entitlement.is_cut_off(), cut_off);
            assert_eq!(entitlement.changed().now_or_never().is_some(), told, "{cut_off}");
        }
    }
}
