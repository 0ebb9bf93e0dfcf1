//! The ConfigurationState of a process: whether it understands the configuration, for whoever looks with kubectl.
//!
//! Owns the form of the object and the writing of it. The verdict is the process's; this one only says it, and says it
//! again when somebody deletes or edits the object. Nothing waits for it, and a write that fails is tried again.

use anyhow::{Context, bail};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Client, Resource};
use metallb_api::names::{condition, field_manager, label, object};
use metallb_api::v1beta1::{ConfigurationResult, ConfigurationState, ConfigurationStateStatus};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::log::chain;

/// The longest message of a condition that the API server takes, less the words before it.
const LONGEST: usize = 32_000;

/// Whether the configuration is in force, or why the last good one is instead; `None` while there is no verdict, and in
/// a process that leaves the verdict to another one.
pub type Verdict = Option<Result<(), String>>;

/// Whose state it is.
#[derive(Debug, Clone)]
pub struct Author {
    /// The namespace of the process and of its configuration.
    pub namespace: String,
    /// The process's pod, which the object is deleted with; empty outside a cluster.
    pub pod: String,
    /// Which process.
    pub component: Component,
}

/// The processes that have a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// The controller.
    Controller,
    /// The speaker of this node.
    Speaker(String),
}

impl Author {
    /// The controller in this pod.
    pub fn controller(namespace: &str, pod: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            component: Component::Controller,
        }
    }

    fn name(&self) -> String {
        match &self.component {
            Component::Controller => object::CONTROLLER.to_owned(),
            Component::Speaker(node) => format!("{}{node}", object::SPEAKER_STATE_PREFIX),
        }
    }

    fn labels(&self) -> Value {
        match &self.component {
            Component::Controller => json!({ label::COMPONENT_TYPE: label::CONTROLLER }),
            Component::Speaker(node) => {
                json!({ label::COMPONENT_TYPE: label::SPEAKER, label::NODE_NAME: node })
            }
        }
    }

    fn condition(&self) -> &'static str {
        match self.component {
            Component::Controller => condition::POOL_RECONCILER_VALID,
            Component::Speaker(_) => condition::CONFIG_RECONCILER_VALID,
        }
    }

    fn field_manager(&self) -> &'static str {
        match self.component {
            Component::Controller => field_manager::POOL_RECONCILER,
            Component::Speaker(_) => field_manager::CONFIG_RECONCILER,
        }
    }

    /// The object without its status. `owner` is the pod, if it is known.
    fn object(&self, owner: Option<&OwnerReference>) -> Value {
        json!({
            "apiVersion": ConfigurationState::api_version(&()),
            "kind": ConfigurationState::kind(&()),
            "metadata": {
                "name": self.name(),
                "namespace": self.namespace,
                "labels": self.labels(),
                "ownerReferences": owner.into_iter().collect::<Vec<_>>(),
            },
        })
    }

    /// The status that `verdict` makes of the one that is there.
    fn status(
        &self,
        verdict: &Result<(), String>,
        present: Option<&ConfigurationStateStatus>,
        now: Timestamp,
    ) -> ConfigurationStateStatus {
        let message = verdict.as_ref().err().map(|reason| {
            let end = reason.floor_char_boundary(LONGEST);
            format!("configuration error: {}", &reason[..end])
        });
        let status = if message.is_some() { "False" } else { "True" };
        let type_ = self.condition();
        let conditions = present.and_then(|present| present.conditions.as_ref());
        let known = conditions
            .into_iter()
            .flatten()
            .find(|known| known.type_ == type_);
        let since = known
            .filter(|known| known.status == status)
            .map(|known| known.last_transition_time.clone());
        let reason = if message.is_some() {
            condition::CONFIGURATION_ERROR
        } else {
            condition::RECONCILED
        };
        let result = if message.is_some() {
            ConfigurationResult::Invalid
        } else {
            ConfigurationResult::Valid
        };
        ConfigurationStateStatus {
            result: Some(result),
            error_summary: message.clone(),
            conditions: Some(vec![Condition {
                last_transition_time: since.unwrap_or(Time(now)),
                message: message.unwrap_or_default(),
                observed_generation: None,
                reason: reason.to_owned(),
                status: status.to_owned(),
                type_: type_.to_owned(),
            }]),
        }
    }
}

