use netlink_packet_route::link::LinkHeader;

use super::*;

const LINK_LOCAL: &str = "fe80::1";

/// The message about an Ethernet interface that is up, as the kernel sends it.
fn link(index: InterfaceIndex, name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header = LinkHeader {
        index,
        ..LinkHeader::default()
    };
    message.header.flags = LinkFlags::Up | LinkFlags::Broadcast | LinkFlags::LowerUp;
    let mac = vec![2, 0, 0, 0, 0, u8::try_from(index).unwrap()];
    message.attributes = vec![LinkAttribute::IfName(name.into()), LinkAttribute::Address(mac)];
    message
}

fn address(index: InterfaceIndex, ip: &str, flags: AddressFlags) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Address(ip.parse().unwrap()),
        AddressAttribute::Flags(flags),
    ];
    message
}

fn after(messages: impl IntoIterator<Item = RouteNetlinkMessage>) -> Links {
    let mut links = Links::default();
    messages.into_iter().for_each(|message| links.observe(message));
    links
}

/// The interfaces that answer, in words.
fn answering(links: &Links) -> Vec<String> {
    let exclusions = Exclusions::load(std::path::Path::new("/nonexistent")).unwrap();
    let words = |interface: Interface| {
        let mut words = vec![interface.name];
        words.extend(interface.carrier.then(|| "carrier".to_string()));
        words.extend(interface.arp.then(|| "arp".to_string()));
        words.extend(interface.ndp.then(|| "ndp".to_string()));
        words.join(" ")
    };
    links.answering(&exclusions).into_iter().map(words).collect()
}

use RouteNetlinkMessage::{DelAddress, DelLink, NewAddress, NewLink};

#[test]
fn an_interface_answers_what_it_is_able_to() {
    let check = |name: &str, change: fn(&mut LinkMessage), expected: &[&str]| {
        let mut message = link(2, "eth0");
        change(&mut message);
        let links = after([
            NewLink(message),
            NewAddress(address(2, LINK_LOCAL, AddressFlags::Permanent)),
        ]);
        assert_eq!(answering(&links), expected, "{name}");
    };
    check("up", |_| {}, &["eth0 carrier arp ndp"]);
    check(
        "no carrier",
        |m| m.header.flags.remove(LinkFlags::LowerUp),
        &["eth0 arp ndp"],
    );
    check(
        "cannot broadcast",
        |m| m.header.flags.remove(LinkFlags::Broadcast),
        &["eth0 carrier ndp"],
    );
    check("down", |m| m.header.flags.remove(LinkFlags::Up), &[]);
    check("no ARP", |m| m.header.flags.insert(LinkFlags::Noarp), &[]);
    check(
        "enslaved",
        |m| m.attributes.push(LinkAttribute::Controller(7)),
        &[],
    );
    check(
        "excluded",
        |m| m.attributes[0] = LinkAttribute::IfName("veth0".into()),
        &[],
    );
    check(
        "not Ethernet",
        |m| m.attributes[1] = LinkAttribute::Address(vec![0; 20]),
        &[],
    );
    check("without an address", |m| drop(m.attributes.pop()), &[]);
}

