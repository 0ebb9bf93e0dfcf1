//! What other stations say about addresses that are served here. Owns what it means, which shows only later:
//!
//! - the next owner, which learned of the move before us: we are about to hear that we must leave, and then need not wait;
//! - another station that uses the address as well: it goes on doing so, and somebody has to be told;
//! - the former owner, which has not yet heard that it lost the address: it is soon over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::InterfaceIndex;
use super::deadlines::Deadlines;
use super::schedule::Site;
use crate::Time;
use crate::ethernet::MacAddr;

/// How long a claim counts. Longer than the 1.1 seconds between two gratuitous frames of any MetalLB speaker, so that of
/// an owner that took over at any time in the last seconds the latest one counts.
///
/// Also how long an owner gives its predecessor to fall silent.
pub(super) const VALIDITY: Duration = Duration::from_millis(1500);

/// The latest claims. Bounded by the served addresses times the interfaces: a second claim for a site replaces the first.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_site: BTreeMap<Site, Latest>,
    /// When a claim that still stands is a contest.
    due: Deadlines<Site>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    at: Time,
    mac: MacAddr,
}

impl Claims {
    /// Takes notice of one.
    pub(super) fn note(&mut self, site: Site, mac: MacAddr, now: Time) {
        if self.by_site.insert(site, Latest { at: now, mac }).is_none() {
            self.due.set(site, now + VALIDITY);
        }
    }

    /// Forgets those about `ip`, and tells where the valid ones were heard.
    pub(super) fn take(&mut self, ip: IpAddr, now: Time) -> BTreeSet<InterfaceIndex> {
        let sites = (ip, InterfaceIndex::MIN)..=(ip, InterfaceIndex::MAX);
        let of_ip: Vec<_> = self
            .by_site
            .range(sites)
            .map(|(site, latest)| (*site, *latest))
            .collect();
        let mut heard = BTreeSet::new();
        for (site, latest) in of_ip {
            self.by_site.remove(&site);
            self.due.remove(site);
            if now < latest.at + VALIDITY {
                heard.insert(site.1);
            }
        }
        heard
    }

    /// Forgets all, and tells those that are valid: where, and who made them.
    pub(super) fn take_all(&mut self, now: Time) -> Vec<(Site, MacAddr)> {
        let all = std::mem::take(self).by_site.into_iter();
        let valid = all.filter(|(_, latest)| now < latest.at + VALIDITY);
        valid.map(|(site, latest)| (site, latest.mac)).collect()
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.next()
    }

    /// The next claim that was not settled in time, and who made it. One that was repeated meanwhile is waited for again.
    pub(super) fn pop_standing(&mut self, now: Time) -> Option<(Site, MacAddr)> {
        let site = self.due.pop_due(now)?;
        let latest = *self.by_site.get(&site)?;
        let end = latest.at + VALIDITY;
        if now < end {
            self.due.set(site, end);
        } else {
            self.by_site.remove(&site);
        }
        Some((site, latest.mac))
    }
}
