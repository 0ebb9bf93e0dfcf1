//! What the speaker reads of a Node. Owns the meaning of node conditions and labels, and nothing about speakers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use metallb_api::names;

/// The part of a Node that decides whether it may announce. A heartbeat changes none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFacts {
    /// All labels: any of them may be named by a selector.
    pub labels: BTreeMap<String, String>,
    /// Condition `Ready` is `True` or not reported. `False` and `Unknown` are not ready.
    pub ready: bool,
    /// Condition `NetworkUnavailable` is `True`: the cloud provider or the CNI has not set up routes to this node.
    pub network_unavailable: bool,
}

impl NodeFacts {
    /// Whether the node carries the well-known label that keeps it out of external load balancing. Its presence
    /// counts, whatever its value, as for every Kubernetes load balancer.
    pub fn excluded(&self) -> bool {
        self.labels
            .contains_key(names::label::EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS)
    }
}

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        let conditions = node
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let status_of = |kind: &str| {
            conditions
                .iter()
                .find(|c| c.type_ == kind)
                .map(|c| c.status.as_str())
        };
        Self {
            ready: status_of("Ready").is_none_or(|status| status == "True"),
            network_unavailable: status_of(names::condition::NETWORK_UNAVAILABLE) == Some("True"),
            labels: node.metadata.labels.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(labels: &serde_json::Value, conditions: &[(&str, &str)]) -> NodeFacts {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(t, s)| json!({ "type": t, "status": s }))
            .collect();
        let node =
            json!({ "metadata": { "name": "n", "labels": labels }, "status": { "conditions": conditions } });
        NodeFacts::from(serde_json::from_value::<Node>(node).unwrap())
    }

    #[test]
    fn conditions_are_read_by_type_and_status() {
        // (conditions, ready, network unavailable)
        let table: [(&[_], bool, bool); 5] = [
            (&[], true, false),
            (&[("Ready", "True"), ("NetworkUnavailable", "False")], true, false),
            (&[("Ready", "False")], false, false),
            (
                &[("Ready", "Unknown"), ("NetworkUnavailable", "Unknown")],
                false,
                false,
            ),
            (&[("Ready", "True"), ("NetworkUnavailable", "True")], true, true),
        ];
        for (conditions, ready, network_unavailable) in table {
            let facts = facts(&json!({}), conditions);
            assert_eq!(
                (facts.ready, facts.network_unavailable),
                (ready, network_unavailable),
                "{conditions:?}"
            );
        }
    }

    #[test]
    fn the_exclude_label_counts_by_presence() {
        for value in ["", "true", "false"] {
            let labels = json!({ "node.kubernetes.io/exclude-from-external-load-balancers": value });
            assert!(facts(&labels, &[]).excluded(), "{value:?}");
        }
        assert!(!facts(&json!({ "kubernetes.io/hostname": "n" }), &[]).excluded());
    }
}
