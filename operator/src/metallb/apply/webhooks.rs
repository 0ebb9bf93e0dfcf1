//! When the API server asks the controller about MetalLB's resources, and what happens while it gets no answer.
//!
//! A registration that refuses everything while nobody answers is what breaks installations: the first pool comes seconds
//! after the operator, or the controller's node has just died. So there is none before a controller with a certificate
//! runs; it lets everything pass until the API server knows whom to trust, and whenever no controller is available. The
//! schemas hold all the time, and a contradiction that slips in is reported on the object while the last good
//! configuration stays in force.
//!
//! All of that depends on the controller alone, and so it goes on when the MetalLB asks for something impossible or
//! another object cannot be applied.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use metallb_api::names::{field_manager, object};
use serde_json::{Value, json};

use super::super::build;
use super::{Error, removal};

/// The key of the authority's certificate in the Secret. The controller has filled it when it is there.
const AUTHORITY: &str = "ca.crt";
/// The policy of a webhook that refuses what nobody has an answer about.
pub(in crate::metallb) const ENFORCED: &str = "Fail";
const KIND: &str = "ValidatingWebhookConfiguration";

/// What the API server does with a resource that nobody has an answer about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    /// Lets it pass.
    Ignore,
    /// Refuses it.
    Fail,
}

impl Unanswered {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Fail => ENFORCED,
        }
    }
}

/// Tells the API server what to ask the controller.
pub struct Registrar<'a> {
    /// The way to the API server
    pub client: &'a Client,
    /// Where the controller is
    pub namespace: &'a str,
}

impl Registrar<'_> {
    /// Registers webhooks and conversion if it is time, and brings what is registered in line with how things stand.
    pub(super) async fn register(
        &self,
        (webhooks, conversion): (ValidatingWebhookConfiguration, &CustomResourceConversion),
        secret: &Secret,
        controller: &Deployment,
    ) -> Result<Option<ValidatingWebhookConfiguration>, Error> {
        let registered = self.register_webhooks(webhooks, secret, controller).await?;
        if is_available(controller)
            && let Some(authority) = authority(secret)
        {
            self.register_conversion(conversion, authority).await?;
        }
        Ok(registered)
    }

    /// The same when no application of the objects got so far: they are taken as they are found.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn catch_up(&self) -> Result<(), Error> {
        let (webhooks, conversion) = build::registration(self.namespace);
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), self.namespace);
        let secret = secrets.get_opt(object::WEBHOOK_CERTIFICATE_SECRET);
        let secret = secret.await.map_err(refused)?.unwrap_or_default();
        // Listed, because the operator needs no permission to get one otherwise.
        let named = ListParams::default().fields(&format!("metadata.name={}", object::CONTROLLER));
        let controllers = deployments.list(&named).await.map_err(refused)?.items;
        let controller = controllers.into_iter().next().unwrap_or_default();
        self.register((webhooks, &conversion), &secret, &controller)
            .await?;
        Ok(())
    }

    /// Ends the registration when there is no MetalLB any more. What the operator did not make stays.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn unregister(&self) -> Result<(), Error> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let name = (object::WEBHOOK_CONFIGURATION, self.namespace);
        removal::withdraw(&api, KIND, name).await?;
        self.unregister_conversion().await
    }

    async fn register_webhooks(
        &self,
        mut wanted: ValidatingWebhookConfiguration,
        secret: &Secret,
        controller: &Deployment,
    ) -> Result<Option<ValidatingWebhookConfiguration>, Error> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let live = api
            .get_opt(object::WEBHOOK_CONFIGURATION)
            .await
            .map_err(refused)?;
        let Some(unanswered) = unanswered(&wanted, live.as_ref(), secret, controller) else {
            return Ok(None);
        };
        for webhook in wanted.webhooks.iter_mut().flatten() {
            webhook.failure_policy = Some(unanswered.as_str().to_owned());
        }
        wanted.metadata.owner_references = Some(vec![self.home().await.map_err(refused)?]);
        let params = PatchParams::apply(field_manager::OPERATOR).force();
        let name = object::WEBHOOK_CONFIGURATION;
        let applied = api
            .patch(name, &params, &Patch::Apply(&wanted))
            .await
            .map_err(refused)?;
        let changed = live.is_none_or(|live| live.metadata.generation != applied.metadata.generation);
        if changed {
            tracing::info!(unanswered = unanswered.as_str(), "webhooks registered");
        }
        match without_strangers(&wanted, &applied) {
            None => Ok(Some(applied)),
            Some(patch) => {
                let params = PatchParams {
                    field_manager: params.field_manager,
                    ..PatchParams::default()
                };
                let patched = api.patch(name, &params, &Patch::Strategic(patch)).await;
                patched.map(Some).map_err(refused)
            }
        }
    }

    /// The namespace as an owner: what is in no namespace cannot be owned by the MetalLB, and should at least not outlive
    /// the installation.
    pub(super) async fn home(&self) -> kube::Result<OwnerReference> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let namespace = api.get_metadata(self.namespace).await?;
        Ok(OwnerReference {
            api_version: Namespace::api_version(&()).into_owned(),
            kind: Namespace::kind(&()).into_owned(),
            name: self.namespace.to_owned(),
            uid: namespace.uid().unwrap_or_default(),
            ..OwnerReference::default()
        })
    }
}

