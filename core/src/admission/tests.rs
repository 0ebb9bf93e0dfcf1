//! Objects against those that exist, as the API server asks about them.

use serde_json::{Value, json};

use super::*;

const HOME: &str = "metallb-system";

fn object(kind: Kind, name: &str, spec: &Value) -> Object {
    fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }
    let object = json!({ "metadata": { "namespace": HOME, "name": name }, "spec": spec });
    match kind {
        Kind::BfdProfile => Object::BfdProfile(Box::new(read(object))),
        Kind::BgpAdvertisement => Object::BgpAdvertisement(Box::new(read(object))),
        Kind::BgpPeer => Object::BgpPeer(Box::new(read(object))),
        Kind::Community => Object::Community(Box::new(read(object))),
        Kind::IpAddressPool => Object::IpAddressPool(Box::new(read(object))),
        Kind::L2Advertisement => Object::L2Advertisement(Box::new(read(object))),
    }
}

fn pool(name: &str, addresses: &[&str]) -> Object {
    object(Kind::IpAddressPool, name, &json!({ "addresses": addresses }))
}

fn adv(name: &str, spec: &Value) -> Object {
    object(Kind::BgpAdvertisement, name, spec)
}

fn community(name: &str, alias: &str, value: &str) -> Object {
    object(
        Kind::Community,
        name,
        &json!({ "communities": [{ "name": alias, "value": value }] }),
    )
}

fn peer(name: &str, changes: &Value) -> Object {
    let mut spec = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1" });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    object(Kind::BgpPeer, name, &spec)
}

fn existing(objects: Vec<Object>) -> Objects {
    let mut existing = Objects::default();
    for (node, zone) in [("n1", "a"), ("n2", "b")] {
        let labels = [("zone".to_owned(), zone.to_owned())].into();
        existing.nodes.insert(node.to_owned(), labels);
    }
    for object in objects {
        existing.insert(object);
    }
    existing
}

fn create(object: &Object, objects: Vec<Object>) -> Verdict {
    review(HOME, &Operation::Create, object, existing(objects))
}

fn in_zone(zone: &str) -> Value {
    json!([{ "matchLabels": { "zone": zone } }])
}

fn check_refused(rows: Vec<(Object, Vec<Object>, &str)>) {
    for (object, objects, message) in rows {
        let verdict = create(&object, objects);
        assert_eq!(verdict.denied.as_deref(), Some(message), "{object:?}");
    }
}

#[test]
fn what_contradicts_an_existing_object_is_refused_in_metallbs_words() {
    let preference = "invalid local preference 200: local preferernce 100 was already set for the same type of BGP \
                      update. Check existing BGP advertisements with common pools and aggregation lengths";
    check_refused(vec![
        (
            pool("b", &["10.1.0.0/16"]),
            vec![pool("a", &["10.0.0.0/8"])],
            "CIDR \"10.1.0.0/16\" in pool \"b\" overlaps with already defined CIDR \"10.0.0.0/8\" in pool \"a\"",
        ),
        // The existing one is later in the order of names.
        (
            pool("a", &["10.0.0.0/8"]),
            vec![pool("b", &["10.1.0.0/16"])],
            "CIDR \"10.1.0.0/16\" in pool \"b\" overlaps with already defined CIDR \"10.0.0.0/8\" in pool \"a\"",
        ),
        (
            pool("a", &["10.0.0.0/8", "10.0.0.1/32"]),
            vec![],
            "CIDR \"10.0.0.1/32\" in pool \"a\" overlaps with already defined CIDR \"10.0.0.0/8\"",
        ),
        (
            community("b", "vip", "1:2"),
            vec![community("a", "vip", "1:3")],
            "duplicate definition of community \"vip\"",
        ),
        (
            community("a", "vip", "one"),
            vec![],
            "parsing community \"vip\": invalid community format: one",
        ),
        (
            adv("x", &json!({ "aggregationLength": 26 })),
            vec![pool("a", &["10.0.0.0/28"])],
            "invalid aggregation length 26: prefix 28 in this pool is more specific than the aggregation length for \
             addresses 10.0.0.0/28",
        ),
        (
            adv("x", &json!({ "aggregationLengthV6": 64 })),
            vec![pool("a", &["2001:db8::/120"])],
            "invalid aggregation length 64: prefix 120 in this pool is more specific than the aggregation length for \
             addresses 2001:db8::/120",
        ),
        (
            adv("y", &json!({ "localPref": 200 })),
            vec![
                adv("x", &json!({ "localPref": 100 })),
                pool("a", &["10.0.0.0/24"]),
            ],
            preference,
        ),
    ]);
}

