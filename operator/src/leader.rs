//! Which of several operators acts, as of an old and a new one, or of two that somebody has scaled up.
//!
//! ```text
//!   Lease ──► whose? ─┬─ nobody's ───────► make it, owned by the own pod ──► lead
//!                     ├─ the own pod's ──► lead: an earlier process of this pod has made it
//!                     ├─ a pod's that is there ──► wait, and look again
//!                     └─ a pod's that is gone or has ended ──► delete it
//! ```
//!
//! The Lease belongs to a pod and not to a time: it is never renewed, so that an operator which has nothing to do writes
//! nothing, and one that was killed goes on as soon as it is started again. Of two that make it the API server refuses one.
//! A process whose pod was deleted by force ends as soon as it sees that the Lease is another's, or that its own pod is gone:
//! until then there may be two, which apply the same objects.
//!
//! Owns the Lease. Never decides what the leader does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::bail;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use metallb_api::names::object;
use metallb_runtime::backoff::Backoff;

use crate::metallb::explain;

/// How often the others look whether the leader is gone, and the leader, with one read of the Lease, whether it still is one.
/// A read of one object costs the API server about a millisecond; after a node was lost Kubernetes itself takes minutes to
/// give up its pods.
const LOOK: Duration = Duration::from_secs(2);

/// One of the operators that may act.
#[derive(Clone)]
pub struct Candidate {
    leases: Api<Lease>,
    pods: Api<Pod>,
    name: String,
    /// The own pod, once it was seen: a process never gets another one.
    seen: Arc<OnceLock<Identity>>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    name: String,
    uid: String,
}

/// What follows from the Lease and the pod that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Make,
    Lead,
    Wait,
    /// It is the Lease with this uid.
    Delete(String),
}

