//! The security context constraints of the speakers, where the cluster has such. They are in no namespace: the MetalLB cannot
//! own them, and they should at least not outlive the installation.

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use metallb_api::names::{field_manager, object};

use super::{Error, Target, removal};
use crate::platform::CONSTRAINTS;

const KIND: &str = CONSTRAINTS.name;

impl Target<'_> {
    /// Makes them so that the speakers can be admitted, or sets them right.
    pub(super) async fn constrain(
        &self,
        wanted: Option<DynamicObject>,
    ) -> Result<Option<DynamicObject>, Error> {
        let Some(mut wanted) = wanted else {
            return Ok(None);
        };
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
        applied.map(Some).map_err(refused)
    }
}

/// Removes them when there is no MetalLB in `namespace` any more. Others of that name, which its operator did not make,
/// stay.
///
/// # Errors
/// The API server did not answer, or refused.
pub async fn unconstrain(client: &Client, namespace: &str) -> Result<(), Error> {
    removal::withdraw(&all(client), KIND, (object::SPEAKER_SCC, namespace)).await
}

fn all(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &CONSTRAINTS.resource())
}
