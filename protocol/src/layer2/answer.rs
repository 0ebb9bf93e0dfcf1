//! From a received frame to what it asks and what it claims, and from a question to its answer. Pure functions of the
//! frame and the interface: whether the address is ours to answer for is asked in between, by the announcer.

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
    /// An ARP reply, or another ARP operation that is not a request. What a reply claims was looked at.
    NotRequest,
    /// Neither ARP nor a Neighbor Solicitation. What an advertisement claims was looked at.
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
    /// About an address that another station has taken over on this interface, or has instead of us.
    HandedOver,
    /// About an address that is served, while this station may not answer.
    NotEntitled,
}

impl From<arp::Refusal> for Drop {
    fn from(refusal: arp::Refusal) -> Self {
        match refusal {
            arp::Refusal::OtherOperation => Self::NotRequest,
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

/// A station says that it has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) ip: IpAddr,
    pub(super) mac: MacAddr,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// An ARP request has one as well: every station that asks says where the answer goes.
    pub(super) claim: Option<Claim>,
    pub(super) question: Result<Question, Drop>,
}

impl Heard {
    fn of_arp(message: arp::Message) -> Self {
        let (mac, ip, question) = match message {
            arp::Message::Request(request) => {
                let question = Ok(Question::Arp(request));
                (request.sender_mac, request.sender_ip, question)
            }
            arp::Message::Reply(reply) => (reply.sender_mac, reply.sender_ip, Err(Drop::NotRequest)),
        };
        // A probe for duplicates says that its sender does not have the address yet (RFC 5227 §2.1.1).
        let claim = (!ip.is_unspecified()).then_some(Claim { ip: ip.into(), mac });
        Self { claim, question }
    }

    fn of_ndp(message: ndp::Message, frame_source: MacAddr) -> Self {
        match message {
            ndp::Message::Solicitation(solicitation) => {
                let question = Question::Ndp {
                    solicitation,
                    frame_source,
                };
                Self {
                    claim: None,
                    question: Ok(question),
                }
            }
            ndp::Message::Advertisement(ndp::Advertisement { target, target_mac }) => {
                let mac = target_mac.unwrap_or(frame_source);
                let ip = target.into();
                Self {
                    claim: Some(Claim { ip, mac }),
                    question: Err(Drop::MessageType),
                }
            }
        }
    }
}

/// Reads a frame that was received on `interface`.
pub(super) fn read(interface: &Interface, bytes: &[u8]) -> Result<Heard, Drop> {
    let frame = EthernetPacket::new(bytes).ok_or(Drop::Malformed)?;
    let (destination, source) = (frame.get_destination(), frame.get_source());
    let (heard, to_all) = match frame.get_ethertype() {
        // ARP requests are broadcast, or sent to one station to see whether it is still there (RFC 1122 §2.3.2.1).
        EtherTypes::Arp => (
            Heard::of_arp(arp::decode(frame.payload())?),
            destination.is_broadcast(),
        ),
        EtherTypes::Ipv6 => (
            Heard::of_ndp(ndp::decode(frame.payload())?, source),
            destination.is_multicast(),
        ),
        _ => return Err(Drop::MessageType),
    };
    if source == interface.mac {
        Err(Drop::OwnFrame)
    } else if destination != interface.mac && !to_all {
        Err(Drop::EthernetDestination)
    } else if source.is_multicast() {
        Err(Drop::Malformed)
    } else {
        Ok(heard)
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
