//! Writes that are decided and not yet done. Owns their order, and which Services have to wait before the next one.
//!
//! ```text
//!   put ─► fresh ──────────────────────► under way ─► done
//!     └──► again (of those that failed) ─┘    │
//!              ▲ RETRIES at a time            ▼
//!              └──── decided again ◄─── pausing until due (failed or contested: backoff; refused: a minute)
//! ```
//!
//! A Service whose write fails waits here and not among the writes under way, and its further attempts share a few
//! places: a hundred Services on whose writes some admission webhook hangs do not hold up the others.
//!
//! Holds one write per Service, the latest. Bounded by the number of Services.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use metallb_api::NamespacedName;
use metallb_runtime::backoff::Backoff;

use crate::write::{Patience, REFUSED, Write};

#[cfg(test)]
mod tests;

/// A status that was not changed by others for this long is no longer contested.
const CALM: Duration = Duration::from_mins(10);
/// The longest wait before a contested status is written again: as rare as the attempts at a refused one, so that even a
/// thousand contested Services cost the API server less than twenty writes a second.
const CONTESTED: Duration = REFUSED;

/// How many of the writes under way may be of Services whose last write failed: a quarter. It is also all that asks for
/// an API server that does not answer, apart from the first attempts.
const RETRIES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    /// The present, counted from the start of the process.
    now: Duration,
    waiting: BTreeMap<NamespacedName, Write>,
    /// The order in which Services asked first.
    fresh: VecDeque<NamespacedName>,
    /// The same of those whose last write failed.
    again: VecDeque<NamespacedName>,
    under_way: BTreeSet<NamespacedName>,
    /// Those of them that are to be decided again when it is over.
    postponed: BTreeSet<NamespacedName>,
    /// Services whose last write failed.
    failing: BTreeMap<NamespacedName, Backoff>,
    pausing: BTreeMap<NamespacedName, Pause>,
    /// The pauses in the order of their ends.
    due: BTreeSet<(Duration, NamespacedName)>,
    /// Services whose status somebody else changed after it was written.
    undone: BTreeMap<NamespacedName, Undone>,
    /// How many of the pauses are [`PauseKind::Unanswered`].
    unanswered: usize,
}

#[derive(Debug)]
struct Pause {
    until: Duration,
    kind: PauseKind,
}

#[derive(Debug)]
struct Undone {
    times: u32,
    last: Duration,
    backoff: Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PauseKind {
    /// A new decision ends it: the Service has changed, or what is wanted for it.
    Refused,
    /// The API server answered that it failed.
    Failed,
    /// Somebody else keeps changing the status.
    Contested,
    /// A repeated write got no answer. It keeps its place among [`RETRIES`]: while the API server is down, only these
    /// few ask for it.
    Unanswered,
}

impl WriteQueue {
    /// It is `now`. Returns the Services whose pause is over: they have to be decided about again.
    pub(super) fn advance(&mut self, now: Duration) -> Vec<NamespacedName> {
        self.now = now;
        let mut over = Vec::new();
        while let Some((until, key)) = self.due.first()
            && *until <= now
        {
            let key = key.clone();
            self.end_pause(&key);
            over.push(key);
        }
        over
    }

    /// When the next pause is over.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Queues `write` in place of the one that waits for the same Service. While the Service has to pause, nothing is
    /// queued: at the end of the pause it is decided about again.
    pub(super) fn put(&mut self, write: Write) {
        let key = write.service.clone();
        match self.pausing.get(&key).map(|pause| pause.kind) {
            Some(PauseKind::Failed | PauseKind::Contested | PauseKind::Unanswered) => return,
            Some(PauseKind::Refused) => self.end_pause(&key),
            None => {}
        }
        if self.waiting.insert(key.clone(), write).is_none() {
            let failing = self.failing.contains_key(&key);
            let order = if failing { &mut self.again } else { &mut self.fresh };
            order.push_back(key);
        }
    }

    /// Forgets the write that waits for the Service. One that is under way goes on.
    pub(super) fn cancel(&mut self, service: &NamespacedName) {
        if self.waiting.remove(service).is_some() {
            self.fresh.retain(|key| key != service);
            self.again.retain(|key| key != service);
        }
    }

