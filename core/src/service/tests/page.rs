//! The examples of the page for users are what happens.

use super::*;

const PAGE: &str = include_str!("../../../../docs/how-an-address-is-chosen.md");

/// The pools of the page.
fn of_the_page() -> Allocator {
    let mut allocator = Allocator::new();
    allocator.set_pools(pools(&[
        ("main", json!({ "addresses": ["198.51.100.0/30"] })),
        (
            "gold",
            json!({ "addresses": ["192.0.2.0/30"], "autoAssign": false }),
        ),
        (
            "bank",
            json!({ "addresses": ["203.0.113.0/30"], "serviceAllocation": { "namespaces": ["bank"] } }),
        ),
        ("six", json!({ "addresses": ["2001:db8::/126"] })),
    ]));
    allocator
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The page shows each of these Events.
fn check_shown(events: &[ServiceEvent]) {
    let page = words(PAGE);
    for event in events {
        // In a table the reason and the start of the message are in its head.
        let start = "Failed to allocate IP for \"default/web\": ";
        let whole = format!("{} {}", event.reason, event.message);
        let cell = format!("`{}`", event.message.strip_prefix(start).unwrap_or_default());
        assert!(
            page.contains(&whole) || page.contains(&cell),
            "not on the page: {whole}"
        );
    }
    assert!(!events.is_empty());
}

#[test]
fn every_refusal_on_the_page_is_worded_as_it_is() {
    let web = || service("web");
    let used_up = |pool: &str| {
        let mut allocator = of_the_page();
        for name in ["a", "b", "c", "d"] {
            settle(&mut allocator, &service(name).asking_for_pool(pool));
        }
        allocator
    };
    let with_first = || {
        let mut allocator = of_the_page();
        settle(&mut allocator, &service("first").asking_for_ips("192.0.2.1"));
        allocator
    };
    let both = |service: ServiceFacts| service.with_families(&BOTH, FamilyPolicy::RequireDualStack);
    for (mut allocator, service) in [
        (of_the_page(), web().asking_for_ips("192.0.2")),
        (of_the_page(), web().asking_for_ips("4.3.2.1")),
        (of_the_page(), web().asking_for_ips("203.0.113.1")),
        (with_first(), web().asking_for_ips("192.0.2.1")),
        (of_the_page(), both(web().asking_for_ips("192.0.2.2,2001:db8::1"))),
        (of_the_page(), web().asking_for_ips("2001:db8::1")),
        (
            of_the_page(),
            web().asking_for_ips("198.51.100.1").asking_for_pool("gold"),
        ),
        (used_up("gold"), web().asking_for_pool("gold")),
        (used_up("main"), web()),
    ] {
        let (_, outcome) = settle(&mut allocator, &service);
        assert!(outcome.ingress.is_empty(), "{outcome:?}");
        check_shown(&outcome.events);
    }
}

#[test]
fn every_other_event_on_the_page_is_worded_as_it_is() {
    let mut allocator = of_the_page();
    let prefer = service("prefer").with_families(&BOTH, FamilyPolicy::PreferDualStack);
    check_shown(&settle(&mut allocator, &prefer).1.events[1..]);

    let mut allocator = of_the_page();
    settle(&mut allocator, &service("first"));
    let (web, _) = settle(&mut allocator, &service("web"));
    allocator.set_pools(pools(&[("main", json!({ "addresses": ["198.51.100.2/31"] }))]));
    check_shown(&settle(&mut allocator, &web).1.events);

    let mut allocator = of_the_page();
    let (web, _) = settle(&mut allocator, &service("web"));
    converge(&mut allocator, &web.asking_for_pool("gold"));
    let next = service("next").asking_for_ips("198.51.100.0");
    check_shown(&converge(&mut allocator, &next).events);
}

#[test]
fn what_a_mistake_from_before_the_start_causes_is_on_the_page() {
    let main: IPAddressPool = serde_json::from_value(json!({
        "metadata": { "name": "main", "namespace": "metallb-system" }, "spec": { "addresses": ["198.51.100.0/33"] }
    }))
    .unwrap();
    let faults = Pools::parse([&main], &BTreeMap::new()).unwrap_err();
    check_shown(&undecided(&service("web"), &faults).events);
}

#[test]
fn the_first_address_on_the_page_is_the_one_that_is_given() {
    let mut allocator = of_the_page();
    let first = |allocator: &mut Allocator, service: &ServiceFacts| settle(allocator, service).1.ingress;
    let in_bank = service("web").in_namespace("bank");
    assert_eq!(first(&mut allocator, &in_bank), ips(&["203.0.113.0"]));
    assert_eq!(
        first(&mut allocator, &service("web").sharing("k")),
        ips(&["198.51.100.0"])
    );
    let sharing = service("dns").sharing("k").on_ports(&[(Protocol::Udp, 53)]);
    assert_eq!(first(&mut allocator, &sharing), ips(&["198.51.100.0"]));
    assert_eq!(first(&mut allocator, &service("own")), ips(&["198.51.100.1"]));
}
