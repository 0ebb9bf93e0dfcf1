//! The objects this is about: the Secret, and the two that tell the API server whom to trust. Owns the form of their
//! patches; when they are written is decided elsewhere.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::held::Contents;

/// The Secret.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) resource_version: String,
    pub(super) contents: Contents,
}

/// Takes what matters out of the Secret.
pub(super) fn stored(secret: Secret) -> Stored {
    Stored {
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
        contents: Contents::read(secret.data.unwrap_or_default()),
    }
}

/// A new Secret, empty.
pub(super) fn secret(name: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    }
}

/// Puts other contents into a Secret, unless somebody else was faster. Labels and other keys stay as they are.
pub(super) fn secret_patch(resource_version: &str, contents: &Contents) -> Value {
    json!({ "metadata": { "resourceVersion": resource_version }, "data": contents.data() })
}

/// Which object tells the API server whom to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Teller {
    /// The ValidatingWebhookConfiguration.
    Webhooks,
    /// A CustomResourceDefinition, for its conversion.
    Conversion,
}

impl Teller {
    /// Tells `bundle` where something else is told, unless the object has changed since. It is a merge patch, in the
    /// strategic form where webhooks are told apart by name: whoever applies the rest of the object keeps what it owns.
    pub(super) fn patch(self, told: &Told, bundle: &[u8]) -> Value {
        let bundle = ByteString(bundle.to_vec());
        let client = json!({ "clientConfig": { "caBundle": bundle } });
        let mut patch = json!({ "metadata": { "resourceVersion": told.resource_version } });
        match self {
            Self::Webhooks => {
                let wrong = told.bundles.iter().filter(|(_, told)| *told != bundle.0);
                patch["webhooks"] = wrong
                    .map(|(name, _)| json!({ "name": name, "clientConfig": client["clientConfig"] }))
                    .collect();
            }
            Self::Conversion => patch["spec"] = json!({ "conversion": { "webhook": client } }),
        }
        patch
    }
}

/// What one of these objects tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) resource_version: String,
    /// By webhook; one without a name for the conversion.
    pub(super) bundles: Vec<(String, Vec<u8>)>,
}

/// What the webhooks tell.
pub(super) fn webhooks(configuration: ValidatingWebhookConfiguration) -> Told {
    let webhooks = configuration.webhooks.unwrap_or_default().into_iter();
    Told {
        resource_version: configuration.metadata.resource_version.unwrap_or_default(),
        bundles: webhooks
            .map(|webhook| {
                (
                    webhook.name,
                    webhook.client_config.ca_bundle.unwrap_or_default().0,
                )
            })
            .collect(),
    }
}

/// A CustomResourceDefinition, without its schema, which is a hundred times as long as the rest.
#[derive(Debug, Clone, Resource, Serialize, Deserialize)]
#[resource(inherit = CustomResourceDefinition)]
pub(super) struct Definition {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: DefinitionSpec,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct DefinitionSpec {
    conversion: Option<Conversion>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Conversion {
    webhook: Option<ConversionWebhook>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConversionWebhook {
    client_config: Option<ClientConfig>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    ca_bundle: Option<ByteString>,
}

/// What the definition tells; nothing if it converts without a webhook.
pub(super) fn conversion(definition: Definition) -> Told {
    let conversion = definition
        .spec
        .conversion
        .and_then(|conversion| conversion.webhook);
    let client = conversion.and_then(|webhook| webhook.client_config);
    Told {
        resource_version: definition.metadata.resource_version.unwrap_or_default(),
        bundles: client
            .map(|client| (String::new(), client.ca_bundle.unwrap_or_default().0))
            .into_iter()
            .collect(),
    }
}
