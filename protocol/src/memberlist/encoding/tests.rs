//! The same bytes as Go's library for the same message.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::super::examples::{self, upstream};
use super::super::message::{Ack, Alive, Dead, IndirectPing, Message, Nack, Origin, Ping, Suspect, Versions};
use super::super::msgpack::Fault;
use super::{META_MAX, NAME_MAX, read, size, write};

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn decode(bytes: &[u8]) -> Result<Message, Fault> {
    read::message(bytes[0], &bytes[1..], 7946).expect("a known kind")
}

fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(message, &mut bytes);
    bytes
}

/// Both libraries write `message` as this vector, and read it.
fn check(vector: &str, message: &Message) {
    assert_eq!(decode(&upstream(vector)).as_ref(), Ok(message), "{vector}");
    assert_eq!(encode(message), upstream(vector), "{vector}");
    assert_eq!(size(message), upstream(vector).len(), "{vector}");
}

fn ping(sequence: u32, origin: Option<&str>) -> Message {
    Message::Ping(Ping {
        sequence,
        node: "node-b".into(),
        origin: origin.map(|address| Origin {
            address: socket(address),
            node: "node-a".into(),
        }),
    })
}

#[test]
fn questions_and_answers_are_the_bytes_of_go() {
    check("ping", &ping(7, Some("192.0.2.7:7946")));
    check("ping_bare", &ping(70_000, None));
    check(
        "ack",
        &Message::Ack(Ack {
            sequence: u32::MAX,
            payload: Vec::new(),
        }),
    );
    check("nack", &Message::Nack(Nack { sequence: 128 }));
}

#[test]
fn claims_are_the_bytes_of_go() {
    check(
        "suspect",
        &Message::Suspect(Suspect {
            incarnation: 2,
            node: "node-b".into(),
            from: "node-a".into(),
        }),
    );
    check(
        "dead",
        &Message::Dead(Dead {
            incarnation: 255,
            node: "node-b".into(),
            from: "node-b".into(),
        }),
    );
    check(
        "alive",
        &Message::Alive(Alive {
            incarnation: 65_536,
            node: "a-node-with-a-name-that-is-longer-than-31-bytes".into(),
            address: socket("192.0.2.7:7946"),
            meta: Vec::new(),
            versions: Versions::OURS,
        }),
    );
    check(
        "alive_meta",
        &Message::Alive(Alive {
            incarnation: 1,
            node: "node-b".into(),
            address: socket("[2001:db8::7]:100"),
            meta: b"m\x00\xff".into(),
            versions: Versions::OURS,
        }),
    );
}

#[test]
fn an_ipv4_address_in_the_form_of_ipv6_is_ipv4() {
    let expected = Message::IndirectPing(IndirectPing {
        sequence: 300,
        target: socket("[2001:db8::7]:7946"),
        node: "node-c".into(),
        nack: true,
        origin: Some(Origin {
            address: socket("192.0.2.7:1024"),
            node: "node-a".into(),
        }),
    });
    assert_eq!(decode(&upstream("indirect")), Ok(expected));
}

#[test]
fn a_member_that_does_not_tell_its_port_is_at_the_usual_one() {
    let Ok(Message::Alive(mut alive)) = decode(&upstream("alive")) else {
        panic!()
    };
    alive.address.set_port(0);
    let Ok(Message::Alive(read)) = decode(&encode(&Message::Alive(alive))) else {
        panic!()
    };
    assert_eq!(read.address, socket("192.0.2.7:7946"));
}

#[test]
fn an_origin_without_an_address_is_none() {
    // {"Node": "b", "SeqNo": 1, "SourceNode": "a"}
    let bytes = b"\x00\x83\xa4Node\xa1b\xa5SeqNo\x01\xaaSourceNode\xa1a";
    let Ok(Message::Ping(ping)) = decode(bytes) else {
        panic!()
    };
    assert_eq!((ping.sequence, ping.origin), (1, None));
}

#[test]
fn what_no_member_can_be_is_refused() {
    let Ok(Message::Alive(good)) = decode(&upstream("alive")) else {
        panic!()
    };
    let with = |change: fn(&mut Alive)| {
        let mut alive = good.clone();
        change(&mut alive);
        decode(&encode(&Message::Alive(alive))).map(|_| ())
    };
    assert_eq!(with(|alive| alive.node = "n".repeat(NAME_MAX)), Ok(()));
    assert_eq!(with(|alive| alive.meta = vec![0; META_MAX]), Ok(()));
    assert_eq!(
        with(|alive| alive.node = "n".repeat(NAME_MAX + 1)),
        Err(Fault::Unexpected)
    );
    assert_eq!(
        with(|alive| alive.meta = vec![0; META_MAX + 1]),
        Err(Fault::Unexpected)
    );
    assert_eq!(
        decode(b"\x04\x80"),
        Err(Fault::Unexpected),
        "no address and no versions"
    );
    assert_eq!(
        decode(b"\x03\x81\xa4Node\xa1\xff"),
        Err(Fault::Unexpected),
        "not a text"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in examples::message()) {
        let bytes = encode(&message);
        prop_assert_eq!(size(&message), bytes.len());
        prop_assert_eq!(decode(&bytes), Ok(message));
    }
}
