mod properties;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::ethernet::{EtherTypes, MacAddr};

const PEER: Station = Station {
    mac: MacAddr(0x02, 0, 0, 0, 0, 0x99),
    ip: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99),
};
const ASKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mac(last: u32) -> MacAddr {
    MacAddr(0x02, 0, 0, 0, 0, u8::try_from(last).unwrap())
}

/// Interface `eth<index>` that can do everything.
fn interface(index: InterfaceIndex) -> Interface {
    Interface {
        index,
        name: format!("eth{index}"),
        mac: mac(index),
        carrier: true,
        arp: true,
        ndp: true,
    }
}

fn only(names: &[&str]) -> InterfaceChoice {
    InterfaceChoice::Only(names.iter().map(|name| (*name).to_string()).collect())
}

fn everywhere(ips: &[&str]) -> BTreeMap<IpAddr, InterfaceChoice> {
    ips.iter().map(|text| (ip(text), InterfaceChoice::All)).collect()
}

/// A machine and what it did, in words.
struct Party {
    machine: Announcer,
    now: Time,
}

impl Party {
    fn new(interfaces: &[Interface], addresses: &BTreeMap<IpAddr, InterfaceChoice>) -> Self {
        let mut party = Self {
            machine: Announcer::new(),
            now: at(0),
        };
        party.handle(Input::Interfaces(interfaces));
        party.handle(Input::Addresses(addresses));
        party
    }

    /// Passes the five seconds in which things are repeated.
    fn settled(mut self) -> Self {
        self.run_until(at(10_000));
        self
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<String> {
        self.machine.handle(input, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        let mut acts: Vec<String> = Vec::new();
        while let Some(Transmit {
            interface,
            protocol,
            frame,
        }) = self.machine.poll_transmit()
        {
            assert_eq!(protocol == Protocol::Arp, frame[12..14] == [0x08, 0x06]);
            acts.push(format!("eth{interface}: {}", describe(&frame)));
        }
        while let Some(event) = self.machine.poll_event() {
            acts.push(match event {
                Event::Join { interface, group } => format!("eth{interface}: join {group}"),
                Event::Leave { interface, group } => format!("eth{interface}: leave {group}"),
                Event::Withdrawn { ip, counters } => {
                    format!("withdrawn {ip} after {} answers", counters.responses)
                }
            });
        }
        acts
    }

    /// Follows the machine's own deadlines up to `end`; returns what was sent and at which millisecond.
    fn run_until(&mut self, end: Time) -> Vec<(u128, String)> {
        let mut log = Vec::new();
        while let Some(deadline) = self.machine.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            for act in self.handle(Input::Timeout) {
                log.push((self.now.elapsed().as_millis(), act));
            }
        }
        self.now = end;
        log
    }
}

/// A frame of ours in words. The bytes themselves are tested beside their codecs.
fn describe(frame: &[u8]) -> String {
    let to = MacAddr::new(frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]);
    let own = frame[11];
    if frame[12..14] == EtherTypes::Arp.0.to_be_bytes() {
        let form = if frame[21] == 1 { "request" } else { "reply" };
        let served = Ipv4Addr::new(frame[28], frame[29], frame[30], frame[31]);
        format!("arp {form} {served} is at {own} to {to}")
    } else {
        let served = Ipv6Addr::from(<[u8; 16]>::try_from(&frame[62..78]).unwrap());
        format!("na {:02x} {served} is at {own} to {to}", frame[58])
    }
}

fn arp_request(target: &str) -> Vec<u8> {
    let IpAddr::V4(target) = ip(target) else {
        unreachable!("an IPv4 address")
    };
    // The announcement of the asker's own address is a request: only the target differs.
    let [mut frame, _] = arp::gratuitous(ASKER, PEER.mac);
    frame[38..42].copy_from_slice(&target.octets());
    frame
}

fn to(frame: &[u8], destination: MacAddr) -> Vec<u8> {
    [&destination.octets(), &frame[6..]].concat()
}

fn from(frame: &[u8], source: MacAddr) -> Vec<u8> {
    [&frame[..6], &source.octets(), &frame[12..]].concat()
}

/// A solicitation for `target` as Linux sends it; with the source `::` a probe for duplicates.
fn solicitation(target: &str, source: Ipv6Addr) -> Vec<u8> {
    use pnet::packet::icmpv6::{self, Icmpv6Packet};
    let IpAddr::V6(target) = ip(target) else {
        unreachable!("an IPv6 address")
    };
    let group = ndp::solicited_node(target);
    let mut message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets()].concat();
    if !source.is_unspecified() {
        message.extend([&[1, 1][..], &PEER.mac.octets()].concat());
    }
    let checksum = icmpv6::checksum(&Icmpv6Packet::new(&message).unwrap(), &source, &group);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let length = u8::try_from(message.len()).unwrap();
    [
        &crate::ethernet::multicast_of(group).octets()[..],
        &PEER.mac.octets(),
        &EtherTypes::Ipv6.0.to_be_bytes(),
        &[0x60, 0, 0, 0, 0, length, 58, 255],
        &source.octets(),
        &group.octets(),
        &message,
    ]
    .concat()
}

