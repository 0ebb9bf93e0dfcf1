//! The segment that all speakers and their clients share: who answers there, in real frames.
//!
//! Owns an announcer for each speaker, which is told what a speaker's would be, and a client that asks. Frames arrive at
//! once and everywhere, whatever becomes of what the speakers say to one another.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use metallb_protocol::Time;
use metallb_protocol::arp;
use metallb_protocol::ethernet::MacAddr;
use metallb_protocol::layer2::{Announcer, Assignment, Event, Input, Interface, Tenure, Transmit};

use crate::owners::is_chosen;
use crate::{Network, Place, Speaker};

const CLIENT: MacAddr = MacAddr(2, 0, 0, 0, 1, 0);

#[derive(Debug)]
struct Station {
    machine: Announcer,
    /// What it is to serve.
    desired: BTreeMap<IpAddr, Assignment>,
}

impl Station {
    fn new(place: Place) -> Self {
        let mut machine = Announcer::new();
        let interface = Interface {
            index: 1,
            name: "eth0".to_owned(),
            mac: mac(place),
            carrier: true,
            arp: true,
            ndp: true,
            incarnation: 0,
            carrier_ups: 1,
        };
        machine.handle(Input::Entitled(false), Time::START);
        machine.handle(Input::Interfaces(&[interface]), Time::START);
        Self {
            machine,
            desired: BTreeMap::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8], now: Time) {
        self.machine.handle(Input::Frame { interface: 1, bytes }, now);
    }

    /// Is told which addresses it is chosen for. One for which it no longer is begins to leave.
    fn serve(&mut self, chosen: &[IpAddr], now: Time) {
        let before = self.desired.clone();
        for (ip, assignment) in &mut self.desired {
            if !chosen.contains(ip) {
                assignment.tenure = Tenure::Leaving;
            }
        }
        let term = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for ip in chosen {
            let assignment = self.desired.entry(*ip).or_insert_with(|| Assignment {
                term,
                ..Assignment::default()
            });
            if assignment.tenure == Tenure::Leaving {
                (assignment.tenure, assignment.term) = (Tenure::Staying, term);
            }
        }
        if self.desired != before {
            self.machine.handle(Input::Addresses(&self.desired), now);
        }
        while let Some(event) = self.machine.poll_event() {
            if let Event::HandedOver { ip, .. } = event {
                self.desired.remove(&ip);
            }
        }
    }
}

/// The segment, and what its client has seen.
#[derive(Debug)]
pub struct Segment {
    stations: Vec<Station>,
    addresses: Vec<IpAddr>,
    /// Since when two answer for an address, or nobody does.
    overlaps: BTreeMap<IpAddr, Time>,
    silences: BTreeMap<IpAddr, Time>,
    longest_overlap: Duration,
    longest_silence: Duration,
}

fn mac(place: Place) -> MacAddr {
    let [.., high, low] = place.to_be_bytes();
    MacAddr(2, 0, 0, 0, 2 + high, low)
}

impl Segment {
    /// Of so many speakers with so many addresses.
    pub fn of(speakers: usize, addresses: u8) -> Self {
        let address = |number| IpAddr::from(Ipv4Addr::new(192, 0, 2, number));
        Self {
            stations: (0..speakers).map(Station::new).collect(),
            addresses: (0..addresses).map(address).collect(),
            overlaps: BTreeMap::new(),
            silences: BTreeMap::new(),
            longest_overlap: Duration::ZERO,
            longest_silence: Duration::ZERO,
        }
    }

    /// Another process in the place of a dead one.
    pub fn restart(&mut self, place: Place) {
        self.stations[place] = Station::new(place);
    }

    /// The longest time that more than one answered for an address.
    pub fn longest_overlap(&self) -> Duration {
        self.longest_overlap
    }

    /// The longest time that nobody did.
    pub fn longest_silence(&self) -> Duration {
        self.longest_silence
    }

    /// Forgets what was seen.
    pub fn forget(&mut self) {
        (self.longest_overlap, self.longest_silence) = (Duration::ZERO, Duration::ZERO);
        self.overlaps.clear();
        self.silences.clear();
    }

    /// Lets `length` pass on `network`, and looks every five milliseconds.
    pub fn run(&mut self, network: &mut Network<Speaker>, length: Duration) {
        let end = network.now() + length;
        while network.now() < end {
            network.run(Duration::from_millis(5));
            self.look(network);
        }
    }

    /// Who answers for the address of this number now.
    pub fn owners(&mut self, network: &Network<Speaker>, number: usize) -> Vec<Place> {
        let (ip, now) = (self.addresses[number], network.now());
        let IpAddr::V4(target) = ip else { return Vec::new() };
        let question = arp::probe(target, CLIENT);
        let mut found = Vec::new();
        for (place, station) in running(&mut self.stations, network) {
            station.hear(&question, now);
            if station.machine.poll_transmit().is_some() {
                found.push(place);
            }
        }
        found
    }

    fn look(&mut self, network: &Network<Speaker>) {
        let now = network.now();
        for (place, station) in running(&mut self.stations, network) {
            if let Speaker::Ours(speaker) = network.machine(place) {
                let entitled = speaker
                    .may_announce_until()
                    .is_some_and(|until| network.clock(place) < until);
                station.machine.handle(Input::Entitled(entitled), now);
                if speaker.is_cut_off() != station.machine.is_cut_off() {
                    station.machine.handle(Input::CutOff(speaker.is_cut_off()), now);
                }
            }
            let all = self.addresses.iter().enumerate();
            let chosen = all.filter(|(number, _)| is_chosen(network, place, *number));
            let chosen: Vec<IpAddr> = chosen.map(|(_, ip)| *ip).collect();
            station.serve(&chosen, now);
        }
        self.carry(network);
        for number in 0..self.addresses.len() {
            let owners = self.owners(network, number).len();
            let ip = self.addresses[number];
            let note = |kept: &mut BTreeMap<IpAddr, Time>, longest: &mut Duration, holds: bool| {
                if holds {
                    let since = *kept.entry(ip).or_insert(now);
                    *longest = (*longest).max(now.elapsed().saturating_sub(since.elapsed()));
                } else {
                    kept.remove(&ip);
                }
            };
            note(&mut self.overlaps, &mut self.longest_overlap, owners > 1);
            note(&mut self.silences, &mut self.longest_silence, owners == 0);
        }
    }

    /// Brings what the stations say to all others, and what these say to that.
    fn carry(&mut self, network: &Network<Speaker>) {
        let now = network.now();
        for (_, station) in running(&mut self.stations, network) {
            station.machine.handle(Input::Timeout, now);
        }
        loop {
            let mut said: Vec<(Place, Vec<u8>)> = Vec::new();
            for (place, station) in running(&mut self.stations, network) {
                while let Some(Transmit { frame, .. }) = station.machine.poll_transmit() {
                    said.push((place, frame));
                }
            }
            if said.is_empty() {
                return;
            }
            for (from, frame) in said {
                for (place, station) in running(&mut self.stations, network) {
                    if place != from {
                        station.hear(&frame, now);
                    }
                }
            }
        }
    }
}

fn running<'a>(
    stations: &'a mut [Station],
    network: &'a Network<Speaker>,
) -> impl Iterator<Item = (Place, &'a mut Station)> {
    let all = stations.iter_mut().enumerate();
    all.filter(|(place, _)| network.is_running(*place))
}
