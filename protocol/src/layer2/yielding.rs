//! What is left to another station although nobody has said that it is to leave.
//!
//! A station that hears none of the others, or misses half of them, may have been replaced by them without knowing. Whoever
//! then says that it has an address of ours is who replaced us: we answer no more for it there. From then on we look, with
//! probes that no neighbour takes notice of, whether the other one still has it: it may have died, and we be the last.
//!
//! Owns which addresses those are. Never: gives in while more of the others are heard than missed: those are too few to
//! have replaced it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::deadlines::Deadlines;
use super::interface::Presence;
use super::schedule::Site;
use super::{Announcer, Event, InterfaceIndex, Protocol, Purpose, Transmit};
use crate::Time;
use crate::ethernet::MacAddr;
use crate::{arp, ndp};

/// How often we look. A probe is a broadcast, and nothing is won by hurry: two faults have to meet before anybody waits.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// After so long without a sign of the other station it is gone: three probes were in vain.
const LAPSE: Duration = Duration::from_secs(16);

/// Up to so much longer, each station by another part. Two that gave in to each other in one moment would else come back
/// in one moment, and give in again.
const SPREAD_MS: u64 = 4096;

/// Bounded by the served addresses times the interfaces. Empty unless this station is cut off.
#[derive(Debug, Default)]
pub(super) struct Yielded {
    /// When the other station is taken for gone.
    lapse: BTreeMap<Site, Time>,
    due: Deadlines<Site>,
}

fn sites(ip: IpAddr) -> RangeInclusive<Site> {
    (ip, InterfaceIndex::MIN)..=(ip, InterfaceIndex::MAX)
}

impl Yielded {
    /// Another station has `site`, as our one with the MAC `own` hears. True if that is news.
    fn note(&mut self, site: Site, own: MacAddr, now: Time) -> bool {
        let MacAddr(.., high, low) = own;
        let spread = u64::from(u16::from_be_bytes([high, low])) * 251 % SPREAD_MS;
        let lapse = now + LAPSE + Duration::from_millis(spread);
        let news = self.lapse.insert(site, lapse).is_none();
        if news {
            self.due.set(site, now + PROBE_EVERY);
        }
        news
    }

    pub(super) fn contains(&self, site: Site) -> bool {
        self.lapse.contains_key(&site)
    }

    /// Nothing is known of `site` any more.
    pub(super) fn forget(&mut self, site: Site) {
        self.lapse.remove(&site);
        self.due.remove(site);
    }

    /// Where the address is left to another station.
    pub(super) fn of(&self, ip: IpAddr) -> BTreeSet<InterfaceIndex> {
        self.lapse
            .range(sites(ip))
            .map(|((_, index), _)| *index)
            .collect()
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.next()
    }

    /// The next site to look at, and whether it is ours again.
    fn pop_due(&mut self, now: Time) -> Option<(Site, bool)> {
        let site = self.due.pop_due(now)?;
        let lapse = *self.lapse.get(&site)?;
        let is_over = lapse <= now;
        if is_over {
            self.lapse.remove(&site);
        } else {
            self.due.set(site, lapse.min(now + PROBE_EVERY));
        }
        Some((site, is_over))
    }
}

impl Announcer {
    /// Whether this station misses half of the others or more, as it was last told.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// The addresses that are left to another station.
    pub fn yielded(&self) -> impl Iterator<Item = IpAddr> {
        self.yielded.lapse.keys().map(|(ip, _)| *ip)
    }

    pub(super) fn set_cut_off(&mut self, cut_off: bool) {
        self.cut_off = cut_off;
        if cut_off {
            // Who replaced us may have been quicker than we were to see that nobody is heard.
            for (site, other) in self.claims.take_all(self.now) {
                self.give_in(site, other);
            }
        } else {
            // They are heard, and say who is to serve what.
            for site in std::mem::take(&mut self.yielded).lapse.into_keys() {
                self.resume(site);
            }
        }
    }

    /// Another station has `site`, and may have replaced us.
    pub(super) fn give_in(&mut self, site: Site, other: MacAddr) {
        let (ip, index) = site;
        let Some(own) = self.interfaces.get(&index).map(|interface| interface.mac) else {
            return;
        };
        if self.yielded.note(site, own, self.now) {
            self.schedule.cancel(site);
            self.transmits
                .retain(|transmit| (transmit.purpose.address(), transmit.interface) != site);
            self.events.push_back(Event::Yielded {
                ip,
                interface: index,
                mac: other,
            });
        }
    }

    /// Looks whether those who have our addresses are still there.
    pub(super) fn look_after_yielded(&mut self) {
        while let Some((site, is_over)) = self.yielded.pop_due(self.now) {
            if is_over {
                self.resume(site);
            } else {
                self.probe(site);
            }
        }
    }

    /// Tells the link that it is here again, if it is.
    fn resume(&mut self, (ip, index): Site) {
        let (Some(served), Some(interface)) = (self.addresses.get(&ip), self.interfaces.get(&index)) else {
            return;
        };
        let presence = Presence::of(ip, Some(&served.assignment), Some(interface));
        if !self.muted && matches!(presence, Presence::Live(_)) {
            self.schedule.start((ip, index), self.now);
        }
    }

    /// Asks who has the address without saying that we do.
    pub(super) fn probe(&mut self, (ip, index): Site) {
        let Some(interface) = self.interfaces.get(&index).filter(|_| !self.muted) else {
            return;
        };
        let frame = match ip {
            IpAddr::V4(ip) => arp::probe(ip, interface.mac),
            IpAddr::V6(ip) => ndp::probe(ip, interface.mac),
        };
        self.transmits.push_back(Transmit {
            interface: index,
            protocol: Protocol::of(ip),
            purpose: Purpose::Probe(ip),
            frame,
        });
    }
}
