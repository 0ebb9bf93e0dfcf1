//! Fourth step: makes the cluster have what was built, by server-side apply, and removes what an earlier version of the
//! resource or of the operator made and nobody wants any more.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::marker::PhantomData;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::{NamespaceResourceScope, Resource as Kind};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use metallb_api::names;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::build::{self, Applied, Prepared, Resources};

mod constraints;
mod conversion;
mod others;
mod removal;
mod webhooks;
mod workload;

pub use constraints::unconstrain;
pub(super) use webhooks::ENFORCED as POLICY_ENFORCED;
pub use webhooks::Registrar;
use workload::Additions;

/// What is made for one MetalLB in its namespace.
trait Made:
    Kind<Scope = NamespaceResourceScope>
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
{
}

impl<K> Made for K where
    K: Kind<Scope = NamespaceResourceScope>
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
{
}

/// Writing failed. What was applied before stays; the whole step is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not answer, or refused the object.
    #[error("failed to apply {kind} {name}")]
    Apply {
        /// Kind of the object
        kind: &'static str,
        /// Name of the object
        name: String,
        /// What the API server said
        source: kube::Error,
    },
    /// The API server did not answer, or refused to list or delete.
    #[error("failed to remove every {kind} that is no longer wanted")]
    Prune {
        /// Kind of the objects
        kind: &'static str,
        /// What the API server said
        source: kube::Error,
    },
}

impl Error {
    /// Whether the API server will not have an object as it is, so that the next attempt most likely fails like this one.
    pub fn is_refusal(&self) -> bool {
        let (Self::Apply { source, .. } | Self::Prune { source, .. }) = self;
        matches!(source, kube::Error::Api(status) if workload::is_refusal(status))
    }
}

/// The place where one MetalLB's objects are.
pub struct Target<'a> {
    /// The way to the API server
    pub client: &'a Client,
    /// The operator's own namespace
    pub namespace: &'a str,
    /// Whose objects they are
    pub owner: &'a OwnerReference,
}

