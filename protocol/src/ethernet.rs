//! Ethernet II frames (IEEE 802.3, RFC 894): the envelope around ARP and IPv6. Owns addressing on the link. Never
//! looks into the payload.
//!
//! ```text
//! +-------------+-------------+-----------+------------------+
//! | Destination |   Source    | EtherType |     Payload      |
//! |   6 bytes   |   6 bytes   |  2 bytes  |  46..MTU bytes   |
//! +-------------+-------------+-----------+------------------+
//! ```
//!
//! Frames built here may be shorter than the 60 bytes that Ethernet asks for: padding is the network driver's duty.

use std::net::Ipv6Addr;

use pnet::packet::ethernet::{EtherType, EthernetPacket, MutableEthernetPacket};

pub use pnet::packet::ethernet::EtherTypes;
pub use pnet::util::MacAddr;

/// Where a frame comes from and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The receiver: one station, or a group.
    pub destination: MacAddr,
    /// The sender.
    pub source: MacAddr,
}

/// The group address to which IPv6 multicast for `group` is sent: 33:33 and its last 32 bits (RFC 2464 §7).
pub fn multicast_of(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr(0x33, 0x33, a, b, c, d)
}

/// Builds a frame with a payload of `payload_len` zeroes, which `fill` overwrites.
pub(crate) fn build(
    addresses: Addresses,
    ether_type: EtherType,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut bytes = vec![0; EthernetPacket::minimum_packet_size() + payload_len];
    let mut frame = MutableEthernetPacket::new(&mut bytes).expect("the buffer holds a header");
    frame.set_destination(addresses.destination);
    frame.set_source(addresses.source);
    frame.set_ethertype(ether_type);
    fill(&mut bytes[EthernetPacket::minimum_packet_size()..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_maps_to_its_last_four_bytes() {
        let check = |group: &str, mac: &str| {
            assert_eq!(multicast_of(group.parse().unwrap()).to_string(), mac, "{group}");
        };
        check("ff02::1", "33:33:00:00:00:01");
        check("ff02::1:ff12:3456", "33:33:ff:12:34:56");
    }
}
