//! The machine on a virtual clock: what it is made of for the tests of each subject.

mod answering;
mod entitlement;
mod handing_over;
mod interfaces;
mod properties;
mod telling;
mod yielding;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::ethernet::{EtherTypes, MacAddr};

const PEER: Station = Station {
    mac: MacAddr(0x02, 0, 0, 0, 0, 0x99),
    ip: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99),
};
const ASKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mac(last: u32) -> MacAddr {
    MacAddr(0x02, 0, 0, 0, 0, u8::try_from(last).unwrap())
}

/// Interface `eth<index>` that can do everything.
fn interface(index: InterfaceIndex) -> Interface {
    Interface {
        index,
        name: format!("eth{index}"),
        mac: mac(index),
        carrier: true,
        arp: true,
        ndp: true,
        incarnation: 0,
        carrier_ups: 1,
    }
}

fn everywhere(ips: &[&str]) -> BTreeMap<IpAddr, Assignment> {
    ips.iter().map(|text| (ip(text), Assignment::default())).collect()
}

fn on(names: &[&str]) -> Assignment {
    let names = names.iter().map(|name| (*name).to_string()).collect();
    Assignment {
        choice: InterfaceChoice::Only(Arc::new(names)),
        ..Assignment::default()
    }
}

/// A machine and what it did, in words.
struct Party {
    machine: Announcer,
    now: Time,
}

impl Party {
    fn new(interfaces: &[Interface], addresses: &BTreeMap<IpAddr, Assignment>) -> Self {
        let mut party = Self {
            machine: Announcer::new(),
            now: at(0),
        };
        party.handle(Input::Interfaces(interfaces));
        party.handle(Input::Addresses(addresses));
        party
    }

    /// Passes the five seconds in which things are repeated.
    fn settled(mut self) -> Self {
        self.run_until(at(10_000));
        self
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<String> {
        self.machine.handle(input, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        let mut acts: Vec<String> = Vec::new();
        while let Some(Transmit {
            interface,
            protocol,
            purpose: _,
            frame,
        }) = self.machine.poll_transmit()
        {
            assert_eq!(protocol == Protocol::Arp, frame[12..14] == [0x08, 0x06]);
            acts.push(format!("eth{interface}: {}", describe(&frame)));
        }
        while let Some(event) = self.machine.poll_event() {
            acts.push(match event {
                Event::Join { interface, group } => format!("eth{interface}: join {group}"),
                Event::Leave { interface, group } => format!("eth{interface}: leave {group}"),
                Event::Withdrawn { ip, counters } => {
                    format!("withdrawn {ip} after {} answers", counters.responses)
                }
                Event::HandedOver { ip, term, outcome } => {
                    format!("handed over {ip} of term {term}: {outcome:?}")
                }
                Event::Contested { ip, interface, mac } => {
                    format!("eth{interface}: {ip} contested by {mac}")
                }
                Event::Yielded { ip, interface, mac } => format!("eth{interface}: {ip} left to {mac}"),
            });
        }
        acts
    }

    /// Follows the machine's own deadlines up to `end`; returns what was sent and at which millisecond.
    fn run_until(&mut self, end: Time) -> Vec<(u128, String)> {
        let mut log = Vec::new();
        while let Some(deadline) = self.machine.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            for act in self.handle(Input::Timeout) {
                log.push((self.now.elapsed().as_millis(), act));
            }
        }
        self.now = end;
        log
    }
}

/// A frame of ours in words. The bytes themselves are tested beside their codecs.
fn describe(frame: &[u8]) -> String {
    let to = MacAddr::new(frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]);
    let own = frame[11];
    if frame[12..14] == EtherTypes::Arp.0.to_be_bytes() {
        let form = if frame[21] == 1 { "request" } else { "reply" };
        let served = Ipv4Addr::new(frame[28], frame[29], frame[30], frame[31]);
        if served.is_unspecified() {
            let target = Ipv4Addr::new(frame[38], frame[39], frame[40], frame[41]);
            return format!("arp probe for {target} by {own} to {to}");
        }
        format!("arp {form} {served} is at {own} to {to}")
    } else {
        let served = Ipv6Addr::from(<[u8; 16]>::try_from(&frame[62..78]).unwrap());
        if frame[54] == 135 {
            return format!("ns probe for {served} by {own} to {to}");
        }
        format!("na {:02x} {served} is at {own} to {to}", frame[58])
    }
}

fn arp_request(target: &str) -> Vec<u8> {
    let IpAddr::V4(target) = ip(target) else {
        unreachable!("an IPv4 address")
    };
    // The announcement of the asker's own address is a request: only the target differs.
    let [mut frame, _] = arp::gratuitous(ASKER, PEER.mac);
    frame[38..42].copy_from_slice(&target.octets());
    frame
}

fn to(frame: &[u8], destination: MacAddr) -> Vec<u8> {
    [&destination.octets(), &frame[6..]].concat()
}

fn from(frame: &[u8], source: MacAddr) -> Vec<u8> {
    [&frame[..6], &source.octets(), &frame[12..]].concat()
}

/// A solicitation for `target` as Linux sends it; with the source `::` a probe for duplicates.
fn solicitation(target: &str, source: Ipv6Addr) -> Vec<u8> {
    use pnet::packet::icmpv6::{self, Icmpv6Packet};
    let IpAddr::V6(target) = ip(target) else {
        unreachable!("an IPv6 address")
    };
    let group = ndp::solicited_node(target);
    let mut message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat();
    if !source.is_unspecified() {
        message.extend([&[1, 1][..], &PEER.mac.octets()].concat());
    }
    let checksum = icmpv6::checksum(&Icmpv6Packet::new(&message).unwrap(), &source, &group);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let length = u8::try_from(message.len()).unwrap();
    [
        &crate::ethernet::multicast_of(group).octets()[..],
        &PEER.mac.octets(),
        &EtherTypes::Ipv6.0.to_be_bytes(),
        &[0x60, 0, 0, 0, 0, length, 58, 255],
        &source.octets(),
        &group.octets(),
        &message,
    ]
    .concat()
}
