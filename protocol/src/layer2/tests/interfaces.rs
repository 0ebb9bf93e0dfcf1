//! Interfaces that come, go and change, and the groups joined on them.

use super::*;

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
        ("the carrier was gone for a moment", eth1(),                                    Interface { carrier_ups: 2, ..eth1() }, vec![v4, v4_again, v6]),
        ("IPv6 comes",                 without_ipv6(),                                   eth1(),         vec![v6, join]),
        ("IPv6 goes",                  eth1(),                                           without_ipv6(), vec![leave]),
        ("renamed to the chosen name", lan(),                                            eth1(),         vec![v6, join]),
        ("renamed from it",            eth1(),                                           lan(),          vec![leave]),
    ];
    for (name, before, after, expected) in table {
        let addresses = BTreeMap::from([
            (ip("192.0.2.1"), Assignment::default()),
            (ip("2001:db8::1"), on(&["eth1"])),
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
    let choice = |names: &[&str]| BTreeMap::from([(ip("2001:db8::1"), on(names))]);
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
fn an_interface_that_went_and_came_back_unseen_is_served_anew() {
    let addresses = everywhere(&["192.0.2.1", "2001:db8::1"]);
    let mut party = Party::new(&[interface(1)], &addresses).settled();
    let successor = Interface {
        incarnation: 1,
        ..interface(1)
    };
    assert_eq!(
        party.handle(Input::Interfaces(&[successor])),
        [
            "eth1: arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
            "eth1: arp reply 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
            "eth1: na 20 2001:db8::1 is at 1 to 33:33:00:00:00:01",
            "eth1: leave ff02::1:ff00:1",
            "eth1: join ff02::1:ff00:1",
        ]
    );
}
