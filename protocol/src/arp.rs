//! ARP for IPv4 over Ethernet (RFC 826). Owns the bytes of requests, replies and announcements. Never decides whether
//! a request deserves an answer, or what it means that a station says it has an address.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Hardware type (1: Ethernet) |  Protocol type (0x0800: IPv4) |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Hw. length: 6 | Pr. length: 4 | Operation (1 request, 2 reply)|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Sender hardware address (0-3)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Sender hardware address (4-5) |  Sender protocol addr. (0-1)  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Sender protocol addr. (2-3)  | Target hardware address (0-1) |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Target hardware address (2-5)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Target protocol address                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv4Addr;

use pnet::packet::arp::{ArpHardwareTypes, ArpOperation, ArpOperations, ArpPacket, MutableArpPacket};

use crate::ethernet::{self, Addresses, EtherTypes, MacAddr};

/// What a station says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It asks who has an address.
    Request(Request),
    /// It says that it has one.
    Reply(Reply),
}

/// A station asks who has an address. Beside that it says which one it has itself: a request for that one is an
/// announcement (RFC 5227 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The asking station. Never a group address.
    pub sender_mac: MacAddr,
    /// The asking station's address; 0.0.0.0 in a probe for duplicates (RFC 5227 §2.1.1).
    pub sender_ip: Ipv4Addr,
    /// The address asked for.
    pub target_ip: Ipv4Addr,
}

/// A station says that it has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The station. Never a group address.
    pub sender_mac: MacAddr,
    /// Its address.
    pub sender_ip: Ipv4Addr,
}

/// Why a payload is not read. None is an error of ours: the frame is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Well formed, but another operation.
    #[error("neither a request nor a reply")]
    OtherOperation,
    /// Shorter than an ARP packet.
    #[error("truncated")]
    Truncated,
    /// Not IPv4 over Ethernet.
    #[error("not IPv4 over Ethernet")]
    OtherProtocol,
    /// The sender claims a group address as its own. An answer to it would reach more than one station.
    #[error("the sender is not one station")]
    SenderIsGroup,
}

/// Reads the payload of a frame. Trailing bytes are the padding of short frames and are ignored.
///
/// # Errors
/// It is neither a request nor a reply of one station.
pub fn decode(payload: &[u8]) -> Result<Message, Refusal> {
    let packet = ArpPacket::new(payload).ok_or(Refusal::Truncated)?;
    if packet.get_hardware_type() != ArpHardwareTypes::Ethernet
        || packet.get_protocol_type() != EtherTypes::Ipv4
        || packet.get_hw_addr_len() != 6
        || packet.get_proto_addr_len() != 4
    {
        return Err(Refusal::OtherProtocol);
    }
    let (sender_mac, sender_ip) = (packet.get_sender_hw_addr(), packet.get_sender_proto_addr());
    let message = match packet.get_operation() {
        ArpOperations::Request => Message::Request(Request {
            sender_mac,
            sender_ip,
            target_ip: packet.get_target_proto_addr(),
        }),
        ArpOperations::Reply => Message::Reply(Reply {
            sender_mac,
            sender_ip,
        }),
        _ => return Err(Refusal::OtherOperation),
    };
    if sender_mac.is_multicast() {
        return Err(Refusal::SenderIsGroup);
    }
    Ok(message)
}

/// The frame that answers `request`: its target address is at `own`.
pub fn reply(request: &Request, own: MacAddr) -> Vec<u8> {
    build(
        request.sender_mac,
        ArpOperations::Reply,
        (own, request.target_ip),
        (request.sender_mac, request.sender_ip),
    )
}

/// The two broadcast frames that tell everybody that `ip` is at `own`.
///
/// First in the form of a request, as RFC 5227 §3 recommends, then in the form of a reply: there are stations that
/// update their cache from one form only.
pub fn gratuitous(ip: Ipv4Addr, own: MacAddr) -> [Vec<u8>; 2] {
    let everybody = MacAddr::broadcast();
    [ArpOperations::Request, ArpOperations::Reply]
        .map(|operation| build(everybody, operation, (own, ip), (everybody, ip)))
}

/// The broadcast frame that asks who has `ip`, and that no neighbour takes for a claim (RFC 5227 §2.1.1).
pub fn probe(ip: Ipv4Addr, own: MacAddr) -> Vec<u8> {
    build(
        MacAddr::broadcast(),
        ArpOperations::Request,
        (own, Ipv4Addr::UNSPECIFIED),
        (MacAddr::zero(), ip),
    )
}

fn build(
    destination: MacAddr,
    operation: ArpOperation,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let addresses = Addresses {
        destination,
        source: sender.0,
    };
    ethernet::build(
        addresses,
        EtherTypes::Arp,
        ArpPacket::minimum_packet_size(),
        |payload| {
            let mut packet = MutableArpPacket::new(payload).expect("the payload is as long as a packet");
            packet.set_hardware_type(ArpHardwareTypes::Ethernet);
            packet.set_protocol_type(EtherTypes::Ipv4);
            packet.set_hw_addr_len(6);
            packet.set_proto_addr_len(4);
            packet.set_operation(operation);
            packet.set_sender_hw_addr(sender.0);
            packet.set_sender_proto_addr(sender.1);
            packet.set_target_hw_addr(target.0);
            packet.set_target_proto_addr(target.1);
        },
    )
}

#[cfg(test)]
mod tests;