#[test]
fn what_is_wrong_by_itself_is_refused_in_metallbs_words() {
    check_refused(vec![
        (
            pool("a", &[]),
            vec![],
            "parsing address pool a: pool has no prefixes defined",
        ),
        (
            object(
                Kind::L2Advertisement,
                "l2",
                &json!({ "ipAddressPools": ["a", "a"] }),
            ),
            vec![],
            "duplicate definition of ipAddressPools \"a\"",
        ),
        (
            peer("tor", &json!({ "myASN": 0 })),
            vec![],
            "parsing peer tor missing local ASN",
        ),
        (
            object(Kind::BfdProfile, "fast", &json!({ "detectMultiplier": 1 })),
            vec![],
            "parsing bfd profile #1: invalid detect multiplier value: invalid value 1, must be in 2-255 range",
        ),
    ]);
}

#[test]
fn advertisements_that_never_meet_may_have_any_local_preference() {
    let first = |spec: Value| {
        vec![
            adv("x", &spec),
            pool("a", &["10.0.0.0/24"]),
            pool("b", &["10.1.0.0/24"]),
        ]
    };
    for (other, new) in [
        (json!({ "peers": ["p1"] }), json!({ "peers": ["p2"] })),
        (
            json!({ "ipAddressPools": ["a"] }),
            json!({ "ipAddressPools": ["b"] }),
        ),
        (
            json!({ "nodeSelectors": in_zone("a") }),
            json!({ "nodeSelectors": in_zone("b") }),
        ),
        (
            json!({ "aggregationLength": 24 }),
            json!({ "aggregationLength": 32 }),
        ),
        (json!({ "serviceSelectors": [{}] }), json!({})),
        (json!({}), json!({ "serviceSelectors": [{}] })),
    ] {
        let with = |spec: &Value, preference: u32| {
            let mut spec = spec.clone();
            spec["localPref"] = preference.into();
            spec
        };
        let verdict = create(&adv("y", &with(&new, 200)), first(with(&other, 100)));
        assert_eq!(verdict.denied, None, "{other} {new}");
    }
}

#[test]
fn objects_may_come_in_any_order_and_what_is_missing_is_said() {
    let echo = object(Kind::BfdProfile, "echo", &json!({ "echoMode": true }));
    for (object, objects, warning) in [
        (
            peer("tor", &json!({ "bfdProfile": "fast" })),
            vec![],
            "peer tor referencing non existing bfd profile fast",
        ),
        (
            peer(
                "tor",
                &json!({ "password": "x", "passwordSecret": { "name": "s" } }),
            ),
            vec![],
            "parsing peer tor can not have both password and secret ref set in peer config \"metallb-system\"/\"tor\"",
        ),
        (
            adv("x", &json!({ "communities": ["vip"] })),
            vec![],
            "invalid community \"vip\" in BGP advertisement: invalid community format: vip",
        ),
        (
            adv("x", &json!({ "ipAddressPools": ["a"] })),
            vec![],
            "ipAddressPools names \"a\", and there is no IPAddressPool of that name",
        ),
        (
            object(Kind::L2Advertisement, "x", &json!({ "ipAddressPools": ["a"] })),
            vec![],
            "ipAddressPools names \"a\", and there is no IPAddressPool of that name",
        ),
        (
            adv("x", &json!({ "peers": ["tor"] })),
            vec![],
            "peers names \"tor\", and there is no BGPPeer of that name",
        ),
        (
            adv("x", &json!({})),
            vec![
                pool("six", &["2001:db8::/64"]),
                echo,
                peer("tor", &json!({ "bfdProfile": "echo" })),
            ],
            "pool six has bgpadvertisement x which references peer tor which has bfd echo enabled, which is not possible",
        ),
    ] {
        assert_eq!(
            create(&object, objects),
            Verdict {
                denied: None,
                warnings: vec![warning.to_owned()]
            },
            "{object:?}"
        );
    }
}