impl Candidate {
    /// The candidate that runs in the pod `name`.
    pub fn new(client: &Client, namespace: &str, name: &str) -> Self {
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            seen: Arc::default(),
        }
    }

    /// Waits until this pod leads. Whatever the API server says, it is tried again.
    pub async fn win(&self) {
        let mut backoff = Backoff::default();
        let mut told = false;
        loop {
            let pause = match self.attempt().await {
                Ok(true) => {
                    tracing::info!(lease = object::OPERATOR_LEASE, "leads");
                    return;
                }
                Ok(false) => {
                    backoff.succeeded();
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!(lease = object::OPERATOR_LEASE, "another operator leads");
                    }
                    LOOK
                }
                Err(error) => {
                    tracing::warn!(
                        lease = object::OPERATOR_LEASE,
                        error = explain(&error),
                        "cannot tell who leads"
                    );
                    backoff.failed()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Completes when this pod does not lead any more: somebody has deleted the Lease, and another one was faster; or the pod.
    ///
    /// # Errors
    /// That is how it ends.
    pub async fn lose(&self) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.attempt().await {
                Ok(true) => {}
                Ok(false) => bail!(
                    "leads no more: somebody has deleted the Lease {}, or the pod {}",
                    object::OPERATOR_LEASE,
                    self.name
                ),
                // Nobody else can have made one either.
                Err(error) => tracing::debug!(error = explain(&error), "cannot tell who leads"),
            }
        }
    }

    /// Lets another one lead at once. Nothing of this process may be under way any more.
    pub async fn release(&self) {
        let released = async {
            let lease = self.leases.get_opt(object::OPERATOR_LEASE).await?;
            let me = self.identity().await?;
            match lease {
                Some(lease) if me.is_some() && holder(&lease) == me => self.delete(uid(&lease)).await,
                _ => Ok(()),
            }
        };
        if let Err(error) = released.await {
            // It goes with this pod.
            tracing::debug!(error = explain(&error), "the Lease is not released");
        }
    }

    /// One look, and what follows from it. Tells whether this pod leads.
    async fn attempt(&self) -> kube::Result<bool> {
        let lease = self.leases.get_opt(object::OPERATOR_LEASE).await?;
        let held = lease.as_ref().and_then(holder);
        if held.is_some() && held.as_ref() == self.seen.get() {
            return Ok(true);
        }
        let me = match (self.identity().await?, self.seen.get()) {
            (Some(me), None) => self.seen.get_or_init(|| me),
            (Some(me), Some(seen)) if me == *seen => seen,
            (None, None) => return Ok(true), // started by hand, outside of any pod: nobody else could tell when it ends
            (_, Some(_)) => return Ok(false), // deleted by force: what it made now would go with the pod
        };
        let other = held.filter(|holder| holder != me);
        let pod = match &other {
            Some(other) => self.pods.get_opt(&other.name).await?,
            None => None,
        };
        match step(lease.as_ref(), me, pod.as_ref()) {
            Step::Lead => Ok(true),
            Step::Wait => Ok(false),
            Step::Make => self.make(me).await,
            Step::Delete(uid) => {
                self.delete(uid).await?;
                self.make(me).await
            }
        }
    }

    async fn identity(&self) -> kube::Result<Option<Identity>> {
        Ok(self.pods.get_opt(&self.name).await?.map(|pod| Identity {
            uid: pod.metadata.uid.unwrap_or_default(),
            name: self.name.clone(),
        }))
    }

    /// Tells whether nobody else was faster.
    async fn make(&self, me: &Identity) -> kube::Result<bool> {
        match self.leases.create(&PostParams::default(), &lease(me)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes the Lease that was seen, and no later one.
    async fn delete(&self, uid: String) -> kube::Result<()> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.leases.delete(object::OPERATOR_LEASE, &params).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The Lease of `me`.
fn lease(me: &Identity) -> Lease {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: me.name.clone(),
        uid: me.uid.clone(),
        ..OwnerReference::default()
    };
    Lease {
        metadata: ObjectMeta {
            name: Some(object::OPERATOR_LEASE.to_owned()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(me.name.clone()),
            ..LeaseSpec::default()
        }),
    }
}

fn uid(lease: &Lease) -> String {
    lease.metadata.uid.clone().unwrap_or_default()
}

/// Whose it is.
fn holder(lease: &Lease) -> Option<Identity> {
    let owners = lease.metadata.owner_references.as_deref().unwrap_or_default();
    owners
        .iter()
        .find(|owner| owner.kind == "Pod")
        .map(|owner| Identity {
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        })
}

/// What to do about `lease`; `pod` is the pod that has the name of its holder, if that is another one.
fn step(lease: Option<&Lease>, me: &Identity, pod: Option<&Pod>) -> Step {
    let Some(lease) = lease else {
        return Step::Make;
    };
    match holder(lease) {
        Some(holder) if holder == *me => Step::Lead,
        Some(holder) if pod.is_some_and(|pod| may_run(pod, &holder)) => Step::Wait,
        _ => Step::Delete(uid(lease)),
    }
}

/// Whether a process of `holder` may run: a pod that was evicted stays as an object.
fn may_run(pod: &Pod, holder: &Identity) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.uid.as_deref() == Some(&holder.uid) && !matches!(phase, Some("Failed" | "Succeeded"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(name: &str, uid: &str) -> Identity {
        Identity {
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
    }

    fn pod(uid: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"uid": uid}, "status": {"phase": phase}})).unwrap()
    }

    #[test]
    fn a_lease_belongs_to_a_pod_for_as_long_as_that_may_run() {
        let me = identity("me", "1");
        let of = |holder: &Identity| {
            let mut lease = lease(holder);
            lease.metadata.uid = Some("lease".to_owned());
            lease
        };
        let theirs = of(&identity("other", "2"));
        let nobodys: Lease = serde_json::from_value(json!({"metadata": {"uid": "lease"}})).unwrap();
        let delete = || Step::Delete("lease".to_owned());
        let (mine, former) = (of(&me), of(&identity("me", "0")));
        let other = || Some(&theirs);
        for (lease, holder, expected) in [
            (None, None, Step::Make),
            (Some(&mine), None, Step::Lead),
            (other(), Some(("2", "Running")), Step::Wait),
            (other(), Some(("2", "Pending")), Step::Wait),
            (other(), Some(("2", "Failed")), delete()),
            (other(), Some(("2", "Succeeded")), delete()),
            // Another pod of that name.
            (other(), Some(("3", "Running")), delete()),
            (other(), None, delete()),
            (Some(&former), None, delete()),
            (Some(&nobodys), None, delete()),
        ] {
            let pod = holder.map(|(uid, phase)| pod(uid, phase));
            assert_eq!(step(lease, &me, pod.as_ref()), expected, "{lease:?} {holder:?}");
        }
    }
}
