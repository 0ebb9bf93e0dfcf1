//! How BGPPeer reads in its other version: by a question to the controller, instead of as it is stored.
//!
//! The API server asks only when somebody reads or writes another version than the stored one: whoever uses the current
//! one never depends on a controller. So nobody is asked before a controller with a certificate runs, and that stays as it
//! is while the controller is briefly away: what the old version shows must not change with it. The certificate of the
//! authority is told with the first registration and belongs to the controller from then on.

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use metallb_api::names::{field_manager, object};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::build;
use super::{Error, Registrar};

const KIND: &str = "CustomResourceDefinition";

/// The definition, without its schema, which is a hundred times as long as the rest.
#[derive(Debug, Clone, Resource, Serialize, Deserialize)]
#[resource(inherit = CustomResourceDefinition)]
struct Definition {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: DefinitionSpec,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct DefinitionSpec {
    conversion: Option<CustomResourceConversion>,
}

impl Registrar<'_> {
    /// Has BGPPeer converted as `wanted`, by somebody whose certificate is signed by `authority`.
    pub(super) async fn register_conversion(
        &self,
        wanted: &CustomResourceConversion,
        authority: &ByteString,
    ) -> Result<(), Error> {
        let Some(live) = self.conversion().await.map_err(refused)? else {
            return Ok(());
        };
        if is_same(&live, wanted) {
            return Ok(());
        }
        self.convert(&told(wanted, authority)).await.map_err(refused)?;
        tracing::info!(name = object::BGP_PEER_DEFINITION, "converted by the controller");
        Ok(())
    }

    /// Has BGPPeer read as it is stored when there is no MetalLB any more. Another conversion than ours stays.
    pub(super) async fn unregister_conversion(&self) -> Result<(), Error> {
        let failed = |source| Error::Prune { kind: KIND, source };
        let live = self.conversion().await.map_err(failed)?;
        let (_, ours) = build::registration(self.namespace);
        if !live.is_some_and(|live| is_same(&live, &ours)) {
            return Ok(());
        }
        let as_stored = json!({ "strategy": "None", "webhook": null });
        self.convert(&as_stored).await.map_err(failed)?;
        tracing::info!(
            name = object::BGP_PEER_DEFINITION,
            "converted by nobody, there is no MetalLB"
        );
        Ok(())
    }

    /// What the definition says; `None` if there is no definition.
    async fn conversion(&self) -> kube::Result<Option<CustomResourceConversion>> {
        let api: Api<Definition> = Api::all(self.client.clone());
        let live = api.get_opt(object::BGP_PEER_DEFINITION).await?;
        Ok(live.map(|live| live.spec.conversion.unwrap_or_default()))
    }

    /// A merge patch, and not server-side apply: the same field has the certificate, which is the controller's.
    async fn convert(&self, conversion: &Value) -> kube::Result<()> {
        let api: Api<Definition> = Api::all(self.client.clone());
        let params = PatchParams {
            field_manager: Some(field_manager::OPERATOR.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({ "spec": { "conversion": conversion } }));
        api.patch(object::BGP_PEER_DEFINITION, &params, &patch).await?;
        Ok(())
    }
}

fn refused(source: kube::Error) -> Error {
    Error::Apply {
        kind: KIND,
        name: object::BGP_PEER_DEFINITION.to_owned(),
        source,
    }
}

/// Whether `live` is as `wanted`, whoever is trusted.
fn is_same(live: &CustomResourceConversion, wanted: &CustomResourceConversion) -> bool {
    let mut live = live.clone();
    let webhook = live.webhook.as_mut();
    if let Some(client) = webhook.and_then(|webhook| webhook.client_config.as_mut()) {
        client.ca_bundle = None;
    }
    live == *wanted
}

/// `wanted` and whom to trust; what another conversion says beyond it goes.
fn told(wanted: &CustomResourceConversion, authority: &ByteString) -> Value {
    let mut told = json!(wanted);
    let client = &mut told["webhook"]["clientConfig"];
    client["caBundle"] = json!(authority);
    client["url"] = Value::Null;
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(value: Value) -> CustomResourceConversion {
        serde_json::from_value(value).unwrap()
    }

    fn by_webhook(namespace: &str, bundle: &Value, versions: &[&str]) -> CustomResourceConversion {
        conversion(json!({ "strategy": "Webhook", "webhook": {
            "conversionReviewVersions": versions,
            "clientConfig": {
                "caBundle": bundle,
                "service": {
                    "namespace": namespace, "name": "metallb-webhook-service", "path": "/convert", "port": 443,
                },
            },
        } }))
    }

    #[test]
    fn a_conversion_is_ours_whoever_is_trusted_and_that_of_another_metallb_is_not() {
        let (_, ours) = build::registration("metallb-system");
        let (trusted, untold) = (json!("Q0E="), Value::Null);
        for (what, live, same) in [
            ("none", conversion(json!({ "strategy": "None" })), false),
            ("ours", by_webhook("metallb-system", &trusted, &["v1"]), true),
            (
                "ours, while the controller has yet to say whom to trust",
                by_webhook("metallb-system", &untold, &["v1"]),
                true,
            ),
            (
                "upstream's, in our namespace",
                by_webhook("metallb-system", &trusted, &["v1beta1", "v1beta2"]),
                false,
            ),
            (
                "that of another installation",
                by_webhook("elsewhere", &trusted, &["v1"]),
                false,
            ),
        ] {
            assert_eq!(is_same(&live, &ours), same, "{what}");
        }
    }

    #[test]
    fn whom_to_trust_is_told_together_with_whom_to_ask() {
        let (_, ours) = build::registration("metallb-system");
        let said = told(&ours, &ByteString(b"CA".to_vec()));
        assert_eq!(said["strategy"], "Webhook");
        let client = &said["webhook"]["clientConfig"];
        assert_eq!(client["caBundle"], "Q0E=");
        assert_eq!(client["service"]["path"], "/convert");
        assert!(client["url"].is_null() && client.as_object().unwrap().contains_key("url"));
    }
}
