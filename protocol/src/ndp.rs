//! Neighbor Discovery for IPv6 (RFC 4861): solicitations and advertisements. Owns their bytes and the validity checks
//! of §7.1. Never decides whether a solicitation deserves an answer, or what it means that a station says it has an
//! address.
//!
//! ```text
//!  Neighbor Solicitation (§4.3, type 135) and Neighbor Advertisement (§4.4, type 136), behind the IPv6 header
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Type     |    Code: 0    |           Checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |R|S|O|         Reserved (flags: advertisement only)            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                                                               |
//! +                   Target address (16 bytes)                   +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Option type  | Length (x 8)  |    Link-layer address ...     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Options are walked by our own code: pnet's walker computes a length with an overflow that bytes from the wire can
//! reach.

use std::net::Ipv6Addr;

use pnet::packet::icmpv6::ndp::{
    MutableNeighborAdvertPacket, MutableNeighborSolicitPacket, NdpOptionType, NdpOptionTypes,
    NeighborAdvertFlags, NeighborAdvertPacket, NeighborSolicitPacket,
};
use pnet::packet::icmpv6::{self, Icmpv6Code, Icmpv6Packet, Icmpv6Types};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use crate::ethernet::{self, Addresses, EtherTypes, MacAddr};

/// The group of all nodes on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Proves that a packet was sent on this link: a router would have lowered it (RFC 4861 §7.1.1).
const HOP_LIMIT: u8 = 255;

/// A link-layer address option of Ethernet, in bytes (RFC 2464 §6).
const LINK_LAYER_OPTION_LEN: usize = 8;

/// What a station says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It asks who has an address.
    Solicitation(Solicitation),
    /// It says that it has one.
    Advertisement(Advertisement),
}

/// A station asks who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// The asking station's address; unspecified in a probe for duplicates (RFC 4862 §5.4.2). Never a group.
    pub source: Ipv6Addr,
    /// The asking station's MAC, from the Source Link-Layer Address option. Never a group address.
    ///
    /// The option may be left out of solicitations to one station (RFC 4861 §4.3) and is absent from probes.
    pub source_mac: Option<MacAddr>,
    /// The address asked for.
    pub target: Ipv6Addr,
}

/// A station says that it has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The address.
    pub target: Ipv6Addr,
    /// The station's MAC, from the Target Link-Layer Address option, which may be left out of answers to one station
    /// (RFC 4861 §4.4). Never a group address.
    pub target_mac: Option<MacAddr>,
}

/// Why a payload is not read. None is an error of ours: the frame is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another kind of packet.
    #[error("neither a neighbor solicitation nor an advertisement")]
    OtherMessage,
    /// A header, the message or an option ends before its length says.
    #[error("truncated")]
    Truncated,
    /// The packet came through a router, or pretends to.
    #[error("hop limit is not 255")]
    HopLimit,
    /// The checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// An option of length zero, which would never end.
    #[error("option of length zero")]
    EmptyOption,
    /// Fields contradict each other or name a group where one station belongs.
    #[error("invalid address or field")]
    InvalidField,
}

