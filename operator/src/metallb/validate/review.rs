//! Whether a MetalLB may be created or changed: what its status would say a moment later, said to its author. Pure.
//!
//! What is wrong already and cannot be mended by an edit is no reason to refuse one, and neither is anything else if the
//! specification stays as it was: whoever takes a finalizer off says nothing about the installation.

use kube::ResourceExt;
use metallb_api::v1beta1::{MetalLB, MetalLBSpec};

use super::super::dereference::Dereferenced;
use super::super::rivals::Workload;
use super::{Error, validate};
use crate::platform::Platform;

/// What is about to happen to it.
#[derive(Debug)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed, and was this before, if that can be read.
    Update(Option<Box<MetalLB>>),
}

/// What its author gets to hear.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused, if it is
    pub denied: Option<String>,
    /// What there is to know in either case
    pub warnings: Vec<String>,
}

/// Whether [`review`] has to know which workloads of MetalLB there are. One that is there already is told in its status of
/// what comes later.
pub fn needs_workloads(operation: &Operation) -> bool {
    matches!(operation, Operation::Create)
}

/// Decides about `metallb`, which is to be served from `namespace` beside `workloads`.
pub fn review(
    namespace: &str,
    operation: &Operation,
    mut metallb: MetalLB,
    workloads: Vec<Workload>,
) -> Verdict {
    // Perhaps another operator is there. This one does nothing about it, and has no say.
    if metallb.namespace().as_deref() != Some(namespace) {
        let message = format!(
            "it has no effect here: the operator acts on a MetalLB in its own namespace, {namespace}"
        );
        return Verdict {
            denied: None,
            warnings: vec![message],
        };
    }
    let says_the_same = matches!(operation, Operation::Update(Some(before)) if before.spec == metallb.spec);
    if metallb.metadata.deletion_timestamp.is_some() || says_the_same {
        return Verdict::default();
    }
    let mut warnings = without_effect(&metallb.spec);
    // The API server gives it one. That it is not there yet is no fault of its author.
    metallb.metadata.uid.get_or_insert_default();
    let dereferenced = Dereferenced {
        metallb,
        memberlist_key: None,
        platform: Platform::default(),
        workloads: workloads.into_iter().filter(Workload::stays).collect(),
    };
    let denied = match validate(dereferenced) {
        Ok(valid) => {
            warnings.extend(valid.foreign_bgp.map(super::ForeignBgp::told));
            warnings.extend(valid.rivals);
            None
        }
        Err(error) if is_excused(&error, operation) => {
            warnings.push(error.to_string());
            None
        }
        Err(error) => Some(error.to_string()),
    };
    Verdict { denied, warnings }
}

/// What an edit cannot mend, and what may go later: until then nothing is installed beside it.
fn is_excused(error: &Error, operation: &Operation) -> bool {
    match error {
        Error::Name(_) => !matches!(operation, Operation::Create),
        Error::Rivals(_) => true,
        _ => false,
    }
}

