//! The rules one by one: what a Service gets and is told, with MetalLB's texts.

mod changes;
mod dual_stack;
mod edits;
mod lacks;
mod page;
mod properties;
mod requests;

use std::collections::BTreeMap;

use metallb_api::v1beta1::IPAddressPool;
use serde_json::{Value, json};

use super::*;
use crate::allocator::Reason;
use crate::config::Pools;
use crate::facts::examples::service;
use crate::facts::{FamilyPolicy, IpFamily, Protocol};

fn pools(pools: &[(&str, Value)]) -> Pools {
    let object = |(name, spec): &(&str, Value)| -> IPAddressPool {
        serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap()
    };
    let objects: Vec<_> = pools.iter().map(object).collect();
    Pools::parse(&objects, &BTreeMap::new()).unwrap()
}

/// Pool `gold` 192.0.2.0/30 for those who ask, `main` 198.51.100.0/30, `six` 2001:db8::/126.
fn usual() -> Allocator {
    let mut allocator = Allocator::new();
    allocator.set_pools(pools(&[
        (
            "gold",
            json!({ "addresses": ["192.0.2.0/30"], "autoAssign": false }),
        ),
        ("main", json!({ "addresses": ["198.51.100.0/30"] })),
        ("six", json!({ "addresses": ["2001:db8::/126"] })),
    ]));
    allocator
}

/// One pool with both families.
fn dual() -> Allocator {
    let mut allocator = Allocator::new();
    allocator.set_pools(pools(&[(
        "p",
        json!({ "addresses": ["192.0.2.0/30", "2001:db8::/126"] }),
    )]));
    allocator
}

fn reconfigure(allocator: &mut Allocator, name: &str, addresses: &[&str]) {
    allocator.set_pools(pools(&[(name, json!({ "addresses": addresses }))]));
}

fn ips(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|ip| ip.parse().unwrap()).collect()
}

fn told(outcome: &Outcome) -> Vec<String> {
    let line = |event: &ServiceEvent| format!("{:?} {} {}", event.kind, event.reason, event.message);
    outcome.events.iter().map(line).collect()
}

/// Converges, checks that doing it again changes nothing, and returns the Service as it is afterwards. What it gave up is
/// to be had when its status says so.
fn settle(allocator: &mut Allocator, service: &ServiceFacts) -> (ServiceFacts, Outcome) {
    let outcome = converge(allocator, service);
    let written = service.clone().holding(outcome.pool.as_deref(), &outcome.ingress);
    let echo = converge(allocator, &written);
    assert_eq!((echo.write, &echo.ingress), (false, &outcome.ingress));
    let again = converge(allocator, &written);
    assert!(!again.write && again.freed.is_empty(), "not settled: {again:?}");
    let freed = [outcome.freed, echo.freed].concat();
    (written, Outcome { freed, ..outcome })
}

/// What a new Service gets, and the one thing it is told.
fn check(allocator: &mut Allocator, service: &ServiceFacts, expected: &[&str], event: &str) -> ServiceFacts {
    let (written, outcome) = settle(allocator, service);
    assert_eq!(outcome.ingress, ips(expected), "{}", service.key);
    assert_eq!(told(&outcome), [event]);
    assert_eq!(outcome.lack.is_some(), expected.is_empty());
    written
}

const BOTH: [IpFamily; 2] = IpFamily::BOTH;

#[test]
fn any_pool_that_allows_it_serves_a_service_that_asks_for_nothing() {
    let mut allocator = usual();
    let written = check(
        &mut allocator,
        &service("web"),
        &["198.51.100.0"],
        "Normal IPAllocated Assigned IP [\"198.51.100.0\"]",
    );
    assert_eq!(written.allocated_from(), Some("main"));
    let six = service("six").with_families(&[IpFamily::V6], FamilyPolicy::SingleStack);
    check(
        &mut allocator,
        &six,
        &["2001:db8::"],
        "Normal IPAllocated Assigned IP [\"2001:db8::\"]",
    );
}

