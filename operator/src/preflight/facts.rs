//! What is read of the cluster, and how one object of it is understood. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ServiceReference, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, IPAddressPool, L2Advertisement, MetalLB};
use metallb_api::v1beta2::BGPPeer;
use metallb_api::{NamespacedName, names};
use metallb_core::facts::ServiceFacts;
use names::{label, object, upstream};

/// The cluster, as far as it matters.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Where this version is to be installed.
    pub(super) namespace: String,
    pub(super) workloads: Vec<Workload>,
    pub(super) metallbs: Vec<MetalLB>,
    pub(super) pools: Vec<IPAddressPool>,
    pub(super) l2_advertisements: Vec<L2Advertisement>,
    pub(super) bgp_advertisements: Vec<BGPAdvertisement>,
    pub(super) peers: Vec<BGPPeer>,
    pub(super) bfd_profiles: Vec<BFDProfile>,
    /// Objects, or all of a kind, that cannot be read: which, and why.
    pub(super) unreadable: Vec<(String, String)>,
    pub(super) definitions: Vec<Definition>,
    pub(super) webhooks: Vec<Webhooks>,
    /// ConfigMaps that MetalLB read its configuration from up to 0.12.
    pub(super) legacy: Vec<NamespacedName>,
    /// The labels of the namespaces.
    pub(super) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// All Services, of every type.
    pub(super) services: Vec<ServiceFacts>,
}

/// What a workload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Controller,
    Speaker,
    /// An operator, or the webhooks that it is asked by.
    Operator,
    FrrK8s,
}

/// Who installed a workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Installer {
    /// `kubectl apply`.
    Manifests,
    /// A Helm release of this name.
    Helm(String),
    /// An operator, for a MetalLB resource.
    Operator,
    /// The Operator Lifecycle Manager.
    Catalog,
}

/// A Deployment or DaemonSet of some MetalLB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    pub(super) kind: &'static str,
    pub(super) key: NamespacedName,
    pub(super) role: Role,
    pub(super) installer: Installer,
    /// Whether it is of this project, as its operator marks it.
    pub(super) ours: bool,
    pub(super) image: String,
    /// The class of Services it serves, if it was told one.
    pub(super) class: Option<String>,
    /// Containers of FRR.
    pub(super) frr: Vec<String>,
}

impl Workload {
    /// As `kubectl` wants it.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.key.name())
    }
}

/// A CustomResourceDefinition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) name: String,
    /// Versions that objects may be stored in.
    pub(super) stored: Vec<String>,
    /// The Service that converts its objects.
    pub(super) converter: Option<NamespacedName>,
}

/// A ValidatingWebhookConfiguration that is asked about MetalLB's kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Webhooks {
    pub(super) name: String,
    /// The Services that are asked.
    pub(super) asked: BTreeSet<NamespacedName>,
}

/// A workload, unless it has nothing to do with MetalLB.
pub(super) fn deployment(deployment: Deployment) -> Option<Workload> {
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    workload(Deployment::kind(&()).as_ref(), &deployment.metadata, pod)
}

/// A workload, unless it has nothing to do with MetalLB.
pub(super) fn daemon_set(daemon_set: DaemonSet) -> Option<Workload> {
    let pod = daemon_set.spec.and_then(|spec| spec.template.spec);
    workload(DaemonSet::kind(&()).as_ref(), &daemon_set.metadata, pod)
}

