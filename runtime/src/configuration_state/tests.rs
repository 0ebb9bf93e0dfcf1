//! What the object says, without an API server.

use super::*;

fn author(component: Component) -> Author {
    Author {
        namespace: "metallb-system".to_owned(),
        pod: "speaker-x7".to_owned(),
        component,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn each_process_has_its_name_its_labels_and_its_pod() {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: "speaker-x7".to_owned(),
        uid: "u".to_owned(),
        ..OwnerReference::default()
    };
    let controller = author(Component::Controller).object(None);
    assert_eq!(controller["metadata"]["name"], "controller");
    assert_eq!(
        controller["metadata"]["labels"],
        json!({ "metallb.io/component-type": "controller" })
    );
    let speaker = author(Component::Speaker("node1".to_owned())).object(Some(&owner));
    assert_eq!(speaker["metadata"]["name"], "speaker-node1");
    assert_eq!(
        speaker["metadata"]["labels"],
        json!({ "metallb.io/component-type": "speaker", "metallb.io/node-name": "node1" })
    );
    assert_eq!(
        speaker["metadata"]["ownerReferences"],
        json!([{ "apiVersion": "v1", "kind": "Pod", "name": "speaker-x7", "uid": "u" }])
    );
}

#[test]
fn the_status_says_what_is_wrong_in_metallbs_words() {
    let speaker = author(Component::Speaker("node1".to_owned()));
    for (verdict, result, status, reason, message) in [
        (Ok(()), ConfigurationResult::Valid, "True", "Reconciled", ""),
        (
            Err("parsing address pool p: pool has no prefixes defined".to_owned()),
            ConfigurationResult::Invalid,
            "False",
            "ConfigurationError",
            "configuration error: parsing address pool p: pool has no prefixes defined",
        ),
    ] {
        let said = speaker.status(&verdict, None, at(7));
        assert_eq!(said.result, Some(result));
        assert_eq!(said.error_summary.as_deref().unwrap_or_default(), message);
        let [condition] = said.conditions.as_deref().unwrap() else {
            panic!("{said:?}")
        };
        assert_eq!(
            (
                condition.type_.as_str(),
                condition.status.as_str(),
                condition.reason.as_str(),
                condition.message.as_str()
            ),
            ("configReconcilerValid", status, reason, message)
        );
    }
}

#[test]
fn the_time_is_that_of_the_last_change_between_valid_and_not() {
    let controller = author(Component::Controller);
    let since =
        |status: &ConfigurationStateStatus| status.conditions.as_ref().unwrap()[0].last_transition_time.0;
    let first = controller.status(&Err("a".to_owned()), None, at(1));
    let other = controller.status(&Err("b".to_owned()), Some(&first), at(2));
    let valid = controller.status(&Ok(()), Some(&other), at(3));
    assert_eq!(
        (since(&first), since(&other), since(&valid)),
        (at(1), at(1), at(3))
    );
    assert_eq!(controller.status(&Ok(()), Some(&valid), at(4)), valid);
}

#[test]
fn a_long_complaint_is_cut_where_a_letter_ends() {
    let long = "ä".repeat(40_000);
    let said = author(Component::Controller).status(&Err(long), None, at(1));
    assert!(said.error_summary.unwrap().len() <= 32_768);
}

#[test]
fn an_object_that_lost_its_labels_or_belongs_to_an_earlier_pod_is_written_again() {
    let controller = author(Component::Controller);
    let owner = |uid: &str| OwnerReference {
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let present: ConfigurationState = serde_json::from_value(controller.object(Some(&owner("old")))).unwrap();
    assert!(is_covered(&present, &controller.object(Some(&owner("old")))));
    assert!(!is_covered(&present, &controller.object(Some(&owner("new")))));
    let mut bare = present;
    bare.metadata.labels = None;
    assert!(!is_covered(&bare, &controller.object(None)));
}
