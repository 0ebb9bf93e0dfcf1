//! Second step: from the resource as it was written to one that can be built. Pure. After it, nobody reads the raw
//! resource for a setting.

pub mod review;

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Affinity, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use metallb_api::names;
use metallb_api::v1beta1::{
    ComponentConfig, ControllerConfig, FrrK8sConfig, LogLevel, MemberlistConfig, MetalLBSpec, SpeakerConfig,
    SpeakerUpdateStrategy,
};

use super::dereference::Dereferenced;
use super::rivals::{self, Verdict, Workload};
use crate::platform::Platform;

/// A MetalLB that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedMetalLB {
    /// Makes the objects go with the resource
    pub owner: OwnerReference,
    /// The log level of the pods, as their flag wants it
    pub log_level: &'static str,
    /// The class of Services to serve
    pub load_balancer_class: Option<String>,
    /// What was asked for instead of the speaker's own BGP
    pub foreign_bgp: Option<ForeignBgp>,
    /// How many pods of the controller there are, at least one
    pub replicas: i32,
    /// Settings of the controller's pods
    pub controller: PodSettings,
    /// Settings of the speakers' pods
    pub speaker: PodSettings,
    /// How they are replaced
    pub update_strategy: SpeakerUpdateStrategy,
    /// The interfaces on which they stay silent, if these are not the usual ones
    pub excluded_interfaces: Option<Vec<String>>,
    /// How they find out about one another, if this is not the usual way
    pub memberlist: Option<MemberlistConfig>,
    /// The memberlist key that is already in use
    pub memberlist_key: Option<ByteString>,
    /// What the cluster has besides Kubernetes
    pub platform: Platform,
    /// Another MetalLB that came later and is to go; what to tell about it
    pub rivals: Option<String>,
}

/// What the resource says about the pods of one component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodSettings {
    /// Labels of the nodes that may run it
    pub node_selector: BTreeMap<String, String>,
    /// Taints it tolerates
    pub tolerations: Vec<Toleration>,
    /// Where it runs best
    pub affinity: Option<Affinity>,
    /// Annotations of the pods
    pub annotations: BTreeMap<String, String>,
    /// PriorityClass of the pods
    pub priority_class_name: Option<String>,
    /// RuntimeClass of the pods
    pub runtime_class_name: Option<String>,
    /// Resources of the one container
    pub resources: Option<ResourceRequirements>,
    /// What its program is to be told besides
    pub extra_arguments: Vec<String>,
}

/// A BGP implementation beside the speaker that a resource may ask for. It is not installed: resources that name it
/// keep working, and the status says who serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignBgp {
    /// FRR in the speaker's pod
    Frr,
    /// FRR in pods of its own
    FrrK8s,
    /// FRR that somebody else installed
    FrrK8sExternal,
}

impl ForeignBgp {
    /// The word in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frr => "frr",
            Self::FrrK8s => "frr-k8s",
            Self::FrrK8sExternal => "frr-k8s-external",
        }
    }

    /// What whoever asks for it has to know.
    pub fn told(self) -> String {
        format!(
            "bgpBackend {} is accepted and not installed: in this version addresses are announced by layer 2 only, \
             and BGP will be spoken by the speaker itself",
            self.as_str()
        )
    }
}

/// The resource asks for something that cannot be. Nothing is changed and nothing is tried again until it is edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is one MetalLB, and its name is fixed.
    #[error("Incorrect MetalLB resource name: {0}")]
    Name(String),
    /// The API server did not give it an identity. A bug.
    #[error("the resource has no uid")]
    NoUid,
    /// The API server would refuse the pod.
    #[error("{0}Toleration effect must be NoExecute when tolerationSeconds is set")]
    Toleration(Component),
    /// The API server would refuse the pod.
    #[error(
        "{component}Config {kind} set with invalid weight {weight} for preferred scheduling term, use 1 to 100"
    )]
    Weight {
        /// Whose configuration
        component: Component,
        /// NodeAffinity, PodAffinity or PodAntiAffinity
        kind: &'static str,
        /// The weight
        weight: i32,
    },
    /// No such word.
    #[error("invalid BGP Backend {0:?}, must be one of native, frr, frr-k8s, frr-k8s-external")]
    BgpBackend(String),
    /// There is another MetalLB on the cluster, which was there first.
    #[error("{0}")]
    Rivals(String),
    /// Not a prefix.
    #[error("invalid CIDR {0} in AlwaysBlock")]
    AlwaysBlock(String),
}

/// The two programs, as fields of the resource spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The controller
    Controller,
    /// The speakers
    Speaker,
}

impl std::fmt::Display for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Controller => "Controller",
            Self::Speaker => "Speaker",
        })
    }
}

