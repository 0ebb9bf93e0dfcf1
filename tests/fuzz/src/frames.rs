//! The decoders of layer 2: ARP requests and neighbour solicitations.

use metallb_protocol::{arp, ndp};

use crate::Target;

/// These decoders look at what is there; the room is for a message of an error that has none today.
const BOUND: usize = 256;

pub(crate) const ARP: Target = Target {
    name: "arp",
    seeds: || {
        // Who has 192.0.2.7? And the same, padded as on a wire.
        let request =
            b"\x00\x01\x08\x00\x06\x04\x00\x01\x02\0\0\0\0\x01\xc0\0\x02\x01\0\0\0\0\0\0\xc0\0\x02\x07";
        vec![request.to_vec(), [&request[..], &[0; 18]].concat()]
    },
    decode: |payload| match arp::decode(payload) {
        Ok(_) => 0,
        Err(refusal) => 1 + refusal as u64,
    },
    bound: BOUND,
    weight: 1,
};

pub(crate) const NDP: Target = Target {
    name: "ndp",
    seeds: || {
        let [probe, question] = [&[][..], &[1, 1, 2, 0, 0, 0, 0, 1]].map(solicitation);
        vec![probe, question]
    },
    decode: |packet| {
        // A damaged packet is decoded twice: as it is, and with the checksum that it should have.
        let outcome = |packet: &[u8]| match ndp::decode(packet) {
            Ok(ndp::Message::Solicitation(solicitation)) => u64::from(solicitation.source_mac.is_some()),
            Ok(ndp::Message::Advertisement(_)) => 2,
            Err(refusal) => 3 + refusal as u64,
        };
        let mut corrected = packet.to_vec();
        sum_up(&mut corrected);
        outcome(packet) << 8 | outcome(&corrected)
    },
    bound: BOUND + crate::membership::INPUT,
    weight: 1,
};

/// Who has `2001:db8::7`? Without options it is a probe.
fn solicitation(options: &[u8]) -> Vec<u8> {
    let target = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 7];
    let mut source = [0; 16];
    if !options.is_empty() {
        source[..2].copy_from_slice(&[0xfe, 0x80]);
    }
    let length = if options.is_empty() { 24 } else { 32 };
    let header = [0x60, 0, 0, 0, 0, length, 58, 255];
    let mut packet = [
        &header[..],
        &source,
        &group,
        &[135, 0, 0, 0, 0, 0, 0, 0],
        &target,
        options,
    ]
    .concat();
    sum_up(&mut packet);
    packet
}

/// Writes the checksum of ICMPv6 (RFC 4443 §2.3) where it belongs, if there is a place for it.
fn sum_up(packet: &mut [u8]) {
    let Some(payload) = packet
        .get(4..6)
        .map(|length| u16::from_be_bytes([length[0], length[1]]))
    else {
        return;
    };
    let end = 40 + usize::from(payload);
    if payload < 4 || packet.len() < end {
        return;
    }
    packet[42..44].copy_from_slice(&[0, 0]);
    let pairs = packet[8..end].chunks(2);
    let words = pairs.map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum = words.sum::<u32>() + u32::from(payload) + 58;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    packet[42..44].copy_from_slice(&[high, low]);
}
