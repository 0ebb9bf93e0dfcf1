//! The namespace of everything and the Deployment of the operator.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Namespace,
    ObjectFieldSelector, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
    SecurityContext,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names::{env, label, object};
use metallb_runtime::webhooks;

use super::Options;
use super::rbac::namespaced;
use super::yaml::Documents;
use crate::metallb::build::incoming;

/// The port of the health endpoints; the default of the operator's flag.
const HEALTH_PORT: u16 = 8080;

/// The namespace, as a document.
pub(super) fn namespace(options: &Options) -> String {
    let comment = "Speakers use the network of their node and raw sockets: pod security must be privileged.";
    Documents::default().add([comment], &home(options)).finish()
}

/// The namespace. Speakers use the node's network and raw sockets, which no stricter level of pod security admits.
pub(crate) fn home(options: &Options) -> Namespace {
    let levels = ["audit", "enforce", "warn"].map(|mode| {
        (
            format!("pod-security.kubernetes.io/{mode}"),
            "privileged".to_owned(),
        )
    });
    Namespace {
        metadata: ObjectMeta {
            name: Some(options.namespace.clone()),
            labels: Some(levels.into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// The Deployment of the operator, as a document.
pub(super) fn operator(options: &Options) -> String {
    Documents::default().add([], &deployment(options)).finish()
}

/// Who may talk to the operator, as a document.
pub(super) fn network_policy(options: &Options) -> String {
    let selector = LabelSelector {
        match_labels: Some(labels()),
        ..LabelSelector::default()
    };
    let policy = NetworkPolicy {
        metadata: namespaced(options, object::OPERATOR_POLICY),
        spec: Some(incoming([HEALTH_PORT, webhooks::PORT], selector)),
    };
    let comment = "The kubelet and the API server have questions, and nobody else.";
    Documents::default().add([comment], &policy).finish()
}

/// What selects its pods.
pub(super) fn labels() -> BTreeMap<String, String> {
    [(
        label::CONTROL_PLANE.to_owned(),
        label::CONTROLLER_MANAGER.to_owned(),
    )]
    .into()
}

/// The Deployment of the operator.
pub(crate) fn deployment(options: &Options) -> Deployment {
    let labels = labels();
    let spec = PodSpec {
        service_account_name: Some(object::OPERATOR_ACCOUNT.to_owned()),
        node_selector: Some([("kubernetes.io/os".to_owned(), "linux".to_owned())].into()),
        termination_grace_period_seconds: Some(10),
        enable_service_links: Some(false),
        containers: vec![container(options)],
        ..PodSpec::default()
    };
    Deployment {
        metadata: ObjectMeta {
            labels: Some(labels.clone()),
            ..namespaced(options, object::OPERATOR)
        },
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            // Two operators would do the same work twice, and of different versions they would undo each other's.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                rolling_update: None,
            }),
            selector: LabelSelector {
                match_labels: Some(labels.clone()),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(spec),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn container(options: &Options) -> Container {
    let quantity = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.to_owned()));
    Container {
        name: "operator".to_owned(),
        image: Some(options.image("operator")),
        command: Some(vec!["/operator".to_owned()]),
        env: Some(vec![
            own_namespace(),
            variable(env::CONTROLLER_IMAGE, options.image(object::CONTROLLER)),
            variable(env::SPEAKER_IMAGE, options.image(object::SPEAKER)),
        ]),
        ports: Some(vec![
            port("health", HEALTH_PORT),
            port(object::WEBHOOK_PORT, webhooks::PORT),
        ]),
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            timeout_seconds: Some(2),
            ..get("/healthz")
        }),
        readiness_probe: Some(Probe {
            period_seconds: Some(2),
            timeout_seconds: Some(2),
            ..get("/readyz")
        }),
        resources: Some(ResourceRequirements {
            requests: Some([quantity("cpu", "10m"), quantity("memory", "20Mi")].into()),
            ..ResourceRequirements::default()
        }),
        security_context: Some(unprivileged()),
        ..Container::default()
    }
}

/// What suffices for a program that talks to the API server. The user is that of the image, 65534; OpenShift puts one of
/// its own in its place.
pub(super) fn unprivileged() -> SecurityContext {
    SecurityContext {
        run_as_non_root: Some(true),
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        ..ContainerPort::default()
    }
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

fn own_namespace() -> EnvVar {
    let field_ref = ObjectFieldSelector {
        field_path: "metadata.namespace".to_owned(),
        api_version: None,
    };
    EnvVar {
        name: env::OPERATOR_NAMESPACE.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(field_ref),
            ..EnvVarSource::default()
        }),
    }
}

fn get(path: &str) -> Probe {
    let action = HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::Int(i32::from(HEALTH_PORT)),
        ..HTTPGetAction::default()
    };
    Probe {
        http_get: Some(action),
        ..Probe::default()
    }
}
