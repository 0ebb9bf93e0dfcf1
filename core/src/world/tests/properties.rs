//! What holds in every cluster, however odd.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_api::NamespacedName;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::scene::Scene;
use crate::facts::{NodeFacts, SpeakerFacts, TrafficPolicy};
use crate::plan::{Decision, Plan};
use crate::world::{Cause, Input, World};

const NODES: [&str; 4] = ["node1", "node2", "node3", "node4"];
const ADDRESSES: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "198.51.100.1"];
const ADVERTISEMENTS: [&str; 7] = [
    "{}",
    r#"{ "ipAddressPools": ["pool"] }"#,
    r#"{ "ipAddressPools": ["other"] }"#,
    r#"{ "nodeSelectors": [{ "matchLabels": { "zone": "a" } }] }"#,
    r#"{ "interfaces": ["eth0"], "nodeSelectors": [{ "matchLabels": { "zone": "b" } }] }"#,
    r#"{ "serviceSelectors": [{ "matchLabels": { "public": "yes" } }] }"#,
    r#"{ "preferredNodeSelectors": [{ "weight": 7, "preference": { "matchLabels": { "zone": "b" } } }] }"#,
];

fn node() -> impl Strategy<Value = (NodeFacts, Option<bool>)> {
    let rarely = || prop::bool::weighted(0.15);
    (
        select(vec!["a", "b"]),
        rarely(),
        rarely(),
        rarely(),
        prop::option::weighted(0.9, prop::bool::weighted(0.8)),
    )
        .prop_map(|(zone, not_ready, network_unavailable, excluded, speaker)| {
            let mut labels = BTreeMap::from([("zone".to_owned(), zone.to_owned())]);
            if excluded {
                labels.insert(Scene::EXCLUDE.to_owned(), String::new());
            }
            (
                NodeFacts {
                    labels,
                    ready: !not_ready,
                    network_unavailable,
                },
                speaker,
            )
        })
}

/// Addresses, the nodes of its endpoints, and: local, may share, public.
type Service = (Vec<&'static str>, Option<Vec<&'static str>>, (bool, bool, bool));

fn service() -> impl Strategy<Value = Service> {
    (
        subsequence(ADDRESSES.to_vec(), 0..=2).prop_shuffle(),
        prop::option::weighted(0.9, subsequence(NODES.to_vec(), 0..=4)),
        (any::<bool>(), prop::bool::weighted(0.2), any::<bool>()),
    )
}

fn scene() -> impl Strategy<Value = Scene> {
    let nodes = prop::collection::vec(node(), 1..=4);
    let advertisements = subsequence(ADVERTISEMENTS.to_vec(), 0..=4);
    let services = prop::collection::vec(service(), 1..=4);
    (nodes, advertisements, services, any::<bool>()).prop_map(
        |(nodes, advertisements, services, two_pools)| {
            let mut scene = Scene::default();
            for (name, (facts, speaker)) in NODES.into_iter().zip(nodes) {
                scene.nodes.insert(name.into(), facts);
                if let Some(ready) = speaker {
                    scene.speakers.insert(
                        name.into(),
                        SpeakerFacts {
                            node: Some(name.into()),
                            ready,
                            ..SpeakerFacts::default()
                        },
                    );
                }
            }
            scene.pool("pool", &["192.0.2.0/24", "2001:db8::/64"]);
            if two_pools {
                scene.pool("other", &["198.51.100.0/24"]);
            }
            for (number, spec) in advertisements.into_iter().enumerate() {
                scene.advertise_as(&format!("ad{number}"), spec);
            }
            for (number, (addresses, endpoints, (local, may_share, public))) in
                services.into_iter().enumerate()
            {
                let name = format!("service{number}");
                scene.serve(&name, &addresses);
                match endpoints {
                    Some(nodes) => scene.serve_on(&name, &nodes),
                    None => scene.slices.clear(),
                }
                let claim = scene.claim(&name);
                claim.may_share = may_share;
                if local {
                    claim.traffic = TrafficPolicy::Local;
                }
                if public {
                    claim.labels = [("public".to_owned(), "yes".to_owned())].into();
                }
            }
            scene
        },
    )
}

fn announces(plan: &Plan) -> bool {
    matches!(plan.decision, Decision::Announce(_))
}

/// All plans of the speaker on `node`.
fn plans(scene: &Scene, node: &str) -> BTreeMap<NamespacedName, Option<Plan>> {
    scene.world(node).take_plans()
}

fn present(plans: BTreeMap<NamespacedName, Option<Plan>>) -> BTreeMap<NamespacedName, Plan> {
    plans
        .into_iter()
        .filter_map(|(service, plan)| Some((service, plan?)))
        .collect()
}

