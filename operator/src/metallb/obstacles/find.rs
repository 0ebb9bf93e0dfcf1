//! Reads what there is to know about pods that do not run. Nothing is decided here.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use metallb_api::names::label;

use super::Evidence;
use crate::metallb::explain;

/// How many pods are looked at that have not started: what keeps one from it usually keeps all of them.
const PENDING_MAX: u32 = 20;
/// The same of those that have. Which of them are not ready cannot be asked for, so of more pods some are not seen, and
/// the message does without the cause.
const STARTED_MAX: u32 = 100;

/// What is known of the pods of `component`, which the workload `kind` of the same name makes. Where it cannot be read,
/// nothing is known: that must not keep anybody from hearing that pods are missing.
pub async fn find(client: &Client, namespace: &str, (kind, component): (&str, &str)) -> Evidence {
    read(client, namespace, (kind, component))
        .await
        .unwrap_or_else(|error| {
            tracing::warn!(
                component,
                error = explain(&error),
                "cannot see why pods do not run"
            );
            Evidence::default()
        })
}

async fn read(client: &Client, namespace: &str, (kind, component): (&str, &str)) -> kube::Result<Evidence> {
    let labels = format!(
        "{}={},{}={component}",
        label::APP,
        label::APP_METALLB,
        label::COMPONENT
    );
    let of = |phase: &str, limit| {
        let phase = format!("status.phase={phase}");
        ListParams::default().labels(&labels).fields(&phase).limit(limit)
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut pods = api.list(&of("Pending", PENDING_MAX)).await?.items;
    pods.extend(api.list(&of("Running", STARTED_MAX)).await?.items);
    let refusals = format!("involvedObject.kind={kind},involvedObject.name={component},reason=FailedCreate");
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let events = api.list(&ListParams::default().fields(&refusals)).await?.items;
    Ok(Evidence { pods, events })
}
