//! From a valid MetalLB to the objects that serve it. Pure: no client, no clock, and randomness is an argument.
//! One file per thing that is made.

mod account_binding;
mod constraints;
mod controller;
mod dashboard;
mod disruption_budget;
mod exclude_l2;
mod memberlist;
mod memberlist_config;
mod metrics;
mod monitoring;
mod network_policy;
mod object;
mod pod;
mod service_account;
mod speaker;
pub(crate) mod webhooks;

use std::marker::PhantomData;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
use kube::api::DynamicObject;
use metallb_runtime::memberlist_key::FreshKey;

pub(super) use account_binding::bind_to_account;
pub(super) use memberlist::key_of as memberlist_key;
pub(crate) use network_policy::incoming;
pub(super) use speaker::ON_DELETE;

use crate::args::Settings;
use crate::metallb::validate::ValidatedMetalLB;
use crate::platform::Kind;
use object::Origin;

/// Marks resources that exist in memory only.
#[derive(Debug)]
pub struct Prepared;

/// Marks resources as the API server returned them after they were applied.
#[derive(Debug)]
pub struct Applied;

/// Everything one MetalLB is made of.
///
/// `State` is [`Prepared`] or [`Applied`]: the status is computed from applied resources only, and the compiler sees to
/// it. Whoever handles all of them takes this struct apart without `..`, so that a new field cannot be forgotten.
#[derive(Debug)]
pub struct Resources<State> {
    /// The identity of the controller
    pub controller_account: ServiceAccount,
    /// The identity of the speakers
    pub speaker_account: ServiceAccount,
    /// The key with which speakers encrypt what they tell each other
    pub memberlist: Secret,
    /// The interfaces on which speakers stay silent
    pub exclude_l2: ConfigMap,
    /// How speakers find out about one another, if the MetalLB says so
    pub memberlist_config: Option<ConfigMap>,
    /// Keeps a drain from taking all controllers at once, if there are several
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// What admits the speakers where pods need more than a Role, on OpenShift
    pub constraints: Option<DynamicObject>,
    /// The pods that give addresses to Services and answer the webhooks
    pub controller: Deployment,
    /// The pods, one per node, that announce them
    pub speaker: DaemonSet,
    /// Where the API server finds the webhooks
    pub webhook_service: Service,
    /// Where the controller keeps their certificate
    pub webhook_secret: Secret,
    /// What tells the API server to ask them. Applied, it is absent until somebody can answer.
    pub webhooks: Option<ValidatingWebhookConfiguration>,
    /// How the API server is to read a BGPPeer in its other version, once somebody can answer
    pub conversion: CustomResourceConversion,
    /// Lists the metrics of the controller
    pub controller_metrics: Service,
    /// Lists the metrics of the speakers
    pub speaker_metrics: Service,
    /// Shows them in Grafana
    pub dashboard: ConfigMap,
    /// Who may talk to the controller, unless somebody else sees to that
    pub network_policy: Option<NetworkPolicy>,
    /// Has Prometheus collect them and warn, where there is an operator of it
    pub monitoring: Vec<(Kind, DynamicObject)>,
    /// Prepared or applied
    pub state: PhantomData<State>,
}

/// The objects that `metallb` asks for.
pub fn build(metallb: &ValidatedMetalLB, settings: &Settings, fresh_key: &FreshKey) -> Resources<Prepared> {
    let origin = Origin {
        namespace: &settings.namespace,
        owner: &metallb.owner,
    };
    Resources {
        controller_account: service_account::controller(&origin),
        speaker_account: service_account::speaker(&origin),
        memberlist: memberlist::secret(&origin, metallb.memberlist_key.as_ref(), fresh_key),
        exclude_l2: exclude_l2::config_map(&origin, metallb.excluded_interfaces.as_deref()),
        memberlist_config: metallb
            .memberlist
            .as_ref()
            .map(|numbers| memberlist_config::config_map(&origin, numbers)),
        disruption_budget: disruption_budget::of_controller(&origin, metallb.replicas),
        constraints: metallb.platform.is_openshift().then(constraints::of_speakers),
        controller: controller::deployment(&origin, metallb, settings),
        speaker: speaker::daemon_set(&origin, metallb, settings),
        webhook_service: webhooks::service(&origin),
        webhook_secret: webhooks::secret(&origin),
        webhooks: Some(webhooks::configuration(origin.namespace)),
        conversion: webhooks::conversion(origin.namespace),
        controller_metrics: metrics::of_controller(&origin, &metallb.platform, settings.metrics_port),
        speaker_metrics: metrics::of_speakers(&origin, &metallb.platform, settings.metrics_port),
        dashboard: dashboard::config_map(&origin),
        network_policy: settings
            .network_policies
            .then(|| network_policy::of_controller(&origin, settings)),
        monitoring: monitoring::objects(&origin, &metallb.platform),
        state: PhantomData,
    }
}

/// Of these objects the two that tell the API server to ask a controller in `namespace`: whatever the MetalLB says, they
/// are the same.
pub(super) fn registration(namespace: &str) -> (ValidatingWebhookConfiguration, CustomResourceConversion) {
    (
        webhooks::configuration(namespace),
        webhooks::conversion(namespace),
    )
}

#[cfg(test)]
mod tests;
