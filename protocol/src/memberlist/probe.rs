//! Who answers: one member after the other is asked, first by us, then by others for us, and over a stream.
//!
//! Owns the probe under way, the questions we ask for others, and how far we trust our own judgement. A member that
//! gets no answers from anybody is probably unwell itself, and gives the others more time.

use std::net::SocketAddr;
use std::time::Duration;

use super::Machine;
use super::contract::{Event, Transmit};
use super::members::Entry;
use super::message::{Ack, Incarnation, IndirectPing, Message, Nack, Origin, Ping, Status, Suspect};
use super::settings::Settings;
use crate::Time;

/// From this version of the protocol on members tell when whom they asked for us did not answer.
const NACKS_SINCE: u8 = 4;
/// And from this one on they answer pings over streams.
const STREAM_PINGS_SINCE: u8 = 3;

/// Questions asked for others at one time. Each lasts for a probe timeout, so that 1,024 members would have to doubt
/// somebody at once; more are not asked, and the doubter asks others.
const MOST_RELAYS: usize = 1_024;

/// How unwell we are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Awareness(u32);

impl Awareness {
    pub(super) fn score(self) -> u32 {
        self.0
    }

    pub(super) fn worse(&mut self, by: u32, settings: &Settings) {
        self.0 = (self.0 + by).min(settings.awareness_max.saturating_sub(1));
    }

    fn better(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    fn scale(self, interval: Duration) -> Duration {
        interval * (self.0 + 1)
    }
}

/// The probe under way.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    node: String,
    /// As it was known at the beginning: if it has objected since, this probe says nothing.
    incarnation: Incarnation,
    address: SocketAddr,
    sequence: u32,
    /// When others are asked. None once they were.
    ask_others: Option<Time>,
    deadline: Time,
    expected_nacks: u32,
    nacks: u32,
    contacted: bool,
}

impl Probe {
    pub(super) fn due(&self) -> Time {
        self.ask_others.unwrap_or(self.deadline).min(self.deadline)
    }
}

/// A question that we ask for somebody.
#[derive(Clone, Debug)]
pub(super) struct Relay {
    to: SocketAddr,
    sequence: u32,
    nack: bool,
    pub(super) deadline: Time,
}

impl Machine {
    /// Goes on with the probe under way, or begins the next.
    pub(super) fn watch(&mut self) {
        if let Some(probe) = &self.probe {
            if probe.deadline <= self.now {
                self.conclude();
            } else if probe.ask_others.is_some_and(|time| time <= self.now) {
                self.ask_others();
            }
        }
        if self.next_probe <= self.now && self.probe.is_none() {
            self.next_probe = self.now + self.settings.probe_interval;
            self.begin();
        } else if self.next_probe <= self.now {
            // The probe under way takes longer, because we are unwell: the next one follows it at once.
            let end = self.probe.as_ref().map_or(self.now, |probe| probe.deadline);
            self.next_probe = end.max(self.now);
        }
        while let Some((sequence, relay)) = self.expired_relay() {
            self.relays.remove(&sequence);
            if relay.nack {
                let nack = Nack {
                    sequence: relay.sequence,
                };
                self.send(relay.to, Message::Nack(nack));
            }
        }
    }

    fn expired_relay(&self) -> Option<(u32, Relay)> {
        let expired = self.relays.iter().find(|(_, relay)| relay.deadline <= self.now);
        expired.map(|(sequence, relay)| (*sequence, relay.clone()))
    }

    fn begin(&mut self) {
        let forget_after = self.settings.gossip_to_the_dead;
        let next = self
            .members
            .next_to_probe(&self.own.name, self.now, forget_after, &mut self.random);
        let Some(entry) = next.and_then(|name| self.members.get(&name)).cloned() else {
            return;
        };
        let Entry {
            member,
            status,
            incarnation,
            ..
        } = entry;
        let ping = self.ping(member.name.clone());
        self.probe = Some(Probe {
            node: member.name.clone(),
            incarnation,
            address: member.address,
            sequence: ping.sequence,
            ask_others: Some(self.now + self.settings.probe_timeout),
            deadline: self.now + self.awareness.scale(self.settings.probe_interval),
            expected_nacks: 0,
            nacks: 0,
            contacted: false,
        });
        if status == Status::Alive {
            self.send(member.address, Message::Ping(ping));
        } else {
            // Whoever is suspected hears of it with the question, and can object at once.
            let suspect = Suspect {
                incarnation,
                node: member.name,
                from: self.own.name.clone(),
            };
            let messages = vec![Message::Ping(ping), Message::Suspect(suspect)];
            let to = member.address;
            self.transmits.push_back(Transmit::Datagram { to, messages });
        }
    }

