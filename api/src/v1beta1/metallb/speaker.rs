//! What only the speakers have: a pod on every node, the interfaces they announce on, and what they tell each other.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ComponentConfig;

/// Settings of the speakers.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeakerConfig {
    /// Run a speaker on every chosen node, whatever its taints. Left out, only the taints of control-plane nodes and
    /// those in speakerTolerations are tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerate_all: Option<bool>,

    /// How the speakers are replaced by those of another version or with other settings. Left out, one node follows the
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<SpeakerUpdateStrategy>,

    /// Regular expressions, matched anywhere in the name of a network interface; nothing is announced on one that
    /// matches. Left out, the interfaces of container networks and virtual machines are left alone; an empty list leaves
    /// none alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 64), regex(pattern = r"^[!-~]+$")))]
    #[x_kube(validation = Rule::new("self.all(expression, ''.matches(expression) in [true, false])")
        .message("each excluded interface must be a regular expression"))]
    pub excluded_interfaces: Option<Vec<String>>,

    /// How the speakers find out about one another. Left out, the ConfigMap metallb-memberlist-config counts if somebody
    /// made one, and otherwise the defaults do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memberlist: Option<MemberlistConfig>,

    /// Settings of their pods.
    #[serde(flatten)]
    pub pods: ComponentConfig,
}

/// How the speakers are replaced.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.maxUnavailable) || !has(self.type) || self.type == 'RollingUpdate'")
    .message("maxUnavailable is about RollingUpdate only"))]
pub struct SpeakerUpdateStrategy {
    /// RollingUpdate replaces them at once. OnDelete leaves each as it is until its pod is deleted.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UpdateStrategyType")]
    pub type_: Option<UpdateStrategyType>,

    /// How many nodes may be without a speaker meanwhile, as a number or as a share such as 10%; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("type(self) == int ? self >= 1 : self.matches('^([1-9][0-9]?|100)%$')")
        .message("maxUnavailable is at least 1, or a share from 1% to 100%"))]
    pub max_unavailable: Option<IntOrString>,
}

/// When a speaker is replaced.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStrategyType {
    /// At once.
    #[default]
    RollingUpdate,
    /// When somebody deletes its pod.
    OnDelete,
}

/// How the speakers find out about one another. What is left out keeps its default.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.probeTimeout) || !has(self.probeInterval) || duration(self.probeTimeout) <= duration(self.probeInterval)"
).message("probeTimeout is at most probeInterval"))]
pub struct MemberlistConfig {
    /// Time between two questions of a speaker whether another one is there, for example 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_POSITIVE).message(POSITIVE))]
    pub probe_interval: Option<String>,

    /// How long the other one has to answer before a third one is asked to ask it, for example 500ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_POSITIVE).message(POSITIVE))]
    pub probe_timeout: Option<String>,

    /// How many others are asked to ask it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16))]
    pub indirect_checks: Option<u16>,

    /// How long one that does not answer is suspected before it counts as gone, in probe intervals; more in clusters of
    /// more than ten nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub suspicion_mult: Option<u16>,

    /// The same at the most, while nobody else suspects it; in multiples of the former.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub suspicion_max_timeout_mult: Option<u16>,

    /// Time between two messages with news to other speakers, for example 200ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_POSITIVE).message(POSITIVE))]
    pub gossip_interval: Option<String>,

    /// How many others get each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub gossip_nodes: Option<u16>,

    /// Time between two comparisons of everything that is known with another speaker, for example 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(IS_POSITIVE).message(POSITIVE))]
    pub push_pull_interval: Option<String>,
}

/// A time that a timer can have. At most an hour: more would mean that nobody ever notices anything.
const IS_POSITIVE: &str = "duration(self) >= duration('1ms') && duration(self) <= duration('1h')";
const POSITIVE: &str = "a time such as 500ms, from 1ms to 1h";
