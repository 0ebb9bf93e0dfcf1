//! Why nobody announces, as who is no speaker finds it out.

use metallb_api::NamespacedName;

use super::*;
use crate::plan::Patience;
use crate::world::Cause;

/// What is said about `shop/web`, whose address is 192.0.2.1 of the pool `pool`.
fn said(scene: &Scene) -> Option<(Cause, String)> {
    let told = scene.unannounced("web")?;
    let certain = "nobody announces 192.0.2.1 of pool \"pool\": ";
    let unknown = "it is not known whether anybody announces 192.0.2.1 of pool \"pool\": ";
    let prefix = if told.cause.is_certain() { certain } else { unknown };
    let why = told.message.strip_prefix(prefix).expect(&told.message).to_owned();
    Some((told.cause, why))
}

/// What is said when the scene in which all is well is changed so.
type Row = (Twist, Cause, &'static str);

fn check_said(table: &[Row]) {
    for (change, cause, expected) in table {
        let mut scene = Scene::well();
        change(&mut scene);
        assert_eq!(said(&scene), Some((*cause, (*expected).to_owned())));
    }
}

#[test]
fn it_is_said_what_the_service_lacks_and_what_to_do() {
    check_said(&[
        (
            |s| s.l2_advertisements.clear(),
            Cause::NotAdvertised,
            "no L2Advertisement selects the pool; create an L2Advertisement with spec.ipAddressPools: [\"pool\"]",
        ),
        (
            |s| {
                s.l2_advertisements.clear();
                s.advertise_by_bgp("to-the-core", "{}");
            },
            Cause::NotAdvertised,
            "only BGPAdvertisement \"to-the-core\" selects the pool, and this version does not speak BGP; \
             create an L2Advertisement with spec.ipAddressPools: [\"pool\"]",
        ),
        (
            |s| s.advertise(r#"{ "serviceSelectors": [{ "matchLabels": { "public": "yes" } }] }"#),
            Cause::NotSelected,
            "the serviceSelectors of L2Advertisement \"ad\" do not match the labels of this Service; label it, \
             or create an L2Advertisement without serviceSelectors",
        ),
        (
            |s| {
                s.claim("web").may_share = true;
                s.advertise(r#"{ "serviceSelectors": [{}] }"#);
            },
            Cause::SharesAndSelects,
            "L2Advertisement \"ad\" has serviceSelectors, which cannot be combined with the annotation \
             metallb.io/allow-shared-ip; remove one of them",
        ),
        (
            |s| s.slices.clear(),
            Cause::NoEndpoint,
            "it has no ready endpoint; see: kubectl -n shop get endpointslices -l kubernetes.io/service-name=web",
        ),
        (
            |s| {
                s.slices.clear();
                s.claim("web").traffic = TrafficPolicy::Local;
            },
            Cause::NoEndpoint,
            "it has no ready endpoint; see: kubectl -n shop get endpointslices -l kubernetes.io/service-name=web",
        ),
        (
            |s| {
                s.slices.clear();
                s.l2_advertisements.clear();
            },
            Cause::NotAdvertised,
            "no L2Advertisement selects the pool; create an L2Advertisement with spec.ipAddressPools: [\"pool\"]",
        ),
        (
            |s| s.advertise(r#"{ "interfaces": ["eth9"] }"#),
            Cause::NoInterface,
            "node \"node3\" was chosen, and seems to have none of the interfaces \"eth9\" that L2Advertisement \"ad\" \
             names; correct spec.interfaces, or keep such nodes out with spec.nodeSelectors",
        ),
    ]);
}

#[test]
fn each_node_is_named_with_its_reason_or_a_few_of_many() {
    check_said(&[
        (
            |s| s.advertise(r#"{ "nodeSelectors": [{ "matchLabels": { "zone": "mars" } }] }"#),
            Cause::NoNode,
            "no node may; the nodeSelectors of L2Advertisement \"ad\" do not match \"node1\", \"node2\", \"node3\"",
        ),
        (
            |s| {
                s.node("node1").network_unavailable = true;
                s.label("node2", Scene::EXCLUDE, "");
                s.claim("web").traffic = TrafficPolicy::Local;
                s.serve_on("web", &["node1"]);
            },
            Cause::NoNode,
            "no node may; the network is unavailable on \"node1\"; \
             the label node.kubernetes.io/exclude-from-external-load-balancers is on \"node2\"; \
             with externalTrafficPolicy Local, no ready endpoint is on \"node3\"",
        ),
        (
            |s| s.speakers.clear(),
            Cause::NoNode,
            "no node may; no speaker runs on \"node1\", \"node2\", \"node3\"",
        ),
        (
            |s| {
                s.speakers.remove("node1");
                s.speaker("node2").ready = false;
                s.node("node3").ready = false;
            },
            Cause::NoReadySpeaker,
            "no node may; the speaker is not ready on \"node2\", \"node3\"; no speaker runs on \"node1\"",
        ),
        (
            |s| {
                s.speakers.remove("node1");
                s.advertise(r#"{ "nodeSelectors": [{ "matchLabels": { "zone": "mars" } }] }"#);
            },
            Cause::NoNode,
            "no node may; the nodeSelectors of L2Advertisement \"ad\" do not match \"node2\", \"node3\"; \
             no speaker runs on \"node1\"",
        ),
        (
            |s| {
                for number in 4..=1_000 {
                    let labels = [(Scene::EXCLUDE.to_owned(), String::new())].into();
                    let facts = crate::facts::NodeFacts {
                        labels,
                        ..s.nodes["node1"].clone()
                    };
                    let speaker = crate::facts::SpeakerFacts {
                        node: Some(format!("node{number}")),
                        ..s.speakers["node1"].clone()
                    };
                    s.nodes.insert(format!("node{number}"), facts);
                    s.speakers.insert(format!("node{number}"), speaker);
                }
                for node in ["node1", "node2", "node3"] {
                    s.node(node).network_unavailable = true;
                }
            },
            Cause::NoNode,
            "no node may; the network is unavailable on \"node1\", \"node2\", \"node3\"; the label \
             node.kubernetes.io/exclude-from-external-load-balancers is on \"node10\", \"node100\", \"node1000\" and 994 more",
        ),
    ]);
}

#[test]
fn nothing_is_said_where_nothing_is_to_be_done() {
    let table: [Twist; 5] = [
        |_| {},
        |s| s.claim("web").addresses = [].into(),
        |s| {
            s.l2_advertisements.clear();
            s.claim("web").class = Some("other".into());
        },
        |s| {
            s.speakers.remove("node1");
            s.speaker("node2").ready = false;
        },
        |s| {
            for node in ["node1", "node2", "node3"] {
                s.label(node, Scene::EXCLUDE, "");
                s.speaker(node).ignores_exclude_label = true;
            }
        },
    ];
    for (number, change) in table.into_iter().enumerate() {
        let mut scene = Scene::well();
        change(&mut scene);
        assert_eq!(said(&scene), None, "row {number}");
    }
}

#[test]
fn what_may_pass_by_itself_is_given_time() {
    let table: [(Twist, Patience); 5] = [
        (|s| s.l2_advertisements.clear(), Patience::ForObjects),
        (|s| s.slices.clear(), Patience::ForPods),
        (|s| s.speakers.clear(), Patience::ForPods),
        (
            |s| s.advertise(r#"{ "interfaces": ["eth9"] }"#),
            Patience::ForPods,
        ),
        (
            // Where no speaker was meant to announce, none is waited for.
            |s| {
                s.speakers.remove("node1");
                s.advertise(r#"{ "nodeSelectors": [{ "matchLabels": { "zone": "mars" } }] }"#);
            },
            Patience::ForObjects,
        ),
    ];
    for (number, (change, patience)) in table.into_iter().enumerate() {
        let mut scene = Scene::well();
        change(&mut scene);
        let told = scene.unannounced("web").map(|told| told.patience);
        assert_eq!(told, Some(patience), "row {number}");
    }
}

#[test]
fn what_a_pools_status_counts_is_no_change_of_the_configuration() {
    let mut world = World::from_outside(None);
    let mut changed = |addresses: &str| {
        let mut scene = Scene::default();
        scene.pool("pool", &[addresses]);
        let pool = scene.pools.remove("pool").unwrap();
        let key = NamespacedName::new("metallb-system", "pool");
        world.observe(Input::Pool(Change::Apply(key, Ok(pool))));
        let changed = world.take_configured();
        assert!(!world.take_configured(), "once for each change");
        changed
    };
    let told = ["192.0.2.0/24", "192.0.2.0/24", "192.0.2.0/25"].map(&mut changed);
    assert_eq!(told, [true, false, true]);
}
