//! Deleting what the operator made: exactly the object that was found, and never somebody else's.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::{Resource, ResourceExt};
use metallb_api::names::label;
use serde::de::DeserializeOwned;

use super::Error;

/// Deletes the object that was found, and not another that took its name meanwhile. Whether it was still there.
pub(super) async fn delete<K>(api: &Api<K>, name: &str, found: &ObjectMeta) -> kube::Result<bool>
where
    K: Clone + DeserializeOwned + Debug,
{
    let preconditions = Preconditions {
        uid: found.uid.clone(),
        resource_version: None,
    };
    match api
        .delete(name, &DeleteParams::background().preconditions(preconditions))
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes an object in no namespace, which the MetalLB cannot own, when there is no MetalLB any more. One of that name
/// that the operator did not make stays, and a cluster without such a kind has no such object.
pub(super) async fn withdraw<K>(api: &Api<K>, kind: &'static str, name: &str) -> Result<(), Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let failed = |source| Error::Prune { kind, source };
    let Some(live) = api.get_metadata_opt(name).await.map_err(failed)? else {
        return Ok(());
    };
    let maker = live.labels().get(label::MANAGED_BY).map(String::as_str);
    if maker == Some(label::METALLB_OPERATOR) && delete(api, name, &live.metadata).await.map_err(failed)? {
        tracing::info!(kind, name, "deleted, there is no MetalLB");
    }
    Ok(())
}
