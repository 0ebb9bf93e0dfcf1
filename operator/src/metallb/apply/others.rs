//! Objects of kinds that are not part of Kubernetes, in the namespace of the MetalLB that owns them.

use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use metallb_api::names::field_manager;

use super::{Error, Target};
use crate::platform::Kind;

impl Target<'_> {
    /// Applies them all.
    pub(super) async fn apply_others(
        &self,
        wanted: Vec<(Kind, DynamicObject)>,
    ) -> Result<Vec<(Kind, DynamicObject)>, Error> {
        let params = PatchParams::apply(field_manager::OPERATOR).force();
        let mut applied = Vec::with_capacity(wanted.len());
        for (kind, object) in wanted {
            let name = object.name_any();
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), self.namespace, &kind.resource());
            let outcome = api.patch(&name, &params, &Patch::Apply(&object)).await;
            applied.push((
                kind,
                outcome.map_err(|source| Error::Apply {
                    kind: kind.name,
                    name,
                    source,
                })?,
            ));
        }
        Ok(applied)
    }
}
