//! The announcer: answers ARP and NDP for the addresses that this station serves, and tells the link when one arrives.
//!
//! Owns who is answered, what is told when (the gratuitous schedule) and which multicast groups must be heard for that.
//! Never decides which addresses are served: it is told the full set each time, and acts on the difference only, so the
//! same set twice costs nothing on the wire. Nothing is sent for an address once it has left the set.
//!
//! An address that moves to another station is not taken out of the set but said to be leaving: it is answered for until
//! the other station has spoken, so that at every moment somebody answers.

mod answer;
mod claims;
mod contract;
mod counters;
mod deadlines;
mod entitlement;
mod groups;
mod handovers;
mod interface;
mod schedule;
mod yielding;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use crate::Time;
use crate::arp;
use crate::ndp::{self, Kind, Station};

pub use answer::Drop;
pub use contract::{Event, Handover, Input, Protocol, Purpose, Transmit};
pub use counters::{Counters, Unsent};
pub use handovers::HANDOVER_LIMIT;
pub use interface::{Assignment, Interface, InterfaceChoice, InterfaceIndex, Tenure};

use claims::Claims;
use groups::Groups;
use handovers::Handovers;
use interface::Presence;
use schedule::Schedule;
use yielding::Yielded;

/// The machine. Drain [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) after every
/// [`handle`](Self::handle).
#[derive(Debug, Default)]
pub struct Announcer {
    now: Time,
    interfaces: BTreeMap<InterfaceIndex, Interface>,
    addresses: BTreeMap<IpAddr, Served>,
    schedule: Schedule,
    handovers: Handovers,
    claims: Claims,
    groups: Groups,
    /// This station may not say anything.
    muted: bool,
    /// It misses half of the others or more.
    cut_off: bool,
    yielded: Yielded,
    /// At most a few answers and one gratuitous round: a caller drains them before the next inputs.
    transmits: VecDeque<Transmit>,
    /// At most one per address and interface: drained before the next input.
    events: VecDeque<Event>,
    dropped: BTreeMap<Drop, u64>,
    unsent: Unsent,
}

#[derive(Debug)]
struct Served {
    assignment: Assignment,
    /// When the term began.
    since: Time,
    /// That another station has the address as well was said in this term.
    contested: bool,
    counters: Counters,
}

impl Announcer {
    /// A machine without interfaces and addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes notice of `input`, which happened `now`. `now` never goes back.
    pub fn handle(&mut self, input: Input<'_>, now: Time) {
        self.now = now;
        // First, so that a frame which comes after a deadline is not answered because the driver is late.
        self.expire();
        match input {
            Input::Interfaces(list) => self.set_interfaces(list),
            Input::Addresses(desired) => self.set_addresses(desired),
            Input::Entitled(entitled) => self.set_entitled(entitled),
            Input::CutOff(cut_off) => self.set_cut_off(cut_off),
            Input::Frame { interface, bytes } => self.frame(interface, bytes),
            Input::Timeout => {}
        }
    }

