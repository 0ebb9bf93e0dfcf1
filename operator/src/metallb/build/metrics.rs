//! The Services by which a monitoring system finds the metrics of each pod. They have no address of their own.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names;

use super::object::{Origin, selector};

/// Those of the controller.
pub(super) fn of_controller(origin: &Origin<'_>, port: u16) -> Service {
    service(
        origin,
        names::object::CONTROLLER_METRICS,
        names::object::CONTROLLER,
        port,
    )
}

/// Those of the speakers.
pub(super) fn of_speakers(origin: &Origin<'_>, port: u16) -> Service {
    service(
        origin,
        names::object::SPEAKER_METRICS,
        names::object::SPEAKER,
        port,
    )
}

fn service(origin: &Origin<'_>, name: &str, component: &str, port: u16) -> Service {
    Service {
        metadata: origin.metadata(name, component),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            selector: selector(component).match_labels,
            ports: Some(vec![ServicePort {
                name: Some(names::object::METRICS_PORT.to_owned()),
                port: i32::from(port),
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(names::object::METRICS_PORT.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
