//! The speaker on node3 of three, from Kubernetes objects to actions.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};
use metallb_api::Change;
use metallb_api::names::event;
use metallb_core::config::{L2Advertisement, Pool};
use metallb_core::facts::{ServiceObject, SliceObject};
use metallb_core::world::Claim;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn from<K: DeserializeOwned>(object: &Value) -> K {
    serde_json::from_value(object.clone()).unwrap()
}

fn list<F>(objects: impl IntoIterator<Item = (&'static str, F)>) -> Change<F> {
    let key = |name| NamespacedName::new("ns", name);
    Change::Reset(
        objects
            .into_iter()
            .map(|(name, facts)| (key(name), facts))
            .collect(),
    )
}

fn web(addresses: &[&str]) -> Claim {
    let ingress: Vec<_> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    Claim::from(from::<ServiceObject>(&json!({
        "metadata": { "namespace": "ns", "name": "web", "uid": "u-1" },
        "spec": { "type": "LoadBalancer" },
        "status": { "loadBalancer": { "ingress": ingress } },
    })))
}

fn services() -> Input {
    Input::Service(list([("web", web(&["192.0.2.1"]))]))
}

fn endpoints() -> Input {
    let slice: SliceObject = from(&json!({
        "metadata": { "namespace": "ns", "name": "web-1", "labels": { "kubernetes.io/service-name": "web" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.0.0.1"], "nodeName": "node1" }],
    }));
    Input::Endpoints(list([("web-1", slice.into())]))
}

fn nodes() -> Input {
    let node = |name| {
        (
            name,
            from::<Node>(&json!({ "metadata": { "name": name } })).into(),
        )
    };
    Input::Node(list(["node1", "node2", "node3"].map(node)))
}

fn pod(node: &str, ready: &str) -> Pod {
    from(&json!({
        "metadata": { "name": node },
        "spec": { "containers": [], "nodeName": node },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] },
    }))
}

fn speakers() -> Input {
    Input::Speaker(list(
        ["node1", "node2", "node3"].map(|node| (node, pod(node, "True").into())),
    ))
}

fn pools() -> Input {
    let object = json!({ "metadata": { "name": "pool" }, "spec": { "addresses": ["192.0.2.0/24"] } });
    Input::Pool(list([(
        "pool",
        Ok(Pool::parse(&from(&object), &BTreeMap::new()).unwrap()),
    )]))
}

fn advertisements() -> Input {
    advertisement(&json!({}))
}

fn advertisement(spec: &Value) -> Input {
    let object = json!({ "metadata": { "name": "ad" }, "spec": spec });
    Input::L2Advertisement(list([(
        "ad",
        Ok(L2Advertisement::parse(&from(&object)).unwrap()),
    )]))
}

fn everything() -> Vec<Input> {
    vec![
        services(),
        endpoints(),
        nodes(),
        speakers(),
        pools(),
        advertisements(),
        Input::BgpAdvertisement(list([])),
        Input::Interfaces(["eth0".to_owned()].into()),
    ]
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn owner() -> Owner {
    Owner::new(Own {
        node: "node3".into(),
        ..Own::default()
    })
}

/// An owner that knows everything and has acted upon it.
fn settled() -> Owner {
    let mut owner = owner();
    for input in everything() {
        owner.observe(input, seconds(0));
    }
    assert_ne!(lines(owner.decide(seconds(0))), [""; 0]);
    owner
}

/// Actions that reach the outside, as text.
fn lines(actions: Vec<Action>) -> Vec<String> {
    let line = |action| match action {
        Action::Announce { address, .. } => Some(format!("+{address}")),
        Action::Remind { address } => Some(format!("!{address}")),
        Action::HandOver { address } => Some(format!("~{address}")),
        Action::Withdraw { address } => Some(format!("-{address}")),
        Action::Tell(note) => Some(format!("{}: {}", note.reason, note.message)),
        Action::Decided { .. } => None,
    };
    actions.into_iter().filter_map(line).collect()
}

const ASSIGNED: &str = "nodeAssigned: announcing from node \"node3\" with protocol \"layer2\"";

#[test]
fn nothing_is_announced_before_every_kind_was_listed_whichever_comes_last() {
    for last in 0..everything().len() {
        let mut owner = owner();
        let mut inputs = everything();
        let late = inputs.remove(last);
        for input in inputs {
            owner.observe(input, seconds(0));
            assert_eq!(owner.decide(seconds(0)), [], "{late:?} is missing");
            assert!(!owner.is_acting());
        }
        owner.observe(late, seconds(1));
        assert_eq!(lines(owner.decide(seconds(0))), ["+192.0.2.1", ASSIGNED]);
        assert!(owner.is_acting());
    }
}

#[test]
fn without_permission_to_list_pods_it_acts_after_a_while() {
    let mut owner = owner();
    for input in everything() {
        if !matches!(input, Input::Speaker(_)) {
            owner.observe(input, seconds(0));
        }
    }
    assert_eq!(owner.decide(seconds(10)), []);
    assert_eq!(owner.next_deadline(), Some(seconds(15)));
    assert_eq!(owner.decide(seconds(14)), []);
    assert_eq!(lines(owner.decide(seconds(15))), ["+192.0.2.1", ASSIGNED]);
}

#[test]
fn hearing_the_same_again_causes_nothing() {
    let mut owner = settled();
    let again = [
        Input::Service(Change::Apply(
            NamespacedName::new("ns", "web"),
            web(&["192.0.2.1"]),
        )),
        Input::Speaker(Change::Apply(
            NamespacedName::new("ns", "node3"),
            pod("node3", "True").into(),
        )),
        Input::Interfaces(["eth0".to_owned()].into()),
    ];
    for input in again.clone().into_iter().chain(again) {
        owner.observe(input, seconds(1));
    }
    assert_eq!(owner.decide(seconds(1)), []);
}

#[test]
fn a_list_in_place_of_changes_has_the_neighbours_reminded_and_nothing_else() {
    let mut owner = settled();
    for input in everything() {
        let list = !matches!(input, Input::Interfaces(_));
        owner.observe(input, seconds(1));
        let expected: &[&str] = if list { &["!192.0.2.1"] } else { &[] };
        assert_eq!(lines(owner.decide(seconds(1))), expected);
    }
}

#[test]
fn a_node_that_was_unready_for_a_moment_announces_again_even_if_it_hears_of_both_at_once() {
    let key = |namespace| NamespacedName::new(namespace, "node3");
    let node = |ready: &str| {
        let conditions = json!([{ "type": "Ready", "status": ready }]);
        let object = json!({ "metadata": { "name": "node3" }, "status": { "conditions": conditions } });
        Input::Node(Change::Apply(key(""), from::<Node>(&object).into()))
    };
    let speaker = |ready| Input::Speaker(Change::Apply(key("ns"), pod("node3", ready).into()));
    for [lost, regained] in [[node("False"), node("True")], [speaker("False"), speaker("True")]] {
        let mut owner = settled();
        owner.observe(lost, seconds(1));
        owner.observe(regained, seconds(1));
        assert_eq!(
            lines(owner.decide(seconds(1))),
            ["~192.0.2.1", "+192.0.2.1", ASSIGNED]
        );
        assert_eq!(owner.decide(seconds(1)), []);
    }
}

#[test]
fn a_list_that_replaces_a_change_of_the_same_batch_does_not_hide_it() {
    let mut owner = settled();
    let lost = Input::Speaker(Change::Apply(
        NamespacedName::new("ns", "node3"),
        pod("node3", "False").into(),
    ));
    owner.observe(lost, seconds(1));
    owner.observe(speakers(), seconds(1));
    assert_eq!(
        lines(owner.decide(seconds(1))),
        ["~192.0.2.1", "+192.0.2.1", ASSIGNED, "!192.0.2.1"]
    );
}

#[test]
fn a_speaker_that_is_no_longer_ready_hands_over_and_takes_back() {
    let mut owner = settled();
    let key = || NamespacedName::new("ns", "node3");
    owner.observe(
        Input::Speaker(Change::Apply(key(), pod("node3", "False").into())),
        seconds(1),
    );
    assert_eq!(lines(owner.decide(seconds(1))), ["~192.0.2.1"]);
    owner.observe(
        Input::Speaker(Change::Apply(key(), pod("node3", "True").into())),
        seconds(1),
    );
    assert_eq!(lines(owner.decide(seconds(2))), ["+192.0.2.1", ASSIGNED]);
}

#[test]
fn a_deleted_service_and_one_that_lost_its_address_are_withdrawn() {
    let key = || NamespacedName::new("ns", "web");
    for end in [
        Change::Delete(key()),
        Change::Apply(key(), web(&[])),
        Change::Reset(BTreeMap::new()),
    ] {
        let mut owner = settled();
        owner.observe(Input::Service(end), seconds(1));
        assert_eq!(lines(owner.decide(seconds(1))), ["-192.0.2.1"]);
    }
}

#[test]
fn a_service_that_moves_to_another_address_is_announced_there() {
    let mut owner = settled();
    // 192.0.2.3 is node3's as well.
    let moved = Change::Apply(NamespacedName::new("ns", "web"), web(&["192.0.2.3"]));
    owner.observe(Input::Service(moved), seconds(1));
    assert_eq!(
        lines(owner.decide(seconds(1))),
        ["-192.0.2.1", "+192.0.2.3", ASSIGNED]
    );
}

#[test]
fn an_advertisement_for_a_missing_interface_is_told_once_and_only_if_it_lasts() {
    let mut owner = settled();
    owner.observe(advertisement(&json!({ "interfaces": ["eth9"] })), seconds(1));
    assert_eq!(lines(owner.decide(seconds(10))), ["-192.0.2.1"]);
    assert_eq!(owner.next_deadline(), Some(seconds(12)));
    let told = lines(owner.decide(seconds(12)));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(event::ANNOUNCE_FAILED), "{told:?}");
    assert_eq!(owner.next_deadline(), None);

    owner.observe(advertisements(), seconds(1));
    assert_eq!(
        lines(owner.decide(seconds(20))),
        ["+192.0.2.1", ASSIGNED, "!192.0.2.1"]
    );
}

#[test]
fn events_name_the_service_as_kubectl_describe_looks_for_it() {
    let reference = settled().reference(&NamespacedName::new("ns", "web")).unwrap();
    assert_eq!(
        (reference.kind.as_deref(), reference.uid.as_deref()),
        (Some("Service"), Some("u-1"))
    );
    assert_eq!(settled().reference(&NamespacedName::new("ns", "gone")), None);
}