#[test]
fn what_is_probably_a_mistake_is_accepted_with_a_warning() {
    let tor = peer("tor", &json!({ "routerID": "192.0.2.9" }));
    for (object, objects, warning) in [
        (
            peer("a", &json!({ "disableMP": true })),
            vec![],
            Some("disable mp is deprecated and has no effect since it's the default behavior now"),
        ),
        (
            peer("a", &json!({ "routerID": "192.0.2.9" })),
            vec![tor.clone()],
            Some(
                "BGPPeer \"tor\" dials the same router from the same nodes, and a router keeps one session with each",
            ),
        ),
        (
            peer("a", &json!({ "peerAddress": "192.0.2.2" })),
            vec![tor.clone()],
            Some(
                "BGPPeer \"tor\" has another routerID on the same nodes; a router should have one (RFC 4271 section 4.2)",
            ),
        ),
        (peer("a", &json!({ "vrf": "red" })), vec![tor.clone()], None),
        (
            peer("a", &json!({ "nodeSelectors": in_zone("a") })),
            vec![peer("b", &json!({ "nodeSelectors": in_zone("b") }))],
            None,
        ),
        // FRR could not do this; the speaker can.
        (
            peer(
                "a",
                &json!({ "routerID": "192.0.2.9", "myASN": 64599, "peerAddress": "192.0.2.2" }),
            ),
            vec![tor],
            None,
        ),
        (
            peer("a", &json!({ "holdTime": "20h" })),
            vec![],
            Some("the hold time is more than BGP can say: 65535s will be used"),
        ),
        (
            peer("a", &json!({ "routerID": "2001:db8::1" })),
            vec![],
            Some("routerID is no IPv4 address, and BGP knows no other identifiers"),
        ),
        (
            adv("y", &json!({ "localPref": 5 })),
            vec![adv("x", &json!({ "localPref": 5 }))],
            Some("duplicate definition of bgpadvertisements. advertisement x and y are equal"),
        ),
        (
            pool("a", &["10.0.0.0/28"]),
            vec![adv("x", &json!({ "aggregationLength": 24 }))],
            Some(
                "BGPAdvertisement metallb-system/x: invalid aggregation length 24: prefix 28 in this pool is more \
                 specific than the aggregation length for addresses 10.0.0.0/28",
            ),
        ),
    ] {
        let verdict = create(&object, objects);
        assert_eq!(
            (verdict.denied, verdict.warnings.first().map(String::as_str)),
            (None, warning),
            "{object:?}"
        );
    }
}

#[test]
fn what_was_wrong_before_is_no_reason_to_refuse() {
    let (a, b) = (pool("a", &["10.0.0.0/8"]), pool("b", &["10.1.0.0/16"]));
    let broken = vec![a, b.clone()];
    let overlap = "no change takes effect before this is corrected, too: IPAddressPool metallb-system/b: CIDR \
                   \"10.1.0.0/16\" in pool \"b\" overlaps with already defined CIDR \"10.0.0.0/8\" in pool \"a\"";
    let verdict = create(&pool("c", &["192.0.2.0/24"]), broken.clone());
    assert_eq!(
        (verdict.denied, verdict.warnings),
        (None, vec![overlap.to_owned()])
    );
    // The step that mends it.
    let mended = pool("b", &["172.16.0.0/16"]);
    let verdict = review(
        HOME,
        &Operation::Update(b.clone()),
        &mended,
        existing(broken.clone()),
    );
    assert_eq!(verdict, Verdict::default());
    // A note on the faulty object, without a change of what it says.
    let verdict = review(HOME, &Operation::Update(b.clone()), &b, existing(broken));
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn the_configuration_has_one_namespace() {
    let elsewhere = |mut object: Object| {
        if let Object::IpAddressPool(pool) = &mut object {
            pool.metadata.namespace = Some("default".to_owned());
        }
        object
    };
    let here = pool("a", &["10.0.0.0/8"]);
    let there = elsewhere(here.clone());
    let message = "resource must be created in metallb-system namespace";
    assert_eq!(create(&there, vec![]), Verdict::denied(message));
    let before = elsewhere(pool("a", &["10.0.0.0/9"]));
    let verdict = review(HOME, &Operation::Update(before), &there, existing(vec![here]));
    assert_eq!(
        (verdict.denied, verdict.warnings),
        (None, vec![format!("it has no effect here: {message}")])
    );
    assert_eq!(
        review(HOME, &Operation::Delete, &there, Objects::default()),
        Verdict::default()
    );
}

#[test]
fn a_profile_in_use_is_not_deleted() {
    let profile = object(Kind::BfdProfile, "fast", &json!({}));
    let delete = |objects| review(HOME, &Operation::Delete, &profile, existing(objects));
    let user = peer("tor", &json!({ "bfdProfile": "fast" }));
    let message = "failed to delete BFDProfile fast, used by BGPPeer tor";
    assert_eq!(delete(vec![user]), Verdict::denied(message));
    assert_eq!(
        delete(vec![peer("tor", &json!({ "bfdProfile": "slow" }))]),
        Verdict::default()
    );
}

#[test]
fn an_object_in_deletion_can_lose_its_finalizers_whatever_it_says() {
    let before = pool("a", &["10.0.0.0/8", "10.0.0.0/8"]);
    let mut after = pool("a", &[]);
    if let Object::IpAddressPool(pool) = &mut after {
        let time = json!({ "metadata": { "name": "a", "namespace": HOME, "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "addresses": [] } });
        **pool = serde_json::from_value(time).unwrap();
    }
    let verdict = review(HOME, &Operation::Update(before), &after, Objects::default());
    assert_eq!(verdict, Verdict::default());
}
