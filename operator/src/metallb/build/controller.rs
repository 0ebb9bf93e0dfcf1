//! The Deployment of the controller, which gives addresses to Services.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{Container, ContainerPort, SecurityContext};
use metallb_api::names;

use super::object::{Origin, selector};
use super::pod::{self, Component};
use crate::args::Settings;
use crate::metallb::validate::ValidatedMetalLB;

/// More than zero: with zero the API server forgets the pod before its process is gone, and `Recreate` would start the
/// next controller beside it. The controller itself ends at once.
const GRACE_SECONDS: i64 = 5;

/// The Deployment, with one pod.
pub(super) fn deployment(origin: &Origin<'_>, metallb: &ValidatedMetalLB, settings: &Settings) -> Deployment {
    let component = Component {
        name: names::object::CONTROLLER,
        settings: &metallb.controller,
        tolerations: Vec::new(),
        grace_seconds: GRACE_SECONDS,
    };
    Deployment {
        metadata: origin.metadata(names::object::CONTROLLER, names::object::CONTROLLER),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            revision_history_limit: Some(3),
            // Two controllers at once could give one address to two Services; they do not elect a leader. Addresses
            // that are given stay served while none runs, so the gap of a second or two is the lesser evil.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                rolling_update: None,
            }),
            selector: selector(names::object::CONTROLLER),
            template: component.template(container(metallb, settings)),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn container(metallb: &ValidatedMetalLB, settings: &Settings) -> Container {
    let health = ContainerPort {
        name: Some("health".to_owned()),
        container_port: i32::from(settings.health_port),
        ..ContainerPort::default()
    };
    Container {
        name: names::object::CONTROLLER.to_owned(),
        image: Some(settings.controller_image.clone()),
        command: Some(vec!["/controller".to_owned()]),
        args: Some(pod::arguments(metallb, settings.health_port)),
        env: Some(vec![
            pod::field(names::env::NAMESPACE, "metadata.namespace"),
            pod::field(names::env::POD_NAME, "metadata.name"),
        ]),
        ports: Some(vec![health]),
        liveness_probe: Some(pod::liveness(None, settings.health_port)),
        readiness_probe: Some(pod::readiness(None, settings.health_port)),
        // The user is that of the image, 65534. Naming it here too would be refused on OpenShift, which gives each
        // namespace its own range of users.
        security_context: Some(SecurityContext {
            run_as_non_root: Some(true),
            ..pod::confined(&[])
        }),
        ..Container::default()
    }
}
