//! Fifth step: tells in the resource's conditions what became of it. What is told is computed from applied objects only,
//! and written only when it differs from what is there.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentCondition};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use metallb_api::names::{self, condition, event};
use metallb_api::v1beta1::MetalLB;
use serde_json::json;

use super::apply::POLICY_ENFORCED;
use super::build::{Applied, ON_DELETE, Resources};
use super::validate::ForeignBgp;

/// The longest message. The API server refuses more than 32,768 characters; nobody reads more than this.
const MESSAGE_CHARACTERS_MAX: usize = 1024;

/// What became of a MetalLB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Everything runs as asked.
    Available {
        /// What the user should know all the same
        remarks: Vec<Remark>,
    },
    /// On the way.
    Progressing {
        /// Which object is not ready, and how far it is
        message: String,
    },
    /// Somebody has to do something.
    Degraded {
        /// One word for machines
        reason: &'static str,
        /// What is wrong
        message: String,
    },
}

/// Something about a MetalLB that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The reason of the Event that tells it; none for what passes by itself
    pub event: Option<&'static str>,
    /// What there is to know
    pub message: String,
}

impl Remark {
    fn of(event: &'static str, message: String) -> Self {
        Self {
            event: Some(event),
            message,
        }
    }
}

impl State {
    /// The state of the applied objects.
    pub fn of(applied: &Resources<Applied>, foreign_bgp: Option<ForeignBgp>) -> Self {
        let Resources {
            // They are there, which is all they can be.
            controller_account: _,
            speaker_account: _,
            memberlist: _,
            exclude_l2: _,
            memberlist_config: _,
            disruption_budget: _,
            constraints: _,
            webhook_service: _,
            webhook_secret: _,
            webhooks,
            conversion: _,
            controller_metrics: _,
            speaker_metrics: _,
            monitoring: _,
            controller,
            speaker,
            state: _,
        } = applied;
        let workloads = [controller_rollout(controller), speaker_rollout(speaker)];
        let failed = joined(workloads.iter().filter_map(|one| match one {
            Rollout::Failed(message) => Some(message),
            Rollout::Done | Rollout::Pending(_) => None,
        }));
        if !failed.is_empty() {
            return Self::Degraded {
                reason: condition::ROLLOUT_FAILED,
                message: failed,
            };
        }
        let pending = joined(workloads.iter().filter_map(|one| match one {
            Rollout::Pending(message) => Some(message),
            Rollout::Done | Rollout::Failed(_) => None,
        }));
        if !pending.is_empty() {
            return Self::Progressing { message: pending };
        }
        let remarks = [
            without_nodes(speaker),
            until_deleted(speaker),
            unenforced(webhooks.as_ref()),
            foreign_bgp.map(not_installed),
        ];
        Self::Available {
            remarks: remarks.into_iter().flatten().collect(),
        }
    }

    /// The four conditions, always in this order, seen at `generation` of the resource. A transition time is that of
    /// `previous` unless the status changes.
    pub fn conditions(&self, previous: &[Condition], generation: Option<i64>, now: &Time) -> Vec<Condition> {
        // Upgradeable follows Available: with all pods ready nothing of ours stands in the way of an upgrade.
        let remarked = match self {
            Self::Available { remarks } => joined(remarks.iter().map(|remark| &remark.message)),
            Self::Progressing { .. } | Self::Degraded { .. } => String::new(),
        };
        let set: &[(&str, &str, &str)] = match self {
            Self::Available { .. } => &[
                (condition::AVAILABLE, condition::AVAILABLE, &remarked),
                (condition::UPGRADEABLE, condition::UPGRADEABLE, ""),
            ],
            Self::Progressing { message } => &[(condition::PROGRESSING, condition::PROGRESSING, message)],
            Self::Degraded { reason, message } => &[(condition::DEGRADED, reason, message)],
        };
        [
            condition::AVAILABLE,
            condition::UPGRADEABLE,
            condition::PROGRESSING,
            condition::DEGRADED,
        ]
        .into_iter()
        .map(|type_| {
            let found = set.iter().find(|(name, ..)| *name == type_);
            let (reason, message) = found.map_or((type_, ""), |&(_, reason, message)| (reason, message));
            let status = if found.is_some() { "True" } else { "False" };
            let same = previous
                .iter()
                .find(|old| old.type_ == type_ && old.status == status);
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: message.chars().take(MESSAGE_CHARACTERS_MAX).collect(),
                observed_generation: generation,
                last_transition_time: same.map_or(now, |old| &old.last_transition_time).clone(),
            }
        })
        .collect()
    }
}