fn refused(source: kube::Error) -> Error {
    Error::Apply {
        kind: KIND,
        name: object::WEBHOOK_CONFIGURATION.to_owned(),
        source,
    }
}

/// What the registration should say. `None`: it is not time for one.
fn unanswered(
    wanted: &ValidatingWebhookConfiguration,
    live: Option<&ValidatingWebhookConfiguration>,
    secret: &Secret,
    controller: &Deployment,
) -> Option<Unanswered> {
    let available = is_available(controller);
    match live {
        Some(live) if available && is_trusted(wanted, live) => Some(Unanswered::Fail),
        Some(_) => Some(Unanswered::Ignore),
        None if available && authority(secret).is_some() => Some(Unanswered::Ignore),
        None => None,
    }
}

/// Whether somebody answers.
fn is_available(controller: &Deployment) -> bool {
    let status = controller.status.as_ref();
    status.and_then(|status| status.available_replicas).unwrap_or(0) > 0
}

/// Who signed the certificate that the answers come with.
fn authority(secret: &Secret) -> Option<&ByteString> {
    secret.data.as_ref()?.get(AUTHORITY)
}

/// Whether the API server has been told of every webhook whom to trust.
fn is_trusted(wanted: &ValidatingWebhookConfiguration, live: &ValidatingWebhookConfiguration) -> bool {
    let told = |name: &str| {
        webhooks(live).any(|webhook| webhook.name == name && webhook.client_config.ca_bundle.is_some())
    };
    webhooks(wanted).all(|webhook| told(&webhook.name))
}

/// Removes webhooks that another MetalLB has registered under this name: nobody answers them any more.
fn without_strangers(
    wanted: &ValidatingWebhookConfiguration,
    applied: &ValidatingWebhookConfiguration,
) -> Option<Value> {
    let strange = |webhook: &&ValidatingWebhook| webhooks(wanted).all(|ours| ours.name != webhook.name);
    let removals: Vec<Value> = webhooks(applied)
        .filter(strange)
        .map(|webhook| json!({ "$patch": "delete", "name": webhook.name }))
        .collect();
    (!removals.is_empty()).then(|| json!({ "webhooks": removals }))
}

fn webhooks(configuration: &ValidatingWebhookConfiguration) -> impl Iterator<Item = &ValidatingWebhook> {
    configuration.webhooks.iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::Unanswered::{Fail, Ignore};
    use super::*;

    /// A registration of these webhooks, each with the certificate of an authority or without.
    fn registration(webhooks: &[(&str, bool)]) -> ValidatingWebhookConfiguration {
        let webhooks: Vec<Value> = webhooks
            .iter()
            .map(|(name, told)| {
                let client = if *told { json!({ "caBundle": "Q0E=" }) } else { json!({}) };
                json!({ "name": name, "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"] })
            })
            .collect();
        serde_json::from_value(json!({ "webhooks": webhooks })).unwrap()
    }

    fn secret(filled: bool) -> Secret {
        let data = if filled {
            json!({ "ca.crt": "Q0E=" })
        } else {
            json!({})
        };
        serde_json::from_value(json!({ "data": data })).unwrap()
    }

    fn controller(available: i32) -> Deployment {
        serde_json::from_value(json!({ "status": { "availableReplicas": available } })).unwrap()
    }

    #[test]
    fn nothing_is_refused_for_want_of_an_answer_unless_somebody_can_give_one() {
        let wanted = registration(&[("a", false), ("b", false)]);
        let untold = registration(&[("a", false), ("b", false)]);
        let half = registration(&[("a", true), ("b", false)]);
        let told = registration(&[("a", true), ("b", true)]);
        let other = registration(&[("a", true), ("of-another-metallb", true)]);
        for (what, live, filled, available, expected) in [
            ("an empty cluster", None, false, 0, None),
            ("a controller without a certificate", None, false, 1, None),
            ("a certificate without a controller", None, true, 0, None),
            ("the first registration", None, true, 1, Some(Ignore)),
            (
                "before the API server knows whom to trust",
                Some(&untold),
                true,
                1,
                Some(Ignore),
            ),
            ("while it is told", Some(&half), true, 1, Some(Ignore)),
            ("everything in place", Some(&told), true, 1, Some(Fail)),
            ("one of two controllers gone", Some(&told), true, 1, Some(Fail)),
            ("no controller", Some(&told), true, 0, Some(Ignore)),
            ("another MetalLB was here", Some(&other), true, 0, Some(Ignore)),
            (
                "another MetalLB was here, and our controller runs",
                Some(&other),
                true,
                1,
                Some(Ignore),
            ),
        ] {
            assert_eq!(
                unanswered(&wanted, live, &secret(filled), &controller(available)),
                expected,
                "{what}"
            );
        }
        assert_eq!(
            unanswered(&wanted, None, &Secret::default(), &Deployment::default()),
            None
        );
    }

    #[test]
    fn the_webhooks_of_another_metallb_under_our_name_go() {
        let wanted = registration(&[("a", false)]);
        assert_eq!(without_strangers(&wanted, &registration(&[("a", true)])), None);
        let patch = without_strangers(&wanted, &registration(&[("a", true), ("b", true)]));
        assert_eq!(
            patch,
            Some(json!({ "webhooks": [{ "$patch": "delete", "name": "b" }] }))
        );
    }
}
