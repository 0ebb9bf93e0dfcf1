//! What it takes to have the API server ask the controller about MetalLB's resources: a Service, a Secret for its
//! certificate, the registration of the webhooks and the conversion of BGPPeer. The certificate itself, and the word to
//! the API server whom to trust (`caBundle`), are the controller's: nothing here mentions them.
//!
//! And the registration of the operator's own webhook, which is installed with it.

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use k8s_openapi::api::core::v1::{Secret, Service, ServicePort, ServiceSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, ServiceReference as ConversionServiceReference,
    WebhookClientConfig as ConversionClientConfig, WebhookConversion,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names::webhook::{self, Validating};
use metallb_api::names::{self, GROUP, V1BETA1, V1BETA2};

use super::object::{Origin, labels, selector};

/// The port of the Service: where the API server goes if it is not told another one.
pub(crate) const PORT: i32 = 443;
/// An answer takes milliseconds. One that does not answer must not make `kubectl apply` hang for long.
const TIMEOUT_SECONDS: i32 = 5;
/// The version of the questions and answers, which is the only one that Kubernetes has.
const REVIEW_VERSION: &str = "v1";

const CREATE_UPDATE: [&str; 2] = ["CREATE", "UPDATE"];

/// The Service of the webhooks.
pub(super) fn service(origin: &Origin<'_>) -> Service {
    Service {
        metadata: origin.metadata(names::object::WEBHOOK_SERVICE, names::object::CONTROLLER),
        spec: Some(ServiceSpec {
            selector: selector(names::object::CONTROLLER).match_labels,
            ports: Some(vec![ServicePort {
                port: PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(names::object::WEBHOOK_PORT.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The Secret, empty.
pub(super) fn secret(origin: &Origin<'_>) -> Secret {
    Secret {
        metadata: origin.metadata(
            names::object::WEBHOOK_CERTIFICATE_SECRET,
            names::object::CONTROLLER,
        ),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// The registration. It is not in the namespace of its MetalLB, which therefore cannot own it.
pub(super) fn configuration(namespace: &str) -> ValidatingWebhookConfiguration {
    let controller = (namespace, names::object::WEBHOOK_SERVICE);
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(names::object::WEBHOOK_CONFIGURATION.to_owned()),
            labels: Some(labels(names::object::CONTROLLER)),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![
            validating(
                controller,
                webhook::BGP_PEER,
                V1BETA2,
                ("bgppeers", CREATE_UPDATE),
            ),
            // Nothing refers to a profile that is new, and every value of one is in the schema; but one in use must not go.
            validating(
                controller,
                webhook::BFD_PROFILE,
                V1BETA1,
                ("bfdprofiles", ["CREATE", "DELETE"]),
            ),
            validating(
                controller,
                webhook::BGP_ADVERTISEMENT,
                V1BETA1,
                ("bgpadvertisements", CREATE_UPDATE),
            ),
            validating(
                controller,
                webhook::COMMUNITY,
                V1BETA1,
                ("communities", CREATE_UPDATE),
            ),
            validating(
                controller,
                webhook::IP_ADDRESS_POOL,
                V1BETA1,
                ("ipaddresspools", CREATE_UPDATE),
            ),
            validating(
                controller,
                webhook::L2_ADVERTISEMENT,
                V1BETA1,
                ("l2advertisements", CREATE_UPDATE),
            ),
        ]),
    }
}

/// The webhook of the operator. It lets everything pass while nobody answers: there is often one operator, and what slips
/// in is told in the status of the MetalLB.
pub(crate) fn of_operator(namespace: &str) -> ValidatingWebhook {
    ValidatingWebhook {
        failure_policy: Some("Ignore".to_owned()),
        ..validating(
            (namespace, names::object::OPERATOR_WEBHOOK_SERVICE),
            webhook::METALLB,
            V1BETA1,
            ("metallbs", CREATE_UPDATE),
        )
    }
}

/// How BGPPeer reads in its other version. It is a part of the definition, which is not ours to make.
pub(super) fn conversion(namespace: &str) -> CustomResourceConversion {
    CustomResourceConversion {
        strategy: "Webhook".to_owned(),
        webhook: Some(WebhookConversion {
            conversion_review_versions: vec![REVIEW_VERSION.to_owned()],
            client_config: Some(ConversionClientConfig {
                service: Some(ConversionServiceReference {
                    name: names::object::WEBHOOK_SERVICE.to_owned(),
                    namespace: namespace.to_owned(),
                    path: Some(webhook::CONVERT_PATH.to_owned()),
                    port: Some(PORT),
                }),
                ..ConversionClientConfig::default()
            }),
        }),
    }
}

/// The webhook for operations on a resource.
fn validating(
    (namespace, service): (&str, &str),
    Validating { name, path }: Validating,
    version: &str,
    (resource, operations): (&str, [&str; 2]),
) -> ValidatingWebhook {
    ValidatingWebhook {
        name: name.to_owned(),
        admission_review_versions: vec![REVIEW_VERSION.to_owned()],
        client_config: WebhookClientConfig {
            service: Some(ServiceReference {
                name: service.to_owned(),
                namespace: namespace.to_owned(),
                path: Some(path.to_owned()),
                port: Some(PORT),
            }),
            ..WebhookClientConfig::default()
        },
        rules: Some(vec![RuleWithOperations {
            api_groups: Some(vec![GROUP.to_owned()]),
            api_versions: Some(vec![version.to_owned()]),
            operations: Some(operations.map(str::to_owned).into()),
            resources: Some(vec![resource.to_owned()]),
            scope: None,
        }]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
        ..ValidatingWebhook::default()
    }
}
