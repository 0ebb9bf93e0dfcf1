//! From a received frame to the question in it, and from the question to its answer. Pure functions of the frame and
//! the interface: whether the address is ours to answer for is asked in between, by the announcer.

use std::net::{IpAddr, Ipv6Addr};

use pnet::packet::Packet;
use pnet::packet::ethernet::EthernetPacket;

use super::Interface;
use crate::arp;
use crate::ethernet::{EtherTypes, MacAddr};
use crate::ndp::{self, Kind, Station};

/// Why a frame got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drop {
    /// It came from an interface that is not, or no longer, in use.
    UnknownInterface,
    /// An ARP reply, or another ARP operation that is not a request.
    NotRequest,
    /// Neither ARP nor a Neighbor Solicitation.
    MessageType,
    /// Truncated, inconsistent, or refused by the validity checks of its protocol.
    Malformed,
    /// Our own frame, sent back by the network.
    OwnFrame,
    /// For another station: neither to us nor to a group.
    EthernetDestination,
    /// About an address that is not served here.
    NotAnnounced,
    /// About an address that is served, but not on this interface.
    NotOnThisInterface,
}

impl From<arp::Refusal> for Drop {
    fn from(refusal: arp::Refusal) -> Self {
        match refusal {
            arp::Refusal::NotRequest => Self::NotRequest,
            arp::Refusal::Truncated | arp::Refusal::OtherProtocol | arp::Refusal::SenderIsGroup => {
                Self::Malformed
            }
        }
    }
}

impl From<ndp::Refusal> for Drop {
    fn from(refusal: ndp::Refusal) -> Self {
        match refusal {
            ndp::Refusal::OtherMessage => Self::MessageType,
            ndp::Refusal::Truncated
            | ndp::Refusal::HopLimit
            | ndp::Refusal::Checksum
            | ndp::Refusal::EmptyOption
            | ndp::Refusal::InvalidField => Self::Malformed,
        }
    }
}

/// Somebody wants to know where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Arp(arp::Request),
    Ndp {
        solicitation: ndp::Solicitation,
        /// The MAC that the frame came from: where an answer goes if the solicitation does not say.
        frame_source: MacAddr,
    },
}

/// Reads a frame that was received on `interface`.
pub(super) fn read(interface: &Interface, bytes: &[u8]) -> Result<Question, Drop> {
    let frame = EthernetPacket::new(bytes).ok_or(Drop::Malformed)?;
    let (destination, source) = (frame.get_destination(), frame.get_source());
    let question = match frame.get_ethertype() {
        EtherTypes::Arp => Question::Arp(arp::decode(frame.payload())?),
        EtherTypes::Ipv6 => Question::Ndp {
            solicitation: ndp::decode(frame.payload())?,
            frame_source: source,
        },
        _ => return Err(Drop::MessageType),
    };
    let for_us = destination == interface.mac
        || match question {
            // ARP requests are broadcast, or sent to one station to see whether it is still there (RFC 1122 §2.3.2.1).
            Question::Arp(_) => destination.is_broadcast(),
            Question::Ndp { .. } => destination.is_multicast(),
        };
    if source == interface.mac {
        Err(Drop::OwnFrame)
    } else if !for_us {
        Err(Drop::EthernetDestination)
    } else if source.is_multicast() {
        Err(Drop::Malformed)
    } else {
        Ok(question)
    }
}

impl Question {
    /// The address asked for.
    pub(super) fn target(&self) -> IpAddr {
        match self {
            Self::Arp(request) => request.target_ip.into(),
            Self::Ndp { solicitation, .. } => solicitation.target.into(),
        }
    }

    /// The frame that says that the target is at `own`.
    pub(super) fn answer(&self, own: MacAddr) -> Vec<u8> {
        match self {
            Self::Arp(request) => arp::reply(request, own),
            Self::Ndp {
                solicitation,
                frame_source,
            } => {
                // RFC 4861 §7.2.4: a solicitation without a source address is a probe for duplicates. All nodes hear
                // that the address is taken, as the prober cannot be addressed.
                let (to, kind) = if solicitation.source == Ipv6Addr::UNSPECIFIED {
                    (Station::all_nodes(), Kind::Announcement)
                } else {
                    let mac = solicitation.source_mac.unwrap_or(*frame_source);
                    (
                        Station {
                            mac,
                            ip: solicitation.source,
                        },
                        Kind::Answer,
                    )
                };
                ndp::advertisement(own, to, solicitation.target, kind)
            }
        }
    }
}
