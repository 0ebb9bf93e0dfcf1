//! What members tell each other. Owns the meaning of each message, never its encoding.

use std::net::{IpAddr, SocketAddr};

/// How often a member has stated anew that it is alive. A statement about a member outdoes those with a smaller one.
pub type Incarnation = u32;

/// One message. A datagram carries one or several; a stream carries [`Message::Ping`], [`Message::Ack`] or a
/// [`PushPull`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// "Are you there?"
    Ping(Ping),
    /// "Please ask that member for me."
    IndirectPing(IndirectPing),
    /// "I am", or "it is".
    Ack(Ack),
    /// "I asked, it did not answer": the asker is well, the member may not be.
    Nack(Nack),
    /// A member did not answer.
    Suspect(Suspect),
    /// A member is there, or is there again.
    Alive(Alive),
    /// A member is gone.
    Dead(Dead),
    /// For the application. Upstream's speakers ignore these.
    User(Vec<u8>),
}

/// Asks a member whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Comes back in the answer.
    pub sequence: u32,
    /// Who is meant. Another one that has taken over the address must not answer.
    pub node: String,
    /// Where the answer goes; without it, to where the datagram came from.
    pub origin: Option<Origin>,
}

/// Asks a member to ask another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndirectPing {
    /// Comes back in the answer.
    pub sequence: u32,
    /// Where the member to be asked is.
    pub target: SocketAddr,
    /// Who is meant.
    pub node: String,
    /// Whether a [`Nack`] is wanted if it does not answer in time.
    pub nack: bool,
    /// Where the answer goes; without it, to where the datagram came from.
    pub origin: Option<Origin>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where it is.
    pub address: SocketAddr,
    /// Its name.
    pub node: String,
}

/// The answer to a [`Ping`] or an [`IndirectPing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The one that was asked with.
    pub sequence: u32,
    /// For the application; empty here.
    pub payload: Vec<u8>,
}

/// The answer to an [`IndirectPing`] whose target was silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The one that was asked with.
    pub sequence: u32,
}

/// `from` had no answer from `node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Of `node`.
    pub incarnation: Incarnation,
    /// Who is suspected.
    pub node: String,
    /// Who suspects. Independent suspicions shorten the time until it is declared dead.
    pub from: String,
}

/// `node` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Of `node`.
    pub incarnation: Incarnation,
    /// Who is there.
    pub node: String,
    /// Where.
    pub address: SocketAddr,
    /// What it says of itself, 512 bytes at most; upstream's speakers say nothing.
    pub meta: Vec<u8>,
    /// What it speaks.
    pub versions: Versions,
}

/// `node` is gone. If `from` is `node` itself, it has left on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Of `node`.
    pub incarnation: Incarnation,
    /// Who is gone.
    pub node: String,
    /// Who says so.
    pub from: String,
}

/// One side of an exchange of everything that two members know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPull {
    /// Whether the sender joins; only then may an old answer be refused.
    pub join: bool,
    /// Everybody it knows, itself included.
    pub nodes: Vec<NodeState>,
    /// For the application; empty here.
    pub user_state: Vec<u8>,
}

/// What the sender of a [`PushPull`] knows of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Who.
    pub name: String,
    /// Where.
    pub address: SocketAddr,
    /// What it says of itself.
    pub meta: Vec<u8>,
    /// Its last known one.
    pub incarnation: Incarnation,
    /// How it is.
    pub status: Status,
    /// What it speaks.
    pub versions: Versions,
}

/// How a member is. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// It answers.
    Alive = 0,
    /// It did not answer somebody, and has some time to object.
    Suspect = 1,
    /// It did not object.
    Dead = 2,
    /// It said that it goes.
    Left = 3,
}

impl Status {
    /// The one with this number.
    pub(crate) fn of(number: u8) -> Option<Self> {
        let all = [Self::Alive, Self::Suspect, Self::Dead, Self::Left];
        all.into_iter().find(|status| *status as u8 == number)
    }
}

/// The versions of the protocol and of the application's part of it that a member speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest version of the protocol that it understands.
    pub protocol_min: u8,
    /// The newest.
    pub protocol_max: u8,
    /// The one that it speaks.
    pub protocol: u8,
    /// The oldest version of the application's part.
    pub delegate_min: u8,
    /// The newest.
    pub delegate_max: u8,
    /// The one that it speaks.
    pub delegate: u8,
}

impl Versions {
    /// What upstream's speakers say of themselves, and ours.
    pub const OURS: Self = Self {
        protocol_min: 1,
        protocol_max: 5,
        protocol: 2,
        delegate_min: 0,
        delegate_max: 0,
        delegate: 0,
    };
}

/// The address of a member from the bytes on the wire: 4 or 16 of them. An IPv4 address in the form of an IPv6 one, as
/// Go writes it, is IPv4.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(octets.into());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::from(octets).to_canonical())
}
