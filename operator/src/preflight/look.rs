//! Reads the cluster. Every request is a list; nothing is decided here, and nothing is written.

use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, Resource, ResourceExt};
use metallb_api::NamespacedName;
use metallb_api::names::{self, label, legacy, object, upstream};
use metallb_core::facts::ServiceObject;
use serde::de::DeserializeOwned;

use super::facts::{self, Facts};
use crate::metallb::explain;
use crate::platform;

/// Services and definitions are listed in parts of so many: those of a large cluster in one answer would be a hundred
/// megabytes, of which a kilobyte each is kept.
const PAGE: u32 = 200;

/// The cluster could not be read. Nothing is known, and nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list {kind}")]
pub(super) struct Error {
    pub(super) kind: String,
    pub(super) source: kube::Error,
}

/// Reads everything, for an installation in `namespace`.
pub(super) async fn look(client: &Client, namespace: &str) -> Result<Facts, Error> {
    let mut facts = Facts {
        namespace: namespace.to_owned(),
        ..Facts::default()
    };
    // By their labels: a cluster may have thousands of others.
    for labels in [
        format!(
            "{} in ({}, {})",
            label::APP,
            label::APP_METALLB,
            upstream::FRR_K8S
        ),
        format!(
            "{} in ({}, {})",
            label::APP_NAME,
            label::APP_METALLB,
            upstream::FRR_K8S
        ),
    ] {
        let with = ListParams::default().labels(&labels);
        let deployments = list::<Deployment>(client, with.clone()).await?;
        facts
            .workloads
            .extend(deployments.into_iter().filter_map(facts::deployment));
        let daemon_sets = list::<DaemonSet>(client, with).await?;
        facts
            .workloads
            .extend(daemon_sets.into_iter().filter_map(facts::daemon_set));
    }
    // An operator has no label of its own.
    let operators = list::<Deployment>(client, named(object::OPERATOR)).await?;
    facts
        .workloads
        .extend(operators.into_iter().filter_map(facts::deployment));
    // Whoever carries labels of both kinds was found twice.
    facts
        .workloads
        .sort_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
    facts.workloads.dedup();

    let unreadable = &mut facts.unreadable;
    facts.metallbs = configured(client, unreadable).await?;
    facts.pools = configured(client, unreadable).await?;
    facts.l2_advertisements = configured(client, unreadable).await?;
    facts.bgp_advertisements = configured(client, unreadable).await?;
    facts.peers = configured(client, unreadable).await?;
    facts.bfd_profiles = configured(client, unreadable).await?;

    let all = ListParams::default;
    let ours = |definition: &CustomResourceDefinition| definition.spec.group == names::GROUP;
    let definitions = list::<CustomResourceDefinition>(client, all()).await?;
    facts.definitions = definitions
        .into_iter()
        .filter(ours)
        .map(facts::definition)
        .collect();
    let webhooks = list::<ValidatingWebhookConfiguration>(client, all()).await?;
    facts.webhooks = webhooks.into_iter().filter_map(facts::webhooks).collect();
    facts.legacy = legacy(client).await?;
    let namespaces = list::<Namespace>(client, all()).await?.into_iter();
    facts.namespaces = namespaces
        .map(|namespace| {
            (
                namespace.name_any(),
                namespace.metadata.labels.unwrap_or_default(),
            )
        })
        .collect();
    let services = list::<ServiceObject>(client, all()).await?;
    facts.services = services.into_iter().map(Into::into).collect();
    Ok(facts)
}

/// What MetalLB up to 0.12 was configured with. By name: nobody else's ConfigMaps are read.
async fn legacy(client: &Client) -> Result<Vec<NamespacedName>, Error> {
    let mut found = Vec::new();
    for name in legacy::CONFIG_MAPS {
        let config_maps = list::<ConfigMap>(client, named(name)).await?;
        found.extend(config_maps.iter().filter_map(super::legacy::name));
    }
    Ok(found)
}

fn named(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}

/// All objects of a kind of Kubernetes.
async fn list<K>(client: &Client, params: ListParams) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    pages(&api, params).await.map_err(|source| Error {
        kind: K::plural(&()).into_owned(),
        source,
    })
}

async fn pages<K>(api: &Api<K>, params: ListParams) -> kube::Result<Vec<K>>
where
    K: DeserializeOwned + Clone + Debug,
{
    let mut params = params.limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = api.list(&params).await?;
        found.extend(page.items);
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => return Ok(found),
        }
    }
}

/// All objects of a kind of MetalLB's. What cannot be read goes to `unreadable`: it is something to be told, and not a
/// reason to tell nothing.
async fn configured<K>(client: &Client, unreadable: &mut Vec<(String, String)>) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let objects = match pages(&api, ListParams::default()).await {
        Ok(objects) => objects,
        // There is no such kind yet.
        Err(error) if platform::is_absent(&error) => Vec::new(),
        // Nobody answers the conversion.
        Err(kube::Error::Api(status)) if status.code == 500 => {
            unreadable.push((resource.plural, status.message));
            Vec::new()
        }
        Err(source) => {
            let kind = resource.plural;
            return Err(Error { kind, source });
        }
    };
    let mut read = Vec::new();
    for object in objects {
        let name = format!("{} {}", resource.kind, NamespacedName::of(&object.metadata));
        let value = serde_json::to_value(object).unwrap_or_default();
        match serde_json::from_value(value) {
            Ok(object) => read.push(object),
            Err(error) => unreadable.push((name, explain(&error))),
        }
    }
    Ok(read)
}
