//! How far the pods of a workload are, from the status of the workload alone.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentCondition};
use metallb_api::names::{self, condition};

use super::ON_DELETE;

/// How far a workload is.
pub(super) enum Rollout {
    /// All pods are as they should be.
    Done,
    /// It goes on.
    Pending(String),
    /// It does not go on by itself.
    Failed(String),
}

impl Rollout {
    /// With what is known of the cause: somebody has to remove it.
    pub(super) fn because(self, cause: Option<&str>) -> Self {
        match (self, cause) {
            (Self::Pending(text), Some(cause)) => Self::Failed(format!("{text}; {cause}")),
            // What a pod tells is nearer to the cause than what is told of all of them.
            (Self::Failed(text), Some(cause)) if !text.contains(cause) => {
                Self::Failed(format!("{cause}; {text}"))
            }
            (rollout, _) => rollout,
        }
    }
}

/// Of the controller.
pub(super) fn of_controller(deployment: &Deployment) -> Rollout {
    let what = |text: &str| format!("Deployment {}: {text}", names::object::CONTROLLER);
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation != deployment.metadata.generation {
        return Rollout::Pending(what("its change is not acted upon yet"));
    }
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let (ready, updated) = (
        status.ready_replicas.unwrap_or(0),
        status.updated_replicas.unwrap_or(0),
    );
    if ready == wanted && updated == wanted && status.replicas.unwrap_or(0) == wanted {
        return Rollout::Done;
    }
    match status
        .conditions
        .iter()
        .flatten()
        .find(|condition| gave_up(condition))
    {
        Some(condition) => Rollout::Failed(what(condition.message.as_deref().unwrap_or("its pods fail"))),
        None => Rollout::Pending(what(&pods(ready, updated, wanted))),
    }
}

/// The Deployment controller says that it cannot make the pods (quota, admission), or has waited long enough for them.
fn gave_up(condition: &DeploymentCondition) -> bool {
    let DeploymentCondition {
        type_,
        status,
        reason,
        ..
    } = condition;
    match (type_.as_str(), status.as_str()) {
        ("ReplicaFailure", "True") => true,
        // Deployments use the same word as we do.
        (condition::PROGRESSING, "False") => reason.as_deref() == Some("ProgressDeadlineExceeded"),
        _ => false,
    }
}

/// Of the speakers.
pub(super) fn of_speakers(daemon_set: &DaemonSet) -> Rollout {
    let what = |text: &str| format!("DaemonSet {}: {text}", names::object::SPEAKER);
    let status = daemon_set.status.clone().unwrap_or_default();
    if status.observed_generation != daemon_set.metadata.generation {
        return Rollout::Pending(what("its change is not acted upon yet"));
    }
    let wanted = status.desired_number_scheduled;
    let (ready, updated) = (status.number_ready, status.updated_number_scheduled.unwrap_or(0));
    let updated = if waits_for_deletion(daemon_set) {
        wanted
    } else {
        updated
    };
    if ready == wanted && updated == wanted && status.current_number_scheduled == wanted {
        Rollout::Done
    } else {
        Rollout::Pending(what(&pods(ready, updated, wanted)))
    }
}

fn pods(ready: i32, updated: i32, wanted: i32) -> String {
    if updated < wanted {
        format!("{updated} of {wanted} pods updated, {ready} ready")
    } else {
        format!("{ready} of {wanted} pods ready")
    }
}

/// Whether the MetalLB leaves the replacement of speakers to somebody else.
pub(super) fn waits_for_deletion(daemon_set: &DaemonSet) -> bool {
    let strategy = daemon_set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref());
    strategy.and_then(|strategy| strategy.type_.as_deref()) == Some(ON_DELETE)
}
