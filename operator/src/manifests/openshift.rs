//! What OpenShift wants in addition: labels of the namespace, and that its Prometheus may find the pods in it. What admits the
//! speakers is made by the operator.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, Subject};
use kube::ResourceExt;

use super::Options;
use super::rbac::{namespaced, role_ref};
use super::yaml::Documents;

/// The Role and its binding.
const PROMETHEUS: &str = "metallb-prometheus";

/// The labels of the namespace. The levels of pod security are ours: without the first, OpenShift computes others from what
/// it knows of the pods. With the second its own Prometheus looks into the namespace.
pub(crate) const LABELS: [(&str, &str); 2] = [
    ("security.openshift.io/scc.podSecurityLabelSync", "false"),
    ("openshift.io/cluster-monitoring", "true"),
];

/// What lets the Prometheus of OpenShift find the pods. That it may read the metrics is in a ClusterRole of its own.
pub(crate) fn prometheus(options: &Options) -> (Role, RoleBinding) {
    let see = |group: &str, resources: &[&str]| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(resources.iter().map(|&resource| resource.to_owned()).collect()),
        verbs: ["get", "list", "watch"].map(str::to_owned).into(),
        ..PolicyRule::default()
    };
    let role = Role {
        metadata: namespaced(options, PROMETHEUS),
        rules: Some(vec![
            see("", &["services", "endpoints", "pods"]),
            see("discovery.k8s.io", &["endpointslices"]),
        ]),
    };
    let binding = RoleBinding {
        metadata: namespaced(options, PROMETHEUS),
        role_ref: role_ref("Role", &role.name_any()),
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: "prometheus-k8s".to_owned(),
            namespace: Some("openshift-monitoring".to_owned()),
            api_group: None,
        }]),
    };
    (role, binding)
}

/// The same as a file.
pub(super) fn monitoring(options: &Options) -> String {
    let (role, binding) = prometheus(options);
    Documents::default()
        .add(["Lets the Prometheus of OpenShift find the pods."], &role)
        .add([], &binding)
        .finish()
}

/// Everything of `config/default`, in a namespace with the labels.
pub(super) fn kustomization(options: &Options) -> String {
    let namespace = &options.namespace;
    let labels = LABELS
        .map(|(key, value)| format!("        {key}: \"{value}\""))
        .join("\n");
    let everything = super::kustomization(
        "Everything, on OpenShift: oc apply -k config/openshift",
        &["../default", "monitoring.yaml"],
    );
    format!(
        "{everything}patches:\n\
         # The levels of pod security are ours, and the metrics are for the Prometheus of the cluster.\n\
         - patch: |-\n\
         \x20   apiVersion: v1\n\
         \x20   kind: Namespace\n\
         \x20   metadata:\n\
         \x20     name: {namespace}\n\
         \x20     labels:\n\
         {labels}\n"
    )
}
