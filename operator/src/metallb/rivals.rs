//! Other installations of MetalLB on the cluster: its manifests, its chart or its operator in any namespace, or a second
//! one of ours. Two controllers give out the same addresses, and two sets of speakers answer for them. Owns telling them
//! from ours, which one gives way, and what to tell about it; reads nothing and removes nothing.
//!
//! One that is to be replaced in place is none: the `controller` and the `speaker` in our own namespace are ours, whoever
//! made them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use metallb_api::names::{label, object};

/// How many workloads a message names. There are two as a rule; more than these are of more than one installation, and
/// the rest is told when these are gone.
const NAMED_MAX: usize = 4;

/// A Deployment or DaemonSet with the labels of MetalLB.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its kind
    pub kind: &'static str,
    /// What is known of it
    pub metadata: ObjectMeta,
}

/// Who may install what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is no other one.
    Alone,
    /// There is another one that came later: ours goes on, and somebody has to hear of it.
    First(String),
    /// There is another one that was there before: ours has to wait until it is gone.
    Later(String),
}

/// What selects the workloads of any MetalLB that give out or announce addresses: those of manifests and operators, and
/// those of charts. A chart that was given another name by `nameOverride` is not found.
pub fn labels() -> [String; 2] {
    let components = format!("({}, {})", label::CONTROLLER, label::SPEAKER);
    [
        (label::APP, label::COMPONENT),
        (label::APP_NAME, label::APP_COMPONENT),
    ]
    .map(|(app, component)| format!("{app}={}, {component} in {components}", label::APP_METALLB))
}

/// Whether the MetalLB of `namespace` may be installed beside `workloads`.
pub fn judge(workloads: &[Workload], namespace: &str) -> Verdict {
    let (own, mut others): (Vec<&Workload>, Vec<&Workload>) =
        workloads.iter().partition(|workload| workload.is_own(namespace));
    others.sort_by_key(|workload| (workload.kind, workload.namespace(), workload.name()));
    // One may have the labels of both.
    others.dedup();
    if others.is_empty() {
        return Verdict::Alone;
    }
    // Only one that an operator made is there before others; one that waits to be taken over is not ours yet.
    let ours = own
        .iter()
        .filter(|workload| workload.is_by(label::METALLB_OPERATOR));
    let ours = ours.filter_map(|workload| workload.age()).min();
    let told = told(&others);
    if ours.is_some_and(|ours| {
        others
            .iter()
            .filter_map(|other| other.age())
            .all(|other| ours < other)
    }) {
        Verdict::First(format!("{told}. This one was there first and goes on"))
    } else {
        Verdict::Later(format!("{told}. Nothing is installed or changed before that"))
    }
}

/// Which ones, and how to be rid of them.
fn told(others: &[&Workload]) -> String {
    let names: Vec<String> = others
        .iter()
        .take(NAMED_MAX)
        .map(|other| format!("{} {}/{}", other.kind, other.namespace(), other.name()))
        .collect();
    let more = match others.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut ways: Vec<String> = others.iter().map(|other| other.way_out()).collect();
    ways.sort();
    ways.dedup();
    format!(
        "another MetalLB is installed on this cluster, and two would give out the same addresses: {}{more}; {}",
        names.join(", "),
        ways.join("; ")
    )
}

impl Workload {
    /// Whether it is to be reckoned with a moment later.
    pub fn stays(&self) -> bool {
        self.metadata.deletion_timestamp.is_none()
    }

    /// Whether it is the one that the operator in `namespace` makes, or takes over.
    fn is_own(&self, namespace: &str) -> bool {
        let ours = [("Deployment", object::CONTROLLER), ("DaemonSet", object::SPEAKER)];
        self.namespace() == namespace && ours.contains(&(self.kind, self.name()))
    }

    fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn is_by(&self, maker: &str) -> bool {
        let labels = self.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(label::MANAGED_BY))
            .is_some_and(|by| by == maker)
    }

    /// Since when it is there. Of two that are as old as each other, that of the first namespace goes before, so that two
    /// operators agree.
    fn age(&self) -> Option<(Timestamp, &str)> {
        let since = self.metadata.creation_timestamp.as_ref()?.0;
        Some((since, self.namespace()))
    }

    /// What to do so that it goes and does not come back.
    fn way_out(&self) -> String {
        let mut owners = self.metadata.owner_references.iter().flatten();
        match owners.find(|owner| owner.kind == "MetalLB") {
            Some(owner) => format!("delete MetalLB {}/{}", self.namespace(), owner.name),
            None if self.is_by(label::HELM) => {
                "delete these workloads; `helm uninstall` may delete the definitions as well, and with them every pool"
                    .to_owned()
            }
            None => "delete them".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A workload that was made at this second.
    fn workload(kind: &'static str, place: &str, second: u8, more: &Value) -> Workload {
        let (namespace, name) = place.split_once('/').unwrap();
        let mut metadata = json!({ "namespace": namespace, "name": name,
            "creationTimestamp": format!("2026-01-02T03:04:{second:02}Z") });
        for (field, value) in more.as_object().unwrap() {
            metadata[field] = value.clone();
        }
        Workload {
            kind,
            metadata: serde_json::from_value(metadata).unwrap(),
        }
    }

    fn by(maker: &str) -> Value {
        json!({ "labels": { (label::MANAGED_BY): maker } })
    }

    fn of_a_metallb() -> Value {
        let owner =
            json!({ "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": "1" });
        json!({ "labels": { (label::MANAGED_BY): label::METALLB_OPERATOR }, "ownerReferences": [owner] })
    }

    fn check(workloads: &[Workload], expected: &str) {
        let told = match judge(workloads, "lb") {
            Verdict::Alone => "alone".to_owned(),
            Verdict::First(message) => format!("first: {message}"),
            Verdict::Later(message) => format!("later: {message}"),
        };
        let opening =
            "another MetalLB is installed on this cluster, and two would give out the same addresses: ";
        assert_eq!(told.replace(opening, ""), expected);
    }

    #[test]
    fn what_is_taken_over_in_place_is_no_other_installation() {
        check(&[], "alone");
        for maker in [json!({}), by(label::HELM), of_a_metallb()] {
            check(
                &[
                    workload("Deployment", "lb/controller", 1, &maker),
                    workload("DaemonSet", "lb/speaker", 1, &maker),
                ],
                "alone",
            );
        }
    }

    #[test]
    fn others_are_named_with_the_way_to_be_rid_of_them() {
        let wait = "Nothing is installed or changed before that";
        check(
            &[workload("Deployment", "metallb-system/controller", 1, &json!({}))],
            &format!("later: Deployment metallb-system/controller; delete them. {wait}"),
        );
        // The chart in our own namespace; one may carry both pairs of labels, and is found twice.
        let speaker = workload("DaemonSet", "lb/metallb-speaker", 1, &by(label::HELM));
        check(
            &[
                speaker.clone(),
                workload("Deployment", "lb/metallb-controller", 1, &by(label::HELM)),
                speaker,
            ],
            &format!(
                "later: DaemonSet lb/metallb-speaker, Deployment lb/metallb-controller; delete these workloads; \
                 `helm uninstall` may delete the definitions as well, and with them every pool. {wait}"
            ),
        );
        check(
            &[
                workload("Deployment", "a/controller", 1, &of_a_metallb()),
                workload("DaemonSet", "a/speaker", 1, &of_a_metallb()),
            ],
            &format!("later: DaemonSet a/speaker, Deployment a/controller; delete MetalLB a/metallb. {wait}"),
        );
        let many: Vec<Workload> = ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6"]
            .map(|place| workload("Deployment", place, 1, &json!({})))
            .into();
        check(
            &many,
            &format!(
                "later: Deployment a/1, Deployment a/2, Deployment a/3, Deployment a/4 and 2 more; delete them. {wait}"
            ),
        );
    }

    #[test]
    fn who_was_there_first_goes_on() {
        let ours = |second| workload("Deployment", "lb/controller", second, &of_a_metallb());
        let upstream = |second| workload("Deployment", "lb/controller", second, &json!({}));
        let theirs = |namespace: &str, second| {
            workload(
                "Deployment",
                &format!("{namespace}/controller"),
                second,
                &of_a_metallb(),
            )
        };
        for (own, other, first) in [
            (ours(1), theirs("z", 2), true),
            (ours(2), theirs("z", 1), false),
            // As old as each other: the same one of the two on both sides.
            (ours(1), theirs("z", 1), true),
            (ours(1), theirs("a", 1), false),
            // Not ours yet.
            (upstream(1), theirs("z", 2), false),
        ] {
            let verdict = judge(&[own.clone(), other.clone()], "lb");
            assert_eq!(matches!(verdict, Verdict::First(_)), first, "{own:?} {other:?}");
        }
    }

    #[test]
    fn both_ways_to_label_them_are_looked_for() {
        let expected = [
            "app=metallb, component in (controller, speaker)",
            "app.kubernetes.io/name=metallb, app.kubernetes.io/component in (controller, speaker)",
        ];
        assert_eq!(labels(), expected);
    }
}
