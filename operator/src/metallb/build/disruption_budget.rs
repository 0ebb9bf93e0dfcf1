//! The budget that keeps the drain of nodes from taking all controllers at once.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names;

use super::object::{Origin, selector};

/// One pod of the controller at a time. For a single one there is none: it would only keep its node from being drained.
pub(super) fn of_controller(origin: &Origin<'_>, replicas: i32) -> Option<PodDisruptionBudget> {
    (replicas > 1).then(|| PodDisruptionBudget {
        metadata: origin.metadata(names::object::CONTROLLER, names::object::CONTROLLER),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(names::object::CONTROLLER)),
            // A pod that does not work serves nobody, and must not hold up the drain that may cure it.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
