//! The layer 2 thread on real interfaces, with the Linux kernel as its neighbour and judge.

mod entitled;
mod handing_over;

use std::future::poll_fn;
use std::net::{Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use metallb_protocol::ethernet::MacAddr;
use metallb_protocol::layer2::Interface;
use tokio::runtime::Runtime;

use super::asked::Asked;
use super::lab::Space;
use super::port::Port;
use super::*;

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

#[test]
fn what_was_withdrawn_for_a_moment_has_a_new_term() {
    let (desired, mut news) = watch::channel(Desired::default());
    let handle = Handle {
        desired: Arc::new(desired),
        next_term: AtomicU64::new(0),
        names: watch::channel(None).1,
        counters: questions().0,
    };
    let ip = address(V4);
    let mut term_after = |act: &dyn Fn()| {
        act();
        let changed = news.has_changed().unwrap();
        let term = news
            .borrow_and_update()
            .addresses
            .get(&ip)
            .map(|assignment| assignment.term);
        (changed, term)
    };
    let announce = || handle.announce(ip, InterfaceChoice::All);
    assert_eq!(term_after(&announce), (true, Some(0)));
    assert_eq!(term_after(&announce), (false, Some(0)));
    let away_and_back = || {
        handle.withdraw(ip);
        announce();
    };
    assert_eq!(term_after(&away_and_back), (true, Some(1)));
    assert_eq!(term_after(&|| handle.hand_over(ip)), (true, Some(1)));
    assert_eq!(term_after(&announce), (true, Some(2)));
    assert_eq!(term_after(&|| handle.remind(ip)), (true, Some(3)));
    let elsewhere = || handle.announce(ip, InterfaceChoice::Only(Arc::new(["eth0".to_owned()].into())));
    assert_eq!(term_after(&elsewhere), (true, Some(3)));
    assert_eq!(term_after(&|| handle.withdraw(ip)), (true, None));
    assert_eq!(term_after(&|| handle.remind(ip)), (false, None));
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A node that serves, and a neighbour. Interfaces are made by each test.
struct Street {
    node: Space,
    neighbour: Space,
    layer2: Handle,
}

impl Street {
    fn new() -> Option<Self> {
        Self::obeying(Entitlement::for_ever())
    }

    fn obeying(entitlement: Entitlement) -> Option<Self> {
        let (node, neighbour) = (Space::new()?, Space::new()?);
        // As any host, but not so slowly.
        node.sysctl("ipv6/conf/default/dad_transmits", "0");
        let (layer2, _) = node.run(|| start(Exclusions::none(), entitlement).unwrap());
        Some(Self {
            node,
            neighbour,
            layer2,
        })
    }

    /// The same with a cable from `lan0` to the neighbour's `peer0`, which has addresses in both networks.
    fn with_cable() -> Option<Self> {
        let street = Self::new()?;
        street.lay_cable();
        street.serve(&[V4, V6]);
        Some(street)
    }

    fn lay_cable(&self) {
        self.node.connect("lan0", &self.neighbour, "peer0");
        self.node.ip("link set lan0 up");
        self.furnish_neighbour();
    }

    fn furnish_neighbour(&self) {
        for family in ["ipv4", "ipv6"] {
            for (parameter, value) in [("retrans_time_ms", "100"), ("delay_first_probe_time", "0")] {
                let parameter = format!("{family}/neigh/peer0/{parameter}");
                self.neighbour.sysctl(&parameter, value);
            }
        }
        self.neighbour.ip("link set peer0 up");
        self.neighbour.ip("addr add 192.0.2.50/24 dev peer0");
        self.neighbour.ip("addr add 2001:db8::50/64 dev peer0 nodad");
    }

    fn serve(&self, addresses: &[&str]) {
        for text in addresses {
            self.layer2.announce(address(text), InterfaceChoice::All);
        }
    }

    /// What the neighbour knows of `ip`.
    fn known(&self, ip: &str) -> String {
        self.neighbour.ip(&format!("neigh show to {ip} dev peer0"))
    }

    /// The neighbour finds `ip` at the node's interface.
    fn finds(&self, ip: &'static str, interface: &str) {
        let mac = self.mac(interface);
        wait_until(&format!("{ip} is at {interface}, {mac}"), || {
            self.neighbour.run(move || send_to(ip));
            let known = self.known(ip);
            (known.contains(&mac) && known.contains("REACHABLE"))
                .then_some(())
                .ok_or(known)
        });
    }

    /// The neighbour forgets `ip`, and finds it again.
    fn finds_again(&self, ip: &'static str, interface: &str) {
        self.neighbour.ip(&format!("neigh flush to {ip} dev peer0"));
        self.finds(ip, interface);
    }

    fn mac(&self, interface: &str) -> String {
        let shown = self.node.ip(&format!("-brief link show dev {interface}"));
        shown.split_whitespace().nth(2).unwrap().to_owned()
    }

    fn joined(&self, group: &str, interface: &str) -> bool {
        self.node
            .ip(&format!("maddr show dev {interface}"))
            .contains(group)
    }
}

/// Waits until `look` is content; what it last saw is said if it never is.
fn wait_until(what: &str, look: impl Fn() -> Result<(), String>) {
    let runtime = runtime();
    let end = Instant::now() + Duration::from_secs(20);
    while let Err(seen) = look() {
        assert!(Instant::now() < end, "not in time: {what}; seen: {seen}");
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Makes the kernel ask where `ip` is.
fn send_to(ip: &str) {
    let any: IpAddr = if ip.contains(':') {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        [0, 0, 0, 0].into()
    };
    let socket = UdpSocket::bind((any, 0)).unwrap();
    // Fails while there is no way to it yet.
    let _ = socket.send_to(b"where are you", (address(ip), 9));
}

#[test]
fn a_neighbour_finds_an_address_by_broadcast_and_multicast_and_makes_sure_by_unicast() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    for ip in [V4, V6] {
        street.finds(ip, "lan0");
        let mac = street.mac("lan0");
        let probe = format!("neigh change {ip} lladdr {mac} nud probe dev peer0");
        street.neighbour.ip(&probe);
        wait_until("an answer to the unicast probe", || {
            let known = street.known(ip);
            // Three probes in 300 ms, none of them sent as long as its link-local address is tentative, and it gives
            // up (RFC 4861, section 7.3.3).
            if known.contains("FAILED") {
                street.neighbour.ip(&probe);
            }
            known.contains("REACHABLE").then_some(()).ok_or(known)
        });
    }
}

#[test]
fn a_neighbour_that_takes_a_served_address_learns_that_it_is_taken() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    street.finds(V6, "lan0");
    street.neighbour.ip(&format!("addr add {V6}/64 dev peer0"));
    wait_until("duplicate address detection fails", || {
        let shown = street.neighbour.ip("-6 addr show dev peer0");
        shown.contains("dadfailed").then_some(()).ok_or(shown)
    });
}

#[test]
fn an_interface_that_comes_later_serves_and_one_that_goes_and_comes_back_serves_again() {
    let Some(street) = Street::new() else { return };
    street.serve(&[V4, V6]);
    for _ in 0..2 {
        street.lay_cable();
        for ip in [V4, V6] {
            street.finds(ip, "lan0");
        }
        assert!(street.joined("ff02::1:ff00:1", "lan0"));
        street.node.ip("link del lan0");
    }
}

#[test]
fn an_address_that_comes_later_is_heard_and_one_that_goes_is_not() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    street.finds(V6, "lan0");
    street.serve(&["2001:db8::2:2"]);
    street.finds("2001:db8::2:2", "lan0");
    street.layer2.withdraw(address("2001:db8::2:2"));
    wait_until("the group is left", || {
        (!street.joined("ff02::1:ff02:2", "lan0"))
            .then_some(())
            .ok_or_else(String::new)
    });
    street.finds_again(V6, "lan0");
}

#[test]
fn another_mac_is_told_at_once() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    street.finds(V4, "lan0");
    street.node.ip("link set lan0 address 02:00:00:00:00:42");
    for ip in [V4, V6] {
        street.finds_again(ip, "lan0");
    }
}

