//! The ConfigMap that names the interfaces on which speakers never announce: those of container networks and virtual
//! machines, where an answer would reach only the own node and could take an address away from a pod.

use k8s_openapi::api::core::v1::ConfigMap;
use metallb_api::names;

use super::object::Origin;

/// The ConfigMap with the file.
pub(super) fn config_map(origin: &Origin<'_>) -> ConfigMap {
    // None of them contains a quotation mark, so this is YAML without an emitter.
    let lines = names::interface::EXCLUDED.map(|expression| format!("- '{expression}'\n"));
    let file = format!("{}:\n{}", names::object::EXCLUDE_L2_FIELD, lines.concat());
    ConfigMap {
        metadata: origin.metadata(names::object::EXCLUDE_L2, names::object::SPEAKER),
        data: Some([(names::object::EXCLUDE_L2_FILE.to_owned(), file)].into()),
        ..ConfigMap::default()
    }
}
