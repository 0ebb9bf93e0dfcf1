//! The speaker's decisions, from facts to plans.

mod properties;
mod scene;
mod unannounced;

use metallb_api::Change;
use metallb_api::names::event;

use super::{Input, Own, World};
use crate::facts::TrafficPolicy;
use crate::layer2::{Interfaces, Reason};
use crate::plan::{Decision, Plan};
use scene::Scene;

/// What makes a scene differ from the one in which all is well.
type Twist = fn(&mut Scene);

/// Who announces `shop/web` in this scene, as every node sees it: `node3` for itself, else each node's reason.
fn verdicts(scene: &Scene) -> Vec<String> {
    scene
        .viewpoints()
        .iter()
        .map(|node| verdict(&scene.plan_on(node, "web")))
        .collect()
}

fn verdict(plan: &Plan) -> String {
    match &plan.decision {
        Decision::Announce(Interfaces::All) => "announce".into(),
        Decision::Announce(Interfaces::Named(names)) => {
            format!(
                "announce on {}",
                names.iter().cloned().collect::<Vec<_>>().join(",")
            )
        }
        Decision::Withhold(reason) => reason.as_str().into(),
    }
}

/// A scene made by `change` from the one in which all is well, and the verdict of node1, node2 and node3 in it.
fn check(change: impl FnOnce(&mut Scene), expected: [&str; 3]) {
    let mut scene = Scene::well();
    change(&mut scene);
    assert_eq!(verdicts(&scene), expected, "{scene:#?}");
}

#[test]
fn the_known_winner_announces_and_nobody_else() {
    check(|_| {}, ["notOwner", "notOwner", "announce"]);
}

#[test]
fn what_is_wrong_with_the_service_is_wrong_on_every_node() {
    let table: [(Twist, &str); 9] = [
        (|s| s.claim("web").load_balancer = false, "notLoadBalancer"),
        (
            |s| s.claim("web").class = Some("other".into()),
            "otherLoadBalancerClass",
        ),
        (|s| s.claim("web").addresses = [].into(), "noIPAllocated"),
        (|s| s.claim("web").invalid = true, "invalidIP"),
        (
            |s| s.claim("web").addresses = ["198.51.100.1".parse().unwrap()].into(),
            "ipNotAllowed",
        ),
        (|s| s.slices.clear(), "noEndpoints"),
        (|s| s.l2_advertisements.clear(), "noMatchingAdvertisement"),
        (
            |s| s.advertise(r#"{ "ipAddressPools": ["other"] }"#),
            "noMatchingAdvertisement",
        ),
        (
            |s| {
                s.claim("web").may_share = true;
                s.advertise(r#"{ "serviceSelectors": [{}] }"#);
            },
            "sharedIPWithServiceSelector",
        ),
    ];
    for (change, reason) in table {
        check(change, [reason; 3]);
    }
}

#[test]
fn a_node_that_may_not_announce_leaves_it_to_the_next() {
    let table: [(Twist, [&str; 3]); 7] = [
        (
            |s| s.node("node3").network_unavailable = true,
            ["notOwner", "announce", "nodeNetworkUnavailable"],
        ),
        (
            |s| s.label("node3", Scene::EXCLUDE, ""),
            ["notOwner", "announce", "nodeLabeledExcludeBalancers"],
        ),
        (
            |s| s.serve_on("web", &["node1"]),
            ["announce", "noLocalEndpoints", "noLocalEndpoints"],
        ),
        (
            |s| s.node("node3").ready = false,
            ["notOwner", "announce", "notOwner"],
        ),
        (
            |s| s.speaker("node3").ready = false,
            ["notOwner", "announce", "notOwner"],
        ),
        (
            |s| {
                s.label("node1", "zone", "a");
                s.advertise(r#"{ "nodeSelectors": [{ "matchLabels": { "zone": "a" } }] }"#);
            },
            ["announce", "noMatchingAdvertisement", "noMatchingAdvertisement"],
        ),
        (
            |s| {
                s.label("node1", "fast", "yes");
                s.advertise(
                    r#"{ "preferredNodeSelectors": [
                        { "weight": 1, "preference": { "matchExpressions": [{ "key": "fast", "operator": "Exists" }] } }
                    ] }"#,
                );
            },
            ["announce", "notOwner", "notOwner"],
        ),
    ];
    for (change, expected) in table {
        check(
            |scene| {
                scene.claim("web").traffic = TrafficPolicy::Local;
                change(scene);
            },
            expected,
        );
    }
}

#[test]
fn preferences_of_several_advertisements_add_up() {
    let prefer = |label: &str, weight: u32| {
        format!(
            r#"{{ "preferredNodeSelectors": [
                {{ "weight": {weight}, "preference": {{ "matchLabels": {{ "zone": "{label}" }} }} }}
            ] }}"#
        )
    };
    check(
        |scene| {
            scene.label("node1", "zone", "a");
            scene.label("node2", "zone", "b");
            scene.advertise(&prefer("b", 60));
            for twin in ["one", "two"] {
                scene.advertise_as(twin, &prefer("a", 40));
            }
        },
        ["announce", "notOwner", "notOwner"],
    );
}

