//! Streams: one message each way over TCP. Owns their envelopes, their limits, and where a message that arrives in
//! pieces ends. Never connects.
//!
//! A member connects, writes one message, and may get one back: everything that it knows for everything that the other
//! one knows, or a ping for an answer if datagrams seem not to get through.

use super::compress;
use super::encoding::{self, begin, kind, read};
use super::keyring::{Nonce, OVERHEAD};
use super::message::{Ack, Ping, PushPull};
use super::msgpack::{Fault, Reader};
use super::wire::{Refusal, Wire};

mod collect;

pub use collect::{Collector, Progress};

/// The most bytes of one message, compressed or not. Kubernetes supports 5,000 nodes; each takes about 60 bytes and its
/// name, so that there is room for 300 bytes of name and meta, or for as many that are long gone. Go's library accepts
/// ten times as much, more than this process is meant to use for everything.
pub const STREAM_MAX: usize = 2 << 20;

/// The most members in one message: twice the nodes that Kubernetes supports. More are a mistake or an attack, and each
/// takes more memory than bytes.
pub const MEMBERS_MAX: usize = 10_000;

/// The kind and the length of what is sealed.
const SEAL_HEADER: usize = 5;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the one that has connected. It names the label of its cluster.
    Asking,
    /// Back. Go's library writes no label here, and expects none.
    Answering,
}

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// "Are you there?" where datagrams got no answer.
    Ping(Ping),
    /// "I am."
    Ack(Ack),
    /// Everything that one member knows.
    PushPull(PushPull),
    /// For the application. Upstream's speakers ignore it.
    User(Vec<u8>),
    /// The other side could not read what it was sent.
    Error(String),
}

impl Wire {
    /// The bytes of one message.
    pub fn stream(&self, content: &Content, direction: Direction, nonce: Nonce) -> Vec<u8> {
        let mut plain = Vec::new();
        write(content, &mut plain);
        if self.compression {
            plain = compress::compress(&plain);
        }
        let mut stream = Vec::with_capacity(self.envelope_bytes() + SEAL_HEADER + plain.len());
        if direction == Direction::Asking {
            self.put_label(&mut stream);
        }
        if self.seals() {
            let length = length(plain.len() + OVERHEAD);
            let start = stream.len();
            stream.push(kind::ENCRYPTED);
            stream.extend_from_slice(&length.to_be_bytes());
            let bound_to = self.bound_to(&stream[start..]);
            self.keyring.seal(&plain, &bound_to, nonce, &mut stream);
        } else {
            stream.extend_from_slice(&plain);
        }
        stream
    }

    /// What a seal also vouches for: its own header, and the label.
    fn bound_to(&self, header: &[u8]) -> Vec<u8> {
        [header, self.label.as_bytes()].concat()
    }
}

fn write(content: &Content, bytes: &mut Vec<u8>) {
    match content {
        Content::Ping(ping) => encoding::write_ping(ping, bytes),
        Content::Ack(ack) => encoding::write_ack(ack, bytes),
        Content::PushPull(state) => write_push_pull(state, bytes),
        Content::User(payload) => {
            begin(kind::USER, 1, bytes).number("UserMsgLen", length(payload.len()));
            bytes.extend_from_slice(payload);
        }
        Content::Error(text) => {
            begin(kind::ERROR, 1, bytes).text("Error", text);
        }
    }
}

fn write_push_pull(state: &PushPull, bytes: &mut Vec<u8>) {
    begin(kind::PUSH_PULL, 3, bytes)
        .boolean("Join", state.join)
        .number("Nodes", length(state.nodes.len()))
        .number("UserStateLen", length(state.user_state.len()));
    for node in &state.nodes {
        encoding::write_state(node, bytes);
    }
    bytes.extend_from_slice(&state.user_state);
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a message is shorter than 4 GiB")
}

