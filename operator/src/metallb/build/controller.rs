//! The Deployment of the controller, which gives addresses to Services and answers the webhooks.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Container, PodSpec, PodTemplateSpec, SecurityContext, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names;

use super::metrics;
use super::object::{Origin, selector};
use super::pod::{self, Component};
use crate::args::Settings;
use crate::metallb::validate::ValidatedMetalLB;

/// More than zero: with zero the API server forgets the pod before its process is gone, and `Recreate` would start the
/// next controller beside it. The controller itself ends within three, of which it needs less than one as a rule.
const GRACE_SECONDS: i64 = 5;

/// How long a pod has to be ready before it counts as available, and the webhooks as answered: kube-proxy, which takes
/// the API server to it, hears of it as late as a second after us.
const SETTLED_SECONDS: i32 = 2;

/// The port of the webhooks in the pods, known from the network policies and firewalls of existing installations.
pub(super) const WEBHOOK_PORT: u16 = 9443;

/// The Deployment.
pub(super) fn deployment(origin: &Origin<'_>, metallb: &ValidatedMetalLB, settings: &Settings) -> Deployment {
    let component = Component {
        name: names::object::CONTROLLER,
        settings: &metallb.controller,
        tolerations: Vec::new(),
        grace_seconds: GRACE_SECONDS,
        resources: None,
    };
    let mut template = component.template(container(metallb, settings));
    if metallb.replicas > 1 {
        spread(&mut template);
    }
    if metallb.platform.is_openshift() {
        metrics::certified(names::object::CONTROLLER, &mut template);
    }
    Deployment {
        metadata: origin.metadata(names::object::CONTROLLER, names::object::CONTROLLER),
        spec: Some(DeploymentSpec {
            replicas: Some(metallb.replicas),
            min_ready_seconds: Some(SETTLED_SECONDS),
            revision_history_limit: Some(3),
            strategy: Some(strategy(metallb.replicas)),
            selector: selector(names::object::CONTROLLER),
            template,
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// One pod is replaced after it is gone: the former one may be a controller that knows nothing of leaders, and would give
/// out the same addresses. Addresses that are given stay served in the second or two while none runs. Of several, which
/// elect a leader, one is always there to answer the webhooks.
fn strategy(replicas: i32) -> DeploymentStrategy {
    let all_but_one = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(1)),
    };
    DeploymentStrategy {
        type_: Some(if replicas > 1 { "RollingUpdate" } else { "Recreate" }.to_owned()),
        rolling_update: (replicas > 1).then_some(all_but_one),
    }
}

/// Puts the pods on different nodes where there are enough, or the node that takes one away takes them all.
fn spread(template: &mut PodTemplateSpec) {
    let PodSpec {
        topology_spread_constraints,
        ..
    } = template.spec.get_or_insert_default();
    *topology_spread_constraints = Some(vec![TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(selector(names::object::CONTROLLER)),
        // Pods of the former version do not count, or a rolling update would drive the new ones together.
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }]);
}

fn container(metallb: &ValidatedMetalLB, settings: &Settings) -> Container {
    let mut arguments = pod::arguments(metallb, settings);
    arguments.extend([
        format!("--webhook-secret={}", names::object::WEBHOOK_CERTIFICATE_SECRET),
        format!("--cert-service-name={}", names::object::WEBHOOK_SERVICE),
    ]);
    Container {
        name: names::object::CONTROLLER.to_owned(),
        image: Some(settings.controller_image.clone()),
        command: Some(vec!["/controller".to_owned()]),
        args: Some(arguments),
        env: Some(vec![
            pod::field(names::env::NAMESPACE, "metadata.namespace"),
            pod::field(names::env::POD_NAME, "metadata.name"),
            pod::variable(names::env::DEPLOYMENT, names::object::CONTROLLER),
        ]),
        ports: Some(vec![
            pod::port(pod::HEALTH_PORT, settings.health_port),
            pod::port(names::object::METRICS_PORT, settings.metrics_port),
            pod::port(names::object::WEBHOOK_PORT, WEBHOOK_PORT),
        ]),
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