impl Target<'_> {
    /// Applies everything, then prunes.
    ///
    /// Guarantee: an object that is as it should be is not written, its `resourceVersion` stays.
    pub async fn apply(&self, prepared: Resources<Prepared>) -> Result<Resources<Applied>, Error> {
        let Resources {
            controller_account,
            speaker_account,
            memberlist,
            exclude_l2,
            memberlist_config,
            disruption_budget,
            constraints,
            mut controller,
            mut speaker,
            webhook_service,
            webhook_secret,
            webhooks,
            conversion,
            controller_metrics,
            speaker_metrics,
            dashboard,
            network_policy,
            monitoring,
            state: PhantomData,
        } = prepared;
        // What a pod needs comes before the pod.
        let controller_account = self.apply_one(&controller_account).await?;
        let speaker_account = self.apply_one(&speaker_account).await?;
        build::bind_to_account(&mut controller, &controller_account);
        build::bind_to_account(&mut speaker, &speaker_account);
        let webhook_secret = self.apply_one(&webhook_secret).await?;
        let webhook_service = self.apply_one(&webhook_service).await?;
        let controller_metrics = self.apply_one(&controller_metrics).await?;
        let speaker_metrics = self.apply_one(&speaker_metrics).await?;
        let dashboard = self.apply_one(&dashboard).await?;
        let network_policy = self.apply_optional(network_policy).await?;
        let disruption_budget = self.apply_optional(disruption_budget).await?;
        let constraints = self.constrain(constraints).await?;
        let memberlist = self.apply_one(&memberlist).await?;
        let exclude_l2 = self.apply_one(&exclude_l2).await?;
        let memberlist_config = self.apply_optional(memberlist_config).await?;
        let controller = self.apply_controller(&controller).await?;
        let speaker = self.apply_workload(&speaker).await?;
        // And who answers before who asks.
        let wanted = (webhooks, &conversion);
        let webhooks = self.register(wanted, &webhook_secret, &controller).await?;
        let monitoring = self.apply_others(monitoring).await?;
        let applied = Resources {
            controller_account,
            speaker_account,
            memberlist,
            exclude_l2,
            memberlist_config,
            disruption_budget,
            constraints,
            controller,
            speaker,
            webhook_service,
            webhook_secret,
            webhooks,
            conversion,
            controller_metrics,
            speaker_metrics,
            dashboard,
            network_policy,
            monitoring,
            state: PhantomData,
        };
        self.prune(&applied).await?;
        Ok(applied)
    }

    async fn register(
        &self,
        (webhooks, conversion): (Option<ValidatingWebhookConfiguration>, &CustomResourceConversion),
        secret: &Secret,
        controller: &Deployment,
    ) -> Result<Option<ValidatingWebhookConfiguration>, Error> {
        let Some(webhooks) = webhooks else {
            return Ok(None);
        };
        self.registrar()
            .register((webhooks, conversion), secret, controller)
            .await
    }

    fn registrar(&self) -> Registrar<'_> {
        Registrar {
            client: self.client,
            namespace: self.namespace,
        }
    }

    /// Applies a Deployment, also over one with another strategy.
    async fn apply_controller(&self, wanted: &Deployment) -> Result<Deployment, Error> {
        let refused = match self.apply_workload(wanted).await {
            Err(Error::Apply {
                source: kube::Error::Api(status),
                ..
            }) if workload::is_strategy_refused(&status) => status,
            other => return other,
        };
        let name = wanted.name_any();
        tracing::info!(
            name,
            refused = refused.message,
            "resetting the strategy of the Deployment"
        );
        let patch = Patch::Merge(workload::reset_strategy(&written(wanted)));
        self.patch::<Deployment>(&name, &patch).await?;
        self.apply_workload(wanted).await
    }

    /// Applies a workload, and takes out of it what others have added to its pods.
    async fn apply_workload<K: Made>(&self, wanted: &K) -> Result<K, Error> {
        let applied = self.apply_one(wanted).await?;
        let Some(Additions { by, removal }) = workload::additions(&written(wanted), applied.meta()) else {
            return Ok(applied);
        };
        let (kind, name) = (<K as Kind>::KIND, wanted.name_any());
        tracing::info!(kind, name, by = by.join(", "), "removing what others added");
        self.patch(&name, &Patch::Strategic(removal)).await
    }

    async fn patch<K: Made>(&self, name: &str, patch: &Patch<Value>) -> Result<K, Error> {
        let params = PatchParams {
            field_manager: Some(names::field_manager::OPERATOR.to_owned()),
            ..PatchParams::default()
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        let patched = api.patch(name, &params, patch).await;
        patched.map_err(|source| Error::Apply {
            kind: <K as Kind>::KIND,
            name: name.to_owned(),
            source,
        })
    }

    async fn apply_optional<K: Made>(&self, wanted: Option<K>) -> Result<Option<K>, Error> {
        match wanted {
            Some(wanted) => self.apply_one(&wanted).await.map(Some),
            None => Ok(None),
        }
    }

    async fn apply_one<K: Made>(&self, wanted: &K) -> Result<K, Error> {
        let name = wanted.name_any();
        // Forced: these objects are ours, and a field that somebody else set is drift.
        let params = PatchParams::apply(names::field_manager::OPERATOR).force();
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        let applied = api.patch(&name, &params, &Patch::Apply(wanted)).await;
        applied.map_err(|source| Error::Apply {
            kind: <K as Kind>::KIND,
            name,
            source,
        })
    }

    /// Deletes what carries our label and this owner and is not in `applied`.
    async fn prune(&self, applied: &Resources<Applied>) -> Result<(), Error> {
        let Resources {
            controller_account,
            speaker_account,
            // The only Secrets there have ever been; the operator may not list others.
            memberlist: _,
            webhook_secret: _,
            exclude_l2,
            memberlist_config,
            disruption_budget,
            controller,
            speaker,
            webhook_service,
            // There is one of each, under one name.
            constraints: _,
            webhooks: _,
            conversion: _,
            controller_metrics,
            speaker_metrics,
            dashboard,
            network_policy,
            // Wanted as long as there are their kinds.
            monitoring: _,
            state: PhantomData,
        } = applied;
        let budgets: Vec<&PodDisruptionBudget> = disruption_budget.iter().collect();
        self.prune_kind::<Deployment>(&[controller]).await?;
        self.prune_kind::<DaemonSet>(&[speaker]).await?;
        self.prune_kind::<PodDisruptionBudget>(&budgets).await?;
        self.prune_kind::<Service>(&[webhook_service, controller_metrics, speaker_metrics])
            .await?;
        let policies: Vec<&NetworkPolicy> = network_policy.iter().collect();
        self.prune_kind::<NetworkPolicy>(&policies).await?;
        let files: Vec<&ConfigMap> = [exclude_l2, dashboard]
            .into_iter()
            .chain(memberlist_config)
            .collect();
        self.prune_kind::<ConfigMap>(&files).await?;
        self.prune_kind::<ServiceAccount>(&[controller_account, speaker_account])
            .await
    }

    async fn prune_kind<K: Made>(&self, wanted: &[&K]) -> Result<(), Error> {
        let failed = |source| Error::Prune {
            kind: <K as Kind>::KIND,
            source,
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        let ours = ListParams::default().labels(&super::managed());
        let wanted: BTreeSet<String> = wanted.iter().map(|object| object.name_any()).collect();
        for found in api.list_metadata(&ours).await.map_err(failed)? {
            let owned = found
                .owner_references()
                .iter()
                .any(|owner| owner.uid == self.owner.uid);
            let name = found.name_any();
            if !owned || wanted.contains(&name) {
                continue;
            }
            if removal::delete(&api, &name, &found.metadata)
                .await
                .map_err(failed)?
            {
                tracing::info!(kind = <K as Kind>::KIND, name, "deleted, no longer wanted");
            }
        }
        Ok(())
    }
}

/// An object as it is sent.
fn written(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("a Kubernetes object has only string keys")
}
