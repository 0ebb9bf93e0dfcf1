//! The ConfigMap with the numbers of the protocol by which speakers find out about one another. Where the MetalLB says nothing
//! about them there is none, and one that somebody else made is left alone.

use k8s_openapi::api::core::v1::ConfigMap;
use metallb_api::names;
use metallb_api::v1beta1::MemberlistConfig;
use serde_json::{Value, json};

use super::object::Origin;

/// The ConfigMap with the file.
pub(super) fn config_map(origin: &Origin<'_>, numbers: &MemberlistConfig) -> ConfigMap {
    ConfigMap {
        metadata: origin.metadata(names::object::MEMBERLIST_CONFIG, names::object::SPEAKER),
        data: Some([(names::object::MEMBERLIST_CONFIG_FILE.to_owned(), file(numbers))].into()),
        ..ConfigMap::default()
    }
}

/// The file, with the names that memberlist has for the numbers. What is not set keeps the default of the speaker.
fn file(numbers: &MemberlistConfig) -> String {
    let MemberlistConfig {
        probe_interval,
        probe_timeout,
        indirect_checks,
        suspicion_mult,
        suspicion_max_timeout_mult,
        gossip_interval,
        gossip_nodes,
        push_pull_interval,
    } = numbers;
    let mut file = json!({
        "ProbeInterval": probe_interval,
        "ProbeTimeout": probe_timeout,
        "IndirectChecks": indirect_checks,
        "SuspicionMult": suspicion_mult,
        "SuspicionMaxTimeoutMult": suspicion_max_timeout_mult,
        "GossipInterval": gossip_interval,
        "GossipNodes": gossip_nodes,
        "PushPullInterval": push_pull_interval,
    });
    if let Some(fields) = file.as_object_mut() {
        fields.retain(|_, value| *value != Value::Null);
    }
    file.to_string()
}
