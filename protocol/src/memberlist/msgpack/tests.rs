//! Values in every form that msgpack has for them.

use proptest::prelude::*;

use super::{Fault, Reader, Writer};

fn number(bytes: &[u8]) -> Result<u64, Fault> {
    Reader::new(bytes).number()
}

#[test]
fn a_number_is_read_in_every_width() {
    for bytes in [
        &[7][..],
        &[0xcc, 7],
        &[0xcd, 0, 7],
        &[0xce, 0, 0, 0, 7],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0, 7],
        &[0xd0, 7],
        &[0xd1, 0, 7],
        &[0xd2, 0, 0, 0, 7],
        &[0xd3, 0, 0, 0, 0, 0, 0, 0, 7],
    ] {
        assert_eq!(number(bytes), Ok(7), "{bytes:x?}");
    }
    assert_eq!(number(&[0xc0]), Ok(0), "nil");
    assert_eq!(number(&[0xd0, 0x80]), Err(Fault::Unexpected), "negative");
    assert_eq!(number(&[0xff]), Err(Fault::Unexpected), "negative");
    assert_eq!(number(&[0xcd, 1]), Err(Fault::Missing(1)));
    assert_eq!(Reader::new(&[0xcd, 1, 0]).narrow::<u8>(), Err(Fault::Unexpected));
}

#[test]
fn a_string_is_read_in_every_form() {
    for header in [
        &[0xa2][..],
        &[0xd9, 2],
        &[0xda, 0, 2],
        &[0xdb, 0, 0, 0, 2],
        &[0xc4, 2],
        &[0xc5, 0, 2],
        &[0xc6, 0, 0, 0, 2],
    ] {
        let bytes = [header, b"ab"].concat();
        assert_eq!(Reader::new(&bytes).bytes(), Ok(&b"ab"[..]), "{header:x?}");
    }
    assert_eq!(Reader::new(&[0xc0]).bytes(), Ok(&b""[..]));
    assert_eq!(
        Reader::new(&[0xdb, 0xff, 0xff, 0xff, 0xff, 1]).bytes(),
        Err(Fault::Missing(0xffff_fffe))
    );
}

#[test]
fn what_is_not_known_is_stepped_over() {
    // {"a": [1, {"b": nil}, -1.5], "n": 5}
    let unknown = [
        &[0x82, 0xa1, b'a', 0x93, 1, 0x81, 0xa1, b'b', 0xc0, 0xcb][..],
        &(-1.5_f64).to_be_bytes(),
        &[0xa1, b'n', 5],
    ]
    .concat();
    let mut found = 0;
    let mut reader = Reader::new(&unknown);
    reader
        .fields(|name, value| {
            if name == b"n" {
                found = value.number()?;
                return Ok(true);
            }
            Ok(false)
        })
        .unwrap();
    assert_eq!((found, reader.rest()), (5, &[][..]));
}

#[test]
fn neither_many_fields_nor_deep_nesting_are_followed() {
    let read = |bytes: &[u8]| Reader::new(bytes).fields(|_, _| Ok(false));
    assert_eq!(read(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(Fault::Unexpected));
    assert_eq!(
        read(&[&[0x81, 0xa0][..], &vec![0x91; 100_000]].concat()),
        Err(Fault::Unexpected)
    );
    assert_eq!(
        read(&[0x81, 0xa0, 0xdd, 0xff, 0xff, 0xff, 0xff]),
        Err(Fault::Unexpected)
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(a in any::<u32>(), text in ".{0,300}", raw in prop::collection::vec(any::<u8>(), 0..400), times in prop::sample::select(vec![1_usize, 300]), yes in any::<bool>()) {
        let (mut bytes, raw) = (Vec::new(), raw.repeat(times));
        Writer::new(&mut bytes).map(4).number("A", a).text("T", &text).optional_bytes("R", &raw).boolean("B", yes);
        let mut seen = (0, "", &[][..], !yes);
        let mut reader = Reader::new(&bytes);
        reader.fields(|name, value| {
            match name {
                b"A" => seen.0 = value.narrow()?,
                b"T" => seen.1 = std::str::from_utf8(value.bytes()?).unwrap(),
                b"R" => seen.2 = value.bytes()?,
                b"B" => seen.3 = value.boolean()?,
                _ => return Ok(false),
            }
            Ok(true)
        }).unwrap();
        prop_assert_eq!(seen, (a, text.as_str(), raw.as_slice(), yes));
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn each_missing_byte_is_noticed_and_never_more_than_are_missing(raw in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).map(2).bytes("Unknown", &raw).number("N", 70_000);
        let kept = cut.index(bytes.len());
        let read = Reader::new(&bytes[..kept]).fields(|_, _| Ok(false));
        let Err(Fault::Missing(count)) = read else { panic!("{read:?}") };
        prop_assert!(count >= 1 && count <= bytes.len() - kept);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Reader::new(&bytes).fields(|_, _| Ok(false));
        let _ = Reader::new(&bytes).fields(|_, value| value.bytes().map(|_| true));
        let _ = number(&bytes);
    }
}
