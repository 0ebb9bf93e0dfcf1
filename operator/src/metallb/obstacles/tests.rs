use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T03:04:30Z";

fn pod(name: &str, status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name }, "spec": { "nodeName": "n1", "containers": [] }, "status": status,
    }))
    .unwrap()
}

/// A pod whose container waits for this reason.
fn waiting(name: &str, reason: &str, message: &str) -> Pod {
    pod(
        name,
        &json!({ "containerStatuses": [{ "name": "speaker", "image": "example.com/speaker:v9", "imageID": "",
            "ready": false, "restartCount": 0, "state": { "waiting": { "reason": reason, "message": message } } }] }),
    )
}

/// A pod whose container ended so many times and runs again, or waits for it.
fn ended(restarts: i32, ready: bool) -> Pod {
    pod(
        "a",
        &json!({ "containerStatuses": [{ "name": "speaker", "image": "i", "imageID": "", "ready": ready,
            "restartCount": restarts, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 1, "reason": "Error" } } }] }),
    )
}

/// A pod that has been without a node since this second.
fn unscheduled(second: u8) -> Pod {
    let mut pod = pod(
        "a",
        &json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available:\n3 Insufficient cpu.",
            "lastTransitionTime": format!("2026-01-02T03:04:{second:02}Z") }] }),
    );
    pod.spec.as_mut().unwrap().node_name = None;
    pod
}

fn refusal(at: &str, message: &str) -> Event {
    serde_json::from_value(
        json!({ "metadata": {}, "involvedObject": {}, "lastTimestamp": at, "message": message }),
    )
    .unwrap()
}

fn check(pods: Vec<Pod>, events: Vec<Event>, expected: Option<&str>) {
    let evidence = Evidence { pods, events };
    let cause = cause(&evidence, NOW.parse().unwrap());
    assert_eq!(cause.as_deref(), expected, "{evidence:?}");
}

#[test]
fn a_pod_that_does_not_run_says_why() {
    let image = "pod a on node n1: image example.com/speaker:v9 cannot be pulled: ";
    for (pod, expected) in vec![
        (waiting("a", "ContainerCreating", ""), None),
        (waiting("a", "ErrImagePull", "not found"), Some(format!("{image}not found"))),
        // The same while the kubelet waits for its next attempt: the state must not change with each of them.
        (
            waiting("a", "ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: not found"),
            Some(format!("{image}not found")),
        ),
        (waiting("a", "InvalidImageName", ""), Some(format!("{image}no reason given"))),
        (
            waiting("a", "CreateContainerConfigError", "secret \"s\" not found"),
            Some(
                "pod a on node n1: container speaker cannot be started: CreateContainerConfigError: secret \"s\" not found"
                    .to_owned(),
            ),
        ),
        (ended(1, false), None),
        (ended(9, true), None),
        (
            ended(2, false),
            Some(
                "pod a on node n1: container speaker ends again and again, last with exit code 1 (Error), \
                 `kubectl logs --previous` says why"
                    .to_owned(),
            ),
        ),
        (unscheduled(21), None),
        (
            unscheduled(20),
            Some("pod a: no node can run it: 0/3 nodes are available: 3 Insufficient cpu.".to_owned()),
        ),
    ] {
        check(vec![pod], Vec::new(), expected.as_deref());
    }
}

#[test]
fn of_several_pods_the_first_is_named() {
    let mut leaving = waiting("0", "ErrImagePull", "gone");
    leaving.metadata.deletion_timestamp = Some(serde_json::from_value(json!(NOW)).unwrap());
    check(
        vec![
            leaving,
            waiting("c", "ErrImagePull", "c"),
            waiting("b", "ErrImagePull", "b"),
            waiting("a", "ContainerCreating", ""),
        ],
        Vec::new(),
        Some(
            "pod b on node n1: image example.com/speaker:v9 cannot be pulled: b; another pod does not run either",
        ),
    );
}

#[test]
fn pods_that_are_not_made_are_explained_by_the_latest_refusal() {
    let quota = "Error creating: pods \"speaker-\" is forbidden: exceeded quota: small";
    check(
        Vec::new(),
        vec![
            refusal("2026-01-02T03:04:00Z", "older"),
            refusal("2026-01-02T03:04:20Z", quota),
        ],
        Some(quota),
    );
    check(Vec::new(), vec![refusal("2026-01-02T02:30:00Z", quota)], None);
    check(Vec::new(), Vec::new(), None);
    // A pod that is there and cannot run says more.
    check(
        vec![waiting("a", "ErrImagePull", "no")],
        vec![refusal(NOW, quota)],
        Some("pod a on node n1: image example.com/speaker:v9 cannot be pulled: no"),
    );
}

#[test]
fn a_long_cause_is_cut() {
    let long = "é".repeat(1000);
    let cause = cause(
        &Evidence {
            pods: vec![waiting("a", "ErrImagePull", &long)],
            events: Vec::new(),
        },
        NOW.parse().unwrap(),
    );
    let cut = cause.unwrap();
    assert!(cut.ends_with("é..."), "{cut}");
    assert_eq!(cut.matches('é').count(), CAUSE_CHARACTERS_MAX);
}
