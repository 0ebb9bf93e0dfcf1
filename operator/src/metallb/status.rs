//! Fifth step: tells in the resource's conditions what became of it. What is told is computed from applied objects only,
//! and written only when it differs from what is there.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use metallb_api::names::{self, condition, event};
use metallb_api::v1beta1::{MetalLB, MetalLBStatus, SpeakerCounts};
use serde_json::json;

mod rollout;

use rollout::{Rollout, waits_for_deletion};

use super::apply::POLICY_ENFORCED;
use super::build::{Applied, ON_DELETE, Resources};
use super::validate::ForeignBgp;

/// The version of the operator, and of what it installs.
const VERSION: &str = env!("CARGO_PKG_VERSION");
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
    /// The state of the applied objects. `causes` tells of those in [`unfinished`] what keeps them from it, as far as known.
    pub fn of(applied: &Resources<Applied>, foreign_bgp: Option<ForeignBgp>, causes: &Causes) -> Self {
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
            dashboard: _,
            network_policy: _,
            monitoring: _,
            controller,
            speaker,
            state: _,
        } = applied;
        let cause = |component: &str| causes.get(component).map(String::as_str);
        let workloads = [
            rollout::of_controller(controller).because(cause(names::object::CONTROLLER)),
            rollout::of_speakers(speaker).because(cause(names::object::SPEAKER)),
        ];
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
            foreign_bgp.map(|backend| Remark::of(event::BGP_BACKEND, backend.told())),
        ];
        Self::Available {
            remarks: remarks.into_iter().flatten().collect(),
        }
    }

    /// Whether pods are missing that should come by themselves or once somebody has done something. What keeps them from it
    /// shows in the pods only, which nobody watches: there is one on every node.
    pub fn waits_for_pods(&self) -> bool {
        match self {
            Self::Available { .. } => false,
            Self::Progressing { .. } => true,
            Self::Degraded { reason, .. } => *reason == condition::ROLLOUT_FAILED,
        }
    }

    /// The whole status: conditions, `speakers` if they are known, and the version that is completely installed.
    fn status(&self, subject: &Subject, speakers: Option<SpeakerCounts>, now: &Time) -> MetalLBStatus {
        let previous = subject.status.clone();
        let conditions = previous.conditions.unwrap_or_default();
        let complete = matches!(self, Self::Available { .. });
        MetalLBStatus {
            conditions: Some(self.conditions(&conditions, subject.generation, now)),
            speakers: speakers.or(previous.speakers),
            version: if complete {
                Some(VERSION.to_owned())
            } else {
                previous.version
            },
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

/// Why the pods of a component are not all ready, by component.
pub type Causes = BTreeMap<&'static str, String>;

/// The workloads whose pods are not all as they should be: kind, and component, which is also the name.
pub fn unfinished(applied: &Resources<Applied>) -> Vec<(&'static str, &'static str)> {
    let controller = (
        rollout::of_controller(&applied.controller),
        "Deployment",
        names::object::CONTROLLER,
    );
    let speakers = (
        rollout::of_speakers(&applied.speaker),
        "DaemonSet",
        names::object::SPEAKER,
    );
    let unfinished = [controller, speakers]
        .into_iter()
        .filter(|(rollout, ..)| !matches!(rollout, Rollout::Done));
    unfinished.map(|(_, kind, component)| (kind, component)).collect()
}

/// How many speakers there are, and should be.
pub fn speakers(applied: &Resources<Applied>) -> SpeakerCounts {
    let status = applied.speaker.status.as_ref();
    SpeakerCounts {
        ready: status.map_or(0, |status| status.number_ready),
        wanted: status.map_or(0, |status| status.desired_number_scheduled),
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
    /// The status it had
    pub status: MetalLBStatus,
}

impl Subject {
    /// What is needed of `metallb` to tell its state.
    pub fn new(metallb: &MetalLB) -> Self {
        Self {
            reference: metallb.object_ref(&()),
            generation: metallb.metadata.generation,
            status: metallb.status.clone().unwrap_or_default(),
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
pub async fn update(
    client: &Client,
    subject: &Subject,
    (state, speakers): (&State, Option<SpeakerCounts>),
    now: &Time,
) -> Result<bool, Error> {
    let status = state.status(subject, speakers, now);
    if status == subject.status {
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
        "status": status,
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
