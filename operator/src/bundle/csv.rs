//! The ClusterServiceVersion: what the Operator Lifecycle Manager installs, and what consoles show of it.
//!
//! It registers the operator's webhook and none of the controller's. The Operator Lifecycle Manager has webhooks answered by
//! a Deployment of this object, from the moment of the installation; the controller exists when there is a MetalLB, and
//! the operator registers what it answers when it can answer. See docs/olm.md.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use metallb_api::names::{object, upstream};
use serde_json::{Value, json};

use super::{annotations, owned, release};
use crate::manifests::rbac::{self, Account};
use crate::manifests::{Options, manager};
use crate::metallb::build::webhooks;

/// The image of the operator.
pub(super) const OPERATOR_IMAGE: &str = "operator";
/// The image of the bundle itself.
pub(super) const BUNDLE_IMAGE: &str = "bundle";
/// Who provides and supports it: the organisation of the images.
pub(super) const PROVIDER: &str = "metallb-rs";
/// The first Kubernetes in which everything the CRDs and the pods use is on by default and no beta any more, or ignored
/// without harm.
pub(super) const OLDEST_KUBERNETES: &str = "1.29.0";

const DESCRIPTION: &str = include_str!("description.md");
const ICON: &[u8] = include_bytes!("icon.svg");

/// The object.
pub(super) fn of(options: &Options, examples: &[Value]) -> Value {
    let release = release::current();
    // What the images are built on. Whoever builds them elsewhere as well adds a line.
    let labels = json!({
        "operatorframework.io/arch.amd64": "supported",
        "operatorframework.io/os.linux": "supported",
    });
    let mut csv = json!({
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": upstream::CLUSTER_SERVICE_VERSION,
        "metadata": {
            "name": release::csv_name(release.version),
            "namespace": "placeholder",
            "annotations": annotations::of(options, examples),
            "labels": labels,
        },
        "spec": {
            "displayName": "MetalLB Operator",
            "description": DESCRIPTION,
            "version": release.version,
            "maturity": super::CHANNEL,
            "minKubeVersion": OLDEST_KUBERNETES,
            "provider": { "name": PROVIDER },
            "keywords": ["metallb", "load balancer", "bare metal", "networking", "arp", "ndp"],
            "links": [{ "name": "The resources, explained", "url": "https://metallb.io" }],
            "icon": [{ "base64data": STANDARD.encode(ICON), "mediatype": "image/svg+xml" }],
            "customresourcedefinitions": { "owned": owned::all() },
            "installModes": install_modes(),
            "install": { "strategy": "deployment", "spec": strategy(options) },
            "webhookdefinitions": [webhook(options)],
            "relatedImages": related_images(options),
        },
    });
    if let Some(replaced) = release::replaced(release::RELEASES) {
        csv["spec"]["replaces"] = json!(replaced);
    }
    csv
}

/// For all namespaces, because the CRDs and the Services are everybody's and a second installation has to be refused. For
/// its own namespace too, because only then does the Operator Lifecycle Manager leave Roles as Roles: for all namespaces
/// it turns them into ClusterRoles.
fn install_modes() -> Value {
    let modes = [
        ("OwnNamespace", true),
        ("SingleNamespace", false),
        ("MultiNamespace", false),
        ("AllNamespaces", true),
    ];
    json!(modes.map(|(mode, supported)| json!({ "type": mode, "supported": supported })))
}

/// The Deployment of the operator and the accounts, with the permissions of `config/rbac`.
fn strategy(options: &Options) -> Value {
    let deployment = manager::deployment(options);
    let labels = deployment.metadata.labels;
    let granted = |rules: fn(&Account) -> Value| {
        rbac::accounts()
            .iter()
            .map(|account| json!({ "serviceAccountName": account.name, "rules": rules(account) }))
            .collect::<Vec<Value>>()
    };
    json!({
        "deployments": [{ "name": object::OPERATOR, "label": labels, "spec": deployment.spec }],
        "permissions": granted(|account| json!(account.at_home)),
        "clusterPermissions": granted(|account| json!(account.everywhere)),
    })
}

/// The operator's webhook, as `config/` registers it. The Operator Lifecycle Manager makes a Service and a certificate for it,
/// mounts that, and tells the API server whom to trust.
fn webhook(options: &Options) -> Value {
    let registered = webhooks::of_operator(&options.namespace);
    let service = registered.client_config.service.unwrap_or_default();
    json!({
        "type": "ValidatingAdmissionWebhook",
        "generateName": registered.name,
        "deploymentName": object::OPERATOR,
        "containerPort": webhooks::PORT,
        "targetPort": metallb_runtime::webhooks::PORT,
        "webhookPath": service.path,
        "rules": registered.rules,
        "failurePolicy": registered.failure_policy,
        "sideEffects": registered.side_effects,
        "timeoutSeconds": registered.timeout_seconds,
        "admissionReviewVersions": registered.admission_review_versions,
    })
}

/// Every image that may be pulled, for those who mirror them.
fn related_images(options: &Options) -> Vec<Value> {
    [OPERATOR_IMAGE, object::CONTROLLER, object::SPEAKER]
        .map(|component| json!({ "name": component, "image": options.image(component) }))
        .into()
}