#[test]
fn a_new_address_is_told_at_once_and_four_times_again() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    let told = |ms: u128| {
        [
            (
                ms,
                "eth1: arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff".to_string(),
            ),
            (
                ms,
                "eth1: arp reply 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff".to_string(),
            ),
        ]
    };
    let first = party.handle(Input::Addresses(&everywhere(&["192.0.2.1"])));
    assert_eq!(first, told(0).map(|(_, act)| act));
    assert_eq!(
        party.run_until(at(60_000)),
        [1100, 2200, 3300, 4400].map(told).concat()
    );
}

#[test]
fn ipv6_is_told_to_all_nodes_and_its_group_is_joined_once() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    assert_eq!(
        // Two addresses of one solicited-node group.
        party.handle(Input::Addresses(&everywhere(&["2001:db8:1::5", "2001:db8:2::5"]))),
        [
            "eth1: na 20 2001:db8:1::5 is at 1 to 33:33:00:00:00:01",
            "eth1: na 20 2001:db8:2::5 is at 1 to 33:33:00:00:00:01",
            "eth1: join ff02::1:ff00:5",
        ]
    );
    assert_eq!(
        party.handle(Input::Addresses(&everywhere(&["2001:db8:2::5"]))),
        ["withdrawn 2001:db8:1::5 after 0 answers"]
    );
    assert_eq!(
        party.handle(Input::Addresses(&BTreeMap::new())),
        [
            "eth1: leave ff02::1:ff00:5",
            "withdrawn 2001:db8:2::5 after 0 answers"
        ]
    );
}

#[test]
fn the_same_addresses_again_change_nothing() {
    let addresses = everywhere(&["192.0.2.1", "2001:db8::1"]);
    let mut party = Party::new(&[interface(1)], &addresses);
    party.run_until(at(2_000));
    assert!(party.handle(Input::Addresses(&addresses)).is_empty());
    let last = party.run_until(at(60_000)).last().unwrap().0;
    assert_eq!(last, 4400, "the schedule of the first time goes on");
    assert!(party.handle(Input::Interfaces(&[interface(1)])).is_empty());
}

#[test]
fn nothing_is_sent_for_a_withdrawn_address() {
    let mut party = Party::new(&[interface(1)], &everywhere(&["192.0.2.1", "2001:db8::1"]));
    assert_eq!(
        party.handle(Input::Addresses(&BTreeMap::new())),
        [
            "withdrawn 192.0.2.1 after 0 answers",
            "eth1: leave ff02::1:ff00:1",
            "withdrawn 2001:db8::1 after 0 answers",
        ]
    );
    for frame in [arp_request("192.0.2.1"), solicitation("2001:db8::1", PEER.ip)] {
        assert!(
            party
                .handle(Input::Frame {
                    interface: 1,
                    bytes: &frame
                })
                .is_empty()
        );
    }
    assert_eq!(party.machine.next_deadline(), None);
    assert_eq!(
        party.machine.dropped(),
        &BTreeMap::from([(Drop::NotAnnounced, 2)])
    );
    assert_eq!(party.machine.counters().count(), 0);
}

#[test]
fn changes_of_an_interface_are_told_where_they_happened() {
    let (v4, v4_again, v6) = (
        "eth1: arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
        "eth1: arp reply 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
        "eth1: na 20 2001:db8::1 is at 1 to 33:33:00:00:00:01",
    );
    let (join, leave) = ("eth1: join ff02::1:ff00:1", "eth1: leave ff02::1:ff00:1");
    let eth1 = || interface(1);
    let dark = || Interface {
        carrier: false,
        ..eth1()
    };
    let without_ipv6 = || Interface { ndp: false, ..eth1() };
    let lan = || Interface {
        name: "lan".into(),
        ..eth1()
    };
    #[rustfmt::skip]
    let table = [
        ("carrier comes",              dark(),                                           eth1(),         vec![v4, v4_again, v6]),
        ("carrier goes",               eth1(),                                           dark(),         vec![]),
        ("another MAC",                Interface { mac: mac(2), ..eth1() },              eth1(),         vec![v4, v4_again, v6]),
        ("IPv6 comes",                 without_ipv6(),                                   eth1(),         vec![v6, join]),
        ("IPv6 goes",                  eth1(),                                           without_ipv6(), vec![leave]),
        ("renamed to the chosen name", lan(),                                            eth1(),         vec![v6, join]),
        ("renamed from it",            eth1(),                                           lan(),          vec![leave]),
    ];
    for (name, before, after, expected) in table {
        let addresses = BTreeMap::from([
            (ip("192.0.2.1"), InterfaceChoice::All),
            (ip("2001:db8::1"), only(&["eth1"])),
        ]);
        let other = interface(7);
        let mut party = Party::new(&[before, other.clone()], &addresses).settled();
        assert_eq!(
            party.handle(Input::Interfaces(&[after, other])),
            expected,
            "{name}"
        );
    }
}