/// Says what the latest of the `verdicts` is, for ever.
///
/// # Errors
/// The sender of the verdicts is gone.
pub async fn run(client: Client, author: Author, mut verdicts: Receiver<Verdict>) -> anyhow::Result<()> {
    let api: Api<ConfigurationState> = Api::namespaced(client.clone(), &author.namespace);
    let objects = watch_object(api.clone(), &author.name()).default_backoff();
    pin_mut!(objects);
    let mut writer = Writer {
        client,
        api,
        author,
        owner: None,
        present: None,
    };
    let (mut backoff, mut again) = (Backoff::default(), None);
    loop {
        tokio::select! {
            object = objects.next() => match object {
                Some(Ok(object)) => writer.present = object,
                // What it says may still be right; it is looked at when the watch is back.
                Some(Err(error)) => tracing::debug!(error = chain(&error), "own ConfigurationState not watched"),
                None => bail!("the watch of the own ConfigurationState ended"),
            },
            changed = verdicts.changed() => changed.context("the task that reads the configuration is gone")?,
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
        }
        let verdict = verdicts.borrow_and_update().clone();
        again = None;
        if let Some(verdict) = verdict {
            match writer.say(&verdict).await {
                Ok(()) => backoff.succeeded(),
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "ConfigurationState not written, trying again"
                    );
                    again = Some(Instant::now() + backoff.failed());
                }
            }
        }
    }
}

struct Writer {
    client: Client,
    api: Api<ConfigurationState>,
    author: Author,
    /// The pod, once it was found.
    owner: Option<OwnerReference>,
    /// The object as it was last seen.
    present: Option<ConfigurationState>,
}

impl Writer {
    async fn say(&mut self, verdict: &Result<(), String>) -> Result<(), kube::Error> {
        let name = self.author.name();
        let parameters = PatchParams::apply(self.author.field_manager()).force();
        if self.owner.is_none() {
            self.owner = self.find_owner().await;
        }
        let object = self.author.object(self.owner.as_ref());
        if !self
            .present
            .as_ref()
            .is_some_and(|present| is_covered(present, &object))
        {
            self.present = Some(self.api.patch(&name, &parameters, &Patch::Apply(&object)).await?);
        }
        let present = self.present.as_ref().and_then(|present| present.status.as_ref());
        let wanted = self.author.status(verdict, present, Timestamp::now());
        if present == Some(&wanted) {
            return Ok(());
        }
        let patch = json!({
            "apiVersion": ConfigurationState::api_version(&()),
            "kind": ConfigurationState::kind(&()),
            "metadata": { "name": name },
            "status": wanted,
        });
        self.present = Some(
            self.api
                .patch_status(&name, &parameters, &Patch::Apply(&patch))
                .await?,
        );
        Ok(())
    }

    /// The pod as owner. Without it the object stays behind when the pod goes, and says what it said last.
    async fn find_owner(&self) -> Option<OwnerReference> {
        if self.author.pod.is_empty() {
            return None;
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.author.namespace);
        match pods.get_metadata(&self.author.pod).await {
            Ok(pod) => Some(OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: self.author.pod.clone(),
                uid: pod.metadata.uid?,
                ..OwnerReference::default()
            }),
            Err(error) => {
                tracing::debug!(error = chain(&error), "own pod not found");
                None
            }
        }
    }
}

/// Whether all of `wanted`'s labels and owners are there.
fn is_covered(present: &ConfigurationState, wanted: &Value) -> bool {
    let labels = wanted["metadata"]["labels"].as_object().into_iter().flatten();
    let known = present.metadata.labels.as_ref();
    let mut owners = wanted["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten();
    let known_owners = present.metadata.owner_references.as_deref().unwrap_or_default();
    labels
        .into_iter()
        .all(|(key, value)| known.and_then(|known| known.get(key)).map(String::as_str) == value.as_str())
        && owners.all(|owner| {
            known_owners
                .iter()
                .any(|known| owner["uid"] == known.uid.as_str())
        })
}

#[cfg(test)]
mod tests;
