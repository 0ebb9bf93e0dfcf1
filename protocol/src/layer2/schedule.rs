//! The gratuitous schedule: when the link is told where an address is.
//!
//! Told at once and then repeated, because the first frames are lost where a switch port has just come up, and because
//! Linux neighbours ignore a changed MAC for a second after the last change (`locktime`, 1 s by default), so that two
//! quick moves of an address would leave them with the wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::InterfaceIndex;
use crate::Time;

/// Just longer than the neighbours' locktime.
const INTERVAL: Duration = Duration::from_millis(1100);

/// Enough for four repetitions.
const LENGTH: Duration = Duration::from_secs(5);

/// An address on an interface.
pub(super) type Site = (IpAddr, InterfaceIndex);

/// The sites that are being told. Bounded by the served addresses times the interfaces; empty when nothing changed for
/// five seconds.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    bursts: BTreeMap<Site, Burst>,
    /// The same sites by time.
    due: BTreeSet<(Time, Site)>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    next: Time,
    end: Time,
}

impl Schedule {
    /// Tells `site` now, then until the burst ends. A burst under way starts again.
    pub(super) fn start(&mut self, site: Site, now: Time) {
        self.set(
            site,
            Burst {
                next: now,
                end: now + LENGTH,
            },
        );
    }

    /// Tells `site` no more.
    pub(super) fn cancel(&mut self, site: Site) {
        if let Some(burst) = self.bursts.remove(&site) {
            self.due.remove(&(burst.next, site));
        }
    }

    /// When the next site is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| *time)
    }

    /// The next site to be told at `now`, and plans its repetition, counted from `now`: a process that was stopped for
    /// a while does not catch up with what it missed.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Site> {
        let (_, site) = *self.due.first().filter(|(time, _)| *time <= now)?;
        let burst = self.bursts.get(&site).copied();
        self.cancel(site);
        if let Some(Burst { end, .. }) = burst
            && now + INTERVAL <= end
        {
            self.set(
                site,
                Burst {
                    next: now + INTERVAL,
                    end,
                },
            );
        }
        Some(site)
    }

    fn set(&mut self, site: Site, burst: Burst) {
        self.cancel(site);
        self.bursts.insert(site, burst);
        self.due.insert((burst.next, site));
    }
}
