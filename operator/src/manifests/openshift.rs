//! What OpenShift wants in addition: security context constraints that admit the speakers. The controller and the
//! operator run under the ones that every pod gets.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use metallb_api::names::object::{self, SPEAKER_SCC as SCC};
use serde_json::{Value, json};

use super::rbac::{namespaced, role_ref, subject};
use super::yaml::Documents;
use super::{GENERATED, Options};

/// The constraints and who may use them.
pub(super) fn scc(options: &Options) -> String {
    let role = Role {
        metadata: namespaced(options, SCC),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec!["security.openshift.io".to_owned()]),
            resources: Some(vec!["securitycontextconstraints".to_owned()]),
            resource_names: Some(vec![SCC.to_owned()]),
            verbs: vec!["use".to_owned()],
            ..PolicyRule::default()
        }]),
    };
    let binding = RoleBinding {
        metadata: namespaced(options, SCC),
        role_ref: role_ref("Role", SCC),
        subjects: Some(vec![subject(options, object::SPEAKER)]),
    };
    Documents::default()
        .add(
            ["The node's network and raw sockets, and nothing else that a pod does not have anyway."],
            &constraints(),
        )
        .add([], &role)
        .add([], &binding)
        .finish()
}

fn constraints() -> Value {
    let any = json!({ "type": "RunAsAny" });
    json!({
        "apiVersion": "security.openshift.io/v1",
        "kind": "SecurityContextConstraints",
        "metadata": { "name": SCC },
        "allowHostDirVolumePlugin": false,
        "allowHostIPC": false,
        "allowHostNetwork": true,
        "allowHostPID": false,
        "allowHostPorts": true,
        "allowPrivilegeEscalation": false,
        "allowPrivilegedContainer": false,
        "allowedCapabilities": ["NET_RAW"],
        "defaultAddCapabilities": null,
        "fsGroup": any,
        "priority": null,
        "readOnlyRootFilesystem": true,
        "requiredDropCapabilities": ["ALL"],
        "runAsUser": any,
        "seLinuxContext": any,
        "seccompProfiles": ["runtime/default"],
        "supplementalGroups": any,
        "users": [],
        "groups": [],
        "volumes": ["configMap", "downwardAPI", "emptyDir", "projected", "secret"],
    })
}

/// Everything of `config/default`, and the constraints.
pub(super) fn kustomization(options: &Options) -> String {
    let namespace = &options.namespace;
    format!(
        "{GENERATED}# Everything, on OpenShift: oc apply -k config/openshift\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\n\
         kind: Kustomization\n\
         resources:\n\
         - ../default\n\
         - scc.yaml\n\
         patches:\n\
         # The labels of the namespace are ours; without this, OpenShift computes them again.\n\
         - patch: |-\n\
         \x20   apiVersion: v1\n\
         \x20   kind: Namespace\n\
         \x20   metadata:\n\
         \x20     name: {namespace}\n\
         \x20     labels:\n\
         \x20       security.openshift.io/scc.podSecurityLabelSync: \"false\"\n"
    )
}