fn keep(known: &mut BTreeMap<NamespacedName, Plan>, world: &mut World) {
    for (service, plan) in world.take_plans() {
        match plan {
            Some(plan) => known.insert(service, plan),
            None => known.remove(&service),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_address_has_two_owners(scene in scene()) {
        let mut owners: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
        for node in scene.viewpoints() {
            for plan in plans(&scene, &node).into_values().flatten().filter(announces) {
                for &address in plan.addresses.iter() {
                    owners.entry(address).or_default().insert(node.clone());
                }
            }
        }
        for (address, nodes) in owners {
            prop_assert_eq!(nodes.len(), 1, "{} is announced by {:?}", address, nodes);
        }
    }

    #[test]
    fn a_service_that_some_node_may_announce_is_announced_or_its_sharers_are(scene in scene()) {
        let everything: Vec<_> = scene.viewpoints().iter().map(|node| plans(&scene, node)).collect();
        let announced: BTreeSet<IpAddr> = everything
            .iter()
            .flat_map(|plans| plans.values().flatten().filter(|plan| announces(plan)))
            .flat_map(|plan| plan.addresses.to_vec())
            .collect();
        // A group of sharers whose possible nodes have none in common is served by the node that serves most of it.
        for (name, claim) in &scene.claims {
            let alone = scene.claims.iter().all(|(other, sharer)| {
                other == name || !sharer.addresses.iter().any(|address| claim.addresses.contains(address))
            });
            let Some(node) = scene.viewpoints().into_iter().next() else { continue };
            let possible = scene.world(&node).explain(&Scene::key(name)).len() < scene.nodes.len();
            if alone && possible {
                prop_assert!(claim.addresses.iter().all(|address| announced.contains(address)), "{}", name);
            }
            if alone && !possible {
                prop_assert!(!claim.addresses.iter().any(|address| announced.contains(address)), "{}", name);
            }
        }
    }

    #[test]
    fn who_does_not_announce_knows_whether_another_one_does(scene in scene()) {
        let viewpoints = scene.viewpoints();
        for name in scene.claims.keys() {
            let plans: Vec<_> = viewpoints.iter().map(|node| scene.plan_on(node, name)).collect();
            if let Some(owner) = plans.iter().position(announces) {
                let elsewhere: Vec<_> = plans.iter().map(|plan| plan.elsewhere).collect();
                let expected: Vec<_> = (0..plans.len()).map(|node| node != owner).collect();
                prop_assert_eq!(elsewhere, expected);
            }
        }
    }

    #[test]
    fn at_most_one_speaker_complains(scene in scene()) {
        let viewpoints = scene.viewpoints();
        for name in scene.claims.keys() {
            let told = viewpoints.iter().filter(|node| scene.plan_on(node, name).complaint.is_some()).count();
            prop_assert!(told <= 1, "{} speakers complain about {}", told, name);
        }
    }

    #[test]
    fn what_a_speaker_announces_lacks_nothing_of_its_own(scene in scene()) {
        let viewpoints = scene.viewpoints();
        for name in scene.claims.keys() {
            if viewpoints.iter().any(|node| announces(&scene.plan_on(node, name))) {
                let cause = scene.unannounced(name).map(|told| told.cause);
                // Where speakers are, and which interfaces there are, one of them knows better.
                let elsewhere = [None, Some(Cause::NoNode), Some(Cause::NoReadySpeaker), Some(Cause::NoInterface)];
                prop_assert!(elsewhere.contains(&cause), "{} is announced, and not: {:?}", name, cause);
            }
        }
    }

    #[test]
    fn services_that_come_and_go_one_by_one_give_the_same_plans(
        before in scene(),
        after in scene(),
        pace in 1_usize..3,
    ) {
        // The same cluster with other Services.
        let scene = Scene { claims: after.claims, slices: after.slices, ..before.clone() };
        let mut world = before.world("node1");
        let mut known = BTreeMap::new();
        keep(&mut known, &mut world);
        for (step, input) in before.steps_to(&scene).into_iter().enumerate() {
            world.observe(input);
            if step % pace == 0 {
                keep(&mut known, &mut world);
            }
        }
        keep(&mut known, &mut world);
        prop_assert_eq!(known, present(plans(&scene, "node1")));
    }

    #[test]
    fn facts_in_any_order_and_pace_give_the_same_plans(
        (scene, order) in scene().prop_flat_map(|scene| {
            let singles = scene.single_inputs().len();
            (Just(scene), Just((0..singles).collect::<Vec<_>>()).prop_shuffle())
        }),
        pace in 1_usize..4,
        earlier in scene(),
    ) {
        let expected = present(plans(&scene, "node1"));

        // One object after the other, planning in between.
        let mut world = scene.blank("node1");
        let mut known = BTreeMap::new();
        for input in Scene::default().inputs() {
            world.observe(input);
        }
        let inputs = scene.single_inputs();
        for (step, number) in order.into_iter().enumerate() {
            world.observe(inputs[number].clone());
            if step % pace == 0 {
                keep(&mut known, &mut world);
            }
        }
        keep(&mut known, &mut world);
        prop_assert_eq!(&known, &expected);

        // From another cluster to this one by new lists.
        let mut world = earlier.world("node1");
        let mut known = BTreeMap::new();
        keep(&mut known, &mut world);
        let lists: Vec<Input> = scene.inputs();
        for input in lists {
            world.observe(input);
            keep(&mut known, &mut world);
        }
        prop_assert_eq!(&known, &expected);
    }
}
