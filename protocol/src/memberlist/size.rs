//! How many bytes a message takes at most, so that the machine can fill a datagram without knowing the encoding.
//!
//! Owns upper bounds only: the names of the fields, five bytes for each number, and what is of variable length.

use super::message::{Ack, Alive, Dead, IndirectPing, Message, Nack, Origin, Ping, Suspect};

/// What each message costs besides itself in a datagram with several.
pub(super) const LENGTH_PREFIX: usize = 2;

/// A datagram counts its messages in one byte.
pub(super) const MOST_MESSAGES: usize = 255;

/// Shorter is no message that is worth repeating.
pub(super) const LEAST_NEWS: usize = 40;

/// The type of the message, and the number of its fields.
const HEAD: usize = 2;
const NUMBER: usize = 5;
/// A text or bytes up to 65,535 long have three bytes before them.
const PREFIX: usize = 3;
const ADDRESS: usize = 16;

const fn field(name: &str) -> usize {
    1 + name.len()
}

const fn number(name: &str) -> usize {
    field(name) + NUMBER
}

const fn bytes(name: &str, length: usize) -> usize {
    field(name) + PREFIX + length
}

/// No encoding of `message` is longer than this many bytes.
pub fn at_most(message: &Message) -> usize {
    HEAD + match message {
        Message::Ping(Ping { node, origin, .. }) => {
            number("SeqNo") + bytes("Node", node.len()) + of_origin(origin.as_ref())
        }
        Message::IndirectPing(IndirectPing { node, origin, .. }) => {
            let target = bytes("Target", ADDRESS) + number("Port") + bytes("Node", node.len());
            number("SeqNo") + target + number("Nack") + of_origin(origin.as_ref())
        }
        Message::Ack(Ack { payload, .. }) => number("SeqNo") + bytes("Payload", payload.len()),
        Message::Nack(Nack { .. }) => number("SeqNo"),
        Message::Suspect(Suspect { node, from, .. }) | Message::Dead(Dead { node, from, .. }) => {
            number("Incarnation") + bytes("Node", node.len()) + bytes("From", from.len())
        }
        Message::Alive(Alive { node, meta, .. }) => {
            let place = bytes("Addr", ADDRESS) + number("Port");
            let rest = bytes("Meta", meta.len()) + bytes("Vsn", 6);
            number("Incarnation") + bytes("Node", node.len()) + place + rest
        }
        Message::User(payload) => payload.len(),
    }
}

fn of_origin(origin: Option<&Origin>) -> usize {
    let node = origin.map_or(0, |origin| origin.node.len());
    bytes("SourceAddr", ADDRESS) + number("SourcePort") + bytes("SourceNode", node)
}
