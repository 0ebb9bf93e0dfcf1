//! Addresses that are on their way to another station. Owns for how long the former owner goes on answering: on each
//! interface until it has heard the next one there, and nowhere for longer than the limit.
//!
//! It goes on because a neighbour that asks in between must get an answer. It ends because two answers to one question
//! send neighbours back and forth.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::answer::Claim;
use super::claims::VALIDITY;
use super::deadlines::Deadlines;
use super::interface::serves;
use super::{Announcer, Event, Handover, InterfaceIndex, Served, Tenure};
use crate::Time;

/// How long an address is answered for at most after it began to leave.
///
/// Two stations that answer for one address are to be over after a second. The second begins when the next owner
/// speaks, which may be before the former one has heard that it must leave: both learn it from a watch, whose events
/// arrive within milliseconds of each other and on a busy machine within a tenth of a second. Two tenths are kept for
/// that, and the rest is for a next owner that is late or whose frames the network keeps from us.
pub const HANDOVER_LIMIT: Duration = Duration::from_millis(800);

/// Bounded by the served addresses.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    /// Where the next owner was heard.
    taken: BTreeMap<IpAddr, BTreeSet<InterfaceIndex>>,
    ends: Deadlines<IpAddr>,
}

impl Handovers {
    /// Begins to leave `ip`, whose next owner was heard on the interfaces in `taken` already.
    pub(super) fn start(&mut self, ip: IpAddr, taken: BTreeSet<InterfaceIndex>, now: Time) {
        self.taken.insert(ip, taken);
        self.ends.set(ip, now + HANDOVER_LIMIT);
    }

    /// It is over.
    pub(super) fn end(&mut self, ip: IpAddr) {
        self.taken.remove(&ip);
        self.ends.remove(ip);
    }

    /// Those under way.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.taken.keys().copied()
    }

    /// Another station was heard. False if `ip` does not leave.
    pub(super) fn hear(&mut self, ip: IpAddr, index: InterfaceIndex) -> bool {
        let taken = self.taken.get_mut(&ip);
        let leaves = taken.is_some();
        if let Some(taken) = taken {
            taken.insert(index);
        }
        leaves
    }

    /// Whether `ip` leaves, and has left there.
    pub(super) fn has_left(&self, ip: IpAddr, index: InterfaceIndex) -> bool {
        self.taken.get(&ip).is_some_and(|taken| taken.contains(&index))
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.ends.next()
    }

    /// The next address whose time is over.
    pub(super) fn pop_expired(&mut self, now: Time) -> Option<IpAddr> {
        let ip = self.ends.pop_due(now)?;
        self.taken.remove(&ip);
        Some(ip)
    }
}

impl Announcer {
    /// What has to be done because time has passed.
    pub(super) fn expire(&mut self) {
        while let Some(ip) = self.handovers.pop_expired(self.now) {
            self.leave(ip, Handover::Expired);
        }
        while let Some(((ip, interface), mac)) = self.claims.pop_standing(self.now) {
            if let Some(served) = self.addresses.get_mut(&ip) {
                served.counters.contested += 1;
                if !std::mem::replace(&mut served.contested, true) {
                    self.events.push_back(Event::Contested { ip, interface, mac });
                }
            }
        }
        self.look_after_yielded();
    }

    /// An address that is served begins to leave, or stays after all.
    pub(super) fn set_tenure(&mut self, ip: IpAddr, before: Tenure, after: Tenure) {
        match (before, after) {
            (Tenure::Staying, Tenure::Leaving) => {
                let mut taken = self.claims.take(ip, self.now);
                taken.extend(self.yielded.of(ip));
                self.handovers.start(ip, taken, self.now);
                self.leave_if_taken(ip);
                self.look_for_next_owner(ip);
            }
            (Tenure::Leaving, Tenure::Staying) => self.handovers.end(ip),
            (Tenure::Staying, Tenure::Staying) | (Tenure::Leaving, Tenure::Leaving) => {}
        }
    }

    /// Asks for the owner of an address that leaves before long after it came: what was said about it meanwhile did not count,
    /// as its former owner may have said it, and the next one may have been the one.
    fn look_for_next_owner(&mut self, ip: IpAddr) {
        let served = self.addresses.get(&ip);
        if served.is_none_or(|served| self.claims_count(served)) {
            return;
        }
        let interfaces = self.interfaces.keys().copied();
        let waiting: Vec<InterfaceIndex> = interfaces.filter(|index| self.waits_on(ip, *index)).collect();
        for index in waiting {
            self.probe((ip, index));
        }
    }

    /// Another station says that it has an address.
    pub(super) fn claimed(&mut self, index: InterfaceIndex, Claim { ip, mac }: Claim) {
        let (Some(served), Some(interface)) = (self.addresses.get(&ip), self.interfaces.get(&index)) else {
            return;
        };
        // Two of our interfaces may be on one segment.
        let ours = self.interfaces.values().any(|interface| interface.mac == mac);
        if ours || !serves(&served.assignment.choice, ip, interface) {
            return;
        }
        if self.handovers.hear(ip, index) {
            self.leave_if_taken(ip);
        } else if self.cut_off && !self.muted {
            self.give_in((ip, index), mac);
        } else if !self.muted && self.claims_count(served) {
            self.claims.note((ip, index), mac, self.now);
        }
    }

    /// Whether what others say about an address counts already: its former owner has had the time to fall silent.
    fn claims_count(&self, served: &Served) -> bool {
        served.since + VALIDITY <= self.now
    }

    /// Ends the handover of `ip` if there is nothing left to wait for.
    pub(super) fn leave_if_taken(&mut self, ip: IpAddr) {
        let mut interfaces = self.interfaces.keys();
        if self.addresses.contains_key(&ip) && !interfaces.any(|index| self.waits_on(ip, *index)) {
            self.leave(ip, Handover::Taken);
        }
    }

    /// Whether `ip` is served on this interface, and the next owner was not heard there.
    fn waits_on(&self, ip: IpAddr, index: InterfaceIndex) -> bool {
        let (Some(served), Some(interface)) = (self.addresses.get(&ip), self.interfaces.get(&index)) else {
            return false;
        };
        interface.carrier
            && serves(&served.assignment.choice, ip, interface)
            && !self.handovers.has_left(ip, index)
    }

    fn leave(&mut self, ip: IpAddr, outcome: Handover) {
        self.handovers.end(ip);
        if let Some(served) = self.addresses.get(&ip) {
            let term = served.assignment.term;
            self.events.push_back(Event::HandedOver { ip, term, outcome });
            self.withdraw(ip);
        }
    }
}
