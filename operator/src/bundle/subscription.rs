//! What a user creates to have the operator installed from the catalog: a namespace, where the catalog is, for which
//! namespaces, and the wish itself.

use serde_json::{Value, json};

use super::{CHANNEL, GENERATED, PACKAGE};
use crate::manifests::yaml::Documents;
use crate::manifests::{Options, manager};

/// The image of the catalog.
const CATALOG_IMAGE: &str = "catalog";
/// The CatalogSource, and with it the ServiceAccount and the Service of the pod that serves it. Not the name of the
/// operator's account: that pod would be allowed what the operator is.
const CATALOG_SOURCE: &str = "metallb-catalog";

/// The objects, in the order in which they have to be created.
pub(super) fn text(options: &Options) -> String {
    let [source, group, subscription] = objects(options);
    let documents = Documents::default()
        .add(
            ["Speakers use the network of their node and raw sockets: pod security must be privileged."],
            &manager::home(options),
        )
        .add([], &source)
        .add(
            ["The operator acts in its own namespace only. Without targetNamespaces its Roles would hold in all of them."],
            &group,
        )
        .add([], &subscription);
    format!(
        "{GENERATED}# From the catalog, by the Operator Lifecycle Manager: kubectl create -f config/olm/install.yaml\n{}",
        documents.finish()
    )
}

fn objects(options: &Options) -> [Value; 3] {
    let namespace = &options.namespace;
    let metadata = json!({ "name": PACKAGE, "namespace": namespace });
    [
        json!({
            "apiVersion": "operators.coreos.com/v1alpha1",
            "kind": "CatalogSource",
            "metadata": { "name": CATALOG_SOURCE, "namespace": namespace },
            "spec": {
                "sourceType": "grpc",
                "image": options.image(CATALOG_IMAGE),
                "displayName": "MetalLB",
                "publisher": super::csv::PROVIDER,
                "grpcPodConfig": { "securityContextConfig": "restricted" },
            },
        }),
        json!({
            "apiVersion": "operators.coreos.com/v1",
            "kind": "OperatorGroup",
            "metadata": metadata,
            "spec": { "targetNamespaces": [namespace] },
        }),
        json!({
            "apiVersion": "operators.coreos.com/v1alpha1",
            "kind": "Subscription",
            "metadata": metadata,
            "spec": {
                "name": PACKAGE,
                "channel": CHANNEL,
                "installPlanApproval": "Automatic",
                "source": CATALOG_SOURCE,
                "sourceNamespace": namespace,
            },
        }),
    ]
}