#[test]
fn an_interface_that_comes_later_serves_what_is_already_there() {
    let addresses = everywhere(&["2001:db8::1"]);
    let mut party = Party::new(&[interface(1)], &addresses).settled();
    assert_eq!(
        party.handle(Input::Interfaces(&[interface(1), interface(2)])),
        [
            "eth2: na 20 2001:db8::1 is at 2 to 33:33:00:00:00:01",
            "eth2: join ff02::1:ff00:1"
        ]
    );
    assert_eq!(
        party.handle(Input::Interfaces(&[interface(2)])),
        ["eth1: leave ff02::1:ff00:1"]
    );
    assert_eq!(
        party.handle(Input::Interfaces(&[interface(1), interface(2)])),
        [
            "eth1: na 20 2001:db8::1 is at 1 to 33:33:00:00:00:01",
            "eth1: join ff02::1:ff00:1"
        ],
        "an interface that left can come back"
    );
}

#[test]
fn a_changed_choice_moves_the_address() {
    let choice = |names: &[&str]| BTreeMap::from([(ip("2001:db8::1"), only(names))]);
    let mut party = Party::new(&[interface(1), interface(2)], &choice(&["eth1"])).settled();
    assert_eq!(
        party.handle(Input::Addresses(&choice(&["eth2"]))),
        [
            "eth2: na 20 2001:db8::1 is at 2 to 33:33:00:00:00:01",
            "eth1: leave ff02::1:ff00:1",
            "eth2: join ff02::1:ff00:1",
        ]
    );
}

#[test]
fn questions_are_answered_or_dropped_with_a_reason() {
    let v6_only = Interface {
        arp: false,
        ..interface(2)
    };
    let addresses = BTreeMap::from([
        (ip("192.0.2.1"), InterfaceChoice::All),
        (ip("2001:db8::1"), only(&["eth1"])),
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
fn answers_overtake_the_gratuitous_schedule() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    let many: Vec<String> = (1..=100).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    party.machine.handle(Input::Addresses(&everywhere(&many)), at(0));
    let first = party.machine.poll_transmit().unwrap();
    assert_eq!(
        describe(&first.frame),
        "arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff"
    );
    let acts = party.handle(Input::Frame {
        interface: 1,
        bytes: &arp_request("192.0.2.77"),
    });
    // The second half of the round under way comes first, then the answer, then the other 99.
    assert_eq!(acts[1], "eth1: arp reply 192.0.2.77 is at 1 to 02:00:00:00:00:99");
    assert_eq!(acts.len(), 2 + 2 * 99);
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
                    gratuitous: 10
                }
            ),
            (
                ip("2001:db8::1"),
                Counters {
                    requests: 0,
                    responses: 0,
                    gratuitous: 5
                }
            ),
        ]
    );
}

#[test]
fn a_station_that_was_stopped_does_not_catch_up() {
    let mut party = Party::new(&[interface(1)], &everywhere(&["192.0.2.1"]));
    party.now = at(4_900);
    assert_eq!(
        party.handle(Input::Timeout).len(),
        2,
        "one round for the four that were missed"
    );
    assert_eq!(party.machine.next_deadline(), None);
}

/// Two stations on one link and a neighbour that believes what it hears, as hosts do.
#[test]
fn a_neighbour_learns_the_new_owner_at_the_moment_of_the_move() {
    let address = everywhere(&["192.0.2.1"]);
    let mut old = Party::new(&[interface(1)], &address).settled();
    let mut new = Party::new(&[interface(2)], &BTreeMap::new()).settled();
    let owner = |acts: &[String]| {
        acts.iter()
            .find_map(|act| Some(act.split("is at ").nth(1)?[..1].to_string()))
    };

    let ask = arp_request("192.0.2.1");
    assert_eq!(
        owner(&old.handle(Input::Frame {
            interface: 1,
            bytes: &ask
        })),
        Some("1".into())
    );
    assert_eq!(
        owner(&new.handle(Input::Frame {
            interface: 2,
            bytes: &ask
        })),
        None
    );
    assert_eq!(owner(&old.handle(Input::Addresses(&BTreeMap::new()))), None);
    assert_eq!(
        owner(&new.handle(Input::Addresses(&address))),
        Some("2".into()),
        "told without a question"
    );
    assert_eq!(
        owner(&old.handle(Input::Frame {
            interface: 1,
            bytes: &ask
        })),
        None
    );
    assert_eq!(
        owner(&new.handle(Input::Frame {
            interface: 2,
            bytes: &ask
        })),
        Some("2".into())
    );
}
