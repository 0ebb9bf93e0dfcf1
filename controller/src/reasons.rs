//! Why Services have no address, written to a condition of their status. Owns the form of the condition and the pace of
//! these writes; the reasons are the allocator's.
//!
//! They are for people, and there may be thousands when a pool is full: they wait until they have lasted for a moment,
//! come one after the other, and never stand before a write of an address.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Error};
use metallb_api::NamespacedName;
use metallb_api::names::{condition, field_manager};
use metallb_core::facts::{NoAddress, ServiceFacts};
use metallb_core::service::Lack;
use metallb_runtime::backoff::Backoff;
use metallb_runtime::lease::Leadership;
use metallb_runtime::log::chain;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::write::{REFUSED, is_refusal};

/// How long a reason has to last before it is written. A Service that waits for an address which another one is giving
/// up has a reason for some milliseconds.
const PACE: Duration = Duration::from_secs(1);
/// The wait for an answer to one write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the conditions of Services should say and do not.
pub(crate) type Outstanding = BTreeMap<NamespacedName, Reason>;

/// What becomes of the condition of one Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The version of the object that this was decided on. If it has changed since, nothing is written.
    resource_version: String,
    change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// It is new.
    Add(NoAddress),
    /// It has another reason than before, and keeps its time.
    Update(NoAddress),
    /// The Service has an address, or wants none.
    Remove,
}

impl Reason {
    /// From what the Service says to what it should say; `lack` is why it has no address. `None` if it says so already.
    pub(crate) fn new(facts: &ServiceFacts, lack: Option<&Lack>) -> Option<Self> {
        let change = match (&facts.no_address, lack.map(Lack::condition)) {
            (None, None) => return None,
            (_, None) if facts.deleting => return None, // it will be gone in a moment
            (Some(_), None) => Change::Remove,
            (None, Some(wanted)) => Change::Add(wanted),
            (Some(known), Some(wanted)) if *known == wanted => return None,
            (Some(_), Some(wanted)) => Change::Update(wanted),
        };
        Some(Self {
            resource_version: facts.resource_version.clone(),
            change,
        })
    }

    /// A strategic merge patch: it goes by the types of the conditions, and leaves those of others alone.
    fn patch(&self, now: Timestamp) -> Value {
        let entry = |wanted: &NoAddress| {
            json!({ "type": condition::ADDRESS_ALLOCATED, "status": "False", "reason": wanted.reason,
                "message": wanted.message })
        };
        let condition = match &self.change {
            Change::Add(wanted) => {
                let mut entry = entry(wanted);
                entry["lastTransitionTime"] = json!(Time(now));
                entry
            }
            Change::Update(wanted) => entry(wanted),
            Change::Remove => json!({ "$patch": "delete", "type": condition::ADDRESS_ALLOCATED }),
        };
        json!({ "metadata": { "resourceVersion": self.resource_version }, "status": { "conditions": [condition] } })
    }
}

/// Writes what is outstanding, for ever, while this process leads.
///
/// # Errors
/// The task that decides about Services is gone.
pub(crate) async fn run(
    client: Client,
    mut outstanding: Receiver<Outstanding>,
    mut leadership: Leadership,
) -> anyhow::Result<()> {
    let mut backoff = Backoff::default();
    // Those that were not written, and when each is tried again; only Services that are outstanding.
    let mut waiting: BTreeMap<NamespacedName, Instant> = BTreeMap::new();
    loop {
        sleep(PACE).await;
        let latest = outstanding.borrow_and_update().clone();
        waiting.retain(|service, _| latest.contains_key(service));
        let mut postponed = false;
        for (service, reason) in latest {
            let now = Instant::now();
            postponed |= !leadership.authority().covers(now.into_std());
            if postponed || waiting.get(&service).is_some_and(|due| *due > now) {
                continue;
            }
            waiting.remove(&service);
            match patch_status(&client, &service, reason.patch(Timestamp::now())).await {
                Ok(()) => backoff.succeeded(),
                Err(Error::Api(status)) if is_refusal(status.code) => {
                    let (error, retry_s) = (&status.message, REFUSED.as_secs());
                    tracing::warn!(%service, error, retry_s, "reason for a missing address refused");
                    waiting.insert(service, now + REFUSED);
                }
                Err(error) => {
                    tracing::warn!(%service, error = chain(&error), "reason for a missing address not written");
                    sleep(backoff.failed()).await;
                    waiting.insert(service, now); // due in the next round
                }
            }
        }
        let next = waiting.values().min().copied();
        tokio::select! {
            changed = outstanding.changed() => changed.context("the task that decides about Services is gone")?,
            () = leadership.changed(), if postponed => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }
}

/// Writes conditions of a Service. One that has changed or gone meanwhile is left: the watch brings the next decision.
///
/// # Errors
/// The API server refuses it, or does not answer in time.
pub(crate) async fn patch_status(
    client: &Client,
    service: &NamespacedName,
    patch: Value,
) -> Result<(), Error> {
    let api: Api<Service> = Api::namespaced(client.clone(), service.namespace());
    let parameters = PatchParams {
        field_manager: Some(field_manager::CONTROLLER.into()),
        ..PatchParams::default()
    };
    let patch = Patch::Strategic(patch);
    match timeout(TIMEOUT, api.patch_status(service.name(), &parameters, &patch)).await {
        Ok(Err(Error::Api(status))) if status.is_conflict() || status.is_not_found() => Ok(()),
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Err(Error::Service("no answer in time".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(no_address: Option<&str>) -> ServiceFacts {
        ServiceFacts {
            resource_version: "7".into(),
            no_address: no_address.map(|message| NoAddress::new("AllocationFailed", message)),
            ..ServiceFacts::default()
        }
    }

    fn lack(sentence: &str) -> Lack {
        Lack::of_request("not enough clusterips", sentence.into())
    }

    fn conditions(facts: &ServiceFacts, lack: Option<&Lack>) -> Option<Value> {
        let patch = Reason::new(facts, lack)?.patch(Timestamp::UNIX_EPOCH);
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        Some(patch["status"]["conditions"].clone())
    }

    #[test]
    fn a_reason_is_added_changed_and_removed_beside_other_conditions() {
        let full = lack("pool p has no free IPv4 address");
        let said = |time: Option<&str>| {
            let mut said = json!({ "type": "metallb.io/AddressAllocated", "status": "False",
                "reason": "notenoughclusterips", "message": "pool p has no free IPv4 address" });
            if let Some(time) = time {
                said["lastTransitionTime"] = time.into();
            }
            json!([said])
        };
        assert_eq!(
            conditions(&facts(None), Some(&full)),
            Some(said(Some("1970-01-01T00:00:00Z")))
        );
        assert_eq!(
            conditions(&facts(Some("pool p is gone")), Some(&full)),
            Some(said(None))
        );
        let removed = json!([{ "$patch": "delete", "type": "metallb.io/AddressAllocated" }]);
        assert_eq!(conditions(&facts(Some("pool p is gone")), None), Some(removed));
    }

    #[test]
    fn nothing_is_written_without_need() {
        assert_eq!(Reason::new(&facts(None), None), None);
        let mut waits = facts(None);
        let full = lack("pool p has no free IPv4 address");
        waits.no_address = Some(full.condition());
        assert_eq!(Reason::new(&waits, Some(&full)), None);
        waits.deleting = true;
        assert_eq!(Reason::new(&waits, None), None);
    }
}
