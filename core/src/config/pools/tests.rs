//! Whole sets of IPAddressPools, as users write them.

use serde_json::{Value, json};

use super::*;
use crate::facts::ServiceFacts;

type Labels = BTreeMap<String, String>;

fn object(name: &str, spec: &Value) -> IPAddressPool {
    serde_json::from_value(
        json!({ "metadata": { "namespace": "metallb-system", "name": name }, "spec": spec }),
    )
    .unwrap()
}

fn parse(objects: &[(&str, Value)]) -> Result<Pools, Vec<String>> {
    let objects: Vec<_> = objects.iter().map(|(name, spec)| object(name, spec)).collect();
    let namespaces: BTreeMap<String, Labels> = [
        ("prod".to_owned(), [("tier".to_owned(), "gold".to_owned())].into()),
        ("test".to_owned(), Labels::new()),
    ]
    .into();
    Pools::parse(&objects, &namespaces)
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

fn addresses(list: &[&str]) -> Value {
    json!({ "addresses": list })
}

#[test]
fn bad_pools_are_refused_in_metallbs_words() {
    for (spec, message) in [
        (
            addresses(&[]),
            "parsing address pool p: pool has no prefixes defined",
        ),
        (
            addresses(&["192.0.2.1"]),
            "parsing address pool p: invalid CIDR \"192.0.2.1\" in pool \"p\": invalid CIDR \"192.0.2.1\"",
        ),
        (
            addresses(&["192.0.2.9-192.0.2.1"]),
            "parsing address pool p: invalid CIDR \"192.0.2.9-192.0.2.1\" in pool \"p\": invalid IP range \
             \"192.0.2.9-192.0.2.1\": start IP \"192.0.2.9\" is after the end IP \"192.0.2.1\"",
        ),
        (
            json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { "namespaces": ["a", "a"] } }),
            "parsing address pool p: duplicate definition in namespaces field",
        ),
        (
            json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { "serviceSelectors": [{}, {}] } }),
            "parsing address pool p: duplicate definition of serviceSelectors \"\"",
        ),
        (
            json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { "namespaceSelectors": [
                { "matchExpressions": [{ "key": "k", "operator": "Like" }] }
            ] } }),
            "parsing address pool p: invalid namespace label selector in ip pool p: \"Like\" is not a valid label \
             selector operator: use one of In, NotIn, Exists, DoesNotExist",
        ),
        (
            addresses(&["192.0.2.0/24", "192.0.2.10-192.0.2.20"]),
            "CIDR \"192.0.2.10/31\" in pool \"p\" overlaps with already defined CIDR \"192.0.2.0/24\"",
        ),
    ] {
        assert_eq!(parse(&[("p", spec)]).unwrap_err(), [message]);
    }
}

#[test]
fn an_overlap_is_found_whichever_pool_comes_first() {
    let wide = addresses(&["10.0.0.0/8", "2001:db8::/64"]);
    for narrow in [
        "10.0.0.0/32",
        "10.255.255.255/32",
        "10.1.0.0/16",
        "2001:db8::5-2001:db8::6",
    ] {
        for (first, second) in [("a", "b"), ("b", "a")] {
            let faults = parse(&[(first, wide.clone()), (second, addresses(&[narrow]))]).unwrap_err();
            assert_eq!(faults.len(), 1, "{narrow}");
            assert!(
                faults[0].contains("in pool \"b\" overlaps with already defined CIDR"),
                "{faults:?}"
            );
        }
    }
    parse(&[
        ("a", addresses(&["10.0.0.0/9"])),
        ("b", addresses(&["10.128.0.0/9"])),
    ])
    .unwrap();
}

#[test]
fn of_two_pools_that_overlap_the_newer_one_is_at_fault() {
    let created = |name: &str, time: &str, list: &[&str]| -> IPAddressPool {
        let metadata = json!({ "namespace": "metallb-system", "name": name, "creationTimestamp": time });
        serde_json::from_value(json!({ "metadata": metadata, "spec": addresses(list) })).unwrap()
    };
    let older = created("z-older", "2026-01-01T00:00:00Z", &["192.0.2.0/24"]);
    let newer = created("a-newer", "2026-01-01T00:00:01Z", &["192.0.2.64/26"]);
    let mut unborn = newer.clone();
    unborn.metadata.creation_timestamp = None;
    for later in [newer, unborn] {
        let faults = Pools::parse([&later, &older], &BTreeMap::new()).unwrap_err();
        let [fault] = faults.as_slice() else {
            panic!("{faults:?}")
        };
        assert_eq!(fault.object.name(), "a-newer");
        assert_eq!(
            fault.message,
            "CIDR \"192.0.2.64/26\" in pool \"a-newer\" overlaps with already defined CIDR \"192.0.2.0/24\" in pool \
             \"z-older\""
        );
    }
}

