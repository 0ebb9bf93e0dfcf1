//! The security context constraints that admit the speakers on OpenShift. The controller and the operator run under the
//! ones that every pod gets.

use kube::api::{DynamicObject, ObjectMeta};
use metallb_api::names;
use serde_json::json;

use super::object::labels;
use crate::platform::CONSTRAINTS;

/// The node's network and raw sockets, and nothing else that a pod does not have anyway. Who may use them is in the Role of
/// the speakers.
pub(super) fn of_speakers() -> DynamicObject {
    let any = json!({ "type": "RunAsAny" });
    DynamicObject {
        types: Some(CONSTRAINTS.types()),
        metadata: ObjectMeta {
            name: Some(names::object::SPEAKER_SCC.to_owned()),
            labels: Some(labels(names::object::SPEAKER)),
            ..ObjectMeta::default()
        },
        data: json!({
            "allowHostDirVolumePlugin": false,
            "allowHostIPC": false,
            "allowHostNetwork": true,
            "allowHostPID": false,
            "allowHostPorts": true,
            "allowPrivilegeEscalation": false,
            "allowPrivilegedContainer": false,
            "allowedCapabilities": ["NET_RAW"],
            "fsGroup": any,
            "readOnlyRootFilesystem": true,
            "requiredDropCapabilities": ["ALL"],
            "runAsUser": any,
            "seLinuxContext": any,
            "seccompProfiles": ["runtime/default"],
            "supplementalGroups": any,
            "users": [],
            "groups": [],
            "volumes": ["configMap", "downwardAPI", "emptyDir", "projected", "secret"],
        }),
    }
}
