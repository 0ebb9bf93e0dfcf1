//! How the API server comes to ask the operator about a MetalLB: a Service, and the registration. Whom it is to trust is told
//! by the operator, which makes the certificate.
//!
//! The Operator Lifecycle Manager makes both itself, from the webhook definition of the bundle.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names::object;

use super::Options;
use super::manager;
use super::rbac::namespaced;
use super::yaml::Documents;
use crate::metallb::build::webhooks;

/// Both, as documents.
pub(super) fn file(options: &Options) -> String {
    let comment =
        "Lets everything pass while no operator answers: the rules of the definition hold all the same.";
    Documents::default()
        .add([], &service(options))
        .add([comment], &registration(options))
        .finish()
}

fn service(options: &Options) -> Service {
    Service {
        metadata: namespaced(options, object::OPERATOR_WEBHOOK_SERVICE),
        spec: Some(ServiceSpec {
            selector: Some(manager::labels()),
            ports: Some(vec![ServicePort {
                port: webhooks::PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(object::WEBHOOK_PORT.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn registration(options: &Options) -> ValidatingWebhookConfiguration {
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(object::OPERATOR_WEBHOOK_CONFIGURATION.to_owned()),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![webhooks::of_operator(&options.namespace)]),
    }
}
