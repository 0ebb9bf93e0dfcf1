//! Why a Service has no address: each pool's reason, and the sentence made of them.

use super::*;
use crate::facts::NoAddress;

/// The reasons that a Service without an address is given, as `pool NAME REASON`.
fn lack(allocator: &mut Allocator, service: &ServiceFacts) -> (Lack, Vec<String>) {
    let outcome = settle(allocator, service).1;
    let lack = outcome.lack.unwrap_or_else(|| panic!("{:?}", outcome.ingress));
    let line = |(pool, reason): &(String, Reason)| format!("pool {pool} {reason}");
    let pools = lack.pools.iter().map(line).collect();
    (lack, pools)
}

/// Pools of every kind. Those that may serve anybody are used up.
fn used_up() -> Allocator {
    let mut allocator = Allocator::new();
    let set_aside = |addresses: &str, namespace: &str| json!({ "addresses": [addresses], "serviceAllocation": { "namespaces": [namespace] } });
    allocator.set_pools(pools(&[
        ("full", json!({ "addresses": ["192.0.2.0/31"] })),
        (
            "gold",
            json!({ "addresses": ["192.0.2.4/31"], "autoAssign": false }),
        ),
        ("mine", set_aside("192.0.2.9/32", "default")),
        ("six", json!({ "addresses": ["2001:db8::/126"] })),
        ("theirs", set_aside("192.0.2.16/31", "bank")),
        (
            "whole",
            json!({ "addresses": ["198.51.100.0/32"], "avoidBuggyIPs": true }),
        ),
    ]));
    for name in ["a", "b", "c"] {
        settle(&mut allocator, &service(name));
    }
    allocator
}

#[test]
fn every_pool_that_is_tried_has_its_reason() {
    let svc = || service("svc");
    let two = |service: ServiceFacts| service.with_families(&BOTH, FamilyPolicy::RequireDualStack);
    // (what is asked for, each pool's reason, whether a release may help)
    let table: [(ServiceFacts, &[&str], bool); 4] = [
        (
            svc(),
            &[
                "pool mine has no free IPv4 address: 1 of 1 in use",
                "pool full has no free IPv4 address: 2 of 2 in use",
                "pool six has no IPv4 address",
                "pool whole has no IPv4 address",
                "pool gold is only for Services that ask for it",
                "pool theirs is set aside for other Services",
            ],
            true,
        ),
        (
            svc().asking_for_pool("theirs"),
            &["pool theirs is set aside for other Services"],
            false,
        ),
        (
            svc().asking_for_pool("six"),
            &["pool six has no IPv4 address"],
            false,
        ),
        (
            two(svc().asking_for_pool("full")),
            &[
                "pool full has no free IPv4 address: 2 of 2 in use",
                "pool full has no IPv6 address",
            ],
            true,
        ),
    ];
    check_reasons(table);
}

#[test]
fn the_pools_of_an_address_that_is_asked_for_have_their_reasons() {
    let svc = |ips: &str| service("svc").asking_for_ips(ips);
    let table: [(ServiceFacts, &[&str], bool); 5] = [
        (svc("203.0.113.1"), &[], false),
        (
            svc("198.51.100.0"),
            &["pool whole gives 198.51.100.0 to nobody (avoidBuggyIPs)"],
            false,
        ),
        (
            svc("192.0.2.0"),
            &[
                "pool full cannot share it: can't change sharing key for \"default/svc\", address also in \
               use by default/b",
            ],
            true,
        ),
        (
            svc("192.0.2.4").asking_for_pool("full"),
            &["pool full does not have 192.0.2.4"],
            false,
        ),
        (svc("nonsense"), &[], false),
    ];
    check_reasons(table);
}

fn check_reasons<'a>(table: impl IntoIterator<Item = (ServiceFacts, &'a [&'a str], bool)>) {
    let mut allocator = used_up();
    for (service, expected, release) in table {
        let (lack, pools) = lack(&mut allocator, &service);
        assert_eq!(pools, expected);
        assert_eq!(lack.pools_in_use().next().is_some(), release, "{lack:?}");
    }
}

