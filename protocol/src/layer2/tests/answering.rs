//! Which questions are answered, how, and what is counted.

use super::*;

#[test]
fn questions_are_answered_or_dropped_with_a_reason() {
    let v6_only = Interface {
        arp: false,
        ..interface(2)
    };
    let addresses = BTreeMap::from([
        (ip("192.0.2.1"), Assignment::default()),
        (ip("2001:db8::1"), on(&["eth1"])),
    ]);
    let mut party = Party::new(&[interface(1), v6_only], &addresses).settled();
    let reply = Ok("eth1: arp reply 192.0.2.1 is at 1 to 02:00:00:00:00:99");
    let answer = Ok("eth1: na 40 2001:db8::1 is at 1 to 02:00:00:00:00:99");
    let to_all = Ok("eth1: na 20 2001:db8::1 is at 1 to 33:33:00:00:00:01");
    let [_, arp_reply] = arp::gratuitous(ASKER, PEER.mac);
    let advertisement = ndp::advertisement(PEER.mac, Station::all_nodes(), PEER.ip, Kind::Announcement);
    let (arp, ns) = (arp_request("192.0.2.1"), solicitation("2001:db8::1", PEER.ip));
    let probe = solicitation("2001:db8::1", Ipv6Addr::UNSPECIFIED);
    let group = MacAddr(1, 0, 0, 0, 0, 0);
    #[rustfmt::skip]
    let table = [
        ("broadcast request",               1, arp.clone(),                                  reply),
        ("request to this station",         1, to(&arp, mac(1)),                             reply),
        ("request to another station",      1, to(&arp, mac(5)),                             Err(Drop::EthernetDestination)),
        ("request to a group",              1, to(&arp, group),                              Err(Drop::EthernetDestination)),
        ("solicitation",                    1, ns.clone(),                                   answer),
        ("solicitation to this station",    1, to(&ns, mac(1)),                              answer),
        ("solicitation to another station", 1, to(&ns, mac(5)),                              Err(Drop::EthernetDestination)),
        ("probe for duplicates",            1, probe,                                        to_all),
        ("another IPv4 address",            1, arp_request("192.0.2.2"),                     Err(Drop::NotAnnounced)),
        ("another IPv6 address",            1, solicitation("2001:db8::2", PEER.ip),         Err(Drop::NotAnnounced)),
        ("an interface without ARP",        2, arp.clone(),                                  Err(Drop::NotOnThisInterface)),
        ("an interface not chosen",         2, ns.clone(),                                   Err(Drop::NotOnThisInterface)),
        ("no interface of ours",            9, arp.clone(),                                  Err(Drop::UnknownInterface)),
        ("our own frame",                   1, from(&arp, mac(1)),                           Err(Drop::OwnFrame)),
        ("from a group",                    1, from(&arp, group),                            Err(Drop::Malformed)),
        ("ARP reply",                       1, arp_reply,                                    Err(Drop::NotRequest)),
        ("advertisement",                   1, advertisement,                                Err(Drop::MessageType)),
        ("IPv4",                            1, [&arp[..12], &[8, 0], &arp[14..]].concat(),   Err(Drop::MessageType)),
        ("half a header",                   1, arp[..13].to_vec(),                           Err(Drop::Malformed)),
        ("half a request",                  1, arp[..30].to_vec(),                           Err(Drop::Malformed)),
    ];
    for (name, index, frame, expected) in table {
        party.machine.dropped.clear();
        let acts = party.handle(Input::Frame {
            interface: index,
            bytes: &frame,
        });
        let dropped = party.machine.dropped().keys().next().copied();
        assert_eq!(
            (acts.first().map(String::as_str), dropped),
            (expected.ok(), expected.err()),
            "{name}"
        );
    }
}

#[test]
fn a_solicitation_without_link_layer_address_is_answered_to_its_sender() {
    let mut party = Party::new(&[interface(1)], &everywhere(&["2001:db8::1"])).settled();
    let mut frame = solicitation("2001:db8::1", Ipv6Addr::UNSPECIFIED);
    // A probe turned into a solicitation: the checksum covers the source address.
    frame[22..38].copy_from_slice(&PEER.ip.octets());
    let packet = pnet::packet::icmpv6::Icmpv6Packet::new(&frame[54..]).unwrap();
    let group = ndp::solicited_node("2001:db8::1".parse().unwrap());
    let checksum = pnet::packet::icmpv6::checksum(&packet, &PEER.ip, &group);
    frame[56..58].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(
        party.handle(Input::Frame {
            interface: 1,
            bytes: &frame
        }),
        ["eth1: na 40 2001:db8::1 is at 1 to 02:00:00:00:00:99"]
    );
}

#[test]
fn what_happened_is_counted_for_each_address() {
    let mut party = Party::new(&[interface(1)], &everywhere(&["192.0.2.1", "2001:db8::1"])).settled();
    for frame in [
        arp_request("192.0.2.1"),
        arp_request("192.0.2.1"),
        arp_request("192.0.2.2"),
    ] {
        party.handle(Input::Frame {
            interface: 1,
            bytes: &frame,
        });
    }
    let counters: Vec<_> = party.machine.counters().collect();
    assert_eq!(
        counters,
        [
            (
                ip("192.0.2.1"),
                Counters {
                    requests: 2,
                    responses: 2,
                    gratuitous: 12,
                    contested: 0,
                }
            ),
            (
                ip("2001:db8::1"),
                Counters {
                    requests: 0,
                    responses: 0,
                    gratuitous: 6,
                    contested: 0,
                }
            ),
        ]
    );
}
