//! What runs, and what becomes of it.

use super::*;

#[test]
fn what_runs_is_taken_over_or_in_the_way() {
    let operator = || json!({"labels": {"control-plane": "controller-manager"}});
    for (facts, expected) in [
        (
            empty().deployment("controller", manifests("controller")),
            "  Deployment metallb-system/controller: is taken over in place",
        ),
        (
            empty().deployment(
                "controller",
                json!({"namespace": "lb", "labels": manifests("controller")["labels"]}),
            ),
            "! Deployment lb/controller: is not taken over",
        ),
        (
            empty().deployment("lb-metallb-controller", helm("controller")),
            "! Deployment metallb-system/lb-metallb-controller: is not taken over, and the operator does not install beside it",
        ),
        (
            empty().workload(
                "DaemonSet",
                "frr-k8s-daemon",
                json!({"labels": {"app": "frr-k8s"}}),
                json!([{"name": "frr"}]),
            ),
            "! DaemonSet metallb-system/frr-k8s-daemon: goes on beside the speakers",
        ),
        (
            empty().deployment("metallb-operator-controller-manager", operator()),
            "! Deployment metallb-system/metallb-operator-controller-manager: two operators",
        ),
        (
            empty().deployment(
                "metallb-operator-controller-manager",
                json!({"ownerReferences": [
                    {"apiVersion": "v1", "kind": "ClusterServiceVersion", "name": "a", "uid": "u"}]}),
            ),
            "! Deployment metallb-system/metallb-operator-controller-manager: is kept alive by the Operator Lifecycle Manager",
        ),
    ] {
        let lines = lines(&report(&facts));
        assert!(
            lines.len() == 1 && lines[0].starts_with(expected),
            "{expected}: {lines:?}"
        );
    }
}

#[test]
fn what_is_of_this_project_or_of_somebody_else_is_no_finding() {
    let ours = empty()
        .deployment(
            "controller",
            json!({"labels": {"app": "metallb", "component": "controller",
            "app.kubernetes.io/managed-by": "metallb-operator"}}),
        )
        .workload(
            "Deployment",
            "metallb-operator-controller-manager",
            json!({}),
            json!([{"name": "operator", "image": "i", "command": ["/operator"]}]),
        )
        .deployment("web", json!({"labels": {"app": "web"}}))
        .webhooks("other", "example.org", "a");
    let report = report(&ours);
    assert!(report.is_clear(), "{:?}", report.findings);
    assert_eq!(report.installations.values().flatten().count(), 2);
}

#[test]
fn frr_beside_the_speaker_goes() {
    let containers = json!([{"name": "frr", "image": "f"}, {"name": "speaker", "image": "example.org/s:1"},
        {"name": "reloader", "image": "f"}]);
    let facts = empty().workload("DaemonSet", "speaker", manifests("speaker"), containers);
    let report = report(&facts);
    assert!(report.is_clear());
    assert!(
        lines(&report)[1].contains("its containers frr, reloader go"),
        "{:?}",
        report.findings
    );
    assert!(print::text(&report).contains("DaemonSet speaker (example.org/s:1)"));
}