    /// Takes the first write that may start: there is time for it, its Service has none under way, and if its last one
    /// failed, there are not too many such.
    pub(super) fn start(&mut self, may: impl Fn(Patience) -> bool) -> Option<(Write, Patience)> {
        let free = |key: &NamespacedName| !self.under_way.contains(key);
        let fresh = self.fresh.iter().position(free).filter(|_| may(Patience::Short));
        let (key, patience) = if let Some(place) = fresh {
            (self.fresh.remove(place)?, Patience::Short)
        } else if self.retries() < RETRIES && may(Patience::Long) {
            let place = self.again.iter().position(free)?;
            (self.again.remove(place)?, Patience::Long)
        } else {
            return None;
        };
        let write = self.waiting.remove(&key)?;
        self.under_way.insert(key);
        Some((write, patience))
    }

    /// Whether there are Services whose next write is to have [`Patience::Long`].
    pub(super) fn is_patient(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Whether the Service has a write under way; then [`WriteQueue::take_postponed`] remembers that it was asked for.
    pub(super) fn postpones(&mut self, service: &NamespacedName) -> bool {
        let busy = self.under_way.contains(service);
        if busy {
            self.postponed.insert(service.clone());
        }
        busy
    }

    /// Whether a decision about the Service was postponed; only once.
    pub(super) fn take_postponed(&mut self, service: &NamespacedName) -> bool {
        self.postponed.remove(service)
    }

    /// The API server answered the write of the Service, whatever it said.
    pub(super) fn finished(&mut self, service: &NamespacedName) {
        self.under_way.remove(service);
        self.failing.remove(service);
    }

    /// The API server does not accept the write. The next one waits, unless something else is decided.
    pub(super) fn refused(&mut self, service: &NamespacedName) {
        self.finished(service);
        if !self.waiting.contains_key(service) {
            self.pause(service, REFUSED, PauseKind::Refused);
        }
    }

    /// The API server failed to do the write, or gave no answer. The next one waits, longer each time.
    pub(super) fn failed(&mut self, service: &NamespacedName, answered: bool) {
        self.under_way.remove(service);
        let repeated = self.failing.contains_key(service);
        let wait = self.failing.entry(service.clone()).or_default().failed();
        let kind = if repeated && !answered {
            PauseKind::Unanswered
        } else {
            PauseKind::Failed
        };
        self.pause(service, wait, kind);
    }

    /// Somebody has changed the status that was written. The first time it may be written again at once; then it has to
    /// wait, longer each time. Returns how often this has happened lately.
    pub(super) fn undone(&mut self, service: &NamespacedName) -> u32 {
        let before = self.undone.remove(service);
        let lately = before.filter(|undone| self.now.saturating_sub(undone.last) < CALM);
        let mut undone = lately.unwrap_or_else(|| Undone {
            times: 0,
            last: self.now,
            backoff: Backoff::up_to(CONTESTED),
        });
        if undone.times > 0 {
            self.pause(service, undone.backoff.failed(), PauseKind::Contested);
        }
        undone.times += 1;
        undone.last = self.now;
        let times = undone.times;
        self.undone.insert(service.clone(), undone);
        times
    }

    /// The Service is gone.
    pub(super) fn forget(&mut self, service: &NamespacedName) {
        self.cancel(service);
        self.end_pause(service);
        self.postponed.remove(service);
        self.failing.remove(service);
        self.undone.remove(service);
    }

    /// How many of the places for repeated writes are taken.
    fn retries(&self) -> usize {
        let repeated = self.under_way.iter().filter(|key| self.failing.contains_key(key));
        repeated.count() + self.unanswered
    }

    fn pause(&mut self, service: &NamespacedName, wait: Duration, kind: PauseKind) {
        self.cancel(service);
        self.end_pause(service);
        let until = self.now + wait;
        self.pausing.insert(service.clone(), Pause { until, kind });
        self.due.insert((until, service.clone()));
        self.unanswered += usize::from(kind == PauseKind::Unanswered);
    }

    fn end_pause(&mut self, service: &NamespacedName) {
        if let Some(pause) = self.pausing.remove(service) {
            self.due.remove(&(pause.until, service.clone()));
            self.unanswered -= usize::from(pause.kind == PauseKind::Unanswered);
        }
    }
}
