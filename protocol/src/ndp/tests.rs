use proptest::prelude::*;

use super::*;

const OWN: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x01);
const PEER: Station = Station {
    mac: MacAddr(0x02, 0, 0, 0, 0, 0x99),
    ip: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99),
};
const SERVED: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);

/// A solicitation as a list of its parts, so that a test can break one of them.
#[derive(Clone)]
struct Wire {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    next_header: u8,
    kind: u8,
    code: u8,
    flags: u8,
    target: Ipv6Addr,
    options: Vec<u8>,
}

fn multicast() -> Wire {
    let options = [&[1, 1][..], &PEER.mac.octets()].concat();
    let destination = solicited_node(SERVED);
    Wire {
        source: PEER.ip,
        destination,
        hop_limit: 255,
        next_header: 58,
        kind: 135,
        code: 0,
        flags: 0,
        target: SERVED,
        options,
    }
}

fn probe() -> Wire {
    Wire {
        source: Ipv6Addr::UNSPECIFIED,
        options: Vec::new(),
        ..multicast()
    }
}

impl Wire {
    fn bytes(&self) -> Vec<u8> {
        let mut message = vec![self.kind, self.code, 0, 0, self.flags, 0, 0, 0];
        message.extend(self.target.octets());
        message.extend(&self.options);
        let checksum = icmpv6::checksum(
            &Icmpv6Packet::new(&message).unwrap(),
            &self.source,
            &self.destination,
        );
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        let mut packet = vec![
            0x60,
            0,
            0,
            0,
            length[0],
            length[1],
            self.next_header,
            self.hop_limit,
        ];
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(message);
        packet
    }
}

#[test]
fn valid_solicitations_are_read() {
    let check = |name: &str, bytes: Vec<u8>, expected: Solicitation| {
        assert_eq!(decode(&bytes), Ok(Message::Solicitation(expected)), "{name}");
    };
    let expected = Solicitation {
        source: PEER.ip,
        source_mac: Some(PEER.mac),
        target: SERVED,
    };
    check("to the group", multicast().bytes(), expected);
    check(
        "to the address itself",
        Wire {
            destination: SERVED,
            ..multicast()
        }
        .bytes(),
        expected,
    );
    check("padded", [multicast().bytes(), vec![0; 9]].concat(), expected);
    check(
        "without its link-layer address",
        Wire {
            destination: SERVED,
            options: Vec::new(),
            ..multicast()
        }
        .bytes(),
        Solicitation {
            source_mac: None,
            ..expected
        },
    );
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    check(
        "behind another option",
        Wire {
            options: [&nonce[..], &multicast().options].concat(),
            ..multicast()
        }
        .bytes(),
        expected,
    );
    check(
        "probe for duplicates with a nonce",
        Wire {
            options: nonce.to_vec(),
            ..probe()
        }
        .bytes(),
        Solicitation {
            source: Ipv6Addr::UNSPECIFIED,
            source_mac: None,
            target: SERVED,
        },
    );
}

#[test]
fn everything_else_is_refused_with_a_reason() {
    let bytes = multicast().bytes();
    let option = |bytes: &[u8]| {
        Wire {
            options: bytes.to_vec(),
            ..multicast()
        }
        .bytes()
    };
    let mut flipped = bytes.clone();
    flipped[70] ^= 1;
    #[rustfmt::skip]
    let table = [
        ("empty",                         Vec::new(),                                                   Refusal::Truncated),
        ("header only",                   bytes[..40].to_vec(),                                         Refusal::Truncated),
        ("one byte short",                bytes[..71].to_vec(),                                         Refusal::Truncated),
        ("another protocol",              Wire { next_header: 17, ..multicast() }.bytes(),              Refusal::OtherMessage),
        ("a redirect",                    Wire { kind: 137, ..multicast() }.bytes(),                    Refusal::OtherMessage),
        ("through a router",              Wire { hop_limit: 254, ..multicast() }.bytes(),               Refusal::HopLimit),
        ("unknown code",                  Wire { code: 1, ..multicast() }.bytes(),                      Refusal::InvalidField),
        ("for a group",                   Wire { target: ALL_NODES, ..multicast() }.bytes(),            Refusal::InvalidField),
        ("from a group",                  Wire { source: ALL_NODES, ..multicast() }.bytes(),            Refusal::InvalidField),
        ("probe to one station",          Wire { destination: SERVED, ..probe() }.bytes(),              Refusal::InvalidField),
        ("probe with a link-layer address", Wire { source: Ipv6Addr::UNSPECIFIED, ..multicast() }.bytes(), Refusal::InvalidField),
        ("option without end",            option(&[1, 0, 0, 0, 0, 0, 0, 0]),                            Refusal::EmptyOption),
        ("option longer than the packet", option(&[1, 32, 0, 0, 0, 0, 0, 0]),                           Refusal::Truncated),
        ("half an option header",         option(&[1]),                                                 Refusal::Truncated),
        ("group as its station",          option(&[1, 1, 0x33, 0x33, 0, 0, 0, 1]),                      Refusal::InvalidField),
        ("flipped bit",                   flipped,                                                      Refusal::Checksum),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(decode(&bytes), Err(expected), "{name}");
    }
}