#[test]
fn a_link_local_address_counts_once_it_is_known_to_be_unique() {
    let check = |name: &str, messages: Vec<RouteNetlinkMessage>, expected: &str| {
        let links = after([NewLink(link(2, "eth0"))].into_iter().chain(messages));
        assert_eq!(answering(&links), [expected], "{name}");
    };
    let new = |ip, flags| NewAddress(address(2, ip, flags));
    let permanent = || new(LINK_LOCAL, AddressFlags::Permanent);
    check("none", vec![], "eth0 carrier arp");
    check(
        "tentative",
        vec![new(LINK_LOCAL, AddressFlags::Tentative)],
        "eth0 carrier arp",
    );
    check(
        "then unique",
        vec![new(LINK_LOCAL, AddressFlags::Tentative), permanent()],
        "eth0 carrier arp ndp",
    );
    check(
        "duplicate",
        vec![permanent(), new(LINK_LOCAL, AddressFlags::Dadfailed)],
        "eth0 carrier arp",
    );
    check(
        "global",
        vec![new("2001:db8::1", AddressFlags::Permanent)],
        "eth0 carrier arp",
    );
    check(
        "IPv4",
        vec![new("169.254.0.1", AddressFlags::Permanent)],
        "eth0 carrier arp",
    );
    let gone = DelAddress(address(2, LINK_LOCAL, AddressFlags::Permanent));
    check("removed", vec![permanent(), gone], "eth0 carrier arp");
    check(
        "one of two removed",
        vec![
            permanent(),
            new("fe80::2", AddressFlags::Permanent),
            DelAddress(address(2, LINK_LOCAL, AddressFlags::Permanent)),
        ],
        "eth0 carrier arp ndp",
    );
}

#[test]
fn the_end_of_an_interface_is_told_from_the_end_of_a_bridge_port() {
    let mut as_port = link(2, "eth0");
    as_port.header.interface_family = AddressFamily::Bridge;
    let up = || NewLink(link(2, "eth0"));
    assert_eq!(answering(&after([up(), DelLink(as_port)])), ["eth0 carrier arp"]);
    let links = after([
        up(),
        NewAddress(address(2, LINK_LOCAL, AddressFlags::Permanent)),
        DelLink(link(2, "eth0")),
        NewLink(link(3, "eth0")),
    ]);
    assert_eq!(
        answering(&links),
        ["eth0 carrier arp"],
        "the next one has another number and no address yet"
    );
}

#[test]
fn partial_messages_about_radio_conditions_change_nothing() {
    let mut partial = link(2, "wlan0");
    partial.header.flags = LinkFlags::empty();
    let event = netlink_packet_route::link::WirelessEvent::Other(Vec::new());
    partial.attributes = vec![
        LinkAttribute::IfName("wlan0".into()),
        LinkAttribute::Wireless(event),
    ];
    assert_eq!(
        answering(&after([NewLink(link(2, "wlan0")), NewLink(partial)])),
        ["wlan0 carrier arp"]
    );
}

#[test]
fn names_are_those_of_all_interfaces_that_are_not_excluded() {
    let mut down = link(3, "eth1");
    down.header.flags = LinkFlags::empty();
    let links = after([NewLink(link(2, "eth0")), NewLink(down), NewLink(link(4, "veth9"))]);
    let exclusions = Exclusions::load(std::path::Path::new("/nonexistent")).unwrap();
    assert_eq!(
        links.names(&exclusions),
        BTreeSet::from(["eth0".to_string(), "eth1".to_string()])
    );
}

#[test]
fn an_interface_that_left_and_came_back_is_another_one() {
    let incarnation = |links: &Links| {
        let exclusions = Exclusions::none();
        links
            .answering(&exclusions)
            .pop()
            .map(|interface| interface.incarnation)
    };
    let up = || NewLink(link(2, "eth0"));
    let mut links = after([up()]);
    let first = incarnation(&links);
    links.observe(up());
    assert_eq!(incarnation(&links), first, "a change is not a return");
    links.observe(DelLink(link(2, "eth0")));
    links.observe(up());
    let second = incarnation(&links);
    assert_ne!(second, first);
    let mut links = links.anew();
    assert_eq!(incarnation(&links), None);
    links.observe(up());
    assert_ne!(incarnation(&links), second, "who knows what it did meanwhile");
}

#[test]
fn a_carrier_that_was_gone_for_a_moment_is_told_by_its_count() {
    let counted = |count| {
        let mut message = link(2, "eth0");
        message.attributes.push(LinkAttribute::CarrierUpCount(count));
        NewLink(message)
    };
    let links = after([counted(1), counted(2)]);
    assert_eq!(links.answering(&Exclusions::none())[0].carrier_ups, 2);
}
