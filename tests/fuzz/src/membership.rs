//! The decoders of memberlist: datagrams and streams, and what is inside of their envelopes.

use std::sync::LazyLock;

use metallb_protocol::memberlist::datagram::DATAGRAM_MAX;
use metallb_protocol::memberlist::message::{Message, NodeState, PushPull, Status, Versions};
use metallb_protocol::memberlist::stream::{Collector, Content, Direction, Progress, STREAM_MAX};
use metallb_protocol::memberlist::{Heard, Key, Refusal, Wire};

use crate::Target;

/// What an input, and a copy of it in an envelope, take themselves.
pub(crate) const INPUT: usize = 3 * 70_000;

/// A datagram is opened into a copy, decompressed into one that may have to move once while it grows, and read into at
/// most 255 messages; the tables of LZW come on top.
const DATAGRAM_BOUND: usize = INPUT + 4 * DATAGRAM_MAX + 128 * 1024;

/// The same for a stream, whose members take more memory than bytes.
const STREAM_BOUND: usize = INPUT + 4 * STREAM_MAX;

static CLEAR: LazyLock<Wire> = LazyLock::new(|| wire(""));
static SEALED: LazyLock<Wire> = LazyLock::new(|| wire("secret"));
static LABELLED: LazyLock<Wire> = LazyLock::new(|| Wire {
    label: "lab".into(),
    ..wire("secret")
});

fn wire(secret: &str) -> Wire {
    Wire::new(Key::from_secret(secret.as_bytes()).into_iter().collect())
}

/// What Go's library writes, if its name passes.
fn upstream(passes: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let vectors = include_str!("../../../protocol/testdata/memberlist.hex").lines();
    let named = vectors
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| passes(name));
    named.filter_map(|(_, hex)| bytes(hex)).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = (0..hex.len()).step_by(2);
    digits
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

/// How a datagram was heard: which messages it has, or why it was refused.
fn heard(outcome: Result<Heard, Refusal>) -> u64 {
    match outcome {
        Ok(Heard { messages, skipped }) => {
            let kinds = messages
                .iter()
                .fold(0, |kinds, message| kinds | 1 << kind(message));
            let skipped = skipped.map_or(0, |(refusal, _)| 1 + refusal as u64);
            1 << 32 | kinds << 8 | skipped
        }
        Err(refusal) => refusal as u64,
    }
}

fn kind(message: &Message) -> u8 {
    match message {
        Message::Ping(ping) => u8::from(ping.origin.is_some()),
        Message::IndirectPing(ping) => 2 + u8::from(ping.origin.is_some()),
        Message::Ack(ack) => 4 + u8::from(ack.payload.is_empty()),
        Message::Nack(_) => 6,
        Message::Suspect(_) => 7,
        Message::Alive(alive) => 8 + u8::from(alive.address.is_ipv4()),
        Message::Dead(_) => 10,
        Message::User(_) => 11,
    }
}

/// Feeds a stream in pieces whose length the first byte decides.
fn collected(wire: &Wire, direction: Direction, bytes: &[u8]) -> u64 {
    let piece = 1 + usize::from(*bytes.first().unwrap_or(&0)) * 64;
    let mut collector = Collector::new(direction);
    for piece in bytes.chunks(piece) {
        match collector.take(piece, wire) {
            Ok(Progress::Missing(_)) => {}
            Ok(Progress::Complete(content)) => return 1 << 32 | content_outcome(&content),
            Err(refusal) => return 1 + refusal as u64,
        }
    }
    0
}

fn content_outcome(content: &Content) -> u64 {
    match content {
        Content::Ping(_) => 0,
        Content::Ack(_) => 1,
        Content::User(_) => 2,
        Content::Error(_) => 3,
        Content::PushPull(PushPull {
            join,
            nodes,
            user_state,
        }) => 4 | u64::from(*join) << 4 | u64::from(!user_state.is_empty()) << 5 | (nodes.len() as u64) << 6,
    }
}

/// A message as it stands in a datagram.
pub(crate) const MESSAGE: Target = Target {
    name: "message",
    seeds: || {
        upstream(|name| !name.starts_with("stream") && !name.starts_with("encrypted") && name != "labelled")
    },
    decode: |message| heard(CLEAR.hear(message)),
    bound: DATAGRAM_BOUND,
    weight: 1,
};

/// A datagram of a cluster without a key, its checksum right.
pub(crate) const DATAGRAM: Target = Target {
    name: "datagram",
    seeds: MESSAGE.seeds,
    decode: |payload| {
        let sum = crc32fast::hash(payload).to_be_bytes();
        heard(CLEAR.hear(&[&[12][..], &sum, payload].concat()))
    },
    bound: DATAGRAM_BOUND,
    weight: 1,
};

