//! Who announces which address, and for how long two do who could hear each other.
//!
//! Each speaker announces an address if it may and if the election among the members that it knows chooses it.

use std::collections::BTreeMap;
use std::time::Duration;

use metallb_protocol::Time;

use crate::cluster::name;
use crate::{Network, Place, Speaker};

/// What has been seen so far.
#[derive(Debug)]
pub struct Owners {
    addresses: usize,
    overlaps: BTreeMap<(usize, Place, Place), Time>,
    longest: Duration,
}

/// Any order that all agree on: each address has another.
fn rank(node: &str, address: usize) -> u64 {
    let seed = node.bytes().fold(address as u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    fastrand::Rng::with_seed(seed).u64(..)
}

/// Whether the speaker at `place` chooses itself among the members that it knows.
pub(crate) fn is_chosen(network: &Network<Speaker>, place: Place, address: usize) -> bool {
    let ours = rank(&name(place), address);
    let mut others = network.machine(place).membership().members();
    others.all(|other| rank(&other.name, address) > ours)
}

/// Who announces `address` now.
pub fn announcers(network: &Network<Speaker>, address: usize) -> Vec<Place> {
    let announces = |place: &Place| {
        let may = || network.machine(*place).may_announce();
        network.is_running(*place) && may() && is_chosen(network, *place, address)
    };
    (0..network.len()).filter(announces).collect()
}

impl Owners {
    /// Of so many addresses.
    pub fn of(addresses: usize) -> Self {
        Self {
            addresses,
            overlaps: BTreeMap::new(),
            longest: Duration::ZERO,
        }
    }

    /// Looks at the present. To be called often.
    pub fn look(&mut self, network: &Network<Speaker>) {
        let now = network.now();
        let mut current = BTreeMap::new();
        for address in 0..self.addresses {
            let owners = announcers(network, address);
            for (index, one) in owners.iter().enumerate() {
                for other in &owners[index + 1..] {
                    if network.is_connected(*one, *other) {
                        let key = (address, *one, *other);
                        let since = self.overlaps.get(&key).copied().unwrap_or(now);
                        self.longest = self.longest.max(now.elapsed().saturating_sub(since.elapsed()));
                        current.insert(key, since);
                    }
                }
            }
        }
        self.overlaps = current;
    }

    /// The longest time that two announced one address though they could hear each other.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Lets `length` pass on `network`, and looks every five milliseconds.
    pub fn run(&mut self, network: &mut Network<Speaker>, length: Duration) {
        let end = network.now() + length;
        while network.now() < end {
            network.run(Duration::from_millis(5));
            self.look(network);
        }
    }
}
