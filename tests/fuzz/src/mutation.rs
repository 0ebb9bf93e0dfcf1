//! Damage. Owns what a damaged input looks like. Never knows a format: what fits several of them are numbers at their
//! limits, and pieces of one input inside of another.

use fastrand::Rng;

/// Bytes that are limits, markers of msgpack, or kinds of messages.
const TELLING: [u8; 26] = [
    0, 1, 4, 6, 7, 8, 9, 10, 12, 13, 0x1f, 0x20, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc0, 0xc3, 0xcf, 0xda,
    0xdb, 0xdf, 0xf4, 0xff,
];

/// No input grows beyond this: a datagram cannot, and a stream says the same in fewer bytes.
const LONGEST: usize = 70_000;

/// One of `corpus`, damaged in one place or in several.
pub(crate) fn mutate(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = any(corpus, rng).clone();
    for _ in 0..1 << rng.u8(..4) {
        damage(&mut input, corpus, rng);
    }
    input.truncate(LONGEST);
    input
}

fn any<'a>(corpus: &'a [Vec<u8>], rng: &mut Rng) -> &'a Vec<u8> {
    &corpus[rng.usize(..corpus.len())]
}

fn damage(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let place = rng.usize(..=input.len());
    let end = input.len().min(place + rng.usize(..=16));
    match rng.u8(..9) {
        0 => flip(input, place, 1 << rng.u8(..8)),
        1 => flip(input, place, rng.u8(1..)),
        2 => set(input, place, TELLING[rng.usize(..TELLING.len())]),
        3 => drop(input.drain(place..end)),
        4 => input.truncate(place),
        5 => input.insert(place, TELLING[rng.usize(..TELLING.len())]),
        6 => {
            let copied = input[place..end].to_vec();
            drop(input.splice(place..place, copied));
        }
        7 => {
            let other = any(corpus, rng);
            let from = rng.usize(..=other.len());
            drop(input.splice(place..end, other[from..].iter().copied()));
        }
        // A number at its limit, as a length of any width.
        _ => {
            let number = [
                0_u32,
                1,
                0xff,
                0xffff,
                0x1f_ffff,
                0x20_0000,
                0x7fff_ffff,
                u32::MAX,
            ];
            let bytes = number[rng.usize(..number.len())].to_be_bytes();
            for (offset, byte) in bytes[rng.usize(..4)..].iter().enumerate() {
                set(input, place + offset, *byte);
            }
        }
    }
}

fn flip(input: &mut [u8], place: usize, bits: u8) {
    if let Some(byte) = input.get_mut(place) {
        *byte ^= bits;
    }
}

fn set(input: &mut [u8], place: usize, value: u8) {
    if let Some(byte) = input.get_mut(place) {
        *byte = value;
    }
}
