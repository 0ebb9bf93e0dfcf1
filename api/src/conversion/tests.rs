//! BGPPeers there and back.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{crd, v1beta1, v1beta2};

const OLD: &str = "metallb.io/v1beta1";
const NEW: &str = "metallb.io/v1beta2";

fn peer(version: &str, spec: &Value) -> Value {
    let metadata = json!({ "name": "tor", "namespace": "metallb-system", "annotations": { "a": "b" } });
    json!({ "apiVersion": version, "kind": "BGPPeer", "metadata": metadata, "spec": spec, "status": {} })
}

fn there(object: &Value, version: &str) -> Value {
    convert(object.clone(), version).unwrap()
}

#[test]
fn the_fields_of_the_old_version_are_those_of_its_definition() {
    let all = crd::all();
    let definition = all
        .iter()
        .find(|definition| definition.spec.names.kind == "BGPPeer")
        .unwrap();
    let old = definition
        .spec
        .versions
        .iter()
        .find(|version| version.name == names::V1BETA1)
        .unwrap();
    let schema = serde_json::to_value(&old.schema).unwrap();
    let properties = schema["openAPIV3Schema"]["properties"]["spec"]["properties"]
        .as_object()
        .unwrap();
    let mut fields: Vec<&str> = properties.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, OLD_FIELDS);
}

#[test]
fn an_old_peer_is_the_same_in_the_new_version_and_gets_no_timers() {
    let old = peer(
        OLD,
        &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" }),
    );
    let new = there(&old, NEW);
    assert_eq!(new["spec"], old["spec"]);
    assert_eq!(new["metadata"], old["metadata"]);
    assert_eq!(new["apiVersion"], NEW);
    assert_eq!(there(&new, OLD), old);
}

#[test]
fn what_the_old_version_cannot_express_survives_a_change_in_it() {
    let new = peer(
        NEW,
        &json!({ "myASN": 1, "dynamicASN": "external", "interface": "eth1", "vrf": "red", "peerPort": 179 }),
    );
    let mut old = there(&new, OLD);
    assert_eq!(
        old["spec"],
        json!({ "myASN": 1, "peerASN": 0, "peerAddress": "", "peerPort": 179 })
    );
    old["spec"]["peerPort"] = 1790.into();
    old["spec"]["holdTime"] = "9s".into();
    let back = there(&old, NEW);
    let spec = json!({ "myASN": 1, "dynamicASN": "external", "interface": "eth1", "vrf": "red", "peerPort": 1790,
        "holdTime": "9s" });
    assert_eq!((&back["spec"], &back["metadata"]), (&spec, &new["metadata"]));
}