/// How far a workload is.
enum Rollout {
    Done,
    Pending(String),
    Failed(String),
}

fn controller_rollout(deployment: &Deployment) -> Rollout {
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

fn speaker_rollout(daemon_set: &DaemonSet) -> Rollout {
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

/// A DaemonSet without a node is complete, and nothing will be announced.
fn without_nodes(daemon_set: &DaemonSet) -> Option<Remark> {
    let wanted = daemon_set
        .status
        .as_ref()
        .map_or(0, |status| status.desired_number_scheduled);
    (wanted == 0).then(|| {
        let message = format!(
            "DaemonSet {}: no node may run it (node selector, taints), so no address is announced",
            names::object::SPEAKER
        );
        Remark::of(event::NO_NODES, message)
    })
}

/// Whether the MetalLB leaves the replacement of speakers to somebody else.
fn waits_for_deletion(daemon_set: &DaemonSet) -> bool {
    let strategy = daemon_set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref());
    strategy.and_then(|strategy| strategy.type_.as_deref()) == Some(ON_DELETE)
}

/// What is asked for so is no fault.
fn until_deleted(daemon_set: &DaemonSet) -> Option<Remark> {
    let status = daemon_set.status.as_ref()?;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let old = status.desired_number_scheduled - updated;
    (old > 0 && waits_for_deletion(daemon_set)).then(|| Remark {
        event: None,
        message: format!(
            "DaemonSet {}: {old} pods are as they were before the last change, until they are deleted (updateStrategy)",
            names::object::SPEAKER
        ),
    })
}

/// Everything is served all the same, but what contradicts itself is no longer refused when it is written.
fn unenforced(webhooks: Option<&ValidatingWebhookConfiguration>) -> Option<Remark> {
    let enforced = |webhooks: &ValidatingWebhookConfiguration| {
        let mut all = webhooks.webhooks.iter().flatten();
        all.all(|webhook| webhook.failure_policy.as_deref() == Some(POLICY_ENFORCED))
    };
    (!webhooks.is_some_and(enforced)).then(|| Remark {
        event: None,
        message: "the webhooks are not enforced: the controller has not yet made their certificate, or told the API \
                  server of it; its log says why"
            .to_owned(),
    })
}

fn not_installed(backend: ForeignBgp) -> Remark {
    let message = format!(
        "bgpBackend {} is accepted and not installed: in this version addresses are announced by layer 2 only, \
         and BGP will be spoken by the speaker itself",
        backend.as_str()
    );
    Remark::of(event::BGP_BACKEND, message)
}

fn joined<'a>(messages: impl Iterator<Item = &'a String>) -> String {
    messages.map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// The resource that a state is told of, as it was when the reconciliation started.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name, for Events too
    pub reference: ObjectReference,
    /// The generation that was reconciled
    pub generation: Option<i64>,
    /// The conditions it had
    pub conditions: Vec<Condition>,
}

impl Subject {
    /// What is needed of `metallb` to tell its state.
    pub fn new(metallb: &MetalLB) -> Self {
        let conditions = metallb
            .status
            .as_ref()
            .and_then(|status| status.conditions.clone());
        Self {
            reference: metallb.object_ref(&()),
            generation: metallb.metadata.generation,
            conditions: conditions.unwrap_or_default(),
        }
    }
}

/// Writing the status failed. It is tried again.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the status of MetalLB {name}")]
pub struct Error {
    name: String,
    source: kube::Error,
}

/// Writes `state` if it is news. Returns whether it was.
pub async fn update(client: &Client, subject: &Subject, state: &State, now: &Time) -> Result<bool, Error> {
    let conditions = state.conditions(&subject.conditions, subject.generation, now);
    if conditions == subject.conditions {
        return Ok(false);
    }
    let ObjectReference {
        api_version,
        kind,
        name,
        namespace,
        ..
    } = &subject.reference;
    let name = name.as_deref().unwrap_or_default();
    let api: Api<MetalLB> = Api::namespaced(client.clone(), namespace.as_deref().unwrap_or_default());
    let patch = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name },
        "status": { "conditions": conditions },
    });
    let params = PatchParams::apply(names::field_manager::OPERATOR).force();
    match api.patch_status(name, &params, &Patch::Apply(patch)).await {
        Ok(_) => Ok(true),
        // Deleted meanwhile: there is nobody left to tell.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(source) => Err(Error {
            name: name.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;
