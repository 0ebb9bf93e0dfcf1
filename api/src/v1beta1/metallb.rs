//! The kind MetalLB: what the operator installs.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies the struct, with its `pub`, into a function"
)]

mod speaker;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use speaker::{MemberlistConfig, SpeakerConfig, SpeakerUpdateStrategy, UpdateStrategyType};

/// The preferred terms of an affinity whose weights the API server would take in a pod.
macro_rules! weights {
    ($config:literal, $affinity:literal) => {
        concat!(
            "!has(self.",
            $config,
            ") || !has(self.",
            $config,
            ".affinity) || !has(self.",
            $config,
            ".affinity.",
            $affinity,
            ") || !has(self.",
            $config,
            ".affinity.",
            $affinity,
            ".preferredDuringSchedulingIgnoredDuringExecution) || self.",
            $config,
            ".affinity.",
            $affinity,
            ".preferredDuringSchedulingIgnoredDuringExecution",
            ".all(term, term.weight >= 1 && term.weight <= 100)"
        )
    };
}

/// Taints that somebody is driven out by only after a while are those that drive out at all.
const TOLERATIONS: &str =
    "self.all(one, !has(one.tolerationSeconds) || (has(one.effect) && one.effect == 'NoExecute'))";

/// How the installation should look. Everything is optional.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "MetalLB",
    plural = "metallbs",
    namespaced,
    status = "MetalLBStatus",
    derive = "Default",
    derive = "PartialEq",
    attr = "cfg_attr(true, serde(default))",
    doc = "Tells the operator to install MetalLB, and how. There is one for the cluster, named metallb, in the \
           namespace of the operator. Deleting it removes the installation.",
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Available')].status"
    ),
    printcolumn(
        name = "Degraded",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Degraded')].status"
    ),
    printcolumn(
        name = "Progressing",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Progressing')].status"
    ),
    printcolumn(name = "Speakers", type_ = "integer", json_path = ".status.speakers.ready"),
    printcolumn(name = "Wanted", type_ = "integer", json_path = ".status.speakers.wanted"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
// What the operator would refuse later is refused here, where its author looks.
#[x_kube(
    validation = Rule::new(weights!("controllerConfig", "nodeAffinity"))
        .message("ControllerConfig NodeAffinity set with invalid weight for preferred scheduling term"),
    validation = Rule::new(weights!("controllerConfig", "podAffinity"))
        .message("ControllerConfig PodAffinity set with invalid weight for preferred scheduling term"),
    validation = Rule::new(weights!("controllerConfig", "podAntiAffinity"))
        .message("ControllerConfig PodAntiAffinity set with invalid weight for preferred scheduling term"),
    validation = Rule::new(weights!("speakerConfig", "nodeAffinity"))
        .message("SpeakerConfig NodeAffinity set with invalid weight for preferred scheduling term"),
    validation = Rule::new(weights!("speakerConfig", "podAffinity"))
        .message("SpeakerConfig PodAffinity set with invalid weight for preferred scheduling term"),
    validation = Rule::new(weights!("speakerConfig", "podAntiAffinity"))
        .message("SpeakerConfig PodAntiAffinity set with invalid weight for preferred scheduling term")
)]
pub struct MetalLBSpec {
    /// Deprecated, no effect: the operator knows the images that belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,

    /// Labels of the nodes that run a speaker. Left out, all nodes do. Only nodes with a speaker announce
    /// addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,

