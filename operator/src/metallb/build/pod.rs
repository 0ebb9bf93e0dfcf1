//! What the controller's pod and the speaker's pod have in common: where they run, how they are probed, what they may
//! not do. Owns nothing that only one of them has.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector,
    PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::object::labels;
use crate::args::Settings;
use crate::metallb::validate::{PodSettings, ValidatedMetalLB};
use crate::platform::Profile;

/// Name of the port of the health endpoints.
pub(super) const HEALTH_PORT: &str = "health";

/// One of the two programs whose pods the operator makes.
pub(super) struct Component<'a> {
    /// Name of the component, of its container and of its service account
    pub(super) name: &'static str,
    /// What the CR says about its pods
    pub(super) settings: &'a PodSettings,
    /// Tolerations that it has whatever the CR says
    pub(super) tolerations: Vec<Toleration>,
    /// The time from the request to end until it is killed
    pub(super) grace_seconds: i64,
    /// What it asks for where the CR says nothing about it
    pub(super) resources: Option<ResourceRequirements>,
}

impl Component<'_> {
    /// The pod around `container`.
    pub(super) fn template(self, container: Container) -> PodTemplateSpec {
        let Self {
            name,
            settings,
            mut tolerations,
            grace_seconds,
            resources: usual,
        } = self;
        let PodSettings {
            node_selector,
            tolerations: wanted,
            affinity,
            annotations,
            priority_class_name,
            runtime_class_name,
            resources,
            extra_arguments,
        } = settings;
        tolerations.extend(wanted.iter().cloned());
        let spec = PodSpec {
            service_account_name: Some(name.to_owned()),
            node_selector: Some(on_linux(node_selector)),
            tolerations: (!tolerations.is_empty()).then_some(tolerations),
            affinity: affinity.clone(),
            priority_class_name: priority_class_name.clone(),
            runtime_class_name: runtime_class_name.clone(),
            termination_grace_period_seconds: Some(grace_seconds),
            // A namespace with many Services would otherwise put each of them into the environment.
            enable_service_links: Some(false),
            containers: vec![Container {
                resources: resources.clone().or(usual),
                args: container
                    .args
                    .map(|arguments| with_extra(arguments, extra_arguments)),
                ..container
            }],
            ..PodSpec::default()
        };
        let metadata = ObjectMeta {
            labels: Some(labels(name)),
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            ..ObjectMeta::default()
        };
        PodTemplateSpec {
            metadata: Some(metadata),
            spec: Some(spec),
        }
    }
}

/// The node selector of the CR, and Linux: there is no image for another system.
fn on_linux(wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut selector = wanted.clone();
    selector.insert("kubernetes.io/os".to_owned(), "linux".to_owned());
    selector
}

/// The arguments that both programs understand.
pub(super) fn arguments(metallb: &ValidatedMetalLB, settings: &Settings) -> Vec<String> {
    let mut arguments = vec![
        format!("--health-probe-port={}", settings.health_port),
        format!("--port={}", settings.metrics_port),
        format!("--log-level={}", metallb.log_level),
    ];
    arguments.extend(
        metallb
            .load_balancer_class
            .iter()
            .map(|class| format!("--lb-class={class}")),
    );
    arguments.extend(metallb.platform.tls.iter().flat_map(Profile::arguments));
    arguments
}

/// The arguments of the operator, without those that are also in `extra`, and these: a flag may be given once.
fn with_extra(mut arguments: Vec<String>, extra: &[String]) -> Vec<String> {
    arguments.retain(|argument| extra.iter().all(|other| flag(other) != flag(argument)));
    arguments.extend(extra.iter().cloned());
    arguments
}

/// The name in `--name=value`, with one dash or two.
fn flag(argument: &str) -> &str {
    let name = argument.trim_start_matches('-');
    name.split_once('=').map_or(name, |(name, _)| name)
}

/// A TCP port that the program listens on.
pub(super) fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// An environment variable with a fixed value.
pub(super) fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        value_from: None,
    }
}

/// An environment variable with the value of a field of the pod itself.
pub(super) fn field(name: &str, path: &str) -> EnvVar {
    let field_ref = ObjectFieldSelector {
        field_path: path.to_owned(),
        api_version: None,
    };
    let source = EnvVarSource {
        field_ref: Some(field_ref),
        ..EnvVarSource::default()
    };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(source),
    }
}

/// Restarts a program that does not answer for half a minute.
pub(super) fn liveness(host: Option<&str>, port: u16) -> Probe {
    Probe {
        period_seconds: Some(10),
        failure_threshold: Some(3),
        timeout_seconds: Some(2),
        ..get("/healthz", host, port)
    }
}

/// Ready as soon as the program knows its world; asked often, because an installation waits for it.
pub(super) fn readiness(host: Option<&str>, port: u16) -> Probe {
    Probe {
        period_seconds: Some(2),
        failure_threshold: Some(3),
        timeout_seconds: Some(2),
        ..get("/readyz", host, port)
    }
}

fn get(path: &str, host: Option<&str>, port: u16) -> Probe {
    let action = HTTPGetAction {
        path: Some(path.to_owned()),
        host: host.map(str::to_owned),
        port: IntOrString::Int(i32::from(port)),
        ..HTTPGetAction::default()
    };
    Probe {
        http_get: Some(action),
        ..Probe::default()
    }
}

/// A container that can write nowhere, gains no privilege and has only the kernel capabilities in `added`.
pub(super) fn confined(added: &[&str]) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: (!added.is_empty()).then(|| added.iter().map(|&name| name.to_owned()).collect()),
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}
