//! The DaemonSet of the speakers, which announce addresses, one per node.

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EnvVar, PodSpec, PodTemplateSpec, ResourceRequirements,
    SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names;
use metallb_api::v1beta1::{SpeakerUpdateStrategy, UpdateStrategyType};
use serde_json::json;

use super::metrics;
use super::object::{Origin, selector};
use super::pod::{self, Component};
use crate::args::Settings;
use crate::metallb::validate::ValidatedMetalLB;

/// Enough to tell the other speakers that this one goes, and to answer until they have taken over, which a speaker does
/// for a second at the most; every second more is a second in which a rolling update stands still.
const GRACE_SECONDS: i64 = 2;
/// The strategy that leaves pods as they are until somebody deletes them.
pub(in crate::metallb) const ON_DELETE: &str = "OnDelete";
/// Where the speaker finds the memberlist key.
const KEY_DIRECTORY: &str = "/etc/ml_secret_key";
/// Only the owner, root, reads the mounted files. Decimal in JSON, so 256 on the wire.
const OWNER_READS: i32 = 0o400;
/// The health endpoints of a speaker listen here only: it shares the node's addresses.
const LOCALHOST: &str = "127.0.0.1";

/// The DaemonSet.
pub(super) fn daemon_set(origin: &Origin<'_>, metallb: &ValidatedMetalLB, settings: &Settings) -> DaemonSet {
    let component = Component {
        name: names::object::SPEAKER,
        settings: &metallb.speaker,
        tolerations: control_planes(),
        grace_seconds: GRACE_SECONDS,
        resources: Some(requests()),
    };
    let mut template = component.template(container(metallb, settings));
    on_the_node(&mut template);
    read_anew(metallb, &mut template);
    if metallb.platform.is_openshift() {
        metrics::certified(names::object::SPEAKER, &mut template);
        admitted(&mut template);
    }
    DaemonSet {
        metadata: origin.metadata(names::object::SPEAKER, names::object::SPEAKER),
        spec: Some(DaemonSetSpec {
            revision_history_limit: Some(3),
            update_strategy: Some(update_strategy(&metallb.update_strategy)),
            selector: selector(names::object::SPEAKER),
            template,
            ..DaemonSetSpec::default()
        }),
        ..DaemonSet::default()
    }
}

/// What a speaker asks for. A container that asks for nothing has the smallest share of what other pods keep busy, and
/// waits tens of milliseconds for it, or half a second: others take over the addresses of a node whose beats come as late.
/// With this share it is one millisecond or two. No limits: they would stop it in the middle of a burst.
fn requests() -> ResourceRequirements {
    let quantity = |(what, much): (&str, &str)| (what.to_owned(), Quantity(much.to_owned()));
    ResourceRequirements {
        requests: Some([("cpu", "100m"), ("memory", "20Mi")].map(quantity).into()),
        ..ResourceRequirements::default()
    }
}

/// One node after the other, if nothing else is asked for: the others take over the addresses of the one that is being
/// replaced.
fn update_strategy(wanted: &SpeakerUpdateStrategy) -> DaemonSetUpdateStrategy {
    let SpeakerUpdateStrategy {
        type_,
        max_unavailable,
    } = wanted;
    let rolling_update = RollingUpdateDaemonSet {
        max_unavailable: Some(max_unavailable.clone().unwrap_or(IntOrString::Int(1))),
        // Said, although it is the default: an edit of it is then undone as well.
        max_surge: Some(IntOrString::Int(0)),
    };
    let (type_, rolling_update) = match type_.unwrap_or_default() {
        UpdateStrategyType::RollingUpdate => ("RollingUpdate", Some(rolling_update)),
        UpdateStrategyType::OnDelete => (ON_DELETE, None),
    };
    DaemonSetUpdateStrategy {
        type_: Some(type_.to_owned()),
        rolling_update,
    }
}

/// A speaker reads its files when it starts, so it has to start again when the MetalLB changes them. Where it says nothing
/// about them there is no such annotation.
fn read_anew(metallb: &ValidatedMetalLB, template: &mut PodTemplateSpec) {
    if metallb.excluded_interfaces.is_none() && metallb.memberlist.is_none() {
        return;
    }
    let files = json!([metallb.excluded_interfaces, metallb.memberlist]).to_string();
    let metadata = template.metadata.get_or_insert_default();
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(
        names::annotation::FILES.to_owned(),
        format!("{:016x}", fnv1a(&files)),
    );
}

