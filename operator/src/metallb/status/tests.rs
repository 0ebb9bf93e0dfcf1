use std::marker::PhantomData;

use k8s_openapi::api::apps::v1::{DaemonSetStatus, Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
use k8s_openapi::jiff::Timestamp;

use super::*;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// A Deployment of one replica at generation 2, with this status.
fn deployment(seen: i64, [replicas, updated, ready]: [i32; 3]) -> Deployment {
    let mut object = Deployment::default();
    object.metadata.generation = Some(2);
    object.status = Some(DeploymentStatus {
        observed_generation: Some(seen),
        replicas: Some(replicas),
        updated_replicas: Some(updated),
        ready_replicas: Some(ready),
        ..DeploymentStatus::default()
    });
    object
}

fn with_condition(
    mut object: Deployment,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
) -> Deployment {
    let status = DeploymentCondition {
        type_: type_.into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        ..DeploymentCondition::default()
    };
    object.status.get_or_insert_default().conditions = Some(vec![status]);
    object
}

/// A DaemonSet at generation 2, with this status.
fn daemon_set(seen: i64, [desired, current, updated, ready]: [i32; 4]) -> DaemonSet {
    let mut object = DaemonSet::default();
    object.metadata.generation = Some(2);
    object.status = Some(DaemonSetStatus {
        observed_generation: Some(seen),
        desired_number_scheduled: desired,
        current_number_scheduled: current,
        updated_number_scheduled: Some(updated),
        number_ready: ready,
        ..DaemonSetStatus::default()
    });
    object
}

/// A registration of one webhook.
fn registered(policy: &str) -> ValidatingWebhookConfiguration {
    serde_json::from_value(
        json!({ "webhooks": [{ "name": "a", "failurePolicy": policy, "clientConfig": {},
        "sideEffects": "None", "admissionReviewVersions": ["v1"] }] }),
    )
    .unwrap()
}

fn applied(controller: Deployment, speaker: DaemonSet) -> Resources<Applied> {
    Resources {
        controller_account: ServiceAccount::default(),
        speaker_account: ServiceAccount::default(),
        memberlist: Secret::default(),
        exclude_l2: ConfigMap::default(),
        memberlist_config: None,
        disruption_budget: None,
        constraints: None,
        webhook_service: Service::default(),
        webhook_secret: Secret::default(),
        webhooks: Some(registered("Fail")),
        conversion: CustomResourceConversion::default(),
        controller_metrics: Service::default(),
        speaker_metrics: Service::default(),
        dashboard: ConfigMap::default(),
        network_policy: None,
        monitoring: Vec::new(),
        controller,
        speaker,
        state: PhantomData,
    }
}

fn state(controller: Deployment, speaker: DaemonSet) -> State {
    State::of(&applied(controller, speaker), None, &Causes::new())
}

const CONTROLLER_DONE: [i32; 3] = [1, 1, 1];
const SPEAKER_DONE: [i32; 4] = [3, 3, 3, 3];

#[test]
fn available_means_that_every_pod_is_up_to_date_and_ready() {
    let available = || State::Available { remarks: Vec::new() };
    let progressing = |message: &str| State::Progressing {
        message: message.into(),
    };
    let rows = vec![
        (
            deployment(2, CONTROLLER_DONE),
            daemon_set(2, SPEAKER_DONE),
            available(),
        ),
        // Just applied: no status yet, or that of the generation before.
        (
            Deployment {
                status: None,
                ..deployment(2, CONTROLLER_DONE)
            },
            DaemonSet {
                status: None,
                ..daemon_set(2, SPEAKER_DONE)
            },
            progressing(
                "Deployment controller: its change is not acted upon yet; \
                 DaemonSet speaker: its change is not acted upon yet",
            ),
        ),
        (
            deployment(1, CONTROLLER_DONE),
            daemon_set(2, SPEAKER_DONE),
            progressing("Deployment controller: its change is not acted upon yet"),
        ),
        (
            deployment(2, [0, 0, 0]),
            daemon_set(2, SPEAKER_DONE),
            progressing("Deployment controller: 0 of 1 pods updated, 0 ready"),
        ),
        (
            deployment(2, [1, 1, 0]),
            daemon_set(2, SPEAKER_DONE),
            progressing("Deployment controller: 0 of 1 pods ready"),
        ),
        // The old pod is still there.
        (
            deployment(2, [2, 1, 1]),
            daemon_set(2, SPEAKER_DONE),
            progressing("Deployment controller: 1 of 1 pods ready"),
        ),
        (
            deployment(2, CONTROLLER_DONE),
            daemon_set(2, [3, 3, 3, 2]),
            progressing("DaemonSet speaker: 2 of 3 pods ready"),
        ),
        (
            deployment(2, CONTROLLER_DONE),
            daemon_set(2, [3, 3, 1, 3]),
            progressing("DaemonSet speaker: 1 of 3 pods updated, 3 ready"),
        ),
        (
            deployment(2, CONTROLLER_DONE),
            daemon_set(2, [0, 0, 0, 0]),
            State::Available {
                remarks: vec![Remark {
                    event: Some("NoNodeForSpeakers"),
                    message: "DaemonSet speaker: no node may run it (node selector, taints), so no address is announced"
                        .into(),
                }],
            },
        ),
    ];
    for (row, (controller, speaker, expected)) in rows.into_iter().enumerate() {
        assert_eq!(state(controller, speaker), expected, "row {row}");
    }
}

#[test]
fn a_controller_whose_pods_cannot_be_made_degrades_with_the_cause() {
    let degraded = |message: &str| State::Degraded {
        reason: condition::ROLLOUT_FAILED,
        message: message.into(),
    };
    let waiting = || deployment(2, [0, 0, 0]);
    for (controller, expected) in [
        (
            with_condition(
                waiting(),
                "ReplicaFailure",
                "True",
                "FailedCreate",
                "exceeded quota: small",
            ),
            degraded("Deployment controller: exceeded quota: small"),
        ),
        (
            with_condition(
                waiting(),
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
                "timed out",
            ),
            degraded("Deployment controller: timed out"),
        ),
        (
            with_condition(
                waiting(),
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                "is progressing",
            ),
            State::Progressing {
                message: "Deployment controller: 0 of 1 pods updated, 0 ready".into(),
            },
        ),
        // A failure that is over.
        (
            with_condition(
                deployment(2, CONTROLLER_DONE),
                "ReplicaFailure",
                "True",
                "FailedCreate",
                "quota",
            ),
            State::Available { remarks: Vec::new() },
        ),
    ] {
        assert_eq!(state(controller, daemon_set(2, SPEAKER_DONE)), expected);
    }
}

#[test]
fn webhooks_that_are_not_enforced_are_a_note() {
    for (webhooks, noted) in [
        (Some(registered("Fail")), false),
        (Some(registered("Ignore")), true),
        (None, true),
    ] {
        let all = applied(deployment(2, CONTROLLER_DONE), daemon_set(2, SPEAKER_DONE));
        let State::Available { remarks } = State::of(&Resources { webhooks, ..all }, None, &Causes::new())
        else {
            panic!("everything runs");
        };
        // It passes, so that no Event is worth it.
        let told = |remark: &Remark| {
            remark.event.is_none() && remark.message.starts_with("the webhooks are not enforced")
        };
        assert_eq!(remarks.iter().any(told), noted, "{remarks:?}");
    }
}

#[test]
fn another_bgp_implementation_is_told_to_be_absent() {
    let applied = applied(deployment(2, CONTROLLER_DONE), daemon_set(2, SPEAKER_DONE));
    for backend in [ForeignBgp::Frr, ForeignBgp::FrrK8s, ForeignBgp::FrrK8sExternal] {
        let State::Available { remarks } = State::of(&applied, Some(backend), &Causes::new()) else {
            panic!("everything runs");
        };
        let [Remark { event, message }] = remarks.as_slice() else {
            panic!("{remarks:?}");
        };
        assert_eq!(*event, Some("BGPBackendNotInstalled"));
        let told = format!("bgpBackend {} is accepted and not installed", backend.as_str());
        assert!(message.starts_with(&told), "{message}");
    }
}

#[test]
fn there_are_always_four_conditions_in_one_order_with_reasons_that_the_crd_accepts() {
    let rows = [
        (
            State::Available {
                remarks: vec![Remark {
                    event: None,
                    message: "n".into(),
                }],
            },
            ["True", "True", "False", "False"],
            "Available",
        ),
        (
            State::Progressing { message: "m".into() },
            ["False", "False", "True", "False"],
            "Progressing",
        ),
        (
            State::Degraded {
                reason: condition::FAILED_TO_SYNC,
                message: "m".into(),
            },
            ["False", "False", "False", "True"],
            condition::FAILED_TO_SYNC,
        ),
    ];
    for (state, expected, reason) in rows {
        let conditions = state.conditions(&[], Some(5), &at(10));
        let types: Vec<&str> = conditions.iter().map(|one| one.type_.as_str()).collect();
        assert_eq!(types, ["Available", "Upgradeable", "Progressing", "Degraded"]);
        let statuses: Vec<&str> = conditions.iter().map(|one| one.status.as_str()).collect();
        assert_eq!(statuses, expected);
        let first = conditions.iter().find(|one| one.status == "True").unwrap();
        assert_eq!(first.reason, reason);
        for Condition {
            reason,
            observed_generation,
            ..
        } in &conditions
        {
            let first = reason
                .chars()
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic());
            let rest = reason
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || "_,:".contains(one));
            assert!(first && rest, "the CRD refuses the reason {reason:?}");
            assert_eq!(*observed_generation, Some(5));
        }
    }
}