/// A datagram of a cluster with a key.
pub(crate) const SEALED_DATAGRAM: Target = Target {
    name: "sealed-datagram",
    seeds: || {
        let messages = [Message::User(b"payload".to_vec())];
        let wires = [&*SEALED, &*LABELLED];
        let ours = wires
            .into_iter()
            .flat_map(|wire| wire.datagrams(&messages, true, || [7; 12]));
        ours.chain(upstream(|name| !name.starts_with("stream"))).collect()
    },
    decode: |datagram| heard(SEALED.hear(datagram)) << 40 | heard(LABELLED.hear(datagram)),
    bound: 2 * DATAGRAM_BOUND,
    weight: 1,
};

/// LZW, in an envelope that says what it must.
pub(crate) const COMPRESSED: Target = Target {
    name: "lzw",
    seeds: || {
        let envelopes = upstream(|name| name == "compressed" || name.starts_with("stream_compressed"));
        // What stands before the compressed bytes: kind, map, algorithm, the field and its length.
        let lzw = envelopes.into_iter().filter_map(|envelope| {
            let field = envelope.windows(4).position(|bytes| bytes == b"\xa3Buf")?;
            envelope.get(field + 5..).map(<[u8]>::to_vec)
        });
        lzw.collect()
    },
    decode: |lzw| {
        let length = u32::try_from(lzw.len()).expect("an input is short").to_be_bytes();
        let envelope = [b"\x09\x82\xa4Algo\x00\xa3Buf\xdb", &length[..], lzw].concat();
        let datagram = heard(CLEAR.hear(&envelope));
        datagram << 32 ^ collected(&CLEAR, Direction::Answering, &envelope)
    },
    bound: STREAM_BOUND,
    weight: 1,
};

/// A stream of a cluster without a key.
pub(crate) const STREAM: Target = Target {
    name: "stream",
    seeds: || upstream(|name| name.starts_with("stream") || name == "error" || name == "ack"),
    decode: |bytes| {
        let asking = collected(&CLEAR, Direction::Asking, bytes);
        asking << 16 ^ collected(&CLEAR, Direction::Answering, bytes)
    },
    bound: STREAM_BOUND,
    weight: 1,
};

/// A stream of a cluster with a key.
pub(crate) const SEALED_STREAM: Target = Target {
    name: "sealed-stream",
    seeds: || {
        let contents = [
            Content::PushPull(PushPull::default()),
            Content::User(b"payload".to_vec()),
        ];
        let wires = [&*SEALED, &*LABELLED];
        let ours = contents
            .iter()
            .flat_map(|content| wires.map(|wire| wire.stream(content, Direction::Asking, [7; 12])));
        ours.chain(upstream(|name| name.starts_with("stream"))).collect()
    },
    decode: |bytes| {
        let sealed = collected(&SEALED, Direction::Asking, bytes);
        sealed << 16 ^ collected(&LABELLED, Direction::Asking, bytes)
    },
    bound: STREAM_BOUND,
    weight: 1,
};

/// The fields of every kind of message: the same map is read as each of them.
pub(crate) const MSGPACK: Target = Target {
    name: "msgpack",
    seeds: || {
        let messages = upstream(|name| !name.starts_with("stream") && !name.starts_with("encrypted"));
        messages.iter().map(|message| message[1..].to_vec()).collect()
    },
    decode: |map| {
        let messages = [0, 1, 2, 3, 4, 5, 11].map(|kind| heard(CLEAR.hear(&[&[kind], map].concat())));
        let contents =
            [2, 6, 8, 13].map(|kind| collected(&CLEAR, Direction::Asking, &[&[kind], map].concat()));
        let all = messages.into_iter().chain(contents);
        all.fold(0, |outcome, next| outcome.wrapping_mul(31).wrapping_add(next))
    },
    bound: STREAM_BOUND,
    weight: 1,
};

/// Streams that are as large as they may become once they are decompressed.
pub(crate) const LARGE: Target = Target {
    name: "large",
    seeds: || {
        let node = |number: u32| NodeState {
            name: number.to_string(),
            address: ([192, 0, 2, 7], 7946).into(),
            meta: Vec::new(),
            incarnation: number,
            status: Status::Alive,
            versions: Versions::OURS,
        };
        let everybody = PushPull {
            join: true,
            nodes: (0..10_000).map(node).collect(),
            user_state: Vec::new(),
        };
        let contents = [
            Content::User(vec![0; STREAM_MAX - 100]),
            Content::PushPull(everybody),
        ];
        contents
            .map(|content| CLEAR.stream(&content, Direction::Answering, [0; 12]))
            .into()
    },
    decode: |bytes| collected(&CLEAR, Direction::Answering, bytes),
    bound: STREAM_BOUND,
    weight: 128,
};
