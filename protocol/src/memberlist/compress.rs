//! Compression as Go's `compress/lzw` has it: least significant bit first, 8 bits to a literal. Owns the envelope of
//! compressed bytes. Never decides what is worth compressing.

use weezl::{BitOrder, LzwStatus, decode, encode};

use super::encoding::{begin, kind};
use super::msgpack::{Fault, Reader};
use super::wire::Refusal;

/// Bytes to a literal.
const LITERAL_BITS: u8 = 8;
/// LZW, the only algorithm there is.
const LZW: u8 = 0;
/// What is decompressed is not known to be wanted before it is there: it grows by so many bytes at a time.
const STEP_BYTES: usize = 4096;

/// `plain` in an envelope, with the byte of its kind.
pub(super) fn compress(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(plain.len());
    encode::Encoder::new(BitOrder::Lsb, LITERAL_BITS)
        .into_vec(&mut packed)
        .encode_all(plain)
        .status
        .expect("every byte is a literal of 8 bits");
    let mut envelope = Vec::with_capacity(packed.len() + 16);
    begin(kind::COMPRESSED, 2, &mut envelope)
        .number("Algo", u32::from(LZW))
        .bytes("Buf", &packed);
    envelope
}

/// The compressed bytes out of an envelope whose kind has been read.
pub(super) fn open<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Fault> {
    let (mut algorithm, mut packed) = (LZW, &[][..]);
    reader.fields(|name, value| {
        match name {
            b"Algo" => algorithm = value.narrow()?,
            b"Buf" => packed = value.bytes()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if algorithm == LZW {
        Ok(packed)
    } else {
        Err(Fault::Unexpected)
    }
}

/// Decompresses, up to `max` bytes: a few bytes can stand for gigabytes.
pub(super) fn decompress(mut packed: &[u8], max: usize) -> Result<Vec<u8>, Refusal> {
    let mut decoder = decode::Decoder::new(BitOrder::Lsb, LITERAL_BITS);
    let (mut plain, mut filled) = (Vec::new(), 0);
    loop {
        if filled == plain.len() {
            if filled == max {
                return Err(Refusal::TooLong);
            }
            plain.resize(max.min(filled + STEP_BYTES), 0);
        }
        let progress = decoder.decode_bytes(packed, &mut plain[filled..]);
        packed = &packed[progress.consumed_in..];
        filled += progress.consumed_out;
        match progress.status {
            Ok(LzwStatus::Done) => break,
            Ok(LzwStatus::Ok) => {}
            Ok(LzwStatus::NoProgress) if filled == plain.len() => {}
            // Without its end mark it is cut off; Go's reader refuses it as well.
            Ok(LzwStatus::NoProgress) | Err(_) => return Err(Refusal::Compression),
        }
    }
    plain.truncate(filled);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bomb_is_refused_at_the_bound() {
        let envelope = compress(&vec![0; 1 << 20]);
        let packed = open(&mut Reader::new(&envelope[1..])).unwrap();
        assert!(packed.len() < 3_000, "{}", packed.len());
        assert_eq!(decompress(packed, 65_535), Err(Refusal::TooLong));
        assert_eq!(decompress(packed, 1 << 20).map(|plain| plain.len()), Ok(1 << 20));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let envelope = compress(b"the end is missing");
        let packed = open(&mut Reader::new(&envelope[1..])).unwrap();
        for kept in 0..packed.len() {
            assert_eq!(
                decompress(&packed[..kept], 100),
                Err(Refusal::Compression),
                "{kept}"
            );
        }
    }

    #[test]
    fn another_algorithm_is_refused() {
        let unknown = [
            0x82, 0xa4, b'A', b'l', b'g', b'o', 1, 0xa3, b'B', b'u', b'f', 0xa0,
        ];
        assert_eq!(open(&mut Reader::new(&unknown)), Err(Fault::Unexpected));
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(chunk in prop::collection::vec(any::<u8>(), 0..200), times in 1_usize..60) {
            let plain = chunk.repeat(times);
            let envelope = compress(&plain);
            let packed = open(&mut Reader::new(&envelope[1..])).unwrap();
            prop_assert_eq!(decompress(packed, 12_000), Ok(plain));
        }

        #[test]
        fn nothing_makes_it_panic_or_exceed_its_bound(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(plain) = decompress(&bytes, 1_000) {
                prop_assert!(plain.len() <= 1_000);
            }
        }
    }
}
