//! What goes into the machine and what comes out of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::members::Member;
use super::message::{Message, Ping, PushPull};
use crate::Time;

/// Something that happened outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A datagram was received, decrypted and decoded.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// Its messages in their order; one that did not decode is left out.
        messages: Vec<Message>,
    },
    /// Everything was exchanged with another member, whoever began: this is its side. Whoever answers an exchange takes
    /// its own side from [`Machine::state`](super::Machine::state) first.
    Exchanged(PushPull),
    /// The ping of this sequence number that was sent over a stream was answered over it.
    Contacted(u32),
    /// Where members are expected, all of them, at most as many as there may be members. Those who are not members are
    /// asked to exchange everything, at once and then again and again.
    Peers(BTreeSet<SocketAddr>),
    /// We go: the others are to know at once. [`Event::Departed`] tells when they were told.
    Leave,
    /// The deadline has come.
    Timeout,
}

/// Something to send. Each may fail silently: the machine knows from its timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// One datagram. Its messages fit: see [`Settings::datagram_budget`](super::Settings::datagram_budget) and
    /// [`at_most`](super::at_most).
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// One or several: then as a compound message.
        messages: Vec<Message>,
    },
    /// Open a stream, send our side, read the other one and give it back as [`Input::Exchanged`].
    Exchange {
        /// Where to.
        to: SocketAddr,
        /// Our side.
        state: PushPull,
    },
    /// Open a stream, send the ping, and if an acknowledgement with its sequence number comes back give back
    /// [`Input::Contacted`].
    StreamPing {
        /// Where to.
        to: SocketAddr,
        /// What to send.
        ping: Ping,
        /// Later answers are of no use.
        deadline: Time,
    },
}

/// Something that the machine found out. Never about ourselves, but for the last ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new member, or one that is back.
    Joined(Member),
    /// A member says something else of itself.
    Updated(Member),
    /// A member went on purpose.
    Left(Member),
    /// A member is dead.
    Failed(Member),
    /// Two claim one name. Told once a minute for each name.
    Disputed {
        /// Who is known by this name.
        known: Member,
        /// Where the other one is.
        other: SocketAddr,
    },
    /// An application's message.
    User {
        /// From where.
        from: SocketAddr,
        /// The message.
        payload: Vec<u8>,
    },
    /// Others took us for suspect or dead; we object.
    Refuted {
        /// They took us for dead or gone: they no longer reckon with us.
        dead: bool,
    },
    /// After [`Input::Leave`]: the others were told, or there is nobody to tell.
    Departed,
}

/// How often what others sent was not followed, by reason. For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Members beyond the most there may be.
    pub too_many_members: u64,
    /// Requests to ask somebody for somebody, while too many such were open.
    pub too_many_requests: u64,
    /// Names, metas and versions outside of what the protocol allows.
    pub malformed: u64,
    /// Pings that were meant for somebody else.
    pub not_for_us: u64,
}