/// What is accepted for the sake of older resources.
fn without_effect(spec: &MetalLBSpec) -> Vec<String> {
    let image = spec.image.as_ref().is_some_and(|image| !image.is_empty());
    let frr_k8s = spec.frrk8s_config.is_some();
    [
        (
            image,
            "spec.image has no effect: the operator knows the images that belong to it",
        ),
        (
            frr_k8s,
            "spec.frrk8sConfig has no effect: frr-k8s is not installed",
        ),
    ]
    .into_iter()
    .filter(|(given, _)| *given)
    .map(|(_, message)| message.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::{Value, json};

    use super::*;

    const HOME: &str = "metallb-system";

    fn metallb(name: &str, spec: &Value) -> MetalLB {
        let metadata = json!({ "name": name, "namespace": HOME });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
    }

    fn update(before: MetalLB) -> Operation {
        Operation::Update(Some(Box::new(before)))
    }

    fn denied(message: &str) -> Verdict {
        Verdict {
            denied: Some(message.to_owned()),
            warnings: Vec::new(),
        }
    }

    fn warned<const N: usize>(warnings: [&str; N]) -> Verdict {
        Verdict {
            denied: None,
            warnings: warnings.map(str::to_owned).into(),
        }
    }

    /// A DaemonSet of another installation, which is older than any of ours.
    fn other(goes: bool) -> Vec<Workload> {
        let time = |time: &str| serde_json::from_value(json!(time)).unwrap();
        vec![Workload {
            kind: "DaemonSet",
            metadata: ObjectMeta {
                name: Some("metallb-speaker".to_owned()),
                namespace: Some("elsewhere".to_owned()),
                creation_timestamp: Some(time("2026-01-02T03:04:05Z")),
                deletion_timestamp: goes.then(|| time("2026-02-02T03:04:05Z")),
                ..ObjectMeta::default()
            },
        }]
    }

    #[test]
    fn what_the_status_would_say_is_said_at_once() {
        for (spec, message) in [
            (
                json!({ "frrk8sConfig": { "alwaysBlock": ["10.0.0.0/33"] } }),
                "invalid CIDR 10.0.0.0/33 in AlwaysBlock",
            ),
            (
                json!({ "speakerTolerations": [{ "key": "a", "tolerationSeconds": 3 }] }),
                "SpeakerToleration effect must be NoExecute when tolerationSeconds is set",
            ),
            (
                json!({ "bgpBackend": "bird" }),
                "invalid BGP Backend \"bird\", must be one of native, frr, frr-k8s, frr-k8s-external",
            ),
        ] {
            for operation in [
                Operation::Create,
                update(metallb("metallb", &json!({}))),
                Operation::Update(None),
            ] {
                let verdict = review(HOME, &operation, metallb("metallb", &spec), Vec::new());
                assert_eq!(verdict.denied.as_deref(), Some(message), "{operation:?}");
            }
        }
        let other = review(HOME, &Operation::Create, metallb("other", &json!({})), Vec::new());
        assert_eq!(other, denied("Incorrect MetalLB resource name: other"));
    }

    #[test]
    fn what_an_edit_does_not_bring_is_no_reason_to_refuse_it() {
        let wrong = json!({ "bgpBackend": "bird" });
        let same = update(metallb("metallb", &wrong));
        assert_eq!(
            review(HOME, &same, metallb("metallb", &wrong), Vec::new()),
            Verdict::default()
        );
        let mut going = metallb("metallb", &wrong);
        going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-02T03:04:05Z")).unwrap();
        let empty = update(metallb("metallb", &json!({})));
        assert_eq!(review(HOME, &empty, going, Vec::new()), Verdict::default());
        let other = review(
            HOME,
            &empty,
            metallb("other", &json!({ "logLevel": "debug" })),
            Vec::new(),
        );
        assert_eq!(other, warned(["Incorrect MetalLB resource name: other"]));
        let mut elsewhere = metallb("metallb", &wrong);
        elsewhere.metadata.namespace = Some("lb".to_owned());
        assert_eq!(
            review(HOME, &Operation::Create, elsewhere, Vec::new()),
            warned([
                "it has no effect here: the operator acts on a MetalLB in its own namespace, metallb-system"
            ])
        );
    }

    #[test]
    fn what_is_accepted_without_effect_is_said() {
        assert_eq!(
            review(
                HOME,
                &Operation::Create,
                metallb("metallb", &json!({})),
                Vec::new()
            ),
            Verdict::default()
        );
        let old = json!({ "image": "a", "bgpBackend": "frr-k8s", "frrk8sConfig": { "namespace": "frr" } });
        let verdict = review(HOME, &Operation::Create, metallb("metallb", &old), Vec::new());
        assert_eq!(
            verdict,
            warned([
                "spec.image has no effect: the operator knows the images that belong to it",
                "spec.frrk8sConfig has no effect: frr-k8s is not installed",
                "bgpBackend frr-k8s is accepted and not installed: in this version addresses are announced by layer 2 \
                 only, and BGP will be spoken by the speaker itself",
            ])
        );
    }

    #[test]
    fn beside_another_installation_it_may_come_first_and_is_told() {
        let create = |workloads| {
            review(
                HOME,
                &Operation::Create,
                metallb("metallb", &json!({})),
                workloads,
            )
        };
        let Verdict { denied, warnings } = create(other(false));
        assert_eq!(denied, None);
        assert!(
            warnings[0].contains("DaemonSet elsewhere/metallb-speaker"),
            "{warnings:?}"
        );
        assert_eq!(create(other(true)), Verdict::default());
    }
}