#[test]
fn an_address_is_given_to_whoever_asks_for_it_under_any_spelling() {
    let mut allocator = usual();
    let mut by_field = service("field");
    by_field.load_balancer_ip = Some("192.0.2.1".into());
    for (service, ip) in [
        (by_field, "192.0.2.1"),
        (service("annotation").asking_for_ips(" 192.0.2.2 "), "192.0.2.2"),
        (
            service("old").annotated("metallb.universe.tf/loadBalancerIPs", "192.0.2.3"),
            "192.0.2.3",
        ),
    ] {
        let (_, outcome) = settle(&mut allocator, &service);
        assert_eq!(outcome.ingress, ips(&[ip]));
        assert_eq!(outcome.pool.as_deref(), Some("gold"));
    }
}

#[test]
fn a_pool_asked_for_by_name_serves_even_if_it_does_not_assign_by_itself() {
    let mut allocator = usual();
    let asking = service("web").asking_for_pool("gold");
    let written = check(
        &mut allocator,
        &asking,
        &["192.0.2.0"],
        "Normal IPAllocated Assigned IP [\"192.0.2.0\"]",
    );
    assert_eq!(written.allocated_from(), Some("gold"));
    for name in ["b", "c", "d"] {
        settle(&mut allocator, &service(name).asking_for_pool("gold"));
    }
    check(
        &mut allocator,
        &service("late").asking_for_pool("gold"),
        &[],
        "Warning AllocationFailed Failed to allocate IP for \"default/late\": no available IPs in pool gold: pool gold has \
         no free IPv4 address: 4 of 4 in use",
    );
}

#[test]
fn asking_for_a_pool_that_does_not_exist_gives_an_address_and_a_warning() {
    let mut allocator = usual();
    let (written, outcome) = settle(&mut allocator, &service("web").asking_for_pool("missing"));
    assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
    let told = told(&outcome);
    assert!(
        told[0].starts_with("Warning addressPoolNotFound") && told[0].contains("\"missing\""),
        "{told:?}"
    );
    assert_eq!(told[1], "Normal IPAllocated Assigned IP [\"198.51.100.0\"]");
    // Once the pool is there, it is what was asked for.
    allocator.set_pools(pools(&[
        ("main", json!({ "addresses": ["198.51.100.0/30"] })),
        ("missing", json!({ "addresses": ["203.0.113.0/30"] })),
    ]));
    let (_, outcome) = settle(&mut allocator, &written);
    assert_eq!(outcome.ingress, ips(&["203.0.113.0"]));
}

#[test]
fn pools_set_aside_for_a_service_come_first_by_priority_then_by_name() {
    let allocation = |priority: i64| json!({ "priority": priority, "namespaces": ["default"] });
    let pool = |third: u8, allocation: Value| json!({ "addresses": [format!("10.0.{third}.0/32")], "serviceAllocation": allocation });
    let mut allocator = Allocator::new();
    allocator.set_pools(pools(&[
        ("a-generic", json!({ "addresses": ["10.0.0.0/32"] })),
        ("a-last", pool(1, allocation(0))),
        ("b-other", pool(2, json!({ "namespaces": ["elsewhere"] }))),
        ("c-second", pool(3, allocation(20))),
        ("d-first", pool(4, allocation(10))),
        ("e-second", pool(5, allocation(20))),
        (
            "f-labelled",
            pool(
                6,
                json!({ "priority": 1, "serviceSelectors": [{ "matchLabels": { "app": "web" } }] }),
            ),
        ),
    ]));
    let order: Vec<_> = ["s1", "s2", "s3", "s4", "s5", "s6"]
        .iter()
        .map(|name| settle(&mut allocator, &service(name)).1.pool)
        .collect();
    let expected =
        ["d-first", "c-second", "e-second", "a-last", "a-generic"].map(|name| Some(name.to_owned()));
    assert_eq!(order, [&expected[..], &[None]].concat());
    let web = service("web").labelled("app", "web");
    assert_eq!(settle(&mut allocator, &web).1.pool.as_deref(), Some("f-labelled"));
    check(
        &mut allocator,
        &service("web").in_namespace("x").asking_for_pool("b-other"),
        &[],
        "Warning AllocationFailed Failed to allocate IP for \"x/web\": pool b-other not compatible for ip assignment",
    );
}

