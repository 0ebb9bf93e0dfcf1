//! Which addresses stay, which move, and why.

use super::*;

/// What becomes of the one Service.
fn becomes(facts: &Facts) -> String {
    let services = report(facts).services.unwrap();
    let texts = |all: &[std::net::IpAddr]| all.iter().map(ToString::to_string).collect::<String>();
    match services.moving.first() {
        Some(moving) => {
            assert!(!moving.why.is_empty(), "{moving:?}");
            format!("{} -> {}", texts(&moving.from), texts(&moving.to))
        }
        None if services.kept == 1 => "kept".to_owned(),
        None if services.waiting.len() == 1 => "waits".to_owned(),
        None if services.of_other_classes == 1 => "other".to_owned(),
        None => "nothing".to_owned(),
    }
}

#[test]
fn addresses_that_the_pools_allow_stay_and_the_others_are_named_with_the_reason() {
    let pools = empty()
        .pool("a", json!({"addresses": ["192.0.2.0/29"]}))
        .pool(
            "by-hand",
            json!({"addresses": ["198.51.100.0/30"], "autoAssign": false}),
        )
        .l2("all", json!({}));
    for (name, addresses, spec, annotations, expected) in [
        ("in a pool", vec!["192.0.2.3"], json!({}), json!({}), "kept"),
        (
            "in a pool that gives nothing by itself",
            vec!["198.51.100.1"],
            json!({}),
            json!({}),
            "kept",
        ),
        (
            "of another class",
            vec!["203.0.113.1"],
            json!({"loadBalancerClass": "cloud"}),
            json!({}),
            "other",
        ),
        (
            "of another type",
            vec!["192.0.2.3"],
            json!({"type": "ClusterIP"}),
            json!({}),
            "nothing",
        ),
        (
            "in no pool",
            vec!["203.0.113.9"],
            json!({}),
            json!({}),
            "203.0.113.9 -> 192.0.2.0",
        ),
        (
            "asks for another pool",
            vec!["192.0.2.3"],
            json!({}),
            json!({"metallb.universe.tf/address-pool": "by-hand"}),
            "192.0.2.3 -> 198.51.100.0",
        ),
        ("has none, and gets one", vec![], json!({}), json!({}), "nothing"),
        (
            "has none, and gets none",
            vec![],
            json!({}),
            json!({"metallb.io/loadBalancerIPs": "203.0.113.7"}),
            "waits",
        ),
    ] {
        let facts = pools.clone().service_with("s", &addresses, spec, annotations);
        assert_eq!(becomes(&facts), expected, "{name}");
    }
}

#[test]
fn each_move_has_its_reason() {
    let pools = empty().pool("a", json!({"addresses": ["192.0.2.0/29"]})).pool(
        "b",
        json!({"addresses": ["198.51.100.0/30"], "autoAssign": false}),
    );
    for (address, annotations, expected) in [
        ("203.0.113.9", json!({}), "\"203.0.113.9\""),
        ("192.0.2.3", json!({"metallb.io/address-pool": "b"}), "the pool b"),
        (
            "192.0.2.3",
            json!({"metallb.io/loadBalancerIPs": "192.0.2.4"}),
            "it asks for 192.0.2.4",
        ),
    ] {
        let facts = pools
            .clone()
            .service_with("s", &[address], json!({}), annotations);
        let services = report(&facts).services.unwrap();
        assert!(
            services.moving[0].why.contains(expected),
            "{expected}: {services:?}"
        );
    }
}

#[test]
fn of_two_services_with_one_address_the_older_one_keeps_it() {
    let mut facts = empty()
        .pool("a", json!({"addresses": ["192.0.2.0/29"]}))
        .l2("all", json!({}))
        .service("young", &["192.0.2.3"])
        .service("old", &["192.0.2.3"]);
    facts.services[0].created_s += 60;
    let services = report(&facts).services.unwrap();
    assert_eq!((services.kept, services.moving.len()), (1, 1));
    assert_eq!(services.moving[0].service, "default/young");
    assert!(
        services.moving[0].why.contains("Service default/old has it"),
        "{services:?}"
    );
}

#[test]
fn pools_that_contradict_each_other_are_named_and_no_address_is_guessed() {
    let facts = empty()
        .pool("a", json!({"addresses": ["192.0.2.0/29"]}))
        .pool("b", json!({"addresses": ["192.0.2.4-192.0.2.9"]}))
        .service("s", &["192.0.2.3"]);
    let report = report(&facts);
    assert_eq!((&report.services, report.is_clear()), (&None, false));
    let lines = lines(&report);
    assert!(
        lines[0].starts_with("! IPAddressPool metallb-system/b:") && lines[0].contains("overlaps"),
        "{lines:?}"
    );
    assert!(print::text(&report).contains("Addresses: cannot tell"));
}
