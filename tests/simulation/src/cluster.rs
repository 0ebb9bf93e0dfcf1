//! A cluster of speakers that know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use metallb_protocol::memberlist::{self, Identity, Input};
use metallb_protocol::{Time, failover};

use crate::{Conditions, Network, Place, Speaker, address};

/// The speakers and their network.
#[derive(Debug)]
pub struct Cluster {
    /// Their network. The first are ours, the last upstream's.
    pub network: Network<Speaker>,
    settings: failover::Settings,
    ours: usize,
    started: u64,
    seed: u64,
}

/// What a speaker noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// When.
    pub time: Time,
    /// Which speaker.
    pub by: Place,
    /// What.
    pub what: failover::Event,
}

/// The name of the node at `place`.
pub fn name(place: Place) -> String {
    format!("worker-{place}")
}

impl Cluster {
    /// Starts `ours` of our speakers and `upstream` of upstream's on a good network, all at the same time, and waits until
    /// all know all and may announce. None if that takes more than two minutes.
    pub fn start(settings: failover::Settings, ours: usize, upstream: usize, seed: u64) -> Option<Self> {
        let mut cluster = Self {
            network: Network::new(Conditions::LAN, seed),
            settings,
            ours,
            started: 0,
            seed,
        };
        for place in 0..ours + upstream {
            let speaker = cluster.speaker(place);
            cluster.network.add(speaker);
        }
        for place in 0..ours + upstream {
            cluster.tell_peers(place);
        }
        cluster.settle(Duration::from_mins(2)).then_some(cluster)
    }

    fn speaker(&mut self, place: Place) -> Speaker {
        self.started += 1;
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(self.started);
        let own = Identity {
            name: name(place),
            address: address::of(place),
            meta: Vec::new(),
        };
        let membership = memberlist::Settings::default();
        if place < self.ours {
            let machine = failover::Machine::new(self.settings.clone(), membership, own, seed);
            Speaker::Ours(Box::new(machine))
        } else {
            Speaker::Upstream(Box::new(memberlist::Machine::new(membership, own, seed)))
        }
    }

    fn tell_peers(&mut self, place: Place) {
        let peers: BTreeSet<SocketAddr> = (0..self.network.len()).map(address::of).collect();
        self.network.handle(place, Input::Peers(peers));
    }

    /// Starts a new process in the place of a dead one.
    pub fn restart(&mut self, place: Place) {
        let speaker = self.speaker(place);
        self.network.restart(place, speaker);
        self.tell_peers(place);
    }

    /// Waits until all that run know each other and may announce, but not longer than `most`. What is noticed meanwhile is
    /// forgotten.
    pub fn settle(&mut self, most: Duration) -> bool {
        let end = self.network.now() + most;
        // In a large cluster looking costs more than waiting.
        let step = Duration::from_millis(if self.network.len() > 50 { 500 } else { 10 });
        while !self.is_settled() {
            if self.network.now() >= end {
                return false;
            }
            self.network.run(step);
            self.network.take_events();
        }
        true
    }

    /// Whether all that run know each other, and nobody else, and may announce.
    pub fn is_settled(&self) -> bool {
        let running: Vec<Place> = (0..self.network.len())
            .filter(|place| self.network.is_running(*place))
            .collect();
        running.iter().all(|place| {
            let speaker = self.network.machine(*place);
            let others = || speaker.membership().members().count() + 1 == running.len();
            speaker.may_announce() && others() && self.watches_all(speaker)
        })
    }

    /// Whether a speaker of ours knows all of ours for such.
    fn watches_all(&self, speaker: &Speaker) -> bool {
        let running = (0..self.ours)
            .filter(|place| self.network.is_running(*place))
            .count();
        match speaker {
            Speaker::Ours(machine) => machine.capable() == running,
            Speaker::Upstream(_) => true,
        }
    }

    /// What was noticed since the last time, in order.
    pub fn noticed(&mut self) -> Vec<Noticed> {
        let notice = |(time, by, what)| Noticed { time, by, what };
        self.network.take_events().into_iter().map(notice).collect()
    }

    /// Who noticed since the last time that somebody failed: the one, the other, and when.
    pub fn failures(&mut self) -> Vec<(Place, String, Time)> {
        let failure = |noticed: Noticed| match noticed.what {
            failover::Event::Member(memberlist::Event::Failed(member)) => {
                Some((noticed.by, member.name, noticed.time))
            }
            failover::Event::Member(_) | failover::Event::Standing(_) => None,
        };
        self.noticed().into_iter().filter_map(failure).collect()
    }

    /// Kills the speakers at `places`, all at once. For each of them, how long the others took to notice, as far as they did
    /// within `most`.
    pub fn kill_and_measure(&mut self, places: &[Place], most: Duration) -> Vec<Vec<(Place, Duration)>> {
        self.noticed();
        let start = self.network.now();
        for place in places {
            self.network.kill(*place);
        }
        let others = (0..self.network.len())
            .filter(|place| self.network.is_running(*place))
            .count();
        let victims: BTreeMap<String, usize> = places.iter().map(|place| name(*place)).zip(0..).collect();
        let mut found = vec![Vec::new(); places.len()];
        while found.iter().any(|found| found.len() < others) && self.network.now() < start + most {
            self.network.run(Duration::from_millis(5));
            for (by, who, time) in self.failures() {
                if let Some(victim) = victims.get(&who) {
                    found[*victim].push((by, time.elapsed().saturating_sub(start.elapsed())));
                }
            }
        }
        found
    }
}
