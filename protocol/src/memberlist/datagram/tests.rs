//! Datagrams of Go's library, and ours there and back.

use proptest::prelude::*;

use super::super::examples::{self, upstream, wire};
use super::super::keyring::OVERHEAD;
use super::super::message::{Message, Nack, Suspect};
use super::super::{Refusal, Wire, encoding};
use super::{DATAGRAM_MAX, Heard, MESSAGES_MAX, PER_MESSAGE};

/// The secret of the vectors.
const SECRET: &str = "0123456789012345678901";

fn suspect() -> Message {
    Message::Suspect(Suspect {
        incarnation: 2,
        node: "node-b".into(),
        from: "node-a".into(),
    })
}

fn nack(sequence: u32) -> Message {
    Message::Nack(Nack { sequence })
}

fn heard(messages: &[Message]) -> Heard {
    Heard {
        messages: messages.to_vec(),
        skipped: None,
    }
}

fn send(wire: &Wire, messages: &[Message]) -> Vec<Vec<u8>> {
    wire.datagrams(messages, true, || [7; 12])
}

#[test]
fn several_messages_are_one_compound_as_go_writes_it() {
    let messages = [suspect(), nack(128), Message::User(b"hello".into())];
    let plain = wire("");
    assert_eq!(plain.hear(&upstream("compound")), Ok(heard(&messages)));
    assert_eq!(
        plain.datagrams(&messages, false, || [0; 12]),
        [upstream("compound")]
    );
}

#[test]
fn what_go_has_compressed_is_read_and_written() {
    let messages = vec![suspect(); 8];
    assert_eq!(wire("").hear(&upstream("compressed")), Ok(heard(&messages)));
    assert_eq!(
        wire("").datagrams(&messages, false, || [0; 12]),
        [upstream("compressed")]
    );
}

#[test]
fn what_go_has_encrypted_is_read_in_both_versions() {
    for vector in ["encrypted0", "encrypted1"] {
        assert_eq!(
            wire(SECRET).hear(&upstream(vector)),
            Ok(heard(&[suspect()])),
            "{vector}"
        );
        assert_eq!(
            wire("other").hear(&upstream(vector)),
            Err(Refusal::Unauthenticated)
        );
    }
}

#[test]
fn only_the_own_label_is_let_in() {
    let mut labelled = wire(SECRET);
    labelled.label = "lab".into();
    assert_eq!(labelled.hear(&upstream("labelled")), Ok(heard(&[suspect()])));
    assert_eq!(labelled.hear(&upstream("encrypted1")), Err(Refusal::Label));
    assert_eq!(wire(SECRET).hear(&upstream("labelled")), Err(Refusal::Label));
    for cut in [&[244][..], &[244, 0], &[244, 0, 0], &[244, 3, b'l', b'a']] {
        assert_eq!(wire("").hear(cut), Err(Refusal::Label), "{cut:?}");
    }
}

#[test]
fn with_a_key_nothing_is_read_that_is_not_sealed() {
    let clear = upstream("compound");
    assert_eq!(wire(SECRET).hear(&clear), Err(Refusal::Unauthenticated));
    let mut changing = wire(SECRET);
    changing.verify_incoming = false;
    assert_eq!(changing.hear(&clear).map(|heard| heard.messages.len()), Ok(3));
    changing.verify_outgoing = false;
    assert_eq!(
        changing.datagrams(&[suspect()], false, || [0; 12]),
        [upstream("suspect")]
    );
}

#[test]
fn damage_is_noticed() {
    let good = send(&wire(""), &[suspect()]).remove(0);
    assert_eq!((good[0], wire("").hear(&good)), (12, Ok(heard(&[suspect()]))));
    for position in 5..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1;
        assert_eq!(wire("").hear(&bad), Err(Refusal::Checksum), "{position}");
    }
}

#[test]
fn a_bad_message_does_not_take_the_others_along() {
    // Three parts: a nack, a kind that there is none of, and one that is longer than what is left.
    let datagram = b"\x07\x03\x00\x09\x00\x01\x00\x50\x0b\x81\xa5SeqNo\x05\x63\x00";
    let Heard { messages, skipped } = wire("").hear(datagram).unwrap();
    assert_eq!((messages, skipped), (vec![nack(5)], Some((Refusal::Kind, 2))));
}

