//! The bytes of each message: one for its kind, then a map of its fields by name. Owns the kinds and the names. Never
//! puts several messages together, see [`super::datagram`] and [`super::stream`].
//!
//! Fields are written in the order of their names, as Go's codec does, so that both write the same bytes. A field that
//! is missing is zero or empty, one that is not known is ignored: versions differ in what they send.

use std::net::IpAddr;

use super::message::{Ack, Alive, IndirectPing, Message, Nack, NodeState, Origin, Ping, Versions};
use super::msgpack::{Count, Sink, Writer};

pub(super) mod read;

/// The first byte of everything that is sent.
pub(super) mod kind {
    pub(in super::super) const PING: u8 = 0;
    pub(in super::super) const INDIRECT_PING: u8 = 1;
    pub(in super::super) const ACK: u8 = 2;
    pub(in super::super) const SUSPECT: u8 = 3;
    pub(in super::super) const ALIVE: u8 = 4;
    pub(in super::super) const DEAD: u8 = 5;
    pub(in super::super) const PUSH_PULL: u8 = 6;
    pub(in super::super) const COMPOUND: u8 = 7;
    pub(in super::super) const USER: u8 = 8;
    pub(in super::super) const COMPRESSED: u8 = 9;
    pub(in super::super) const ENCRYPTED: u8 = 10;
    pub(in super::super) const NACK: u8 = 11;
    pub(in super::super) const CHECKSUM: u8 = 12;
    pub(in super::super) const ERROR: u8 = 13;
    pub(in super::super) const LABEL: u8 = 244;
}

/// The longest name of a member, in bytes: that of a Kubernetes node is a DNS subdomain.
pub const NAME_MAX: usize = 253;

/// The most that a member can say of itself: the limit that upstream's library sets to what it sends.
pub const META_MAX: usize = 512;

/// How many bytes a message takes before compression and encryption. A datagram holds several as long as the sum of
/// their sizes, and [`super::datagram::PER_MESSAGE`] for each, is not more than [`super::Wire::room`].
pub fn size(message: &Message) -> usize {
    let mut count = Count::default();
    write(message, &mut count);
    count.0
}

pub(super) fn write(message: &Message, sink: &mut impl Sink) {
    match message {
        Message::Ping(ping) => write_ping(ping, sink),
        Message::IndirectPing(ping) => write_indirect_ping(ping, sink),
        Message::Ack(ack) => write_ack(ack, sink),
        Message::Nack(Nack { sequence }) => {
            begin(kind::NACK, 1, sink).number("SeqNo", *sequence);
        }
        Message::Suspect(suspect) => {
            begin(kind::SUSPECT, 3, sink)
                .text("From", &suspect.from)
                .number("Incarnation", suspect.incarnation)
                .text("Node", &suspect.node);
        }
        Message::Alive(alive) => write_alive(alive, sink),
        Message::Dead(dead) => {
            begin(kind::DEAD, 3, sink)
                .text("From", &dead.from)
                .number("Incarnation", dead.incarnation)
                .text("Node", &dead.node);
        }
        Message::User(payload) => {
            sink.put(&[kind::USER]);
            sink.put(payload);
        }
    }
}

pub(super) fn write_ping(ping: &Ping, sink: &mut impl Sink) {
    let fields = if ping.origin.is_some() { 5 } else { 2 };
    let mut writer = begin(kind::PING, fields, sink);
    writer.text("Node", &ping.node).number("SeqNo", ping.sequence);
    write_origin(ping.origin.as_ref(), &mut writer);
}

fn write_indirect_ping(ping: &IndirectPing, sink: &mut impl Sink) {
    let fields = if ping.origin.is_some() { 8 } else { 5 };
    let mut writer = begin(kind::INDIRECT_PING, fields, sink);
    writer
        .boolean("Nack", ping.nack)
        .text("Node", &ping.node)
        .number("Port", ping.target.port().into())
        .number("SeqNo", ping.sequence);
    write_origin(ping.origin.as_ref(), &mut writer);
    write_ip("Target", ping.target.ip(), &mut writer);
}

fn write_origin(origin: Option<&Origin>, writer: &mut Writer<'_, impl Sink>) {
    let Some(Origin { address, node }) = origin else {
        return;
    };
    write_ip("SourceAddr", address.ip(), writer);
    writer
        .text("SourceNode", node)
        .number("SourcePort", address.port().into());
}

pub(super) fn write_ack(ack: &Ack, sink: &mut impl Sink) {
    begin(kind::ACK, 2, sink)
        .optional_bytes("Payload", &ack.payload)
        .number("SeqNo", ack.sequence);
}

fn write_alive(alive: &Alive, sink: &mut impl Sink) {
    let mut writer = begin(kind::ALIVE, 6, sink);
    write_ip("Addr", alive.address.ip(), &mut writer);
    writer
        .number("Incarnation", alive.incarnation)
        .optional_bytes("Meta", &alive.meta)
        .text("Node", &alive.node)
        .number("Port", alive.address.port().into())
        .bytes("Vsn", &vector(alive.versions));
}

/// A state has no kind: it stands behind the header of a push-pull.
pub(super) fn write_state(state: &NodeState, sink: &mut impl Sink) {
    let mut writer = Writer::new(sink);
    writer.map(7);
    write_ip("Addr", state.address.ip(), &mut writer);
    writer
        .number("Incarnation", state.incarnation)
        .optional_bytes("Meta", &state.meta)
        .text("Name", &state.name)
        .number("Port", state.address.port().into())
        .number("State", u32::from(state.status as u8))
        .bytes("Vsn", &vector(state.versions));
}

pub(super) fn begin<S: Sink>(kind: u8, fields: u8, sink: &mut S) -> Writer<'_, S> {
    sink.put(&[kind]);
    let mut writer = Writer::new(sink);
    writer.map(fields);
    writer
}

fn write_ip(name: &str, ip: IpAddr, writer: &mut Writer<'_, impl Sink>) {
    match ip {
        IpAddr::V4(ip) => writer.bytes(name, &ip.octets()),
        IpAddr::V6(ip) => writer.bytes(name, &ip.octets()),
    };
}

fn vector(versions: Versions) -> [u8; 6] {
    let Versions {
        protocol_min,
        protocol_max,
        protocol,
        delegate_min,
        delegate_max,
        delegate,
    } = versions;
    [
        protocol_min,
        protocol_max,
        protocol,
        delegate_min,
        delegate_max,
        delegate,
    ]
}

#[cfg(test)]
mod tests;
