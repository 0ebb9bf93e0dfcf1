//! First step: reads what a reconciliation starts from. Nothing is decided here.

use std::fmt::Debug;

use k8s_openapi::ByteString;
use k8s_openapi::Resource as Kind;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use metallb_api::names;
use metallb_api::v1beta1::MetalLB;
use serde::de::DeserializeOwned;

use super::build::memberlist_key;
use super::rivals::{self, Workload};
use crate::platform::Platform;

/// What is there.
#[derive(Debug)]
pub struct Dereferenced {
    /// The resource itself, as it is now: the watch that started this reconciliation may be behind, and a status
    /// computed from an old one would be written twice.
    pub metallb: MetalLB,
    /// The memberlist key, if there is one already
    pub memberlist_key: Option<ByteString>,
    /// What the cluster has besides Kubernetes
    pub platform: Platform,
    /// The workloads of this and any other MetalLB, in all namespaces
    pub workloads: Vec<Workload>,
}

/// Reading failed. Nothing has changed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not answer, refused, or the resource was written for another version of its CRD.
    #[error("failed to read MetalLB {name}")]
    MetalLB {
        /// The name of the resource
        name: String,
        /// What the API server said
        source: kube::Error,
    },
    /// The API server did not answer, or refused.
    #[error("failed to read Secret {}", names::object::MEMBERLIST_SECRET)]
    Memberlist(#[source] kube::Error),
    /// The API server did not answer, or refused.
    #[error("failed to find out what the cluster has besides Kubernetes")]
    Platform(#[source] kube::Error),
    /// The API server did not answer, or refused.
    #[error("failed to find out whether there is another MetalLB on the cluster")]
    Workloads(#[source] kube::Error),
}

/// Reads the MetalLB `name` and what it needs. `None`: it is gone, or on its way out.
pub async fn dereference(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Dereferenced>, Error> {
    let metallbs: Api<MetalLB> = Api::namespaced(client.clone(), namespace);
    let read = metallbs.get_opt(name).await;
    let Some(metallb) = read.map_err(|source| Error::MetalLB {
        name: name.to_owned(),
        source,
    })?
    else {
        return Ok(None);
    };
    // Its objects are being deleted before it: making them again would keep it from ever going.
    if metallb.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets
        .get_opt(names::object::MEMBERLIST_SECRET)
        .await
        .map_err(Error::Memberlist)?;
    let platform = Platform::discover(client).await.map_err(Error::Platform)?;
    let workloads = workloads(client).await.map_err(Error::Workloads)?;
    Ok(Some(Dereferenced {
        metallb,
        platform,
        workloads,
        memberlist_key: secret.and_then(memberlist_key),
    }))
}

/// Those of this and any other MetalLB, in all namespaces.
///
/// # Errors
/// The API server did not answer, or refused.
pub async fn workloads(client: &Client) -> kube::Result<Vec<Workload>> {
    let mut found = Vec::new();
    for labels in rivals::labels() {
        found.extend(labelled::<Deployment>(client, &labels).await?);
        found.extend(labelled::<DaemonSet>(client, &labels).await?);
    }
    Ok(found)
}

/// Everything of kind `K` with these labels. Metadata only: what runs in it does not matter.
async fn labelled<K>(client: &Client, labels: &str) -> kube::Result<Vec<Workload>>
where
    K: Kind + Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let found = api.list_metadata(&ListParams::default().labels(labels)).await?;
    let workload = |metadata| Workload {
        kind: <K as Kind>::KIND,
        metadata,
    };
    Ok(found
        .items
        .into_iter()
        .map(|object| workload(object.metadata))
        .collect())
}