#[test]
fn envelopes_are_not_looked_for_inside_of_envelopes() {
    let inner = upstream("compressed");
    let twice = super::compress::compress(&inner);
    assert_eq!(wire("").hear(&twice), Err(Refusal::Kind));
    let mut compound = vec![7, 1];
    compound.extend_from_slice(&u16::try_from(inner.len()).unwrap().to_be_bytes());
    compound.extend_from_slice(&inner);
    assert_eq!(
        wire("").hear(&compound).unwrap().skipped,
        Some((Refusal::Kind, 1))
    );
    let bomb = super::compress::compress(&vec![8; DATAGRAM_MAX + 1]);
    assert_eq!(wire("").hear(&bomb), Err(Refusal::TooLong));
}

#[test]
fn what_is_empty_or_too_long_is_refused() {
    assert_eq!(wire("").hear(&[]), Err(Refusal::Truncated));
    assert_eq!(wire(SECRET).hear(&[]), Err(Refusal::Unauthenticated));
    assert_eq!(wire("").hear(&vec![8; DATAGRAM_MAX + 1]), Err(Refusal::TooLong));
    for empty in [&[7][..], &[7, 1], &[7, 200, 0, 0], &[9], &[12, 0, 0]] {
        assert!(wire("").hear(empty).is_err(), "{empty:?}");
    }
}

#[test]
fn one_that_no_datagram_can_carry_is_left_out() {
    let messages = [nack(1), Message::User(vec![0; DATAGRAM_MAX]), nack(2)];
    let datagrams = send(&wire(SECRET), &messages);
    assert_eq!(datagrams.len(), 1);
    assert_eq!(wire(SECRET).hear(&datagrams[0]), Ok(heard(&[nack(1), nack(2)])));
}

#[test]
fn a_large_one_goes_alone() {
    let large = Message::User((0..2_000_u32).flat_map(u32::to_be_bytes).collect());
    let datagrams = send(&wire(""), &[nack(1), large.clone(), nack(2)]);
    assert_eq!(datagrams.len(), 3);
    assert_eq!(wire("").hear(&datagrams[1]), Ok(heard(&[large])));
}

#[test]
fn more_than_a_compound_can_count_are_several() {
    let mut roomy = wire("");
    roomy.datagram_bytes = DATAGRAM_MAX;
    let messages: Vec<Message> = (0..600).map(nack).collect();
    let counts: Vec<usize> = send(&roomy, &messages)
        .iter()
        .map(|datagram| roomy.hear(datagram).unwrap().messages.len())
        .collect();
    assert_eq!(counts, [MESSAGES_MAX, MESSAGES_MAX, 90]);
}

#[test]
fn the_room_is_used_to_the_last_byte() {
    let mut exact = wire(SECRET);
    exact.label = "lab".into();
    exact.compression = false;
    assert_eq!(exact.room(), 1400 - (2 + 3) - OVERHEAD - 5 - 2);
    let filled = |bytes: usize| vec![nack(1), Message::User(vec![1; bytes])];
    let rest = exact.room() - PER_MESSAGE - encoding::size(&nack(1)) - PER_MESSAGE - 1;
    let fits = send(&exact, &filled(rest));
    assert_eq!(fits.iter().map(Vec::len).collect::<Vec<_>>(), [1400]);
    assert_eq!(send(&exact, &filled(rest + 1)).len(), 2);
}

proptest! {
    #[test]
    fn what_is_sent_is_heard_in_order(
        messages in prop::collection::vec(examples::message(), 1..60),
        secret in prop::sample::select(vec!["", "secret"]),
        label in prop::sample::select(vec!["", "label"]),
        checksum in any::<bool>(),
        compression in any::<bool>(),
    ) {
        let mut wire = wire(secret);
        label.clone_into(&mut wire.label);
        wire.compression = compression;
        let mut heard = Vec::new();
        for datagram in wire.datagrams(&messages, checksum, || [3; 12]) {
            prop_assert!(datagram.len() <= wire.datagram_bytes, "{}", datagram.len());
            let Heard { messages, skipped } = wire.hear(&datagram).unwrap();
            prop_assert_eq!(skipped, None);
            heard.extend(messages);
        }
        prop_assert_eq!(heard, messages);
    }

    #[test]
    fn messages_that_fit_by_their_sizes_are_one_datagram(messages in prop::collection::vec(examples::message(), 1..12)) {
        let wire = wire("secret");
        let bytes: usize = messages.iter().map(|message| encoding::size(message) + PER_MESSAGE).sum();
        prop_assume!(bytes <= wire.room());
        prop_assert_eq!(wire.datagrams(&messages, true, || [3; 12]).len(), 1);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire("").hear(&bytes);
        let _ = wire("secret").hear(&bytes);
        let inside = [&[12][..], &crc32fast::hash(&bytes).to_be_bytes(), &bytes].concat();
        let _ = wire("").hear(&inside);
    }
}
