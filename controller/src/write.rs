//! The controller's writes to Services. Owns the form of the patch and what its failure means.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams, Request};
use kube::{Client, Error, Resource};
use metallb_api::NamespacedName;
use metallb_api::names::{annotation, field_manager};
use metallb_core::facts::{ServiceFacts, ServiceObject};
use metallb_runtime::log::chain;
use serde_json::{Value, json};

/// The wait after a refusal. It lasts until somebody changes the Service, which is tried at once, or a policy: then a
/// minute is noticed, and a hundred refused Services cost the API server less than two requests a second.
pub(crate) const REFUSED: Duration = Duration::from_mins(1);

/// How long a write may take, for us and for the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Patience {
    /// As a rule. The API server needs milliseconds; only a leader whose lease lasts as long may start a write, so a
    /// longer limit would mean a longer lease, and a later takeover.
    Short,
    /// If an attempt failed before. An admission webhook that hangs makes the API server answer with an error, which
    /// names the webhook, after 10 s by default: that answer is worth waiting for.
    Long,
}

impl Patience {
    /// As a time.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Short => Duration::from_secs(1),
            Self::Long => Duration::from_secs(11),
        }
    }
}

/// What one Service's status and annotation should become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// Which Service.
    pub(crate) service: NamespacedName,
    /// The version of the object that this was decided on. If the object has changed since, nothing is written.
    pub(crate) resource_version: String,
    /// `status.loadBalancer.ingress`.
    pub(crate) ingress: Vec<IpAddr>,
    /// The pool to note; `None` removes the note.
    pub(crate) pool: Option<String>,
    /// Remove the note that an early version of MetalLB left under the old prefix.
    pub(crate) drop_deprecated_note: bool,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Written {
    /// Done; the object as it is now.
    Done(Box<ServiceFacts>),
    /// The object has changed since, or is gone: the watch tells.
    Outdated,
    /// The API server works, but does not let us write this one, for this reason. Tried again after [`REFUSED`].
    Refused(String),
    /// Not done, or done without our knowing. Tried again after a while.
    Failed {
        /// The API server said so. Otherwise it was not reached, or said nothing in time.
        answered: bool,
    },
}

/// Performs `write`. When `patience` is at its end, this ends, and the API server works on it no longer.
///
/// A merge patch and not server-side apply: an address that upstream's controller wrote with an update belongs to that
/// field manager for ever, and an apply that leaves it out would not remove it.
pub(crate) async fn perform(client: Client, write: Write, patience: Patience) -> (Write, Written) {
    let answer = tokio::time::timeout(patience.limit(), send(client, &write, patience)).await;
    let service = &write.service;
    let written = match answer {
        Ok(Ok(object)) => Written::Done(Box::new(ServiceFacts::from(object))),
        Ok(Err(Error::Api(status))) if status.is_conflict() || status.is_not_found() => Written::Outdated,
        Ok(Err(Error::Api(status))) if is_refusal(status.code) => {
            let error = &status.message;
            tracing::warn!(%service, error, retry_s = REFUSED.as_secs(), "address refused");
            Written::Refused(status.message.clone())
        }
        Ok(Err(error)) => {
            tracing::warn!(%service, error = chain(&error), "address not written, trying again");
            let answered = matches!(error, Error::Api(_));
            Written::Failed { answered }
        }
        Err(_) => {
            let limit_s = patience.limit().as_secs();
            tracing::warn!(%service, error = "no answer in time", limit_s, "address not written, trying again");
            Written::Failed { answered: false }
        }
    };
    (write, written)
}

async fn send(client: Client, write: &Write, patience: Patience) -> Result<ServiceObject, Error> {
    let parameters = PatchParams {
        field_manager: Some(field_manager::CONTROLLER.into()),
        ..PatchParams::default()
    };
    let url = Service::url_path(&(), Some(write.service.namespace()));
    let mut request = Request::new(url)
        .patch_subresource(
            "status",
            write.service.name(),
            &parameters,
            &Patch::Merge(patch(write)),
        )
        .map_err(Error::BuildRequest)?;
    let limited = format!("{}&timeout={}s", request.uri(), patience.limit().as_secs());
    *request.uri_mut() = limited
        .parse()
        .expect("a path with a query, and one more parameter of it");
    client.request(request).await
}

/// The answer is about this object or about our rights, not about the state of the API server: an invalid token and too
/// many requests pass by themselves.
pub(crate) fn is_refusal(code: u16) -> bool {
    (400..500).contains(&code) && !matches!(code, 401 | 408 | 429)
}

fn patch(write: &Write) -> Value {
    let ingress: Vec<Value> = write.ingress.iter().map(|ip| json!({ "ip": ip })).collect();
    let mut annotations = json!({ annotation::IP_ALLOCATED_FROM_POOL: write.pool });
    if write.drop_deprecated_note {
        annotations[annotation::DEPRECATED_IP_ALLOCATED_FROM_POOL] = Value::Null;
    }
    json!({
        "metadata": { "resourceVersion": write.resource_version, "annotations": annotations },
        // In a merge patch, null removes: an empty list would leave `ingress: []` behind.
        "status": { "loadBalancer": { "ingress": if ingress.is_empty() { Value::Null } else { ingress.into() } } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ingress: &[&str], pool: Option<&str>) -> Write {
        Write {
            service: NamespacedName::new("shop", "web"),
            resource_version: "7".into(),
            ingress: ingress.iter().map(|ip| ip.parse().unwrap()).collect(),
            pool: pool.map(Into::into),
            drop_deprecated_note: false,
        }
    }

    #[test]
    fn an_address_is_written_with_its_pool_and_the_version_it_was_decided_on() {
        let expected = json!({
            "metadata": {"resourceVersion": "7", "annotations": {"metallb.io/ip-allocated-from-pool": "gold"}},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]}},
        });
        assert_eq!(
            patch(&write(&["192.0.2.1", "2001:db8::1"], Some("gold"))),
            expected
        );
    }

    #[test]
    fn an_answer_about_the_object_is_a_refusal_and_one_about_the_server_is_not() {
        for (code, refusal) in [
            (400, true),
            (403, true),
            (422, true),
            (401, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            assert_eq!(is_refusal(code), refusal, "{code}");
        }
    }

    #[test]
    fn taking_an_address_back_removes_both() {
        let patch = patch(&write(&[], None));
        assert_eq!(patch["status"]["loadBalancer"]["ingress"], Value::Null);
        assert_eq!(
            patch["metadata"]["annotations"],
            json!({"metallb.io/ip-allocated-from-pool": null})
        );
    }

    #[test]
    fn the_note_under_the_old_prefix_is_removed_on_request() {
        let patch = patch(&Write {
            drop_deprecated_note: true,
            ..write(&[], None)
        });
        let annotations = patch["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(
            annotations["metallb.universe.tf/ip-allocated-from-pool"],
            Value::Null
        );
        assert_eq!(annotations.len(), 2);
    }
}
