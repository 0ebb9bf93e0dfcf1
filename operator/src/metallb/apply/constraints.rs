//! The security context constraints of the speakers, where the cluster has such. They are in no namespace: the MetalLB cannot
//! own them, and they should at least not outlive the installation.

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Client, ResourceExt};
use metallb_api::names::{field_manager, label, object};

use super::{Error, Target};
use crate::platform::CONSTRAINTS;

const KIND: &str = CONSTRAINTS.name;

impl Target<'_> {
    /// Makes them so that the speakers can be admitted, or sets them right.
    pub(super) async fn constrain(&self, mut wanted: DynamicObject) -> Result<DynamicObject, Error> {
        let refused = |source| Error::Apply {
            kind: KIND,
            name: object::SPEAKER_SCC.to_owned(),
            source,
        };
        wanted.metadata.owner_references = Some(vec![self.registrar().home().await.map_err(refused)?]);
        let params = PatchParams::apply(field_manager::OPERATOR).force();
        let applied = all(self.client)
            .patch(object::SPEAKER_SCC, &params, &Patch::Apply(&wanted))
            .await;
        applied.map_err(refused)
    }
}

/// Removes them when there is no MetalLB any more. Others of that name, which the operator did not make, stay.
///
/// # Errors
/// The API server did not answer, or refused.
pub async fn unconstrain(client: &Client) -> Result<(), Error> {
    let failed = |source| Error::Prune { kind: KIND, source };
    let (api, name) = (all(client), object::SPEAKER_SCC);
    // A cluster that has no such kind has no such object.
    let Some(live) = api.get_metadata_opt(name).await.map_err(failed)? else {
        return Ok(());
    };
    if live.labels().get(label::MANAGED_BY).map(String::as_str) != Some(label::METALLB_OPERATOR) {
        return Ok(());
    }
    let preconditions = Preconditions {
        uid: live.uid(),
        resource_version: None,
    };
    match api
        .delete(name, &DeleteParams::background().preconditions(preconditions))
        .await
    {
        Ok(_) => tracing::info!(kind = KIND, name, "deleted, there is no MetalLB"),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(())
}

fn all(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &CONSTRAINTS.resource())
}
