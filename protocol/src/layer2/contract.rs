//! What goes into the announcer and what comes out of it. Decides nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use super::{Assignment, Counters, Interface, InterfaceIndex};
use crate::ethernet::MacAddr;

/// Something that happened outside.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The interfaces that may be used for answering now, all of them.
    Interfaces(&'a [Interface]),
    /// The addresses to be served from now on, all of them.
    Addresses(&'a BTreeMap<IpAddr, Assignment>),
    /// Whether this station may answer at all. While it may not it says nothing, and goes on hearing; when it may again
    /// the link is told where everything is. At the start it may.
    Entitled(bool),
    /// Whether this station hears none of the others, though there should be some, or misses as many as are here: then whoever
    /// else has one of its addresses has replaced it, and it gives in. At the start it hears them.
    CutOff(bool),
    /// A frame was received.
    Frame {
        /// Where.
        interface: InterfaceIndex,
        /// The frame from its Ethernet header on.
        bytes: &'a [u8],
    },
    /// The deadline has come.
    Timeout,
}

/// The two ways to ask where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// For IPv4 (RFC 826).
    Arp,
    /// For IPv6 (RFC 4861).
    Ndp,
}

impl Protocol {
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::Arp,
            IpAddr::V6(_) => Self::Ndp,
        }
    }
}

/// A frame to put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub interface: InterfaceIndex,
    /// What it carries.
    pub protocol: Protocol,
    /// Why it is sent.
    pub purpose: Purpose,
    /// The frame from its Ethernet header on.
    pub frame: Vec<u8>,
}

/// Why a frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody asked for this address.
    Answer(IpAddr),
    /// The link is told where this address is, without a question.
    Announcement(IpAddr),
    /// We want to know who has this address.
    Probe(IpAddr),
}

impl Purpose {
    pub(super) fn address(self) -> IpAddr {
        match self {
            Self::Answer(ip) | Self::Announcement(ip) | Self::Probe(ip) => ip,
        }
    }
}

/// Something to do that is not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Solicitations for a served address are sent to this group from now on.
    Join {
        /// On which interface.
        interface: InterfaceIndex,
        /// The solicited-node group.
        group: Ipv6Addr,
    },
    /// The group is no longer needed. Also said for an interface that has gone.
    Leave {
        /// On which interface.
        interface: InterfaceIndex,
        /// The solicited-node group.
        group: Ipv6Addr,
    },
    /// An address is no longer served, after this had happened for it.
    Withdrawn {
        /// The address.
        ip: IpAddr,
        /// Since it was first served.
        counters: Counters,
    },
    /// A [`Leaving`](super::Tenure::Leaving) assignment is over: it need not be named any more.
    HandedOver {
        /// The address.
        ip: IpAddr,
        /// The assignment's.
        term: u64,
        /// How it ended.
        outcome: Handover,
    },
    /// Another station says that it has an address which is served here, and neither of them has given in since. Said
    /// once for each term of an assignment; [`Counters::contested`] tells how often it happened.
    Contested {
        /// The address.
        ip: IpAddr,
        /// Where the other station was heard.
        interface: InterfaceIndex,
        /// The other station.
        mac: MacAddr,
    },
    /// Another station says that it has an address which is served here, and this one is cut off: the address is not
    /// answered for there, until the others are heard again or that station is gone.
    Yielded {
        /// The address.
        ip: IpAddr,
        /// Where the other station was heard.
        interface: InterfaceIndex,
        /// The other station.
        mac: MacAddr,
    },
}

/// How a handover ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// Another station has said that it has the address, on every interface with a link partner.
    Taken,
    /// Nobody has within [`HANDOVER_LIMIT`](super::HANDOVER_LIMIT).
    Expired,
    /// The address was not served when it should be handed over.
    NotServed,
}

impl Handover {
    /// A word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken over by another node",
            Self::Expired => "not seen at another node in time",
            Self::NotServed => "was not served",
        }
    }
}