#[test]
fn a_field_changed_in_the_old_version_wins_over_what_was_remembered() {
    let selectors = json!([{ "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] }]);
    let new = peer(
        NEW,
        &json!({ "myASN": 1, "interface": "eth1", "dynamicASN": "internal", "nodeSelectors": selectors }),
    );
    let mut old = there(&new, OLD);
    assert_eq!(
        old["spec"]["nodeSelectors"][0]["matchExpressions"][0]["values"],
        json!([])
    );
    assert_eq!(there(&old, NEW), new);
    old["spec"]["nodeSelectors"] = json!([]);
    old["spec"]["peerASN"] = 7.into();
    let back = there(&old, NEW);
    assert_eq!(back["spec"]["nodeSelectors"], json!([]));
    assert_eq!(back["spec"]["peerASN"], 7);
    assert_eq!(back["spec"].get("peerAddress"), None);
}

#[test]
fn what_makes_no_sense_is_answered_all_the_same() {
    let answer = |objects: Value, desired: &str| {
        let request = json!({ "uid": "u", "desiredAPIVersion": desired, "objects": objects });
        let asked = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request });
        let answer = review(serde_json::from_value(asked).unwrap());
        serde_json::to_value(answer).unwrap()["response"].clone()
    };
    let good = peer(
        OLD,
        &json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" }),
    );
    let done = answer(json!([good.clone(), there(&good, NEW)]), NEW);
    assert_eq!(
        (&done["uid"], &done["result"]["status"]),
        (&json!("u"), &json!("Success"))
    );
    assert_eq!(done["convertedObjects"].as_array().unwrap().len(), 2);
    for (objects, desired, message) in [
        (
            json!([good]),
            "metallb.io/v1",
            "no BGPPeer can be converted to \"metallb.io/v1\": the versions are v1beta1 and v1beta2 of metallb.io",
        ),
        (json!([{ "kind": "Pod" }]), NEW, "Pod has no other version"),
        (json!([7]), NEW, " has no other version"),
        (
            json!([{ "kind": "BGPPeer", "apiVersion": OLD, "spec": 7 }]),
            NEW,
            "the object to convert is no JSON object with a spec",
        ),
    ] {
        let failed = answer(objects, desired);
        assert_eq!(
            (&failed["result"]["status"], &failed["result"]["message"]),
            (&json!("Failure"), &json!(message))
        );
    }
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of("[a-z0-9]{0,4}")
}

prop_compose! {
    fn selector()(label in option::of("[a-z]{1,3}"), values in option::of(vec("[a-z]{1,3}", 0..3))) -> Value {
        let mut selector = json!({});
        if let Some(label) = label {
            selector["matchLabels"] = json!({ label: "x" });
        }
        if let Some(values) = values {
            let mut expression = json!({ "key": "k", "operator": if values.is_empty() { "Exists" } else { "In" } });
            if !values.is_empty() {
                expression["values"] = values.into();
            }
            selector["matchExpressions"] = json!([expression]);
        }
        selector
    }
}

prop_compose! {
    fn spec()(
        numbers in (any::<u32>(), option::of(any::<u32>()), option::of(any::<u32>()), option::of(1_u16..16385)),
        texts in vec(text(), 9),
        flags in vec(option::of(any::<bool>()), 4),
        selectors in option::of(vec(selector(), 0..3)),
    ) -> Value {
        let (my_asn, peer_asn, local_asn, port) = numbers;
        let mut spec = json!({ "myASN": my_asn, "peerASN": peer_asn, "localASN": local_asn, "peerPort": port,
            "nodeSelectors": selectors });
        let names = ["peerAddress", "interface", "sourceAddress", "holdTime", "keepaliveTime", "connectTime", "routerID",
            "password", "vrf"];
        for (name, text) in names.into_iter().zip(texts) {
            spec[name] = text.into();
        }
        for (name, flag) in ["enableGracefulRestart", "ebgpMultiHop", "disableMP", "dualStackAddressFamily"].into_iter().zip(flags) {
            spec[name] = flag.into();
        }
        let fields = spec.as_object().unwrap().clone();
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<Fields>().into()
    }
}

/// What the API server makes of a new object.
fn with_defaults(mut object: Value) -> Value {
    for (field, value) in DEFAULTS {
        let spec = object["spec"].as_object_mut().unwrap();
        spec.entry(field).or_insert(value);
    }
    object
}

proptest! {
    #[test]
    fn a_new_peer_survives_the_way_through_the_old_version(spec in spec()) {
        let new = with_defaults(peer(NEW, &spec));
        let old = there(&new, OLD);
        serde_json::from_value::<v1beta1::BGPPeer>(old.clone()).unwrap();
        let back = with_defaults(there(&old, NEW));
        prop_assert_eq!(&back, &new);
        serde_json::from_value::<v1beta2::BGPPeer>(back).unwrap();
    }

    #[test]
    fn an_old_peer_survives_the_way_through_the_new_version(spec in spec()) {
        let mut old = peer(OLD, &spec);
        old["spec"] = as_old(old["spec"].as_object().unwrap()).into();
        let new = with_defaults(there(&old, NEW));
        prop_assert_eq!(there(&new, OLD), old);
    }
}
