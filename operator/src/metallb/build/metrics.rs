//! The Services by which a monitoring system finds the metrics of each pod. They have no address of their own. On OpenShift
//! they are also how the cluster's own authority is asked for the certificate that the metrics are served with.

use k8s_openapi::api::core::v1::{
    Container, PodTemplateSpec, SecretVolumeSource, Service, ServicePort, ServiceSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names;

use super::object::{Origin, selector};
use crate::platform::Platform;

const CERTIFICATE_VOLUME: &str = "metrics-cert";

/// Those of the controller.
pub(super) fn of_controller(origin: &Origin<'_>, platform: &Platform, port: u16) -> Service {
    let name = names::object::CONTROLLER_METRICS;
    service(origin, platform, (name, names::object::CONTROLLER), port)
}

/// Those of the speakers.
pub(super) fn of_speakers(origin: &Origin<'_>, platform: &Platform, port: u16) -> Service {
    let name = names::object::SPEAKER_METRICS;
    service(origin, platform, (name, names::object::SPEAKER), port)
}

fn service(origin: &Origin<'_>, platform: &Platform, (name, component): (&str, &str), port: u16) -> Service {
    let mut metadata = origin.metadata(name, component);
    if platform.is_openshift() {
        let key = names::annotation::SERVING_CERTIFICATE.to_owned();
        metadata.annotations = Some([(key, certificate_secret(component).to_owned())].into());
    }
    Service {
        metadata,
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

/// The Secret that the cluster's authority makes when it sees the annotation.
fn certificate_secret(component: &str) -> &'static str {
    if component == names::object::CONTROLLER {
        names::object::CONTROLLER_METRICS_CERTIFICATE
    } else {
        names::object::SPEAKER_METRICS_CERTIFICATE
    }
}

/// Has the pods of `component` serve their metrics with that certificate, as soon as there is one: the Secret may come later
/// than the pods, which run without it.
pub(super) fn certified(component: &str, template: &mut PodTemplateSpec) {
    let Some(spec) = template.spec.as_mut() else {
        return;
    };
    spec.volumes.get_or_insert_default().push(Volume {
        name: CERTIFICATE_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(certificate_secret(component).to_owned()),
            optional: Some(true),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    for Container {
        args, volume_mounts, ..
    } in &mut spec.containers
    {
        args.get_or_insert_default().push(format!(
            "--metrics-cert-dir={}",
            names::object::METRICS_CERTIFICATE_DIRECTORY
        ));
        volume_mounts.get_or_insert_default().push(VolumeMount {
            name: CERTIFICATE_VOLUME.to_owned(),
            mount_path: names::object::METRICS_CERTIFICATE_DIRECTORY.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
}