#[test]
fn services_share_an_address_only_on_the_same_terms() {
    let mut allocator = usual();
    let at = |name: &str| {
        service(name)
            .sharing("web-server-svc")
            .asking_for_ips("192.0.2.1")
    };
    settle(&mut allocator, &at("http"));
    let failed = |name: &str, text: &str| {
        format!("Warning AllocationFailed Failed to allocate IP for \"default/{name}\": {text}")
    };
    let key = |name: &str| {
        format!("can't change sharing key for \"default/{name}\", address also in use by default/http")
    };
    check(
        &mut allocator,
        &at("again"),
        &[],
        &failed("again", "port TCP/80 is already in use on \"192.0.2.1\""),
    );
    let https = || at("tls").on_ports(&[(Protocol::Tcp, 443)]);
    check(
        &mut allocator,
        &https().sharing("other"),
        &[],
        &failed("tls", &key("tls")),
    );
    check(
        &mut allocator,
        &https().sharing(""),
        &[],
        &failed("tls", &key("tls")),
    );
    check(
        &mut allocator,
        &https().local_to("web"),
        &[],
        &failed("tls", &key("tls")),
    );
    check(
        &mut allocator,
        &https(),
        &["192.0.2.1"],
        "Normal IPAllocated Assigned IP [\"192.0.2.1\"]",
    );
    // The same port number of another protocol is another port.
    let quic = at("quic").on_ports(&[(Protocol::Udp, 443)]);
    check(
        &mut allocator,
        &quic,
        &["192.0.2.1"],
        "Normal IPAllocated Assigned IP [\"192.0.2.1\"]",
    );
}

#[test]
fn local_services_share_an_address_when_they_have_the_same_pods() {
    let mut allocator = usual();
    let at = |name: &str, port| {
        service(name)
            .sharing("k")
            .asking_for_ips("192.0.2.1")
            .on_ports(&[(Protocol::Tcp, port)])
    };
    settle(&mut allocator, &at("a", 1).local_to("web"));
    assert_eq!(
        settle(&mut allocator, &at("b", 2).local_to("web")).1.ingress,
        ips(&["192.0.2.1"])
    );
    assert_eq!(
        settle(&mut allocator, &at("c", 3).local_to("db")).1.ingress,
        ips(&[])
    );
}

#[test]
fn a_lower_address_that_may_be_shared_is_preferred_to_a_free_one() {
    let mut allocator = usual();
    settle(&mut allocator, &service("a").sharing("k"));
    settle(&mut allocator, &service("b"));
    let c = service("c").sharing("k").on_ports(&[(Protocol::Tcp, 443)]);
    assert_eq!(settle(&mut allocator, &c).1.ingress, ips(&["198.51.100.0"]));
    let d = service("d").sharing("k").on_ports(&[(Protocol::Tcp, 443)]);
    assert_eq!(settle(&mut allocator, &d).1.ingress, ips(&["198.51.100.2"]));
}

#[test]
fn a_sole_holder_may_change_its_terms_and_others_are_tried_again() {
    let mut allocator = usual();
    let (written, _) = settle(&mut allocator, &service("a").sharing("k"));
    let (_, outcome) = settle(&mut allocator, &written.sharing("other"));
    assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
    assert_eq!((outcome.freed, outcome.write), (ips(&["198.51.100.0"]), false));
}
