//! The gratuitous schedule: when the link is told where an address is.
//!
//! Told at once and then repeated, because the first frames are lost where a switch port has just come up, and because
//! Linux neighbours ignore a changed MAC for a second after the last change (`locktime`, 1 s by default), so that two
//! quick moves of an address would leave them with the wrong one.
//!
//! Each interface has a queue of its own: one that takes no frames for a while does not hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::InterfaceIndex;
use crate::Time;

/// Just longer than the neighbours' locktime.
const INTERVAL: Duration = Duration::from_millis(1100);

/// The first repetition. A station that is about to leave the address and has not had it for long itself did not take the
/// first frame for its successor's, which may as well have been its predecessor's (see `claims`): it hears this one, and
/// stops in the middle of [`HANDOVER_LIMIT`](super::HANDOVER_LIMIT). A neighbour that has missed the first frame has the
/// right station after this, too.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);

/// Enough for five repetitions.
const LENGTH: Duration = Duration::from_secs(5);

/// How long an interface whose send queue is full is left alone. Its usual length, 1,000 small frames, is sent within a
/// millisecond at 1 Gbit/s; an interface that is stuck costs one vain attempt each time.
const PAUSE: Duration = Duration::from_millis(2);

/// An address on an interface.
pub(super) type Site = (IpAddr, InterfaceIndex);

/// The sites that are being told. Bounded by the served addresses times the interfaces; empty when nothing changed for
/// five seconds.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// None is empty.
    queues: BTreeMap<InterfaceIndex, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    bursts: BTreeMap<IpAddr, Burst>,
    /// The same addresses by time.
    due: BTreeSet<(Time, IpAddr)>,
    /// The interface takes no frames before this moment.
    paused_until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    next: Time,
    end: Time,
    /// From the next frame to the one after it.
    interval: Duration,
}

impl Schedule {
    /// Tells `site` now, then until the burst ends. A burst under way starts again.
    pub(super) fn start(&mut self, (ip, index): Site, now: Time) {
        let burst = Burst {
            next: now,
            end: now + LENGTH,
            interval: FIRST_INTERVAL,
        };
        self.queues.entry(index).or_default().set(ip, burst);
    }

    /// Tells `site` no more.
    pub(super) fn cancel(&mut self, (ip, index): Site) {
        if let Some(queue) = self.queues.get_mut(&index) {
            queue.remove(ip);
            if queue.bursts.is_empty() {
                self.queues.remove(&index);
            }
        }
    }

    /// When the next site is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.queues.values().filter_map(Queue::next_due).min()
    }

    /// The next site to be told at `now`, and plans its repetition, counted from `now`: a process that was stopped for
    /// a while does not catch up with what it missed.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Site> {
        let due = |(index, queue): (&InterfaceIndex, &Queue)| Some((queue.next_due()?, *index));
        let (_, index) = self
            .queues
            .iter()
            .filter_map(due)
            .min()
            .filter(|(time, _)| *time <= now)?;
        let queue = self.queues.get_mut(&index)?;
        let (_, ip) = *queue.due.first()?;
        if let Some(Burst { end, interval, .. }) = queue.remove(ip)
            && now + interval <= end
        {
            let next = now + interval;
            let interval = INTERVAL;
            queue.set(ip, Burst { next, end, interval });
        }
        if queue.bursts.is_empty() {
            self.queues.remove(&index);
        }
        Some((ip, index))
    }

    /// The interface did not take what was told for `site` just now: it is told again as soon as the interface may take
    /// frames again. False if that was the last repetition: then it is given up.
    pub(super) fn refused(&mut self, (ip, index): Site, now: Time) -> bool {
        let Some(queue) = self.queues.get_mut(&index) else {
            return false;
        };
        queue.paused_until = now + PAUSE;
        let Some(burst) = queue.bursts.get(&ip).copied() else {
            return false;
        };
        queue.set(ip, Burst { next: now, ..burst });
        true
    }
}

impl Queue {
    fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| *time.max(&self.paused_until))
    }

    fn set(&mut self, ip: IpAddr, burst: Burst) {
        self.remove(ip);
        self.bursts.insert(ip, burst);
        self.due.insert((burst.next, ip));
    }

    fn remove(&mut self, ip: IpAddr) -> Option<Burst> {
        let burst = self.bursts.remove(&ip)?;
        self.due.remove(&(burst.next, ip));
        Some(burst)
    }
}