#[test]
fn a_transition_time_moves_only_when_the_status_does() {
    let pending = State::Progressing {
        message: "1 of 3".into(),
    };
    let first = pending.conditions(&[], Some(1), &at(10));
    let later = State::Progressing {
        message: "2 of 3".into(),
    }
    .conditions(&first, Some(1), &at(20));
    assert!(later.iter().all(|one| one.last_transition_time == at(10)));
    assert_ne!(later, first, "the message is news");
    let done = State::Available { remarks: Vec::new() }.conditions(&later, Some(1), &at(30));
    let times: Vec<Time> = done.iter().map(|one| one.last_transition_time.clone()).collect();
    assert_eq!(
        times,
        [at(30), at(30), at(30), at(10)],
        "Degraded was and is False"
    );
    let again = State::Available { remarks: Vec::new() }.conditions(&done, Some(1), &at(40));
    assert_eq!(again, done, "nothing is written when nothing changes");
}

#[test]
fn a_message_of_any_length_fits() {
    let conditions = State::Progressing {
        message: "é".repeat(40_000),
    }
    .conditions(&[], None, &at(0));
    assert_eq!(conditions[2].message.chars().count(), MESSAGE_CHARACTERS_MAX);
}

#[test]
fn speakers_that_wait_to_be_deleted_are_no_fault() {
    let mut waits = daemon_set(2, [3, 3, 1, 3]);
    let strategy = json!({ "selector": {}, "template": {}, "updateStrategy": { "type": "OnDelete" } });
    waits.spec = serde_json::from_value(strategy).unwrap();
    let State::Available { remarks } = state(deployment(2, CONTROLLER_DONE), waits.clone()) else {
        panic!("all of them are ready");
    };
    assert!(
        remarks[0].message.contains("2 pods are as they were"),
        "{remarks:?}"
    );
    waits.status = daemon_set(2, [3, 3, 3, 3]).status;
    assert_eq!(
        state(deployment(2, CONTROLLER_DONE), waits),
        State::Available { remarks: Vec::new() }
    );
}

