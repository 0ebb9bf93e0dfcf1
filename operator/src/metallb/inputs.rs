//! What a reconciliation depends on: every object that is read or written, and no other.
//!
//! ```text
//! inputs ─┬─► the watches: a change of any of them starts a reconciliation
//!         └─► their versions: while none has changed since everything was as it should be, nothing is to be done
//! ```
//!
//! Owns the list of them. Never decides what follows from a change.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use metallb_api::names::object;
use metallb_api::v1beta1::MetalLB;
use metallb_runtime::watch;

use super::rivals;
use crate::platform::{self, Kind, Kinds};

/// An object of any kind. Metadata only: a cluster's worth of other people's objects never enters this process, and neither
/// does the content of ours.
pub type Seen = PartialObjectMeta<DynamicObject>;

/// Objects of one kind.
pub struct Input {
    /// Their kind
    pub resource: ApiResource,
    /// None: in all namespaces, or in none
    namespace: Option<String>,
    which: Which,
}

enum Which {
    Labels(String),
    /// Where the operator is allowed to see no others
    Name(&'static str),
}

impl Input {
    fn of<K: Resource<DynamicType = ()>>(namespace: Option<&str>, which: Which) -> Self {
        Self {
            resource: ApiResource::erase::<K>(&()),
            namespace: namespace.map(str::to_owned),
            which,
        }
    }

    fn named(kind: Kind, namespace: Option<&str>, name: &'static str) -> Self {
        Self {
            resource: kind.resource(),
            namespace: namespace.map(str::to_owned),
            which: Which::Name(name),
        }
    }

    /// Where to ask for them.
    pub fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = ApiResource, Scope = kube::core::DynamicResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }

    /// A watch of them and of no others.
    pub fn watch(&self) -> watcher::Config {
        match &self.which {
            Which::Labels(labels) => watch::config().labels(labels),
            Which::Name(name) => watch::config().fields(&field(name)),
        }
    }

    fn list(&self) -> ListParams {
        match &self.which {
            Which::Labels(labels) => ListParams::default().labels(labels),
            Which::Name(name) => ListParams::default().fields(&field(name)),
        }
    }
}

fn field(name: &str) -> String {
    format!("metadata.name={name}")
}

/// All of them, on a cluster that has `kinds` besides those of Kubernetes.
pub fn inputs(namespace: &str, kinds: &Kinds) -> Vec<Input> {
    let at_home = Some(namespace);
    let managed = || Which::Labels(super::managed());
    let mut inputs = vec![
        Input::of::<MetalLB>(at_home, Which::Name(object::METALLB)),
        Input::of::<Deployment>(at_home, managed()),
        Input::of::<DaemonSet>(at_home, managed()),
        Input::of::<ConfigMap>(at_home, managed()),
        Input::of::<ServiceAccount>(at_home, managed()),
        Input::of::<Service>(at_home, managed()),
        Input::of::<PodDisruptionBudget>(at_home, managed()),
        Input::of::<NetworkPolicy>(at_home, managed()),
        Input::of::<Secret>(at_home, Which::Name(object::MEMBERLIST_SECRET)),
        Input::of::<Secret>(at_home, Which::Name(object::WEBHOOK_CERTIFICATE_SECRET)),
        Input::of::<ValidatingWebhookConfiguration>(None, Which::Name(object::WEBHOOK_CONFIGURATION)),
        Input::of::<CustomResourceDefinition>(None, Which::Name(object::BGP_PEER_DEFINITION)),
    ];
    for labels in rivals::labels() {
        inputs.push(Input::of::<Deployment>(None, Which::Labels(labels.clone())));
        inputs.push(Input::of::<DaemonSet>(None, Which::Labels(labels)));
    }
    let elsewhere = [
        (platform::CONSTRAINTS, None, object::SPEAKER_SCC),
        (platform::API_SERVERS, None, platform::CONFIG_NAME),
        (platform::SERVICE_MONITORS, at_home, object::CONTROLLER_MONITOR),
        (platform::SERVICE_MONITORS, at_home, object::SPEAKER_MONITOR),
        (platform::PROMETHEUS_RULES, at_home, object::ALERTS),
    ];
    inputs.extend(
        elsewhere
            .into_iter()
            .filter(|(kind, ..)| kinds.has(*kind))
            .map(|(kind, namespace, name)| Input::named(kind, namespace, name)),
    );
    inputs
}

/// All inputs at one moment. Two that are equal mean that nothing has changed in between: the API server gives every change
/// a version of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Versions {
    kinds: Kinds,
    objects: BTreeSet<Version>,
}

/// Kind, namespace, name and version of an object.
type Version = (String, Option<String>, String, Option<String>);

impl Versions {
    /// Reads them.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn read(client: &Client, namespace: &str) -> kube::Result<Self> {
        let kinds = Kinds::discover(client).await?;
        let mut objects = BTreeSet::new();
        for input in inputs(namespace, &kinds) {
            let api: Api<DynamicObject> = input.api(client);
            let found = api.list_metadata(&input.list()).await?;
            objects.extend(found.into_iter().map(|object| {
                (
                    input.resource.plural.clone(),
                    object.namespace(),
                    object.name_any(),
                    object.resource_version(),
                )
            }));
        }
        Ok(Self { kinds, objects })
    }
}

/// Whether there is anything to do, as far as the reconciliations so far can tell.
#[derive(Debug, Default)]
pub enum Rest {
    /// The last one left something to be done, or there was none yet.
    #[default]
    Busy,
    /// The last one found everything as it should be, or made it so. With the versions from before it, if they were read.
    Calm(Option<Versions>),
}

impl Rest {
    /// Whether to read the versions before the next one: while things change all the time, that would be in vain.
    pub fn is_calm(&self) -> bool {
        matches!(self, Self::Calm(_))
    }

    /// Whether another one would find what the last one left. What came meanwhile makes a difference: the versions that
    /// are kept are those from before it.
    pub fn is_undisturbed(&self, now: &Versions) -> bool {
        matches!(self, Self::Calm(Some(before)) if before == now)
    }
}