fn workload(kind: &str, metadata: &ObjectMeta, pod: Option<PodSpec>) -> Option<Workload> {
    let role = role(metadata)?;
    let containers = pod.unwrap_or_default().containers;
    let main = containers
        .iter()
        .find(|container| container.name == role_name(role));
    let main = main.or(containers.first())?;
    let arguments = main.args.iter().flatten();
    let class = arguments
        .filter_map(|argument| argument.strip_prefix(upstream::CLASS_FLAG))
        .find(|class| !class.is_empty());
    let commanded = |program| main.command.iter().flatten().any(|word| word == program);
    let frr = containers.iter().map(|container| container.name.as_str());
    Some(Workload {
        kind: if kind == DaemonSet::kind(&()) {
            "DaemonSet"
        } else {
            "Deployment"
        },
        key: NamespacedName::of(metadata),
        role,
        installer: installer(metadata),
        ours: value(metadata, label::MANAGED_BY) == Some(label::METALLB_OPERATOR)
            || role == Role::Operator && commanded("/operator"),
        image: main.image.clone().unwrap_or_default(),
        class: class.map(str::to_owned),
        frr: frr
            .filter(|name| role == Role::Speaker && upstream::FRR_CONTAINERS.contains(name))
            .map(str::to_owned)
            .collect(),
    })
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Controller => object::CONTROLLER,
        Role::Speaker => object::SPEAKER,
        Role::Operator => "manager",
        Role::FrrK8s => upstream::FRR_K8S,
    }
}

fn value<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let value = metadata.labels.as_ref().and_then(|labels| labels.get(key));
    value.map(String::as_str)
}

fn role(metadata: &ObjectMeta) -> Option<Role> {
    let name = metadata.name.as_deref().unwrap_or_default();
    if name == object::OPERATOR {
        return Some(Role::Operator);
    }
    let app = value(metadata, label::APP_NAME).or_else(|| value(metadata, label::APP))?;
    let component = value(metadata, label::APP_COMPONENT).or_else(|| value(metadata, label::COMPONENT));
    match (app, component) {
        (upstream::FRR_K8S, _) => Some(Role::FrrK8s),
        (label::APP_METALLB, Some(label::CONTROLLER)) => Some(Role::Controller),
        (label::APP_METALLB, Some(label::SPEAKER)) => Some(Role::Speaker),
        (label::APP_METALLB, Some(upstream::WEBHOOK_SERVER)) => Some(Role::Operator),
        _ => None,
    }
}

fn installer(metadata: &ObjectMeta) -> Installer {
    let owner = |kind: &str| {
        let owners = metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.kind == kind)
    };
    let release = metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(upstream::HELM_RELEASE));
    if owner(upstream::CLUSTER_SERVICE_VERSION) {
        Installer::Catalog
    } else if owner(&MetalLB::kind(&())) {
        Installer::Operator
    } else if let Some(release) = release {
        Installer::Helm(release.clone())
    } else if value(metadata, label::MANAGED_BY) == Some(label::HELM) {
        Installer::Helm(metadata.name.clone().unwrap_or_default())
    } else {
        Installer::Manifests
    }
}

/// A definition, as far as it matters.
pub(super) fn definition(definition: CustomResourceDefinition) -> Definition {
    let name = definition.name_any();
    let webhook = definition
        .spec
        .conversion
        .and_then(|conversion| conversion.webhook);
    let service = webhook
        .and_then(|webhook| webhook.client_config)
        .and_then(|client| client.service);
    Definition {
        name,
        stored: definition
            .status
            .and_then(|status| status.stored_versions)
            .unwrap_or_default(),
        converter: service.map(|service| NamespacedName::new(service.namespace, service.name)),
    }
}

/// Webhooks, unless they are asked about other kinds only.
pub(super) fn webhooks(configuration: ValidatingWebhookConfiguration) -> Option<Webhooks> {
    let name = configuration.name_any();
    let concerns = |rule: &RuleWithOperations| {
        let mut groups = rule.api_groups.iter().flatten();
        groups.any(|group| group == names::GROUP || group == upstream::FRR_K8S_GROUP)
    };
    let webhooks: Vec<_> = configuration
        .webhooks
        .into_iter()
        .flatten()
        .filter(|webhook| webhook.rules.iter().flatten().any(concerns))
        .collect();
    let asked = webhooks
        .iter()
        .filter_map(|webhook| webhook.client_config.service.as_ref())
        .map(|ServiceReference { name, namespace, .. }| NamespacedName::new(namespace, name))
        .collect();
    (!webhooks.is_empty()).then_some(Webhooks { name, asked })
}