#[test]
fn a_small_mtu_ends_ipv6_and_leaves_ipv4() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    street.finds(V6, "lan0");
    street.node.ip("link set lan0 mtu 576");
    wait_until("IPv6 is gone from the interface", || {
        (!street.joined("ff02::1:ff00:1", "lan0"))
            .then_some(())
            .ok_or_else(String::new)
    });
    street.finds_again(V4, "lan0");
    street.node.ip("link set lan0 mtu 1500");
    street.finds_again(V6, "lan0");
}

#[test]
fn a_bridge_answers_for_its_ports() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    street
        .node
        .ip("link add br0 address 02:00:00:00:00:b0 type bridge");
    street.node.ip("link set br0 up");
    street.node.ip("link set lan0 master br0");
    for ip in [V4, V6] {
        street.finds_again(ip, "br0");
    }
    street.node.ip("link set lan0 nomaster");
    for ip in [V4, V6] {
        street.finds_again(ip, "lan0");
    }
}

#[test]
fn a_bond_answers_for_its_members() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    if !street.node.knows("bond") {
        return;
    }
    street.node.ip("link add bond0 type bond mode active-backup");
    street.node.ip("link set lan0 down");
    street.node.ip("link set lan0 master bond0");
    street.node.ip("link set bond0 up");
    for ip in [V4, V6] {
        street.finds_again(ip, "bond0");
    }
}