/// Reads the payload of a frame: an IPv6 packet. Trailing bytes are padding and are ignored.
///
/// # Errors
/// It is neither a solicitation nor an advertisement, or not a valid one by RFC 4861 §7.1.
pub fn decode(packet: &[u8]) -> Result<Message, Refusal> {
    let ip = Ipv6Packet::new(packet).ok_or(Refusal::Truncated)?;
    // Extension headers are legal in front of both, but nobody sends any: they would only hide them from the filters of
    // switches, which is what RFC 6980 forbids them for.
    if ip.get_version() != 6 || ip.get_next_header() != IpNextHeaderProtocols::Icmpv6 {
        return Err(Refusal::OtherMessage);
    }
    let header_len = Ipv6Packet::minimum_packet_size();
    let message = packet
        .get(header_len..header_len + usize::from(ip.get_payload_length()))
        .ok_or(Refusal::Truncated)?;
    let icmp = Icmpv6Packet::new(message).ok_or(Refusal::Truncated)?;
    let kind = icmp.get_icmpv6_type();
    if kind != Icmpv6Types::NeighborSolicit && kind != Icmpv6Types::NeighborAdvert {
        return Err(Refusal::OtherMessage);
    }
    if ip.get_hop_limit() != HOP_LIMIT {
        return Err(Refusal::HopLimit);
    }
    let (source, destination) = (ip.get_source(), ip.get_destination());
    if icmp.get_checksum() != icmpv6::checksum(&icmp, &source, &destination) {
        return Err(Refusal::Checksum);
    }
    if icmp.get_icmpv6_code() != Icmpv6Code(0) || source.is_multicast() {
        return Err(Refusal::InvalidField);
    }
    if kind == Icmpv6Types::NeighborSolicit {
        read_solicitation(message, source, destination).map(Message::Solicitation)
    } else {
        read_advertisement(message, destination).map(Message::Advertisement)
    }
}

/// The checks of §7.1.1.
fn read_solicitation(
    message: &[u8],
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Result<Solicitation, Refusal> {
    let solicitation = NeighborSolicitPacket::new(message).ok_or(Refusal::Truncated)?;
    let target = solicitation.get_target_addr();
    let options = message
        .get(NeighborSolicitPacket::minimum_packet_size()..)
        .unwrap_or_default();
    let source_mac = link_layer_address(options, NdpOptionTypes::SourceLLAddr)?;
    // A probe goes to the solicited-node group and does not say where it comes from.
    let probe = source.is_unspecified();
    if target.is_multicast()
        || source_mac.is_some_and(|mac| probe || mac.is_multicast())
        || (probe && destination != solicited_node(target))
    {
        return Err(Refusal::InvalidField);
    }
    Ok(Solicitation {
        source,
        source_mac,
        target,
    })
}

/// The checks of §7.1.2.
fn read_advertisement(message: &[u8], destination: Ipv6Addr) -> Result<Advertisement, Refusal> {
    let advertisement = NeighborAdvertPacket::new(message).ok_or(Refusal::Truncated)?;
    let target = advertisement.get_target_addr();
    let options = message
        .get(NeighborAdvertPacket::minimum_packet_size()..)
        .unwrap_or_default();
    let target_mac = link_layer_address(options, NdpOptionTypes::TargetLLAddr)?;
    // Nobody solicits on behalf of all.
    let solicited = advertisement.get_flags() & NeighborAdvertFlags::Solicited != 0;
    if target.is_multicast()
        || target_mac.is_some_and(|mac| mac.is_multicast())
        || (solicited && destination.is_multicast())
    {
        return Err(Refusal::InvalidField);
    }
    Ok(Advertisement { target, target_mac })
}

/// The group in which the owner of `address` listens for solicitations (RFC 4291 §2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0x00ff), low)
}

/// Whom an advertisement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its address on the link.
    pub mac: MacAddr,
    /// Its IPv6 address.
    pub ip: Ipv6Addr,
}

impl Station {
    /// All nodes on the link.
    pub fn all_nodes() -> Self {
        Self {
            mac: ethernet::multicast_of(ALL_NODES),
            ip: ALL_NODES,
        }
    }
}

/// What an advertisement says about itself (RFC 4861 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The answer to a solicitation from an address: Solicited, and not Override, so that a neighbour which knows
    /// another owner checks before it changes its mind.
    Answer,
    /// Told to all nodes, without a question or to a probe for duplicates: Override, not Solicited (§7.2.4, §7.2.6).
    Announcement,
}

