//! What runs already, and what becomes of it. Pure.

use std::collections::BTreeMap;

use metallb_api::names::object;
use metallb_api::v1beta1::MetalLBSpec;

use super::facts::{Facts, Installer, Role, Workload};
use super::report::Finding;

/// What becomes of a controller or speaker that is not in the place of ours.
const BESIDE: &str =
    "is not taken over, and the operator does not install beside it: two would give out the same addresses";

/// The installations, each with its workloads.
pub(super) fn list(facts: &Facts) -> BTreeMap<String, Vec<String>> {
    let mut list: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for workload in &facts.workloads {
        let Workload {
            kind,
            key,
            image,
            installer,
            ours,
            ..
        } = workload;
        let by = match installer {
            Installer::Manifests => "manifests".to_owned(),
            Installer::Helm(release) => format!("Helm release {release}"),
            Installer::Operator => "an operator".to_owned(),
            Installer::Catalog => "the Operator Lifecycle Manager".to_owned(),
        };
        let ours = if *ours { ", this project's" } else { "" };
        let of = list.entry(format!("{}, by {by}", key.namespace())).or_default();
        of.push(format!("{kind} {} ({image}{ours})", key.name()));
    }
    list
}

/// The class of Services that are served now: what the MetalLB resource says, or else what a controller was told.
pub(super) fn class(facts: &Facts) -> Option<&str> {
    let asked = specification(facts).and_then(|spec| spec.load_balancer_class.as_deref());
    let controllers = facts.workloads.iter().filter(|one| one.role == Role::Controller);
    let told = controllers.into_iter().find_map(|one| one.class.as_deref());
    asked.or(told).filter(|class| !class.is_empty())
}

/// What the one MetalLB resource asks for, if there is one.
fn specification(facts: &Facts) -> Option<&MetalLBSpec> {
    let one = facts.metallbs.iter().find(|one| {
        one.metadata.namespace.as_deref() == Some(&facts.namespace)
            && one.metadata.name.as_deref() == Some(object::METALLB)
    });
    one.map(|metallb| &metallb.spec)
}

/// What becomes of the workloads.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let theirs = || facts.workloads.iter().filter(|workload| !workload.ours);
    let mut findings: Vec<Finding> = theirs().map(|workload| becomes(facts, workload)).collect();
    findings.extend(theirs().filter(|one| !one.frr.is_empty()).map(|speaker| {
        let containers = speaker.frr.join(", ");
        Finding::note(
            subject(speaker),
            format!("its containers {containers} go: the speaker needs no FRR beside it"),
        )
    }));
    findings.extend(resource(facts));
    findings
}

fn subject(workload: &Workload) -> String {
    format!("{} {}", workload.kind, workload.key)
}

fn becomes(facts: &Facts, workload: &Workload) -> Finding {
    let Workload {
        key, role, installer, ..
    } = workload;
    let subject = subject(workload);
    let delete = format!("kubectl -n {} delete {}", key.namespace(), workload.path());
    let usual = match role {
        Role::Controller => object::CONTROLLER,
        Role::Speaker => object::SPEAKER,
        Role::Operator => object::OPERATOR,
        Role::FrrK8s => {
            let message = "goes on beside the speakers, which do not use it";
            return Finding::todo(subject, message, delete);
        }
    };
    let at_home = key.namespace() == facts.namespace;
    match (installer, role) {
        (Installer::Catalog, _) => Finding::todo(
            subject,
            "is kept alive by the Operator Lifecycle Manager: two operators would undo each other's work",
            format!(
                "kubectl -n {} delete its Subscription and ClusterServiceVersion, and no CustomResourceDefinition",
                key.namespace()
            ),
        ),
        (_, Role::Operator) => {
            let message = "two operators would undo each other's work";
            Finding::todo(subject, message, delete)
        }
        (Installer::Helm(release), _) if at_home => Finding::todo(
            subject,
            BESIDE,
            format!(
                "helm -n {} upgrade {release} charts/metallb; or, before an operator's MetalLB resource: {delete}",
                key.namespace()
            ),
        ),
        (Installer::Manifests | Installer::Operator, _) if at_home && key.name() == usual => Finding::note(
            subject,
            "is taken over in place: its pods are replaced, and the addresses stay",
        ),
        (Installer::Helm(_) | Installer::Manifests | Installer::Operator, _) => {
            Finding::todo(subject, BESIDE, delete)
        }
    }
}

/// What the MetalLB resource would have to say, and what of it means nothing here.
fn resource(facts: &Facts) -> Vec<Finding> {
    let name = format!("MetalLB {}/{}", facts.namespace, object::METALLB);
    let mut findings = Vec::new();
    let spec = specification(facts);
    let asked = spec.and_then(|spec| spec.load_balancer_class.as_deref());
    if let (Some(class), None) = (class(facts), asked) {
        findings.push(Finding::todo(
            &name,
            format!("the controller there is serves Services of the class {class} only"),
            format!("spec.loadBalancerClass: {class}"),
        ));
    }
    let backend = spec.and_then(|spec| spec.bgp_backend.as_deref());
    if let Some(backend) = backend.filter(|backend| !matches!(*backend, "" | "native")) {
        let message = format!("spec.bgpBackend: {backend} is accepted, and no such program is installed");
        findings.push(Finding::note(&name, message));
    }
    if spec.is_some_and(|spec| spec.frrk8s_config.is_some()) {
        findings.push(Finding::note(&name, "spec.frrk8sConfig has no effect"));
    }
    findings
}