/// With these pools.
fn allocator_of(specs: &[(String, Value)]) -> Allocator {
    let named: Vec<_> = specs
        .iter()
        .map(|(name, spec)| (name.as_str(), spec.clone()))
        .collect();
    let mut allocator = Allocator::new();
    allocator.set_pools(pools(&named));
    allocator
}

/// What a Service is told that finds these pools.
fn lack_of(specs: &[(String, Value)]) -> Lack {
    lack(&mut allocator_of(specs), &service("svc")).0
}

#[test]
fn an_event_names_each_reason_once_and_few_pools_and_the_condition_names_them_all() {
    let pool = |index: u8, more: Value| {
        let mut spec = json!({ "addresses": [format!("192.0.2.{index}/32")] });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        (format!("p{index}"), spec)
    };
    let sets = [
        (1..4, json!({ "autoAssign": false })),
        (4..12, json!({ "serviceAllocation": { "namespaces": ["bank"] } })),
    ];
    let specs: Vec<_> = sets
        .iter()
        .flat_map(|(range, more)| range.clone().map(|index| pool(index, more.clone())))
        .collect();
    let lack = lack_of(&specs);
    assert_eq!(
        lack.sentence,
        "no available IPs: each of the pools p1, p2, p3 is only for Services that ask for it; each of the pools p10, p11, \
         p4, p5 and 4 more is set aside for other Services"
    );
    assert_eq!(lack.pools.len(), 11);
    assert_eq!(
        lack.condition().message,
        "no available IPs: each of the pools p1, p2, p3 is only for Services that ask for it; each of the pools p10, p11, \
         p4, p5, p6, p7, p8, p9 is set aside for other Services"
    );
}

#[test]
fn a_condition_gives_every_pool_its_own_reason() {
    // Each pool has as many addresses as its number says.
    let specs: Vec<_> = (1..9_u8)
        .map(|number| {
            (
                format!("p{number}"),
                json!({ "addresses": [format!("192.0.{number}.1-192.0.{number}.{number}")] }),
            )
        })
        .collect();
    let mut allocator = allocator_of(&specs);
    for taken in 0..36 {
        settle(&mut allocator, &service(&format!("taken-{taken}")));
    }
    let (lack, _) = lack(&mut allocator, &service("svc"));
    assert!(
        lack.sentence
            .ends_with("pool p4 has no free IPv4 address: 4 of 4 in use; 4 more give none either")
    );
    let message = lack.condition().message;
    for number in 1..9 {
        let reason = format!("pool p{number} has no free IPv4 address: {number} of {number} in use");
        assert!(message.contains(&reason), "{reason}: {message}");
    }
}

#[test]
fn a_condition_of_very_many_pools_says_how_many_it_does_not_name() {
    let specs: Vec<_> = (0..4_000_u16)
        .map(|number| {
            let addresses = [format!("10.{}.{}.0/32", number / 256, number % 256)];
            (
                format!("pool-number-{number:04}"),
                json!({ "addresses": addresses, "autoAssign": false }),
            )
        })
        .collect();
    let message = lack_of(&specs).condition().message;
    assert!(
        message.len() <= NoAddress::LONGEST && message.len() > NoAddress::LONGEST / 3,
        "{}",
        message.len()
    );
    assert!(
        message.ends_with("pool-number-0499 and 3500 more is only for Services that ask for it"),
        "{message}"
    );
}

#[test]
fn a_service_that_prefers_two_addresses_says_why_it_has_one() {
    let mut allocator = usual();
    let prefer = service("svc").with_families(&BOTH, FamilyPolicy::PreferDualStack);
    let (lack, pools) = lack(&mut allocator, &prefer);
    assert_eq!(pools, ["pool main has no IPv6 address"]);
    assert_eq!(lack.reason, "AdditionalAssignFailed");
}