    /// Taints that the speakers tolerate, besides those of control-plane nodes, which they always do. An entry is
    /// the same as in pod.spec.tolerations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::of_pod::<Vec<Toleration>>", length(max = 500))]
    #[x_kube(validation = Rule::new(TOLERATIONS)
        .message("SpeakerToleration effect must be NoExecute when tolerationSeconds is set"))]
    pub speaker_tolerations: Option<Vec<Toleration>>,

    /// How much controller and speakers log; info when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LogLevel")]
    pub log_level: Option<LogLevel>,

    /// Serve only Services with this loadBalancerClass. Left out, only Services without a class are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^([a-z0-9A-Z]([\w.\-]*[a-z0-9A-Z])?/)?[a-z0-9A-Z]([\w.\-]*[a-z0-9A-Z])?$"
    ))]
    pub load_balancer_class: Option<String>,

    /// Labels of the nodes that may run the controller. Left out, any node may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_node_selector: Option<BTreeMap<String, String>>,

    /// Taints that the controller tolerates. An entry is the same as in pod.spec.tolerations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::of_pod::<Vec<Toleration>>", length(max = 500))]
    #[x_kube(validation = Rule::new(TOLERATIONS)
        .message("ControllerToleration effect must be NoExecute when tolerationSeconds is set"))]
    pub controller_tolerations: Option<Vec<Toleration>>,

    /// Settings of the controller's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_config: Option<ControllerConfig>,

    /// Settings of the speakers' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_config: Option<SpeakerConfig>,

    /// Which BGP implementation to use: native. The others that older resources name (frr, frr-k8s and
    /// frr-k8s-external) are accepted and served by it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self in ['', 'native', 'frr', 'frr-k8s', 'frr-k8s-external']")
        .message("invalid BGP Backend, must be one of native, frr, frr-k8s, frr-k8s-external"))]
    pub bgp_backend: Option<String>,

    /// Settings that apply where frr-k8s is the BGP implementation.
    #[serde(default, rename = "frrk8sConfig", skip_serializing_if = "Option::is_none")]
    pub frrk8s_config: Option<FrrK8sConfig>,
}

/// Settings of the controller.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerConfig {
    /// How many pods of the controller there are; 1 when left out. One of them gives out addresses, the others stand by
    /// to take over, and all of them answer the webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub replicas: Option<i32>,

    /// Settings of its pods.
    #[serde(flatten)]
    pub pods: ComponentConfig,
}

/// Settings of the pods of one component.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentConfig {
    /// PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,

    /// RuntimeClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,

    /// Where the pods may run, and where they run best; the same as pod.spec.affinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::of_pod::<Affinity>")]
    pub affinity: Option<Affinity>,

    /// Annotations to put on the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,

    /// Compute resources of the main container; the same as pod.spec.containers.resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::of_pod::<ResourceRequirements>")]
    pub resources: Option<ResourceRequirements>,

    /// Further arguments of the program, each one flag with its value, for example --log-level=debug. One that the
    /// operator passes as well replaces the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    #[x_kube(
        validation = Rule::new("self.all(argument, argument.matches('^--?[a-z][a-z0-9-]*(=.*)?$'))")
            .message("an extra argument is one flag with its value, such as --log-level=debug"),
        validation = Rule::new(RESERVED)
            .message("an extra argument cannot set what connects the parts of the installation: ports, namespace, \
                      names, load balancer class, membership and webhooks")
    )]
    pub extra_args: Option<Vec<String>>,
}

/// Pods would not find each other, or not be found, if one of these was another than the operator knows.
const RESERVED: &str = "!self.exists(argument, argument.matches('^--?(port|health-probe-port|namespace|node-name|pod-name\
    |lb-class|ml-(bindaddr|bindport|labels|secret-key-path|secret-name)|deployment|webhook-mode|webhook-secret\
    |cert-service-name|cert-dir|disable-cert-rotation|metrics-cert-dir)(=|$)'))";

/// Settings of frr-k8s.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrrK8sConfig {
    /// Prefixes that are never accepted from a peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always_block: Option<Vec<String>>,

    /// Namespace of an frr-k8s that was installed by other means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,

    /// Refer to the Secrets with the passwords of peers instead of copying the passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_passthrough: Option<bool>,
}

/// How much a process logs, from everything to nothing.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything there is.
    All,
    /// Decisions and their reasons.
    Debug,
    /// What changed.
    #[default]
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    None,
}

/// What became of the installation.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetalLBStatus {
    /// Available: controller and speakers run as asked. Upgradeable: the operator may be upgraded. Progressing: a
    /// change is being rolled out. Degraded: something is wrong, and the message says what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Option<Vec<Condition>>,

    /// How many speakers there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speakers: Option<SpeakerCounts>,

    /// The version that was last installed completely. While it is not the operator's, that one is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How many speakers there are.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakerCounts {
    /// Those that can announce addresses.
    pub ready: i32,
    /// Those that there should be: one on every node that may run one.
    pub wanted: i32,
}
