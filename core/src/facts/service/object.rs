//! A Service as it comes from the API server: in a list, a watch or an answer. Owns which parts of it are decoded at all.
//!
//! Its managed fields are longer than the rest, and most of the time and memory that a Service takes would be theirs. Of
//! them only who wrote the load balancer's status is read, without keeping the others even for a moment.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServiceSpec, ServiceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::{Metadata, Resource};
use metallb_api::names::field_manager;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A Service without what is never read. Its metadata have no managed fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Wire")]
pub struct ServiceObject {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: ServiceSpec,
    pub(super) status: ServiceStatus,
    /// The last one besides the controller that set the load balancer's status.
    pub(super) foreign_writer: Option<String>,
}

impl Resource for ServiceObject {
    const API_VERSION: &'static str = Service::API_VERSION;
    const GROUP: &'static str = Service::GROUP;
    const KIND: &'static str = Service::KIND;
    const VERSION: &'static str = Service::VERSION;
    const URL_PATH_SEGMENT: &'static str = Service::URL_PATH_SEGMENT;
    type Scope = <Service as Resource>::Scope;
}

impl Metadata for ServiceObject {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    metadata: WireMeta,
    spec: Option<ServiceSpec>,
    status: Option<ServiceStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    managed_fields: Option<Vec<WireManager>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireManager {
    manager: Option<String>,
    time: Option<Time>,
    fields_v1: Option<WireFields>,
}

#[derive(Deserialize)]
struct WireFields {
    #[serde(rename = "f:status")]
    status: Option<WireStatusFields>,
}

#[derive(Deserialize)]
struct WireStatusFields {
    #[serde(rename = "f:loadBalancer")]
    load_balancer: Option<IgnoredAny>,
}

impl From<Wire> for ServiceObject {
    fn from(wire: Wire) -> Self {
        let meta = wire.metadata;
        Self {
            foreign_writer: foreign_writer(meta.managed_fields.unwrap_or_default()),
            metadata: ObjectMeta {
                namespace: meta.namespace,
                name: meta.name,
                uid: meta.uid,
                resource_version: meta.resource_version,
                creation_timestamp: meta.creation_timestamp,
                deletion_timestamp: meta.deletion_timestamp,
                labels: meta.labels,
                annotations: meta.annotations,
                ..ObjectMeta::default()
            },
            spec: wire.spec.unwrap_or_default(),
            status: wire.status.unwrap_or_default(),
        }
    }
}

fn foreign_writer(managers: Vec<WireManager>) -> Option<String> {
    let wrote = |entry: &WireManager| {
        let status = entry.fields_v1.as_ref().and_then(|fields| fields.status.as_ref());
        entry.manager.as_deref() != Some(field_manager::CONTROLLER)
            && status.is_some_and(|status| status.load_balancer.is_some())
    };
    let last = managers
        .into_iter()
        .filter(wrote)
        .max_by(|one, other| one.time.cmp(&other.time))?;
    last.manager
}
