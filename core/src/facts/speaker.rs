//! What a speaker reads of the speakers' Pods: on which node, at which address, and whether it does its work there.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use metallb_api::names;

/// One speaker Pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpeakerFacts {
    /// What tells it from an earlier Pod of its name.
    pub uid: String,
    /// Where it runs; `None` until it is scheduled.
    pub node: Option<String>,
    /// Where the other speakers reach it, once it is known.
    pub address: Option<IpAddr>,
    /// Condition `Ready` is `True` and the Pod is not being deleted.
    pub ready: bool,
    /// It was started to take nodes all the same that are labelled for exclusion: of interest to who is no speaker.
    pub ignores_exclude_label: bool,
}

impl From<Pod> for SpeakerFacts {
    fn from(pod: Pod) -> Self {
        let uid = pod.metadata.uid.unwrap_or_default();
        let leaving = pod.metadata.deletion_timestamp.is_some();
        let status = pod.status.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let ready = conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        let spec = pod.spec.unwrap_or_default();
        let mut arguments = (spec.containers.iter()).flat_map(|container| container.args.iter().flatten());
        Self {
            uid,
            ignores_exclude_label: arguments.any(|argument| ignores_exclude_label(argument)),
            node: spec.node_name,
            address: status.pod_ip.and_then(|ip| ip.parse().ok()),
            ready: ready && !leaving,
        }
    }
}

/// As the flags of a Go program are written, with one dash or two.
fn ignores_exclude_label(argument: &str) -> bool {
    let flag = argument.trim_start_matches('-');
    flag.strip_prefix(names::flag::IGNORE_EXCLUDE_LABEL)
        .is_some_and(|rest| matches!(rest, "" | "=true"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_speaker_counts_as_ready_until_it_is_told_to_go() {
        for (status, deleted, ready) in [
            (Some("True"), false, true),
            (Some("True"), true, false),
            (Some("False"), false, false),
            (None, false, false),
        ] {
            let conditions: Vec<_> = status
                .iter()
                .map(|s| json!({ "type": "Ready", "status": s }))
                .collect();
            let mut pod = json!({
                "metadata": { "name": "speaker-x", "uid": "u-1" },
                "spec": { "containers": [], "nodeName": "node1" },
                "status": { "conditions": conditions, "podIP": "192.0.2.7" },
            });
            if deleted {
                pod["metadata"]["deletionTimestamp"] = json!("2024-05-01T10:00:00Z");
            }
            let facts = SpeakerFacts::from(serde_json::from_value::<Pod>(pod).unwrap());
            assert_eq!(
                facts,
                SpeakerFacts {
                    uid: "u-1".into(),
                    node: Some("node1".into()),
                    address: Some([192, 0, 2, 7].into()),
                    ready,
                    ignores_exclude_label: false,
                },
                "{status:?} {deleted}"
            );
        }
    }

    #[test]
    fn its_arguments_tell_whether_it_takes_labelled_nodes() {
        for (arguments, ignores) in [
            (json!(["--port=7472", "--ignore-exclude-lb"]), true),
            (json!(["-ignore-exclude-lb=true"]), true),
            (json!(["--ignore-exclude-lb=false"]), false),
            (json!(["--ignore-exclude-lb-not"]), false),
            (json!([]), false),
        ] {
            let containers = json!([{ "name": "reloader" }, { "name": "speaker", "args": arguments }]);
            let pod = json!({ "metadata": { "name": "speaker-x" }, "spec": { "containers": containers } });
            let facts = SpeakerFacts::from(serde_json::from_value::<Pod>(pod).unwrap());
            assert_eq!(facts.ignores_exclude_label, ignores, "{arguments}");
        }
    }
}