#[test]
fn the_exclude_label_can_be_ignored() {
    check(
        |scene| {
            scene.label("node3", Scene::EXCLUDE, "true");
            scene.ignore_exclude_label = true;
        },
        ["notOwner", "notOwner", "announce"],
    );
}

#[test]
fn with_local_traffic_only_endpoints_that_serve_count_and_need_no_node_otherwise() {
    check(
        |scene| scene.serve_on("web", &[]),
        ["notOwner", "notOwner", "announce"],
    );
    check(
        |scene| {
            scene.claim("web").traffic = TrafficPolicy::Local;
            scene.serve_on("web", &[]);
        },
        ["noLocalEndpoints"; 3],
    );
}

#[test]
fn with_local_traffic_a_node_hands_over_when_its_endpoints_are_told_to_end_if_all_speakers_do_so() {
    let stays = ["notOwner", "notOwner", "announce"];
    let moves = ["notOwner", "announce", "notOwner"];
    let table: [(Twist, [&str; 3]); 6] = [
        (|s| s.leave("web", &["node3"]), moves),
        (|s| s.leave("web", &["node1"]), stays),
        // Nobody is better off, and all serve still.
        (|s| s.leave("web", &["node1", "node2", "node3"]), stays),
        (
            |s| {
                s.leave("web", &["node3"]);
                s.ours_only = false;
            },
            stays,
        ),
        (
            |s| {
                s.leave("web", &["node3"]);
                s.claim("web").traffic = TrafficPolicy::Cluster;
            },
            stays,
        ),
        (
            |s| {
                s.leave("web", &["node3"]);
                let mut other = s.slices["web-1"].clone();
                other.nodes.leave(&[]);
                s.slices.insert("web-2".into(), other);
            },
            stays,
        ),
    ];
    for (twist, expected) in table {
        check(
            |scene| {
                scene.ours_only = true;
                scene.claim("web").traffic = TrafficPolicy::Local;
                twist(scene);
            },
            expected,
        );
    }
}

#[test]
fn nodes_without_a_speaker_are_no_candidates() {
    let mut scene = Scene::well();
    scene.speakers.remove("node3");
    assert_eq!(verdicts(&scene), ["notOwner", "announce"]);
    scene.speakers.clear();
    assert_eq!(
        verdicts(&scene),
        ["notOwner", "notOwner", "announce"],
        "no Pod is visible: every node has one"
    );
}

#[test]
fn when_no_speaker_is_ready_one_of_them_announces_all_the_same() {
    check(
        |scene| {
            scene
                .speakers
                .values_mut()
                .for_each(|speaker| speaker.ready = false);
        },
        ["notOwner", "notOwner", "announce"],
    );
}