    /// The next frame to put on the wire: answers first, then what the gratuitous schedule has due.
    ///
    /// A caller may stop half-way, look for new frames and go on later: the rest of the schedule stays due.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        loop {
            if let Some(transmit) = self.transmits.pop_front() {
                return Some(transmit);
            }
            let (ip, index) = self.schedule.pop_due(self.now)?;
            self.announce(ip, index);
        }
    }

    /// The next thing to do that is not a frame.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`]; in the past while frames are due.
    pub fn next_deadline(&self) -> Option<Time> {
        let timers = [
            self.schedule.next_due(),
            self.handovers.next_due(),
            self.claims.next_due(),
            self.yielded.next_due(),
        ];
        timers.into_iter().flatten().min()
    }

    /// What happened for each served address.
    pub fn counters(&self) -> impl Iterator<Item = (IpAddr, Counters)> {
        self.addresses.iter().map(|(ip, served)| (*ip, served.counters))
    }

    /// Tells that `transmit` was not sent, because the send queue of its interface is full. What the link is told without
    /// a question is told later: the neighbours of a node that takes over thousands of addresses must hear of all.
    pub fn refused(&mut self, transmit: &Transmit) {
        let ip = transmit.purpose.address();
        let counters = self.addresses.get_mut(&ip).map(|served| &mut served.counters);
        match transmit.purpose {
            Purpose::Answer(_) => {
                self.unsent.answers += 1;
                if let Some(counters) = counters {
                    counters.responses = counters.responses.saturating_sub(1);
                }
            }
            // Another one follows.
            Purpose::Probe(_) => {}
            Purpose::Announcement(_) => {
                if let Some(counters) = counters {
                    counters.gratuitous = counters.gratuitous.saturating_sub(1);
                }
                if self.schedule.refused((ip, transmit.interface), self.now) {
                    self.unsent.delayed += 1;
                } else {
                    self.unsent.given_up += 1;
                }
            }
        }
    }

    /// How many frames were not sent, because the send queue of an interface was full.
    pub fn unsent(&self) -> Unsent {
        self.unsent
    }

    /// How many frames were skipped, by reason.
    pub fn dropped(&self) -> &BTreeMap<Drop, u64> {
        &self.dropped
    }

    fn set_interfaces(&mut self, list: &[Interface]) {
        let after: BTreeMap<_, _> = list
            .iter()
            .map(|interface| (interface.index, interface.clone()))
            .collect();
        let before = std::mem::replace(&mut self.interfaces, after);
        let mut indices: BTreeSet<_> = before.keys().chain(self.interfaces.keys()).copied().collect();
        indices.retain(|index| before.get(index) != self.interfaces.get(index));
        // An interface comes or changes a few times an hour at most, so looking at every address is affordable.
        let addresses = std::mem::take(&mut self.addresses);
        for (ip, served) in &addresses {
            for index in &indices {
                let (old, new) = (before.get(index), self.interfaces.get(index));
                let was = Presence::of(*ip, Some(&served.assignment), old);
                let is = Presence::of(*ip, Some(&served.assignment), new);
                if old.map(|old| old.incarnation) == new.map(|new| new.incarnation) {
                    self.moved(*ip, *index, was, is);
                } else {
                    self.moved(*ip, *index, was, Presence::Absent);
                    self.moved(*ip, *index, Presence::Absent, is);
                }
            }
        }
        self.addresses = addresses;
        // One that was waited for may be gone.
        let leaving: Vec<_> = self.handovers.addresses().collect();
        for ip in leaving {
            self.leave_if_taken(ip);
        }
    }

    fn set_addresses(&mut self, desired: &BTreeMap<IpAddr, Assignment>) {
        let gone: Vec<IpAddr> = self
            .addresses
            .keys()
            .filter(|ip| !desired.contains_key(ip))
            .copied()
            .collect();
        for ip in gone {
            self.handovers.end(ip);
            self.withdraw(ip);
        }
        for (ip, assignment) in desired {
            let Some(served) = self.addresses.get_mut(ip) else {
                self.begin(*ip, assignment);
                continue;
            };
            if served.assignment != *assignment {
                let before = std::mem::replace(&mut served.assignment, assignment.clone());
                if before.term != assignment.term {
                    (served.since, served.contested) = (self.now, false);
                }
                self.assigned(*ip, Some(&before), Some(assignment));
                self.set_tenure(*ip, before.tenure, assignment.tenure);
            }
        }
    }

    fn begin(&mut self, ip: IpAddr, assignment: &Assignment) {
        if assignment.tenure == Tenure::Leaving {
            self.events.push_back(Event::HandedOver {
                ip,
                term: assignment.term,
                outcome: Handover::NotServed,
            });
            return;
        }
        let served = Served {
            assignment: assignment.clone(),
            since: self.now,
            contested: false,
            counters: Counters::default(),
        };
        self.addresses.insert(ip, served);
        self.assigned(ip, None, Some(assignment));
    }

    fn withdraw(&mut self, ip: IpAddr) {
        if let Some(Served {
            assignment, counters, ..
        }) = self.addresses.remove(&ip)
        {
            self.claims.take(ip, self.now);
            self.assigned(ip, Some(&assignment), None);
            self.events.push_back(Event::Withdrawn { ip, counters });
        }
    }

    /// How `ip` is to be served changed.
    fn assigned(&mut self, ip: IpAddr, before: Option<&Assignment>, after: Option<&Assignment>) {
        let moves: Vec<_> = self
            .interfaces
            .values()
            .map(|interface| {
                let presence = |assignment| Presence::of(ip, assignment, Some(interface));
                (interface.index, presence(before), presence(after))
            })
            .collect();
        for (index, was, is) in moves {
            self.moved(ip, index, was, is);
        }
    }

    /// The one place where a change becomes an act: how `ip` is present on an interface went from `was` to `is`.
    fn moved(&mut self, ip: IpAddr, index: InterfaceIndex, was: Presence, is: Presence) {
        if is != was && is != Presence::Silent {
            self.yielded.forget((ip, index));
        }
        match is {
            // A new place, a carrier that came back, another MAC or another term: the link must hear of it at once.
            // One that may not speak tells when it may.
            Presence::Live(_) if is != was && !self.muted => self.schedule.start((ip, index), self.now),
            Presence::Live(_) => {}
            Presence::Silent | Presence::Absent => {
                self.schedule.cancel((ip, index));
                // Answers to what was asked before stay where questions are answered.
                let stays = |purpose| is == Presence::Silent && purpose == Purpose::Answer(ip);
                self.transmits.retain(|transmit| {
                    (transmit.purpose.address(), transmit.interface) != (ip, index) || stays(transmit.purpose)
                });
            }
        }
        if let IpAddr::V6(ip) = ip {
            let group = ndp::solicited_node(ip);
            match (was == Presence::Absent, is == Presence::Absent) {
                (true, false) if self.groups.acquire(index, group) => {
                    self.events.push_back(Event::Join {
                        interface: index,
                        group,
                    });
                }
                (false, true) if self.groups.release(index, group) => {
                    self.events.push_back(Event::Leave {
                        interface: index,
                        group,
                    });
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, index: InterfaceIndex, bytes: &[u8]) {
        match self.hear(index, bytes) {
            Ok(transmit) => self.transmits.push_back(transmit),
            Err(reason) => *self.dropped.entry(reason).or_default() += 1,
        }
    }

    fn hear(&mut self, index: InterfaceIndex, bytes: &[u8]) -> Result<Transmit, Drop> {
        let interface = self.interfaces.get(&index).ok_or(Drop::UnknownInterface)?;
        let heard = answer::read(interface, bytes)?;
        if let Some(claim) = heard.claim {
            self.claimed(index, claim);
        }
        self.answer(index, heard.question?)
    }

    fn answer(&mut self, index: InterfaceIndex, question: answer::Question) -> Result<Transmit, Drop> {
        let interface = self.interfaces.get(&index).ok_or(Drop::UnknownInterface)?;
        let ip = question.target();
        let served = self.addresses.get_mut(&ip).ok_or(Drop::NotAnnounced)?;
        if Presence::of(ip, Some(&served.assignment), Some(interface)) == Presence::Absent {
            return Err(Drop::NotOnThisInterface);
        }
        if self.handovers.has_left(ip, index) || self.yielded.contains((ip, index)) {
            return Err(Drop::HandedOver);
        }
        if self.muted {
            return Err(Drop::NotEntitled);
        }
        served.counters.requests += 1;
        let frame = question.answer(interface.mac);
        served.counters.responses += 1;
        Ok(Transmit {
            interface: index,
            protocol: Protocol::of(ip),
            purpose: Purpose::Answer(ip),
            frame,
        })
    }

    /// One gratuitous round for `ip` on one interface.
    fn announce(&mut self, ip: IpAddr, index: InterfaceIndex) {
        let (Some(served), Some(interface)) = (self.addresses.get_mut(&ip), self.interfaces.get(&index))
        else {
            return;
        };
        let mut send = |frame| {
            served.counters.gratuitous += 1;
            self.transmits.push_back(Transmit {
                interface: index,
                protocol: Protocol::of(ip),
                purpose: Purpose::Announcement(ip),
                frame,
            });
        };
        match ip {
            IpAddr::V4(ip) => arp::gratuitous(ip, interface.mac).into_iter().for_each(send),
            IpAddr::V6(ip) => {
                send(ndp::advertisement(
                    interface.mac,
                    Station::all_nodes(),
                    ip,
                    Kind::Announcement,
                ));
                // Whoever has it may have replaced us, and says so if it is asked. In ARP the announcement is a question.
                if self.cut_off {
                    self.probe((ip.into(), index));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