/// A message as far as it has been read. What is there is read once, also if it arrives in small pieces.
#[derive(Debug, Default)]
struct Reading {
    /// Bytes that need not be looked at again.
    done: usize,
    /// The header of a push-pull, and what stood behind it.
    push_pull: Option<Header>,
}

#[derive(Debug)]
struct Header {
    /// How many still come.
    nodes: usize,
    user_state: usize,
    state: PushPull,
}

/// Why a message is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// At least so many bytes are missing.
    Missing(usize),
    Refused(Refusal),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing(count) => Self::Missing(count),
            Fault::Unexpected => Self::Refused(Refusal::Malformed),
        }
    }
}

impl Reading {
    /// Goes on with a message, all of whose bytes so far are `bytes`.
    fn read(&mut self, bytes: &[u8], default_port: u16) -> Result<Content, Stop> {
        let (&kind, body) = bytes.split_first().ok_or(Stop::Missing(1))?;
        let reader = &mut Reader::new(body);
        Ok(match kind {
            kind::PUSH_PULL => Content::PushPull(self.read_push_pull(bytes, default_port)?),
            kind::PING => Content::Ping(read::ping(reader)?),
            kind::ACK => Content::Ack(read::ack(reader)?),
            kind::ERROR => Content::Error(read_error(reader)?),
            kind::USER => Content::User(read_user(reader)?),
            _ => return Err(Stop::Refused(Refusal::Kind)),
        })
    }

    fn read_push_pull(&mut self, bytes: &[u8], default_port: u16) -> Result<PushPull, Stop> {
        if self.push_pull.is_none() {
            let mut reader = Reader::new(&bytes[1..]);
            self.push_pull = Some(read_header(&mut reader)?);
            self.done = bytes.len() - reader.rest().len();
        }
        let header = self.push_pull.as_mut().ok_or(Stop::Refused(Refusal::Malformed))?;
        let mut reader = Reader::new(&bytes[self.done..]);
        while header.nodes > 0 {
            let mut attempt = reader.clone();
            match read::member(&mut attempt, b"Name", default_port) {
                Ok(node) => {
                    header.state.nodes.push(node);
                    reader = attempt;
                }
                // A member that cannot be one of ours must not keep us from those that are.
                Err(Fault::Unexpected) => reader.fields(|_, _| Ok(false))?,
                Err(missing) => return Err(missing.into()),
            }
            header.nodes -= 1;
            self.done = bytes.len() - reader.rest().len();
        }
        header.state.user_state = reader.take(header.user_state)?.to_vec();
        Ok(std::mem::take(&mut header.state))
    }
}

fn read_header(reader: &mut Reader<'_>) -> Result<Header, Stop> {
    let (mut nodes, mut user_state, mut join) = (0, 0, false);
    reader.fields(|name, value| {
        match name {
            b"Nodes" => nodes = value.narrow()?,
            b"UserStateLen" => user_state = value.narrow()?,
            b"Join" => join = value.boolean()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if nodes > MEMBERS_MAX || user_state > STREAM_MAX {
        return Err(Stop::Refused(Refusal::TooLong));
    }
    Ok(Header {
        nodes,
        user_state,
        state: PushPull {
            join,
            ..PushPull::default()
        },
    })
}

fn read_error(reader: &mut Reader<'_>) -> Result<String, Stop> {
    let mut text = &[][..];
    reader.fields(|name, value| {
        let known = name == b"Error";
        if known {
            text = value.bytes()?;
        }
        Ok(known)
    })?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn read_user(reader: &mut Reader<'_>) -> Result<Vec<u8>, Stop> {
    let mut length = 0;
    reader.fields(|name, value| {
        let known = name == b"UserMsgLen";
        if known {
            length = value.narrow()?;
        }
        Ok(known)
    })?;
    if length > STREAM_MAX {
        return Err(Stop::Refused(Refusal::TooLong));
    }
    Ok(reader.take(length)?.to_vec())
}

#[cfg(test)]
mod tests;
