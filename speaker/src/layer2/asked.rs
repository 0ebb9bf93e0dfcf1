//! What the sockets of all interfaces are open for: the served addresses, as far as a filter in the kernel tells them
//! from others. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_protocol::layer2::Assignment;
use metallb_sys::Targets;

/// The addresses of each protocol. On which interface one is served is looked at by the announcer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) arp: Targets,
    pub(super) ndp: Targets,
}

impl Asked {
    /// For these addresses.
    pub(super) fn of(addresses: &BTreeMap<IpAddr, Assignment>) -> Self {
        let v4 = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => Some(ip.to_bits()),
            IpAddr::V6(_) => None,
        };
        let v6 = |ip: &IpAddr| match ip {
            IpAddr::V4(_) => None,
            // The last 32 bits tell the addresses of one pool apart.
            IpAddr::V6(ip) => u32::try_from(ip.to_bits() & u128::from(u32::MAX)).ok(),
        };
        Self {
            arp: Targets::covering(addresses.keys().filter_map(v4)),
            ndp: Targets::covering(addresses.keys().filter_map(v6)),
        }
    }
}