/// Builds the frame in which the station at `own` tells `to` that `target` is there.
///
/// It is sent from `target` itself, as by any host that owns the address: there are receivers, `ndisc6` among them, that
/// ignore what another address says about it.
pub fn advertisement(own: MacAddr, to: Station, target: Ipv6Addr, kind: Kind) -> Vec<u8> {
    let message_len = NeighborAdvertPacket::minimum_packet_size() + LINK_LAYER_OPTION_LEN;
    let header_len = Ipv6Packet::minimum_packet_size();
    let addresses = Addresses {
        destination: to.mac,
        source: own,
    };
    ethernet::build(addresses, EtherTypes::Ipv6, header_len + message_len, |packet| {
        let (header, message) = packet.split_at_mut(header_len);
        write_message(message, own, target, kind);
        seal(header, message, target, to.ip);
    })
}

/// Builds the frame that asks who has `target`, and that no neighbour takes for a claim: a probe for duplicates
/// (RFC 4862 §5.4.2). All nodes hear the answer.
pub fn probe(target: Ipv6Addr, own: MacAddr) -> Vec<u8> {
    let group = solicited_node(target);
    let (header_len, message_len) = (
        Ipv6Packet::minimum_packet_size(),
        NeighborSolicitPacket::minimum_packet_size(),
    );
    let addresses = Addresses {
        destination: ethernet::multicast_of(group),
        source: own,
    };
    ethernet::build(addresses, EtherTypes::Ipv6, header_len + message_len, |packet| {
        let (header, message) = packet.split_at_mut(header_len);
        write_solicitation(message, target);
        seal(header, message, Ipv6Addr::UNSPECIFIED, group);
    })
}

/// Writes the IPv6 header in front of `message`, and the message's checksum, which covers part of that header.
fn seal(header: &mut [u8], message: &mut [u8], source: Ipv6Addr, destination: Ipv6Addr) {
    let icmp = Icmpv6Packet::new(message).expect("both messages are longer than an ICMPv6 header");
    let checksum = icmpv6::checksum(&icmp, &source, &destination);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut ip = MutableIpv6Packet::new(header).expect("the header is as long as a header");
    ip.set_version(6);
    ip.set_payload_length(u16::try_from(message.len()).expect("32 bytes at most"));
    ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
    ip.set_hop_limit(HOP_LIMIT);
    ip.set_source(source);
    ip.set_destination(destination);
}

fn write_solicitation(message: &mut [u8], target: Ipv6Addr) {
    let mut packet = MutableNeighborSolicitPacket::new(message).expect("the payload holds the message");
    packet.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
    packet.set_target_addr(target);
}

fn write_message(message: &mut [u8], own: MacAddr, target: Ipv6Addr, kind: Kind) {
    let mut packet = MutableNeighborAdvertPacket::new(message).expect("the payload holds the message");
    packet.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    packet.set_flags(match kind {
        Kind::Answer => NeighborAdvertFlags::Solicited,
        Kind::Announcement => NeighborAdvertFlags::Override,
    });
    packet.set_target_addr(target);
    // The Target Link-Layer Address option (§4.6.1): type, length in units of 8 bytes, address.
    let option = &mut message[NeighborAdvertPacket::minimum_packet_size()..];
    option[0] = NdpOptionTypes::TargetLLAddr.0;
    option[1] = 1;
    option[2..].copy_from_slice(&own.octets());
}

/// Walks the options to the first link-layer address of this kind. Any broken option makes the message invalid (§7.1).
fn link_layer_address(mut options: &[u8], wanted: NdpOptionType) -> Result<Option<MacAddr>, Refusal> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let len = 8 * usize::from(units);
        if len == 0 {
            return Err(Refusal::EmptyOption);
        }
        let (option, rest) = options.split_at_checked(len).ok_or(Refusal::Truncated)?;
        options = rest;
        if let ([_, _, a, b, c, d, e, f], true) = (option, kind == wanted.0) {
            found = found.or(Some(MacAddr(*a, *b, *c, *d, *e, *f)));
        }
    }
    if options.is_empty() {
        Ok(found)
    } else {
        Err(Refusal::Truncated)
    }
}

#[cfg(test)]
mod tests;
