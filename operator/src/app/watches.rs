//! The watches that start a reconciliation. Owns what is watched; what follows from a change is decided elsewhere.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::utils::Backoff as StreamBackoff;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use metallb_api::names;
use metallb_api::v1beta1::MetalLB;
use metallb_runtime::backoff::Backoff;
use metallb_runtime::watch;

use crate::metallb::{self, rivals};
use crate::platform::{self, Kind, Kinds};

/// The triggers carry names only. What an object is like is read when it is its turn.
pub(super) type Trigger = PartialObjectMeta<MetalLB>;

/// Watches every MetalLB and everything that is made for the one. Metadata only: a cluster's worth of other people's
/// objects never enters this process, and neither does the content of ours.
pub(super) fn watches(client: &Client, namespace: &str, kinds: &Kinds) -> Controller<Trigger> {
    let managed = || watch::config().labels(&metallb::managed());
    // By name, because the operator is allowed to see no others of these kinds.
    let named = |name: &str| watch::config().fields(&format!("metadata.name={name}"));
    let all = Controller::new(
        Api::<Trigger>::namespaced(client.clone(), namespace),
        watch::config(),
    )
    // There is one MetalLB. The limit keeps a namespace full of misnamed ones from becoming a burst of requests.
    .with_config(Config::default().concurrency(1))
    // The library's own waits up to 30 s: too long for a deleted DaemonSet after an outage of the API server.
    .trigger_backoff(WatchBackoff::default());
    let all = watch_made::<Deployment>(all, client, namespace, managed());
    let all = watch_made::<DaemonSet>(all, client, namespace, managed());
    let all = watch_made::<ConfigMap>(all, client, namespace, managed());
    let all = watch_made::<ServiceAccount>(all, client, namespace, managed());
    let all = watch_made::<Service>(all, client, namespace, managed());
    let all = watch_made::<PodDisruptionBudget>(all, client, namespace, managed());
    let all = watch_made::<NetworkPolicy>(all, client, namespace, managed());
    let all = watch_made::<Secret>(all, client, namespace, named(names::object::MEMBERLIST_SECRET));
    let all = watch_made::<Secret>(
        all,
        client,
        namespace,
        named(names::object::WEBHOOK_CERTIFICATE_SECRET),
    );
    // Of the resource itself the library tells only that it is there, not that it went.
    let api = Api::<Trigger>::namespaced(client.clone(), namespace);
    let all = watch_for_the_one(all, api, namespace, named(names::object::METALLB));
    let api = Api::<PartialObjectMeta<ValidatingWebhookConfiguration>>::all(client.clone());
    let all = watch_for_the_one(all, api, namespace, named(names::object::WEBHOOK_CONFIGURATION));
    let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client.clone());
    let all = watch_for_the_one(all, api, namespace, named(names::object::BGP_PEER_DEFINITION));
    let all = rivals::labels().into_iter().fold(all, |all, labels| {
        let config = || watch::config().labels(&labels);
        let api = Api::<PartialObjectMeta<Deployment>>::all(client.clone());
        let all = watch_for_the_one(all, api, namespace, config());
        let api = Api::<PartialObjectMeta<DaemonSet>>::all(client.clone());
        watch_for_the_one(all, api, namespace, config())
    });
    watch_elsewhere(all, client, namespace, kinds)
}

/// Adds watches of the objects whose kinds are not part of Kubernetes, by name.
fn watch_elsewhere(
    all: Controller<Trigger>,
    client: &Client,
    namespace: &str,
    kinds: &Kinds,
) -> Controller<Trigger> {
    let metallb = ObjectRef::<Trigger>::new(names::object::METALLB).within(namespace);
    let watch = |all: Controller<Trigger>, api, kind: Kind, name: &str| {
        let metallb = metallb.clone();
        let config = watch::config().fields(&format!("metadata.name={name}"));
        all.watches_with(
            api,
            kind.resource(),
            config,
            move |_: PartialObjectMeta<DynamicObject>| [metallb.clone()],
        )
    };
    let everywhere = [
        (platform::CONSTRAINTS, names::object::SPEAKER_SCC),
        (platform::API_SERVERS, platform::CONFIG_NAME),
    ];
    let all = everywhere
        .into_iter()
        .filter(|(kind, _)| kinds.has(*kind))
        .fold(all, |all, (kind, name)| {
            let api = Api::all_with(client.clone(), &kind.resource());
            watch(all, api, kind, name)
        });
    let at_home = [
        (platform::SERVICE_MONITORS, names::object::CONTROLLER_MONITOR),
        (platform::SERVICE_MONITORS, names::object::SPEAKER_MONITOR),
        (platform::PROMETHEUS_RULES, names::object::ALERTS),
    ];
    at_home
        .into_iter()
        .filter(|(kind, _)| kinds.has(*kind))
        .fold(all, |all, (kind, name)| {
            let api = Api::namespaced_with(client.clone(), namespace, &kind.resource());
            watch(all, api, kind, name)
        })
}

/// Adds a watch of objects of kind `K`. Whatever happens to one starts a reconciliation of the one MetalLB that is acted
/// upon, also the loss of its owner reference, after which it could not be told whose it is.
fn watch_made<K>(
    all: Controller<Trigger>,
    client: &Client,
    namespace: &str,
    config: watcher::Config,
) -> Controller<Trigger>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::namespaced(client.clone(), namespace);
    watch_for_the_one(all, api, namespace, config)
}

/// Adds a watch of whatever `api` and `config` select, on behalf of the one MetalLB.
fn watch_for_the_one<K>(
    all: Controller<Trigger>,
    api: Api<PartialObjectMeta<K>>,
    namespace: &str,
    config: watcher::Config,
) -> Controller<Trigger>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    let metallb = ObjectRef::<Trigger>::new(names::object::METALLB).within(namespace);
    all.watches(api, config, move |_| [metallb.clone()])
}

/// The wait between attempts at a broken watch, as the library wants it.
#[derive(Default)]
struct WatchBackoff(Backoff);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.0.failed())
    }
}

impl StreamBackoff for WatchBackoff {
    fn reset(&mut self) {
        self.0.succeeded();
    }
}
