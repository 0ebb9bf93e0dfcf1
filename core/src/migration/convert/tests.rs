//! The rules between the entries. What a whole file becomes is tested where files are read.

use super::*;

fn migrate(yaml: &str) -> Result<Resources, Vec<String>> {
    let config: Config = serde_saphyr::from_str(yaml).unwrap();
    convert(&config, "lb").map_err(texts)
}

fn texts(remarks: Vec<Remark>) -> Vec<String> {
    let text = |Remark { place, message }| format!("{place}: {message}");
    remarks.into_iter().map(text).collect()
}

/// A pool with `more` keys.
fn pool(name: &str, addresses: &str, more: &str) -> String {
    format!("address-pools: [{{name: {name}, addresses: [{addresses}], {more}}}]\n")
}

#[test]
fn a_pool_keeps_what_it_said() {
    for (more, auto_assign, avoid_buggy_ips) in [
        ("", None, None),
        ("auto-assign: false", Some(false), None),
        ("auto-assign: true, avoid-buggy-ips: true", Some(true), Some(true)),
        ("manualAssign: true", Some(false), None),
        ("manual-assign: false", Some(true), None),
        (
            "autoAssign: false, manualAssign: true, avoidBuggyIPs: false",
            Some(false),
            Some(false),
        ),
    ] {
        let yaml = pool("a", "192.0.2.0/24", &format!("protocol: layer2, {more}"));
        let resources = migrate(&yaml).unwrap();
        let spec = &resources.pools[0].spec;
        assert_eq!(
            (spec.auto_assign, spec.avoid_buggy_ips),
            (auto_assign, avoid_buggy_ips),
            "{more}"
        );
        assert_eq!(spec.addresses, ["192.0.2.0/24"]);
        assert_eq!(resources.pools[0].metadata.namespace.as_deref(), Some("lb"));
    }
}

#[test]
fn a_bgp_pool_without_advertisements_gets_the_default_one() {
    for more in ["protocol: bgp", "protocol: bgp, bgp-advertisements: []"] {
        let resources = migrate(&pool("a", "192.0.2.0/24", more)).unwrap();
        let advertisement = &resources.bgp_advertisements[0];
        assert_eq!(advertisement.metadata.name.as_deref(), Some("bgpadvertisement1"));
        assert_eq!(advertisement.spec.ip_address_pools, Some(vec!["a".to_owned()]));
        assert!(resources.l2_advertisements.is_empty());
    }
}

#[test]
fn timers_have_the_defaults_of_their_time() {
    let peer =
        |timers: &str| format!("peers: [{{my-asn: 1, peer-asn: 2, peer-address: 192.0.2.1, {timers}}}]");
    for (timers, hold, keepalive) in [
        ("", "1m30s", None),
        ("hold-time: ''", "1m30s", None),
        ("hold-time: 0s", "0s", None),
        ("hold-time: 3.9s, keepalive-time: 1s", "3s", Some("1s")),
        ("keepalive-time: 90s", "1m30s", Some("90s")),
        ("hold-time: 1h", "1h0m0s", None),
    ] {
        let resources = migrate(&peer(timers)).unwrap();
        let spec = &resources.peers[0].spec;
        assert_eq!(
            (spec.hold_time.as_deref(), spec.keepalive_time.as_deref()),
            (Some(hold), keepalive),
            "{timers}"
        );
    }
    for (timers, message) in [
        (
            "hold-time: 90",
            "peers[0].hold-time: peer \"192.0.2.1\": invalid hold time \"90\"",
        ),
        ("hold-time: 2.9s", "invalid hold time \"2.9s\""),
        ("hold-time: 20h", "invalid hold time \"20h\""),
        ("keepalive-time: fast", "peers[0].keepalive-time: "),
        (
            "hold-time: 9s, keepalive-time: 10s",
            "invalid keepaliveTime \"10s\", must be lower than holdTime \"9s\"",
        ),
    ] {
        let mistakes = migrate(&peer(timers)).unwrap_err().concat();
        assert!(mistakes.contains(message), "{timers}: {mistakes}");
    }
}

#[test]
fn a_range_may_be_wider_than_what_is_announced_in_one_prefix_at_least() {
    let with_length = |addresses: &str, length: i32| {
        let more = format!("protocol: bgp, bgp-advertisements: [{{aggregation-length: {length}}}]");
        migrate(&pool("a", addresses, &more))
    };
    assert!(with_length("192.0.2.0/24", 24).is_ok());
    assert!(with_length("192.0.2.16-192.0.2.100", 28).is_ok());
    for (addresses, length) in [
        ("192.0.2.0/26", 24),
        ("192.0.2.1-192.0.2.2", 31),
        ("192.0.2.0/24", 0),
    ] {
        let mistakes = with_length(addresses, length).unwrap_err().concat();
        let place = "address-pools[0].bgp-advertisements[0].aggregation-length: ";
        assert!(mistakes.starts_with(place), "{addresses}/{length}: {mistakes}");
    }
}