    fn ping(&mut self, node: String) -> Ping {
        self.sequence = self.sequence.wrapping_add(1);
        Ping {
            sequence: self.sequence,
            node,
            origin: Some(self.origin()),
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            address: self.own.address,
            node: self.own.name.clone(),
        }
    }

    fn ask_others(&mut self) {
        let Some(probe) = self.probe.clone() else { return };
        let own = &self.own.name;
        let suitable = |entry: &Entry| {
            let name = &entry.member.name;
            entry.status == Status::Alive && name != own && *name != probe.node
        };
        let count = self.settings.indirect_checks;
        let chosen = self.members.random(count, &mut self.random, suitable);
        let helpers: Vec<(SocketAddr, bool)> = chosen
            .iter()
            .map(|entry| (entry.member.address, entry.versions.protocol_max >= NACKS_SINCE))
            .collect();
        let mut expected_nacks = 0;
        for (to, nack) in helpers {
            expected_nacks += u32::from(nack);
            let request = IndirectPing {
                sequence: probe.sequence,
                target: probe.address,
                node: probe.node.clone(),
                nack,
                origin: Some(self.origin()),
            };
            self.send(to, Message::IndirectPing(request));
        }
        let version = self
            .members
            .get(&probe.node)
            .map(|entry| entry.versions.protocol_max);
        if self.settings.stream_pings && version.is_some_and(|version| version >= STREAM_PINGS_SINCE) {
            self.transmits.push_back(Transmit::StreamPing {
                to: probe.address,
                ping: Ping {
                    sequence: probe.sequence,
                    node: probe.node.clone(),
                    origin: Some(self.origin()),
                },
                deadline: self.outside(probe.deadline),
            });
        }
        if let Some(probe) = &mut self.probe {
            probe.ask_others = None;
            probe.expected_nacks = expected_nacks;
        }
    }

    /// The time of the probe is up, and no datagram has answered it.
    fn conclude(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        if probe.contacted {
            // Datagrams are lost in this network, streams are not: no reason to declare anybody dead.
            self.awareness.better();
            return;
        }
        let missing_nacks = probe.expected_nacks.saturating_sub(probe.nacks);
        let worse = if probe.expected_nacks == 0 {
            1
        } else {
            missing_nacks
        };
        self.awareness.worse(worse, &self.settings);
        let from = self.own.name.clone();
        self.suspect(Suspect {
            incarnation: probe.incarnation,
            node: probe.node,
            from,
        });
    }

    pub(super) fn contacted(&mut self, sequence: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.sequence == sequence) {
            probe.contacted = true;
        }
    }

    /// One message of a datagram.
    pub(super) fn message(&mut self, from: SocketAddr, message: Message) {
        match message {
            Message::Ping(ping) => match self.answer(&ping) {
                Some(ack) => self.send(
                    ping.origin.map_or(from, |origin| origin.address),
                    Message::Ack(ack),
                ),
                None => self.ignored.not_for_us += 1,
            },
            Message::IndirectPing(request) => self.ask_for(from, request),
            Message::Ack(ack) => self.acknowledged(ack.sequence),
            Message::Nack(nack) => {
                if let Some(probe) = self
                    .probe
                    .as_mut()
                    .filter(|probe| probe.sequence == nack.sequence)
                {
                    probe.nacks += 1;
                }
            }
            Message::Suspect(suspect) => self.suspect(suspect),
            Message::Alive(alive) => self.alive(alive),
            Message::Dead(dead) => self.dead(dead),
            Message::User(payload) => self.events.push_back(Event::User { from, payload }),
        }
    }

    fn ask_for(&mut self, from: SocketAddr, request: IndirectPing) {
        if self.relays.len() >= MOST_RELAYS {
            self.ignored.too_many_requests += 1;
            return;
        }
        let ping = self.ping(request.node);
        let relay = Relay {
            to: request.origin.map_or(from, |origin| origin.address),
            sequence: request.sequence,
            nack: request.nack,
            deadline: self.now + self.settings.probe_timeout,
        };
        self.relays.insert(ping.sequence, relay);
        self.send(request.target, Message::Ping(ping));
    }

    fn acknowledged(&mut self, sequence: u32) {
        if self
            .probe
            .as_ref()
            .is_some_and(|probe| probe.sequence == sequence)
        {
            self.probe = None;
            self.awareness.better();
        } else if let Some(relay) = self.relays.remove(&sequence) {
            let ack = Ack {
                sequence: relay.sequence,
                payload: Vec::new(),
            };
            self.send(relay.to, Message::Ack(ack));
        }
    }
}
