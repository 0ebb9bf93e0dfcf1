//! Services of these tests, and waiting for what becomes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use metallb_api::names::condition::ADDRESS_ALLOCATED;
use metallb_e2e::fixtures::{self, ingress_addresses};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::metallb::condition;
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};

/// An address is given within milliseconds, and its lack is told within seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A Service of type LoadBalancer with these fields of its metadata and its specification besides.
pub(crate) fn service(name: &str, metadata: &Value, spec: &Value) -> Result<Service> {
    let mut whole = serde_json::to_value(fixtures::load_balancer(name)?)?;
    for (part, fields) in [("metadata", metadata), ("spec", spec)] {
        for (field, value) in fields.as_object().into_iter().flatten() {
            whole[part][field] = value.clone();
        }
    }
    Ok(serde_json::from_value(whole)?)
}

/// The metadata with these annotations.
pub(crate) fn annotated(annotations: &[(&str, &str)]) -> Value {
    let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
    json!({ "annotations": annotations })
}

/// Changes the specification of a Service, as users do.
pub(crate) async fn change(namespace: &TempNamespace, service: &str, spec: &Value) -> Result<()> {
    let patch = json!({ "spec": spec }).to_string();
    let words = ["patch", "service", service, "--type=merge", "--patch", &patch];
    namespace.kubectl(words).await.map(drop)
}

/// Waits until the Service has exactly these addresses, in this order.
pub(crate) async fn until_given(namespace: &TempNamespace, service: &str, expected: &[&str]) -> Result<()> {
    let api = namespace.api::<Service>();
    wait::until(format!("{service} to have {expected:?}"), LIMIT, async || {
        let found = ingress_addresses(&api.get(service).await?);
        Ok::<_, kube::Error>(if found == expected {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await
}

/// Waits until the status of the Service says that it has no address, or not all; the reason and the message.
pub(crate) async fn until_lacking(namespace: &TempNamespace, service: &str) -> Result<[String; 2]> {
    let what = format!("{service} to say why it has no address");
    wait::until(what, LIMIT, async || {
        let found = condition(namespace, service, ADDRESS_ALLOCATED).await?;
        Ok::<_, anyhow::Error>(match found {
            Some([status, reason, message]) if status == "False" => Look::Done([reason, message]),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await
}

/// Waits until it says no such thing any more.
pub(crate) async fn until_not_lacking(namespace: &TempNamespace, service: &str) -> Result<()> {
    wait::until(format!("{service} to lack nothing"), LIMIT, async || {
        let found = condition(namespace, service, ADDRESS_ALLOCATED).await?;
        Ok::<_, anyhow::Error>(match found {
            None => Look::Done(()),
            Some(said) => Look::NotYet(format!("{said:?}")),
        })
    })
    .await
}