/// Checks what the API server's schema cannot, and fills in the defaults.
pub fn validate(dereferenced: Dereferenced) -> Result<ValidatedMetalLB, Error> {
    let Dereferenced {
        metallb,
        memberlist_key,
        platform,
        workloads,
    } = dereferenced;
    if metallb.name_any() != names::object::METALLB {
        return Err(Error::Name(metallb.name_any()));
    }
    let rivals = beside(&workloads, &metallb.namespace().unwrap_or_default())?;
    let owner = metallb.controller_owner_ref(&()).ok_or(Error::NoUid)?;
    // Taken apart without `..`: a new field must be handled here.
    let MetalLBSpec {
        image: _, // deprecated, the operator knows its images
        node_selector,
        speaker_tolerations,
        log_level,
        load_balancer_class,
        controller_node_selector,
        controller_tolerations,
        controller_config,
        speaker_config,
        bgp_backend,
        frrk8s_config,
    } = metallb.spec;
    check_frr_k8s(frrk8s_config)?;
    let ControllerConfig {
        replicas,
        pods: controller_config,
    } = controller_config.unwrap_or_default();
    let SpeakerConfig {
        tolerate_all,
        update_strategy,
        excluded_interfaces,
        memberlist,
        pods: speaker_config,
    } = speaker_config.unwrap_or_default();
    Ok(ValidatedMetalLB {
        owner: OwnerReference {
            block_owner_deletion: Some(true),
            ..owner
        },
        log_level: word(log_level.unwrap_or_default()),
        // An empty class is what a template leaves behind; it means that none was chosen.
        load_balancer_class: load_balancer_class.filter(|class| !class.is_empty()),
        foreign_bgp: foreign_bgp(bgp_backend.as_deref())?,
        replicas: replicas.unwrap_or(1),
        controller: Pods {
            component: Component::Controller,
            node_selector: controller_node_selector,
            tolerations: controller_tolerations,
            config: controller_config,
        }
        .validate()?,
        speaker: Pods {
            component: Component::Speaker,
            node_selector,
            tolerations: tolerated(tolerate_all, speaker_tolerations),
            config: speaker_config,
        }
        .validate()?,
        update_strategy: update_strategy.unwrap_or_default(),
        excluded_interfaces,
        memberlist,
        memberlist_key,
        platform,
        rivals,
    })
}

/// What to tell of another MetalLB that came later.
fn beside(workloads: &[Workload], namespace: &str) -> Result<Option<String>, Error> {
    match rivals::judge(workloads, namespace) {
        Verdict::Alone => Ok(None),
        Verdict::First(message) => Ok(Some(message)),
        Verdict::Later(message) => Err(Error::Rivals(message)),
    }
}

/// A toleration without a key and an effect is one of every taint.
fn tolerated(all: Option<bool>, some: Option<Vec<Toleration>>) -> Option<Vec<Toleration>> {
    let every_taint = || Toleration {
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    };
    if all == Some(true) {
        Some(vec![every_taint()])
    } else {
        some
    }
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::All => "all",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
        LogLevel::None => "none",
    }
}

fn foreign_bgp(wanted: Option<&str>) -> Result<Option<ForeignBgp>, Error> {
    match wanted {
        None | Some("" | "native") => Ok(None),
        Some("frr") => Ok(Some(ForeignBgp::Frr)),
        Some("frr-k8s") => Ok(Some(ForeignBgp::FrrK8s)),
        Some("frr-k8s-external") => Ok(Some(ForeignBgp::FrrK8sExternal)),
        Some(other) => Err(Error::BgpBackend(other.to_owned())),
    }
}

/// frr-k8s is not installed, but a typing error in its settings is still worth telling.
fn check_frr_k8s(config: Option<FrrK8sConfig>) -> Result<(), Error> {
    let FrrK8sConfig {
        always_block,
        namespace: _,
        secret_passthrough: _,
    } = config.unwrap_or_default();
    match always_block
        .into_iter()
        .flatten()
        .find(|prefix| prefix.parse::<IpNet>().is_err())
    {
        Some(wrong) => Err(Error::AlwaysBlock(wrong)),
        None => Ok(()),
    }
}

/// The fields of the resource about one component's pods.
struct Pods {
    component: Component,
    node_selector: Option<BTreeMap<String, String>>,
    tolerations: Option<Vec<Toleration>>,
    config: ComponentConfig,
}

impl Pods {
    fn validate(self) -> Result<PodSettings, Error> {
        let Self {
            component,
            node_selector,
            tolerations,
            config,
        } = self;
        let tolerations = tolerations.unwrap_or_default();
        let evicts = |effect: &Option<String>| effect.as_deref() == Some("NoExecute");
        if tolerations
            .iter()
            .any(|one| one.toleration_seconds.is_some() && !evicts(&one.effect))
        {
            return Err(Error::Toleration(component));
        }
        let ComponentConfig {
            priority_class_name,
            runtime_class_name,
            affinity,
            annotations,
            resources,
            extra_args,
        } = config;
        if let Some((kind, weight)) = affinity.as_ref().and_then(invalid_weight) {
            return Err(Error::Weight {
                component,
                kind,
                weight,
            });
        }
        Ok(PodSettings {
            node_selector: node_selector.unwrap_or_default(),
            tolerations,
            affinity,
            annotations: annotations.unwrap_or_default(),
            priority_class_name: priority_class_name.filter(|name| !name.is_empty()),
            runtime_class_name: runtime_class_name.filter(|name| !name.is_empty()),
            resources,
            extra_arguments: extra_args.unwrap_or_default(),
        })
    }
}

/// The first weight that the API server refuses in a pod.
fn invalid_weight(affinity: &Affinity) -> Option<(&'static str, i32)> {
    let Affinity {
        node_affinity,
        pod_affinity,
        pod_anti_affinity,
    } = affinity;
    let nodes = node_affinity.iter().flat_map(|affinity| {
        affinity
            .preferred_during_scheduling_ignored_during_execution
            .iter()
            .flatten()
            .map(|term| term.weight)
    });
    let pods = pod_affinity.iter().flat_map(|affinity| {
        affinity
            .preferred_during_scheduling_ignored_during_execution
            .iter()
            .flatten()
            .map(|term| term.weight)
    });
    let anti = pod_anti_affinity.iter().flat_map(|affinity| {
        affinity
            .preferred_during_scheduling_ignored_during_execution
            .iter()
            .flatten()
            .map(|term| term.weight)
    });
    (nodes.map(|weight| ("NodeAffinity", weight)))
        .chain(pods.map(|weight| ("PodAffinity", weight)))
        .chain(anti.map(|weight| ("PodAntiAffinity", weight)))
        .find(|(_, weight)| !(1..=100).contains(weight))
}

#[cfg(test)]
mod tests;