#[test]
fn a_vlan_answers_on_its_own() {
    let Some(street) = Street::new() else { return };
    if !street.node.knows("vlan") {
        return;
    }
    street.node.connect("lan0", &street.neighbour, "trunk0");
    street.node.ip("link set lan0 up");
    street.node.ip("link add link lan0 name lan0.7 type vlan id 7");
    street.node.ip("link set lan0.7 up");
    street.neighbour.ip("link set trunk0 up");
    street
        .neighbour
        .ip("link add link trunk0 name peer0 type vlan id 7");
    street.furnish_neighbour();
    let choice = InterfaceChoice::Only(Arc::new(["lan0.7".to_owned()].into()));
    street.layer2.announce(address(V4), choice.clone());
    street.layer2.announce(address(V6), choice);
    for ip in [V4, V6] {
        street.finds(ip, "lan0.7");
    }
}

#[test]
fn a_slow_interface_tells_all_of_many_addresses() {
    let Some(street) = Street::new() else { return };
    street.lay_cable();
    street.neighbour.sysctl("ipv4/conf/peer0/arp_accept", "1");
    // Takes 1600 bytes at once, 3000 bytes more to wait, and refuses the rest: a tenth of what is told.
    street
        .node
        .tc("qdisc add dev lan0 root tbf rate 1mbit burst 1600 limit 3000");
    let addresses: Vec<String> = (1..=500)
        .map(|n| format!("192.0.{}.{}", 3 + n / 250, 1 + n % 250))
        .collect();
    for text in &addresses {
        street.layer2.announce(address(text), InterfaceChoice::All);
    }
    wait_until("the neighbour knows every address", || {
        let known = street.neighbour.ip("-4 neigh show dev peer0");
        let count = known.matches("lladdr").count();
        (count == addresses.len())
            .then_some(())
            .ok_or_else(|| format!("{count} addresses"))
    });
}

/// What the tests of a port ask for.
fn asked() -> Asked {
    let asked = [V4, "192.0.2.2"].map(|text| (address(text), Assignment::default()));
    Asked::of(&asked.into())
}

/// Waits for a frame on `port`.
fn hears(runtime: &Runtime, port: &mut Port, limit: Duration) -> bool {
    let mut buffer = [0; 2048];
    runtime.block_on(async {
        let frame = poll_fn(|context| port.poll_receive(context, &mut buffer));
        tokio::time::timeout(limit, frame)
            .await
            .is_ok_and(|len| len.is_some())
    })
}

#[test]
fn a_port_hears_again_after_its_interface_left_and_came_back_with_the_same_number() {
    let Some(street) = Street::new() else { return };
    street.lay_cable();
    let shown = street.node.ip("-oneline link show dev lan0");
    let interface = |incarnation| Interface {
        index: shown.split(':').next().unwrap().parse().unwrap(),
        name: "lan0".into(),
        mac: MacAddr::zero(),
        carrier: true,
        arp: true,
        ndp: false,
        incarnation,
        carrier_ups: 1,
    };
    let first = interface(0);
    let (runtime, mut port) = street.node.run(move || {
        let runtime = runtime();
        let mut port = Port::new(first);
        assert!(runtime.block_on(async { port.settle(&asked()) }));
        (runtime, port)
    });
    street.neighbour.run(|| send_to(V4));
    assert!(hears(&runtime, &mut port, Duration::from_secs(10)));

    let Some(elsewhere) = Space::new() else { return };
    street.node.hand_over("lan0", &elsewhere);
    elsewhere.hand_over("lan0", &street.node);
    street.node.ip("link set lan0 up");
    assert_eq!(
        street.node.ip("-oneline link show dev lan0").split(':').next(),
        shown.split(':').next()
    );
    street.neighbour.run(|| send_to(V4));
    assert!(
        !hears(&runtime, &mut port, Duration::from_millis(300)),
        "the socket died with the interface"
    );

    let second = interface(1);
    let (runtime, mut port) = street.node.run(move || {
        port.update(second);
        assert!(runtime.block_on(async { port.settle(&asked()) }));
        (runtime, port)
    });
    street.neighbour.run(|| send_to("192.0.2.2"));
    assert!(hears(&runtime, &mut port, Duration::from_secs(10)));
}