#[test]
fn every_faulty_pool_is_named() {
    let faults = parse(&[
        ("a", addresses(&[])),
        ("b", addresses(&["192.0.2.0/24"])),
        ("c", addresses(&["x/y"])),
    ])
    .unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_reservation_says_who_is_served() {
    let serves = |allocation: Value, namespace: &str, app: &str| {
        let spec = json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": allocation });
        let pools = parse(&[("p", spec)]).unwrap();
        let service = ServiceFacts {
            key: NamespacedName::new(namespace, "web"),
            labels: [("app".to_owned(), app.to_owned())].into(),
            ..ServiceFacts::default()
        };
        pools.get("p").unwrap().serves(&service)
    };
    let gold = json!({ "matchLabels": { "tier": "gold" } });
    let web = json!({ "matchLabels": { "app": "web" } });
    // (reservation, [prod/web, prod/db, test/web])
    let table = [
        (json!({}), [true, true, true]),
        (json!({ "priority": 5 }), [true, true, true]),
        (json!({ "namespaces": ["prod"] }), [true, true, false]),
        (json!({ "namespaceSelectors": [gold] }), [true, true, false]),
        (
            json!({ "namespaces": ["test"], "namespaceSelectors": [gold] }),
            [true, true, true],
        ),
        (json!({ "serviceSelectors": [web] }), [true, false, true]),
        (
            json!({ "namespaces": ["prod"], "serviceSelectors": [web] }),
            [true, false, false],
        ),
        // Selectors that match no namespace let nobody in, also not those who ask for the pool by name.
        (
            json!({ "namespaceSelectors": [{ "matchLabels": { "tier": "none" } }] }),
            [false, false, false],
        ),
    ];
    for (allocation, expected) in table {
        let got = [("prod", "web"), ("prod", "db"), ("test", "web")]
            .map(|(namespace, app)| serves(allocation.clone(), namespace, app));
        assert_eq!(got, expected, "{allocation}");
    }
}

#[test]
fn the_lowest_priority_ranks_first_and_zero_last() {
    let rank = |priority: Value| {
        let spec = json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { "priority": priority } });
        parse(&[("p", spec)]).unwrap().get("p").unwrap().rank()
    };
    assert!(rank(json!(1)) < rank(json!(2)));
    assert!(rank(json!(2)) < rank(json!(0)));
    assert_eq!(rank(json!(0)), rank(Value::Null));
}

#[test]
fn capacity_leaves_buggy_addresses_out_and_never_overflows() {
    let capacity = |spec: Value| {
        let pools = parse(&[("p", spec)]).unwrap();
        IpFamily::BOTH.map(|family| pools.get("p").unwrap().capacity(family))
    };
    let v6 = |count: u128| [0, count];
    assert_eq!(
        capacity(addresses(&["192.0.2.0/24", "2001:db8::/64"])),
        [256, 1 << 64]
    );
    assert_eq!(
        capacity(json!({ "addresses": ["192.0.2.0/24", "198.51.100.0/30"], "avoidBuggyIPs": true })),
        [254 + 3, 0]
    );
    assert_eq!(capacity(addresses(&["::/1", "8000::/1"])), v6(u128::MAX));
}

#[test]
fn buggy_addresses_are_in_the_pool_but_not_offered() {
    let spec = json!({ "addresses": ["192.0.2.0/24", "2001:db8::/120"], "avoidBuggyIPs": true });
    let pools = parse(&[("p", spec)]).unwrap();
    let pool = pools.get("p").unwrap();
    for (address, offered) in [
        ("192.0.2.0", false),
        ("192.0.2.1", true),
        ("192.0.2.255", false),
        ("2001:db8::", true),
        ("2001:db8::ff", true),
    ] {
        let address = address.parse().unwrap();
        assert_eq!(
            (pool.contains(address), pool.offers(address)),
            (true, offered),
            "{address}"
        );
    }
}
