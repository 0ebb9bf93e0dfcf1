use super::*;

const OWN: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x01);
const PEER: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x99);
const SERVED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const ASKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);

/// "who has 192.0.2.10? tell 192.0.2.50", as on the wire after the Ethernet header.
#[rustfmt::skip]
const REQUEST: [u8; 28] = [
    0, 1,  8, 0,  6, 4,  0, 1,
    0x02, 0, 0, 0, 0, 0x99,  192, 0, 2, 50,
    0, 0, 0, 0, 0, 0,        192, 0, 2, 10,
];

fn with(change: impl FnOnce(&mut [u8; 28])) -> [u8; 28] {
    let mut bytes = REQUEST;
    change(&mut bytes);
    bytes
}

#[test]
fn requests_and_replies_are_read_and_everything_else_is_refused_with_a_reason() {
    let check = |name: &str, bytes: &[u8], expected: Result<Message, Refusal>| {
        assert_eq!(decode(bytes), expected, "{name}");
    };
    let asked = |sender_ip| {
        Message::Request(Request {
            sender_mac: PEER,
            sender_ip,
            target_ip: SERVED,
        })
    };
    let request = asked(ASKER);

    check("request", &REQUEST, Ok(request));
    check(
        "padded to 46 bytes",
        &[&REQUEST[..], &[0; 18]].concat(),
        Ok(request),
    );
    check(
        "probe for duplicates",
        &with(|b| b[14..18].fill(0)),
        Ok(asked(Ipv4Addr::UNSPECIFIED)),
    );
    check(
        "reply",
        &with(|b| b[7] = 2),
        Ok(Message::Reply(Reply {
            sender_mac: PEER,
            sender_ip: ASKER,
        })),
    );
    check("empty", &[], Err(Refusal::Truncated));
    check("one byte short", &REQUEST[..27], Err(Refusal::Truncated));
    check(
        "unknown operation",
        &with(|b| b[6] = 1),
        Err(Refusal::OtherOperation),
    );
    check(
        "another hardware",
        &with(|b| b[1] = 6),
        Err(Refusal::OtherProtocol),
    );
    check(
        "another protocol",
        &with(|b| b[3] = 1),
        Err(Refusal::OtherProtocol),
    );
    check(
        "long hardware addresses",
        &with(|b| b[4] = 8),
        Err(Refusal::OtherProtocol),
    );
    check(
        "long protocol addresses",
        &with(|b| b[5] = 16),
        Err(Refusal::OtherProtocol),
    );
    check(
        "from everybody",
        &with(|b| b[8..14].fill(0xff)),
        Err(Refusal::SenderIsGroup),
    );
    check(
        "from a group",
        &with(|b| b[8] = 0x01),
        Err(Refusal::SenderIsGroup),
    );
}

#[test]
fn the_reply_goes_to_the_asker_alone() {
    let request = Request {
        sender_mac: PEER,
        sender_ip: ASKER,
        target_ip: SERVED,
    };
    #[rustfmt::skip]
    let expected = [
        0x02, 0, 0, 0, 0, 0x99,  0x02, 0, 0, 0, 0, 0x01,  0x08, 0x06,
        0, 1,  8, 0,  6, 4,  0, 2,
        0x02, 0, 0, 0, 0, 0x01,  192, 0, 2, 10,
        0x02, 0, 0, 0, 0, 0x99,  192, 0, 2, 50,
    ];
    assert_eq!(reply(&request, OWN), expected);
}

#[test]
fn everybody_is_told_in_both_forms() {
    let form = |operation: u8| {
        #[rustfmt::skip]
        let bytes = vec![
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0x02, 0, 0, 0, 0, 0x01,  0x08, 0x06,
            0, 1,  8, 0,  6, 4,  0, operation,
            0x02, 0, 0, 0, 0, 0x01,              192, 0, 2, 10,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  192, 0, 2, 10,
        ];
        bytes
    };
    assert_eq!(gratuitous(SERVED, OWN), [form(1), form(2)]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }
}
