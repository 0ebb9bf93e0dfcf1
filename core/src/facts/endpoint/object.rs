//! An EndpointSlice as it comes from the API server, in a list or a watch. Owns which parts of it are decoded at all: not
//! its managed fields nor what its endpoints are, which are nine tenths of it.

use std::collections::BTreeMap;

use k8s_openapi::api::discovery::v1::{EndpointConditions, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};
use serde::Deserialize;

/// An EndpointSlice without what is never read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Wire")]
pub struct SliceObject {
    pub(super) metadata: ObjectMeta,
    pub(super) endpoints: Vec<SliceEndpoint>,
}

/// One endpoint of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SliceEndpoint {
    pub(super) conditions: Option<EndpointConditions>,
    pub(super) node_name: Option<String>,
}

impl Resource for SliceObject {
    const API_VERSION: &'static str = EndpointSlice::API_VERSION;
    const GROUP: &'static str = EndpointSlice::GROUP;
    const KIND: &'static str = EndpointSlice::KIND;
    const VERSION: &'static str = EndpointSlice::VERSION;
    const URL_PATH_SEGMENT: &'static str = EndpointSlice::URL_PATH_SEGMENT;
    type Scope = <EndpointSlice as Resource>::Scope;
}

impl Metadata for SliceObject {
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
    endpoints: Option<Vec<SliceEndpoint>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    namespace: Option<String>,
    name: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

impl From<Wire> for SliceObject {
    fn from(wire: Wire) -> Self {
        let WireMeta {
            namespace,
            name,
            resource_version,
            labels,
        } = wire.metadata;
        Self {
            metadata: ObjectMeta {
                namespace,
                name,
                resource_version,
                labels,
                ..ObjectMeta::default()
            },
            endpoints: wire.endpoints.unwrap_or_default(),
        }
    }
}