/// FNV-1a: short, and the same in every version of the operator, which the standard library does not promise of its own.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Names the security context constraints: without that the ones with the highest priority that admit the pod are taken, which
/// may be somebody else's, and change what the pod is.
fn admitted(template: &mut PodTemplateSpec) {
    let metadata = template.metadata.get_or_insert_default();
    let annotations = metadata.annotations.get_or_insert_default();
    let constraints = names::object::SPEAKER_SCC.to_owned();
    annotations.insert(names::annotation::REQUIRED_SCC.to_owned(), constraints);
}

/// Control-plane nodes announce as well: in small clusters they are the only ones.
fn control_planes() -> Vec<Toleration> {
    [
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/control-plane",
    ]
    .map(|key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    })
    .into()
}

/// Gives the pod the node's network, which it announces on, and its files.
fn on_the_node(template: &mut PodTemplateSpec) {
    let spec = template.spec.get_or_insert_default();
    let PodSpec {
        host_network,
        volumes,
        ..
    } = spec;
    *host_network = Some(true);
    *volumes = Some(vec![
        Volume {
            name: "memberlist".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(names::object::MEMBERLIST_SECRET.to_owned()),
                default_mode: Some(OWNER_READS),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: names::object::EXCLUDE_L2.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: names::object::EXCLUDE_L2.to_owned(),
                default_mode: Some(OWNER_READS),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: names::object::MEMBERLIST_CONFIG.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: names::object::MEMBERLIST_CONFIG.to_owned(),
                default_mode: Some(OWNER_READS),
                optional: Some(true),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    ]);
}

fn container(metallb: &ValidatedMetalLB, settings: &Settings) -> Container {
    Container {
        name: names::object::SPEAKER.to_owned(),
        image: Some(settings.speaker_image.clone()),
        command: Some(vec!["/speaker".to_owned()]),
        args: Some(pod::arguments(metallb, settings)),
        env: Some(environment(settings)),
        ports: Some(vec![
            on_node(pod::port(pod::HEALTH_PORT, settings.health_port)),
            on_node(pod::port(names::object::METRICS_PORT, settings.metrics_port)),
            on_node(pod::port(
                names::object::MEMBERLIST_TCP_PORT,
                settings.memberlist_port,
            )),
            on_node(ContainerPort {
                protocol: Some("UDP".to_owned()),
                ..pod::port(names::object::MEMBERLIST_UDP_PORT, settings.memberlist_port)
            }),
        ]),
        liveness_probe: Some(pod::liveness(Some(LOCALHOST), settings.health_port)),
        readiness_probe: Some(pod::readiness(Some(LOCALHOST), settings.health_port)),
        // Raw sockets need CAP_NET_RAW. A user other than root loses it at the start of the program unless its file
        // carries the capability, which image builders and registries do not reliably keep; so it is root, without
        // any other of root's capabilities.
        security_context: Some(SecurityContext {
            run_as_user: Some(0),
            ..pod::confined(&["NET_RAW"])
        }),
        volume_mounts: Some(vec![
            mount("memberlist", KEY_DIRECTORY),
            mount(names::object::EXCLUDE_L2, names::object::EXCLUDE_L2_DIRECTORY),
            // Inside of the other; the kubelet makes the directory for it.
            mount(
                names::object::MEMBERLIST_CONFIG,
                names::object::MEMBERLIST_CONFIG_DIRECTORY,
            ),
        ]),
        ..Container::default()
    }
}

/// The port of the node, as for every pod in its network. Said here too, so that the scheduler and this object agree with
/// what the API server would fill in.
fn on_node(port: ContainerPort) -> ContainerPort {
    ContainerPort {
        host_port: Some(port.container_port),
        ..port
    }
}

fn environment(settings: &Settings) -> Vec<EnvVar> {
    let members = format!(
        "{}={},{}={}",
        names::label::APP,
        names::label::APP_METALLB,
        names::label::COMPONENT,
        names::object::SPEAKER
    );
    vec![
        pod::field(names::env::NODE_NAME, "spec.nodeName"),
        pod::field(names::env::NAMESPACE, "metadata.namespace"),
        pod::field(names::env::POD_NAME, "metadata.name"),
        pod::field(names::env::ML_BIND_ADDR, "status.podIP"),
        pod::variable(names::env::ML_BIND_PORT, settings.memberlist_port.to_string()),
        pod::variable(names::env::ML_LABELS, members),
        pod::variable(names::env::ML_SECRET_KEY_PATH, KEY_DIRECTORY),
    ]
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
