//! The ConfigMap that names the interfaces on which speakers never announce: those of container networks and virtual
//! machines, where an answer would reach only the own node and could take an address away from a pod, or those that the
//! MetalLB names in their place.

use k8s_openapi::api::core::v1::ConfigMap;
use metallb_api::names;

use super::object::Origin;

/// The ConfigMap with the file.
pub(super) fn config_map(origin: &Origin<'_>, excluded: Option<&[String]>) -> ConfigMap {
    let file = match excluded {
        Some(expressions) => file(expressions),
        None => file(&names::interface::EXCLUDED),
    };
    ConfigMap {
        metadata: origin.metadata(names::object::EXCLUDE_L2, names::object::SPEAKER),
        data: Some([(names::object::EXCLUDE_L2_FILE.to_owned(), file)].into()),
        ..ConfigMap::default()
    }
}

/// YAML without an emitter: between quotation marks only these themselves mean anything, and doubled they do not.
fn file(expressions: &[impl AsRef<str>]) -> String {
    if expressions.is_empty() {
        return format!("{}: []\n", names::object::EXCLUDE_L2_FIELD);
    }
    let lines = expressions
        .iter()
        .map(|expression| format!("- '{}'\n", expression.as_ref().replace('\'', "''")));
    format!(
        "{}:\n{}",
        names::object::EXCLUDE_L2_FIELD,
        lines.collect::<String>()
    )
}