#[test]
fn local_preferences_contradict_only_where_the_routes_are_the_same() {
    let advertise = |addresses: &str, advertisements: &str| {
        let more = format!("protocol: bgp, bgp-advertisements: [{advertisements}]");
        migrate(&pool("a", addresses, &more)).is_ok()
    };
    let same = "{localpref: 1}, {localpref: 2}";
    let v4_differs = "{localpref: 1}, {localpref: 2, aggregation-length: 24}";
    let both_differ = "{localpref: 1}, {localpref: 2, aggregation-length: 24, aggregation-length-v6: 64}";
    let (v4, v6) = ("192.0.2.0/24", "'2001:db8::/64'");
    let both = format!("{v4}, {v6}");
    for (addresses, advertisements, good) in [
        (v4, same, false),
        (v4, v4_differs, true),
        (v6, v4_differs, false),
        (both.as_str(), v4_differs, false),
        (both.as_str(), both_differ, true),
    ] {
        assert_eq!(
            advertise(addresses, advertisements),
            good,
            "{addresses}: {advertisements}"
        );
    }
}

#[test]
fn names_that_change_are_mentioned_and_those_that_collide_refused() {
    let two = |second: &str| {
        format!(
            "address-pools:\n- {{name: My_Pool, protocol: layer2, addresses: [192.0.2.0/28]}}\n\
             - {{name: {second}, protocol: layer2, addresses: [192.0.2.16/28]}}\n"
        )
    };
    let resources = migrate(&two("other")).unwrap();
    assert_eq!(resources.pools[0].metadata.name.as_deref(), Some("my-pool"));
    assert_eq!(
        resources.l2_advertisements[0].spec.ip_address_pools,
        Some(vec!["my-pool".to_owned()])
    );
    let notes = texts(resources.notes);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("address-pools[0].name: address pool \"My_Pool\": it becomes"));
    let collision = migrate(&two("my-pool")).unwrap_err();
    assert!(
        collision[0].starts_with("address-pools[1].name: "),
        "{collision:?}"
    );
}

#[test]
fn nothing_is_a_mistake() {
    for yaml in ["{}", "address-pools: []\npeers:\n"] {
        let mistakes = migrate(yaml).unwrap_err().concat();
        assert!(mistakes.contains("nothing to migrate"), "{mistakes}");
    }
}

#[test]
fn an_alias_has_no_colon() {
    let yaml = "bgp-communities: {'a:b': '1:2', plain: '1:3'}\naddress-pools: [{name: a, protocol: bgp, addresses: \
                [192.0.2.0/24], bgp-advertisements: [{communities: ['a:b', plain]}]}]";
    assert_eq!(
        migrate(yaml).unwrap_err(),
        [
            "bgp-communities.a:b: community \"a:b\": an alias cannot have a colon: in a BGPAdvertisement what has one is \
          the community itself"
        ]
    );
    assert!(migrate(&yaml.replace("a:b", "ab")).is_ok());
}

type Break = fn(&mut Resources);

#[test]
fn whatever_the_controller_would_refuse_is_a_mistake_at_its_place() {
    let yaml = "bgp-communities: {vip: '1:2'}\nbfd-profiles: [{name: fast}]\n\
                peers: [{my-asn: 1, peer-asn: 2, peer-address: 192.0.2.1, bfd-profile: fast}]\n\
                address-pools: [{name: a, protocol: layer2, addresses: [192.0.2.0/25]}, \
                {name: b, protocol: bgp, addresses: [192.0.2.128/25], bgp-advertisements: [{communities: [vip]}]}]";
    let config: Config = serde_saphyr::from_str(yaml).unwrap();
    let pools = pools::convert(config.address_pools.as_deref().unwrap(), &mut Findings::default());
    let good = convert(&config, "lb").unwrap();
    assert_eq!(refused(&good, &pools), []);
    // As if the conversion were wrong: each row breaks one resource.
    let table: [(&str, Break); 6] = [
        ("address-pools[0]: ", |made| made.pools[0].spec.addresses.clear()),
        (
            "address-pools[0]: L2Advertisement lb/l2advertisement1: ",
            |made| {
                made.l2_advertisements[0].spec.interfaces = Some(vec!["x".into(), "x".into()]);
                made.l2_advertisements[0].spec.ip_address_pools = Some(vec!["a".into(), "a".into()]);
            },
        ),
        (
            "address-pools[1]: BGPAdvertisement lb/bgpadvertisement1: ",
            |made| made.communities = None,
        ),
        ("peers[0]: BGPPeer lb/peer1: ", |made| {
            made.peers[0].spec.my_asn = 0;
        }),
        ("bfd-profiles[0]: BFDProfile lb/fast: ", |made| {
            made.bfd_profiles[0].spec.receive_interval = Some(1);
        }),
        ("bgp-communities: Community lb/communities: ", |made| {
            let listed = made
                .communities
                .as_mut()
                .unwrap()
                .spec
                .communities
                .as_mut()
                .unwrap();
            listed.push(listed[0].clone());
        }),
    ];
    for (start, break_one) in table {
        let mut broken = good.clone();
        break_one(&mut broken);
        let said = texts(refused(&broken, &pools));
        assert!(said.len() == 1 && said[0].starts_with(start), "{start}: {said:?}");
    }
}