#[test]
fn interfaces_are_those_of_the_advertisements_that_include_the_node() {
    let eth = |name: &str| format!(r#"{{ "interfaces": ["{name}"] }}"#);
    let elsewhere =
        r#"{ "interfaces": ["eth1"], "nodeSelectors": [{ "matchLabels": { "zone": "a" } }] }"#.to_owned();
    for (advertisements, expected) in [
        (vec![eth("eth0")], "announce on eth0"),
        (vec![eth("eth0"), eth("eth9")], "announce on eth0,eth9"),
        (vec![eth("eth0"), "{}".to_owned()], "announce"),
        (vec![eth("eth0"), elsewhere], "announce on eth0"),
        (vec![eth("eth9")], "noSuchInterface"),
    ] {
        check(
            |scene| {
                scene.l2_advertisements.clear();
                for (number, spec) in advertisements.iter().enumerate() {
                    scene.advertise_as(&format!("ad{number}"), spec);
                }
            },
            ["notOwner", "notOwner", expected],
        );
    }
}

#[test]
fn a_missing_interface_is_told_for_each_address_with_metallbs_words() {
    let mut scene = Scene::well();
    scene.add_address("web", "2001:db8::1");
    scene.advertise(r#"{ "interfaces": ["eth9"] }"#);
    let complaint = scene.plan_on("node3", "web").complaint.unwrap();
    assert_eq!(complaint.reason, event::ANNOUNCE_FAILED);
    let expected = ["192.0.2.1", "2001:db8::1"].map(|ip| {
        format!(
            "the interfaces specified by LB IP \"{ip}\" doesn't exist in assigned node \"node3\" with protocol \"layer2\""
        )
    });
    assert_eq!(complaint.messages, expected);
}

#[test]
fn both_families_of_a_service_are_on_one_node() {
    let mut scene = Scene::well();
    scene.add_address("web", "2001:db8::1");
    assert_eq!(verdicts(&scene), ["notOwner", "notOwner", "announce"]);
    assert_eq!(scene.plan_on("node3", "web").addresses.len(), 2);
}

#[test]
fn sharers_of_any_address_are_on_one_node() {
    let owner = |services: &[(&str, &[&str])], name: &str| {
        let mut scene = Scene::well();
        for (service, addresses) in services {
            scene.serve(service, addresses);
        }
        let announces = |node: &String| verdict(&scene.plan_on(node, name)) == "announce";
        scene.viewpoints().into_iter().find(announces).unwrap()
    };
    let dual: (&str, &[&str]) = ("dual", &["192.0.2.3", "2001:db8::2"]);
    let six: (&str, &[&str]) = ("six", &["2001:db8::2"]);
    assert_ne!(
        owner(&[dual], "dual"),
        owner(&[six], "six"),
        "apart they are on different nodes"
    );
    assert_eq!(owner(&[dual, six], "dual"), owner(&[dual, six], "six"));
}

#[test]
fn sharers_are_announced_by_the_node_that_can_serve_most_of_them() {
    let mut scene = Scene::well();
    scene.serve("other", &["192.0.2.1"]);
    for (service, endpoints) in [("web", ["node1", "node3"]), ("other", ["node1", "node2"])] {
        scene.claim(service).traffic = TrafficPolicy::Local;
        scene.serve_on(service, &endpoints);
    }
    assert_eq!(verdict(&scene.plan_on("node1", "web")), "announce");
    assert_eq!(verdict(&scene.plan_on("node1", "other")), "announce");
}

#[test]
fn a_sharer_that_is_left_alone_is_planned_anew() {
    let mut scene = Scene::well();
    scene.serve("dual", &["192.0.2.3", "2001:db8::2"]);
    scene.serve("six", &["2001:db8::2"]);
    let mut world = scene.world("node1");
    let plan = world.take_plans().remove(&Scene::key("six")).flatten().unwrap();
    assert_eq!(verdict(&plan), "notOwner");
    world.observe(Input::Service(Change::Delete(Scene::key("dual"))));
    let plan = world.take_plans().remove(&Scene::key("six")).flatten().unwrap();
    assert_eq!(verdict(&plan), "announce");
}

#[test]
fn endpoints_that_change_their_service_no_longer_count_for_the_old_one() {
    let mut scene = Scene::well();
    let mut world = scene.world("node3");
    world.take_plans();
    scene
        .slices
        .values_mut()
        .for_each(|slice| slice.service = Some(Scene::key("other")));
    for input in scene.single_inputs() {
        world.observe(input);
    }
    let plan = world.take_plans().remove(&Scene::key("web")).flatten().unwrap();
    assert_eq!(verdict(&plan), "noEndpoints");
}

#[test]
fn an_address_that_left_its_pool_is_announced_until_the_controller_moves_it() {
    let orphan = |change: Twist| {
        let mut scene = Scene::well();
        scene.claim("web").pool = Some("pool".into());
        change(&mut scene);
        verdicts(&scene)
    };
    let announced = ["notOwner", "notOwner", "announce"];
    assert_eq!(orphan(|s| s.pool("pool", &["198.51.100.0/24"])), announced);
    assert_eq!(orphan(|s| s.pools.clear()), announced);
    let other = r#"{ "ipAddressPools": ["other"] }"#;
    assert_eq!(
        orphan(|s| {
            s.pools.clear();
            s.l2_advertisements.clear();
            s.advertise_as("other", r#"{ "ipAddressPools": ["other"] }"#);
        }),
        ["noMatchingAdvertisement"; 3],
        "{other}"
    );
}

#[test]
fn addresses_of_two_pools_are_not_announced() {
    check(
        |scene| {
            scene.pool("other", &["198.51.100.0/24"]);
            scene.add_address("web", "198.51.100.1");
        },
        ["ipNotAllowed"; 3],
    );
}

#[test]
fn each_node_is_explained() {
    let mut scene = Scene::well();
    scene.speakers.remove("node1");
    scene.node("node2").network_unavailable = true;
    let world = scene.world("node3");
    let expected = [
        ("node1".to_owned(), Reason::NotMember),
        ("node2".to_owned(), Reason::NodeNetworkUnavailable),
    ];
    assert_eq!(world.explain(&Scene::key("web")), expected.into());
}

#[test]
fn a_broken_advertisement_is_reported_and_what_it_said_stays_in_force() {
    let scene = Scene::well();
    let mut world = scene.world("node3");
    world.take_plans();
    let key = metallb_api::NamespacedName::new("metallb-system", "ad");
    let broken = Err("duplicate definition of ipAddressPools \"x\"".to_owned());
    let faults = world.observe(Input::L2Advertisement(Change::Apply(key.clone(), broken)));
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["L2Advertisement metallb-system/ad: duplicate definition of ipAddressPools \"x\""]
    );
    assert_eq!(world.take_plans(), [].into(), "nothing changed");
    assert_eq!(world.faults().cloned().collect::<Vec<_>>(), faults);

    // A word about another object changes nothing; one about this object does.
    let other = metallb_api::NamespacedName::new("metallb-system", "other");
    world.observe(Input::L2Advertisement(Change::Delete(other)));
    assert_eq!(world.faults().count(), 1);
    world.observe(Input::L2Advertisement(Change::Delete(key)));
    assert_eq!(world.faults().count(), 0);
}

#[test]
fn nothing_is_complete_until_every_kind_was_listed() {
    let mut world = World::new(Own::default());
    let inputs = Scene::well().inputs();
    assert_eq!(world.missing().len(), inputs.len());
    for (heard, input) in (1..).zip(inputs.clone()) {
        world.observe(input);
        assert_eq!(world.missing().len(), inputs.len() - heard);
    }
}

#[test]
fn where_the_speakers_are_is_told_when_it_changes_and_not_when_one_is_not_ready() {
    let mut scene = Scene::well();
    let at = |number| std::net::IpAddr::from([10, 0, 0, number]);
    scene.speaker("node1").address = Some(at(1));
    let mut world = scene.world("node1");
    assert_eq!(world.take_peers(), Some([at(1)].into()));
    let mut then = |scene: &Scene| {
        world.observe(scene.inputs().swap_remove(3));
        world.take_peers()
    };
    scene.speaker("node2").ready = false;
    assert_eq!(then(&scene), None);
    scene.speaker("node2").address = Some(at(2));
    assert_eq!(then(&scene), Some([at(1), at(2)].into()));
    scene.speakers.remove("node1");
    assert_eq!(then(&scene), Some([at(2)].into()));
}