#[test]
fn a_workload_that_does_not_go_on_says_what_keeps_it() {
    let timed_out = || {
        let waiting = deployment(2, [1, 1, 0]);
        with_condition(
            waiting,
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            "timed out",
        )
    };
    let done = || deployment(2, CONTROLLER_DONE);
    let causes = |component, cause: &str| Causes::from([(component, cause.to_owned())]);
    for (controller, speakers, causes, expected) in [
        (
            deployment(2, [1, 1, 0]),
            SPEAKER_DONE,
            causes("controller", "pod a: no node can run it"),
            Some("Deployment controller: 0 of 1 pods ready; pod a: no node can run it"),
        ),
        (
            timed_out(),
            SPEAKER_DONE,
            causes("controller", "pod a: no node can run it"),
            Some("pod a: no node can run it; Deployment controller: timed out"),
        ),
        (
            done(),
            [3, 2, 2, 2],
            causes("speaker", "exceeded quota"),
            Some("DaemonSet speaker: 2 of 3 pods updated, 2 ready; exceeded quota"),
        ),
        // It was looked at before it became ready.
        (done(), SPEAKER_DONE, causes("speaker", "exceeded quota"), None),
    ] {
        let applied = applied(controller, daemon_set(2, speakers));
        let expected = expected.map_or(State::Available { remarks: Vec::new() }, |message| {
            State::Degraded {
                reason: condition::ROLLOUT_FAILED,
                message: message.to_owned(),
            }
        });
        assert_eq!(State::of(&applied, None, &causes), expected);
    }
}

#[test]
fn only_what_is_not_ready_is_asked_for_its_pods() {
    let (controller, speaker) = (("Deployment", "controller"), ("DaemonSet", "speaker"));
    for (replicas, speakers, expected) in [
        (CONTROLLER_DONE, SPEAKER_DONE, Vec::new()),
        ([1, 1, 0], SPEAKER_DONE, vec![controller]),
        (CONTROLLER_DONE, [3, 3, 3, 2], vec![speaker]),
        ([0, 0, 0], [3, 0, 0, 0], vec![controller, speaker]),
    ] {
        let applied = applied(deployment(2, replicas), daemon_set(2, speakers));
        assert_eq!(unfinished(&applied), expected);
    }
}

#[test]
fn the_status_counts_speakers_and_names_the_version_that_is_installed() {
    let before = MetalLBStatus {
        conditions: None,
        speakers: Some(SpeakerCounts { ready: 1, wanted: 2 }),
        version: Some("0.0.9".into()),
    };
    let subject = Subject {
        reference: ObjectReference::default(),
        generation: Some(1),
        status: before.clone(),
    };
    let applied = applied(deployment(2, CONTROLLER_DONE), daemon_set(2, [3, 3, 3, 2]));
    let pending =
        State::of(&applied, None, &Causes::new()).status(&subject, Some(speakers(&applied)), &at(1));
    assert_eq!(pending.speakers, Some(SpeakerCounts { ready: 2, wanted: 3 }));
    assert_eq!(pending.version, before.version, "the new one is on its way");
    let done = State::Available { remarks: Vec::new() }.status(&subject, None, &at(1));
    assert_eq!(done.speakers, before.speakers, "they were not counted");
    assert_eq!(done.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let again = Subject {
        status: done.clone(),
        ..subject
    };
    let same = State::Available { remarks: Vec::new() }.status(&again, None, &at(9));
    assert_eq!(same, done, "nothing is written when nothing changes");
}