#[test]
fn valid_advertisements_are_read() {
    let advertised = |destination, options: &[u8], flags| {
        let mut wire = Wire {
            kind: 136,
            destination,
            source: SERVED,
            options: options.to_vec(),
            ..multicast()
        };
        wire.flags = flags;
        decode(&wire.bytes())
    };
    let mac = [&[2, 1][..], &PEER.mac.octets()].concat();
    let claims = |target_mac| {
        Ok(Message::Advertisement(Advertisement {
            target: SERVED,
            target_mac,
        }))
    };
    let (override_, solicited) = (0x20, 0x40);
    assert_eq!(advertised(ALL_NODES, &mac, override_), claims(Some(PEER.mac)));
    assert_eq!(advertised(PEER.ip, &[], solicited), claims(None));
    let refused = [
        advertised(ALL_NODES, &mac, solicited),
        advertised(ALL_NODES, &[2, 1, 0x33, 0x33, 0, 0, 0, 1], override_),
    ];
    assert_eq!(refused, [Err(Refusal::InvalidField); 2]);
}

#[test]
fn the_bytes_of_advertisements() {
    let check = |kind: Kind, to: Station, flags: u8, checksum: [u8; 2]| {
        #[rustfmt::skip]
        let head = [
            &to.mac.octets()[..], &OWN.octets(), &[0x86, 0xdd],
            &[0x60, 0, 0, 0,  0, 32,  58, 255], &SERVED.octets(), &to.ip.octets(),
            &[136, 0], &checksum, &[flags, 0, 0, 0], &SERVED.octets(),
            &[2, 1], &OWN.octets(),
        ].concat();
        assert_eq!(advertisement(OWN, to, SERVED, kind), head, "{kind:?}");
    };
    check(Kind::Answer, PEER, 0x40, [0x70, 0x46]);
    check(Kind::Announcement, Station::all_nodes(), 0x20, [0x90, 0x5c]);
}

#[test]
fn the_solicited_node_group_keeps_24_bits() {
    let check = |address: &str, group: &str| {
        assert_eq!(
            solicited_node(address.parse().unwrap()),
            group.parse::<Ipv6Addr>().unwrap()
        );
    };
    check("2001:db8::12:3456", "ff02::1:ff12:3456");
    check("2001:db8::abcd:ef01", "ff02::1:ffcd:ef01");
    check("fe80::1", "ff02::1:ff00:1");
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }

    /// Random bytes rarely get past the checksum, so these do: the parts behind it are random.
    #[test]
    fn no_options_make_the_decoder_panic(options in proptest::collection::vec(any::<u8>(), 0..300), code: u8, kind in 135_u8..137) {
        let _ = decode(&Wire { options, code: code & 1, kind, ..multicast() }.bytes());
    }

    #[test]
    fn whatever_is_sent_passes_a_receivers_checks(target: u128) {
        let target = Ipv6Addr::from(target);
        let frame = advertisement(OWN, PEER, target, Kind::Answer);
        let icmp = Icmpv6Packet::new(&frame[54..]).unwrap();
        prop_assert_eq!(icmp.get_checksum(), icmpv6::checksum(&icmp, &target, &PEER.ip));
    }
}
