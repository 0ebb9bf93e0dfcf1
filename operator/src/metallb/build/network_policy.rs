//! Who may talk to the controller. The speakers have none: they share the network of their node, where no policy of
//! Kubernetes holds; the firewall of the node does.
//!
//! Only what comes in is limited. What goes out goes to the API server, which listens behind its Service on another port
//! in every distribution (6443, 443, 8443, 16443): a policy that names one would cut the controller off in the others.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names::object;

use super::controller::WEBHOOK_PORT;
use super::object::{Origin, selector};
use crate::args::Settings;

/// The API server with its questions, Prometheus, and the kubelet with its probes: from anywhere, because the first and the
/// last have the address of some node, which a policy cannot name.
pub(super) fn of_controller(origin: &Origin<'_>, settings: &Settings) -> NetworkPolicy {
    let ports = [WEBHOOK_PORT, settings.metrics_port, settings.health_port];
    NetworkPolicy {
        metadata: origin.metadata(object::CONTROLLER, object::CONTROLLER),
        spec: Some(incoming(ports, selector(object::CONTROLLER))),
    }
}

/// Lets the pods that `selector` selects be reached on these ports and on no others.
pub(crate) fn incoming(ports: impl IntoIterator<Item = u16>, selector: LabelSelector) -> NetworkPolicySpec {
    let ports = ports.into_iter().map(|port| NetworkPolicyPort {
        protocol: Some("TCP".to_owned()),
        port: Some(IntOrString::Int(i32::from(port))),
        end_port: None,
    });
    NetworkPolicySpec {
        pod_selector: Some(selector),
        policy_types: Some(vec!["Ingress".to_owned()]),
        ingress: Some(vec![NetworkPolicyIngressRule {
            ports: Some(ports.collect()),
            from: None,
        }]),
        egress: None,
    }
}
