//! Search and book-keeping against naive models, and their cost with many addresses taken.

use std::collections::BTreeMap;

use metallb_api::v1beta1::IPAddressPool;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::facts::examples::service;
use crate::facts::{Port, Protocol};

fn pools(pools: &[(&str, &[&str], bool)]) -> Pools {
    let object = |(name, addresses, buggy): &(&str, &[&str], bool)| -> IPAddressPool {
        serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": { "addresses": addresses, "avoidBuggyIPs": buggy },
        }))
        .unwrap()
    };
    let objects: Vec<_> = pools.iter().map(object).collect();
    Pools::parse(&objects, &BTreeMap::new()).unwrap()
}

fn allocator(configured: &[(&str, &[&str], bool)]) -> Allocator {
    let mut allocator = Allocator::new();
    assert!(allocator.set_pools(pools(configured)));
    allocator
}

fn v4(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Every address of the pool in the order in which they are used up, one by one.
fn first_by_hand(
    allocator: &Allocator,
    pool: &Pool,
    wanted: IpFamily,
    service: &ServiceFacts,
) -> Option<IpAddr> {
    let of_family = pool.ranges().iter().filter(|range| range.family() == wanted);
    let mut addresses = of_family.flat_map(|range| range.numbers().map(|number| wanted.address(number)));
    addresses.find(|address| pool.offers(*address) && allocator.check(service, &[*address]).is_ok())
}

#[test]
fn sets_of_pools_that_say_the_same_are_no_change() {
    let mut allocator = allocator(&[("a", &["192.0.2.0/24"], false)]);
    assert!(!allocator.set_pools(pools(&[("a", &["192.0.2.0-192.0.2.255"], false)])));
    assert!(allocator.set_pools(pools(&[("a", &["192.0.2.0/25"], false)])));
}

#[test]
fn addresses_follow_their_pool_when_it_is_renamed_and_linger_when_it_shrinks() {
    let mut allocator = allocator(&[("a", &["192.0.2.0/24"], false)]);
    let (kept, lost) = (service("kept"), service("lost"));
    allocator.claim(&kept, &[v4("192.0.2.1")]).unwrap();
    allocator.claim(&lost, &[v4("192.0.2.200")]).unwrap();
    allocator.set_pools(pools(&[("b", &["192.0.2.0/25"], false)]));
    assert_eq!(allocator.holding(&kept.key).map(Holding::pool), Some("b"));
    assert_eq!(allocator.holding(&lost.key), None);
    assert_eq!(allocator.lingering(&lost.key), [v4("192.0.2.200")]);
    assert_eq!(allocator.status("a"), None);
    let status = allocator.status("b").unwrap();
    assert_eq!((status.assigned_ipv4, status.available_ipv4), (1, 127));
    assert_eq!(allocator.forget(&lost.key), [v4("192.0.2.200")]);
    assert!(allocator.forget(&lost.key).is_empty());
}

#[test]
fn a_shared_address_counts_once_and_huge_pools_saturate() {
    let mut allocator = allocator(&[("a", &["192.0.2.0/24", "2001:db8::/64", "2001:db9::/64"], true)]);
    let web = service("web").sharing("key");
    let dns = service("dns").sharing("key").on_ports(&[(Protocol::Udp, 53)]);
    allocator.claim(&web, &[v4("192.0.2.1")]).unwrap();
    allocator
        .claim(&dns, &[v4("192.0.2.1"), "2001:db8::1".parse().unwrap()])
        .unwrap();
    let expected = IPAddressPoolStatus {
        assigned_ipv4: 1,
        assigned_ipv6: 1,
        available_ipv4: 253,
        available_ipv6: i64::MAX,
    };
    assert_eq!(allocator.status("a"), Some(expected));
    assert!(allocator.release(&web.key) && allocator.release(&dns.key));
    assert!(!allocator.release(&dns.key));
    assert_eq!(
        allocator.status("a").map(|s| (s.assigned_ipv4, s.assigned_ipv6)),
        Some((0, 0))
    );
}

/// A linear search would take minutes here: the test is quick because those taken are not walked.
#[test]
fn a_free_address_is_found_among_a_hundred_thousand_taken() {
    const TAKEN: u128 = 100_000;
    let mut allocator = allocator(&[("a", &["10.0.0.0/8", "2001:db8::/64"], true)]);
    let [first_v4, first_v6] = ["10.0.0.0", "2001:db8::"].map(|first| IpFamily::number(v4(first)));
    let at = |index: u128| {
        [
            IpFamily::V4.address(first_v4 + index),
            IpFamily::V6.address(first_v6 + index),
        ]
    };
    for index in 0..TAKEN {
        let offered = |address: &IpAddr| {
            allocator
                .pools()
                .is_some_and(|pools| pools.iter().all(|p| p.offers(*address)))
        };
        let addresses: Vec<IpAddr> = at(index).into_iter().filter(offered).collect();
        allocator.claim(&service(&index.to_string()), &addresses).unwrap();
    }
    let new = service("new");
    let next = |allocator: &Allocator, want| allocator.choose(&new, want, Choice::Automatic).unwrap();
    for _ in 0..10_000 {
        assert_eq!(next(&allocator, Want::Both), at(TAKEN));
    }
    // A hole among them is the next to be filled.
    allocator.release(&service("50001").key);
    assert_eq!(next(&allocator, Want::Both), at(50_001));
}

#[test]
fn what_lingers_with_one_service_is_found_by_that_one_only() {
    let mut allocator = allocator(&[("a", &["192.0.2.0/30"], false)]);
    let (former, other) = (service("former").sharing("k"), service("other").sharing("k"));
    let other = other.on_ports(&[(Protocol::Tcp, 443)]);
    let first = |allocator: &Allocator, service: &ServiceFacts| {
        allocator
            .choose(service, Want::One(IpFamily::V4), Choice::Automatic)
            .unwrap()
    };
    allocator.linger(&former.key, &[v4("192.0.2.0")]);
    assert_eq!(first(&allocator, &former), [v4("192.0.2.0")]);
    assert_eq!(first(&allocator, &other), [v4("192.0.2.1")]);
    let refused = allocator.claim(&other, &[v4("192.0.2.0")]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "address \"192.0.2.0\" is still in use by default/former, which is about to give it up"
    );
    // Two that share an address: when one leaves, the other one stays as it is.
    allocator.linger(&former.key, &[]);
    allocator.claim(&other, &[v4("192.0.2.0")]).unwrap();
    allocator.linger(&former.key, &[v4("192.0.2.0")]);
    allocator.claim(&other, &[v4("192.0.2.0")]).unwrap();
    assert!(allocator.release(&other.key));
    assert_eq!(first(&allocator, &other), [v4("192.0.2.1")], "it lingers on");
    allocator.linger(&former.key, &[]);
    assert_eq!(first(&allocator, &other), [v4("192.0.2.0")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is taken, shared or free: the search finds what trying every address in turn finds.
    #[test]
    fn the_search_finds_what_trying_every_address_finds(
        avoid: bool,
        held in prop::collection::vec((0_u8..40, 0..3_usize, 0_u16..3, any::<bool>()), 0..60),
        (key, port, local) in (0..3_usize, 0_u16..3, any::<bool>()),
    ) {
        const KEYS: [&str; 3] = ["", "red", "blue"];
        let lists: &[&str] = &["192.0.2.248-192.0.3.4", "192.0.2.0/29", "2001:db8::/125"];
        let mut allocator = allocator(&[("a", lists, avoid)]);
        let draft = |name: &str, key: usize, port: u16, local: bool| {
            let mut draft = service(name).sharing(KEYS[key]);
            draft.ports = vec![Port { protocol: Protocol::Tcp, number: port }];
            if local { draft.local_to("web") } else { draft }
        };
        let all: Vec<IpAddr> = allocator.pools().unwrap().get("a").unwrap().ranges().iter()
            .flat_map(|range| range.numbers().map(|number| range.family().address(number)))
            .collect();
        for (index, (address, key, port, local)) in held.into_iter().enumerate() {
            let holder = draft(&format!("s{index}"), key, port, local);
            // Those that may not hold it do not.
            let _ = allocator.claim(&holder, &[all[usize::from(address) % all.len()]]);
        }
        let new = draft("new", key, port, local);
        let pool = allocator.pools().unwrap().get("a").unwrap();
        for family in IpFamily::BOTH {
            let found = allocator.choose(&new, Want::One(family), Choice::Named(pool)).ok();
            let by_hand = first_by_hand(&allocator, pool, family, &new).map(|address| vec![address]);
            prop_assert_eq!(found, by_hand);
        }
    }
}
