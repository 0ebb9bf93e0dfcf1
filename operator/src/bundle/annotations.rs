//! The annotations of the ClusterServiceVersion: what catalogs filter by and what the OpenShift console does with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{csv, examples, owned, release};
use crate::manifests::{Options, manager, openshift};

/// Which versions may be left out on the way to this one.
pub(super) const SKIP_RANGE: &str = "olm.skipRange";
/// The examples of new resources, as JSON.
pub(super) const EXAMPLES: &str = "alm-examples";

/// One line for the tile of the operator.
const SUMMARY: &str = "Gives Services of type LoadBalancer on bare metal an address, and answers for it.";

/// Of the features that OpenShift knows, those there are. A feature that has to be there in part only is not.
const FEATURES: [(&str, bool); 9] = [
    // Needs nothing from outside the cluster; every image is in relatedImages.
    ("disconnected", true),
    // The cryptography is that of ring, which has no FIPS 140 certificate.
    ("fips-compliant", false),
    // Speaks to the API server only, which is not behind a proxy.
    ("proxy-aware", false),
    ("tls-profiles", true),
    ("token-auth-aws", false),
    ("token-auth-azure", false),
    ("token-auth-gcp", false),
    ("cnf", false),
    ("csi", false),
];

/// All of them.
pub(super) fn of(options: &Options, examples: &[Value]) -> BTreeMap<String, String> {
    let release = release::current();
    let mut annotations: BTreeMap<String, String> = [
        (EXAMPLES, pretty(&json!(examples))),
        // Argued in docs/olm.md.
        ("capabilities", "Seamless Upgrades".to_owned()),
        ("categories", "Networking".to_owned()),
        ("certified", "false".to_owned()),
        ("containerImage", options.image(csv::OPERATOR_IMAGE)),
        ("createdAt", release.created.to_owned()),
        ("description", SUMMARY.to_owned()),
        (SKIP_RANGE, release::skip_range(release)),
        (
            "operatorframework.io/suggested-namespace",
            options.namespace.clone(),
        ),
        (
            "operatorframework.io/suggested-namespace-template",
            namespace(options),
        ),
        (
            // The console offers to create none of these.
            "operators.operatorframework.io/internal-objects",
            json!(owned::written_by_metallb()).to_string(),
        ),
        (
            // What catalogs of OpenShift before 4.14 read in place of the features below.
            "operators.openshift.io/infrastructure-features",
            json!(["disconnected"]).to_string(),
        ),
        // The console asks whether the namespace gets the label for it.
        ("operatorframework.io/cluster-monitoring", "true".to_owned()),
        ("support", csv::PROVIDER.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if let Some(first) = examples::first(examples) {
        let key = "operatorframework.io/initialization-resource";
        annotations.insert(key.to_owned(), pretty(first));
    }
    for (feature, is_there) in FEATURES {
        annotations.insert(
            format!("features.operators.openshift.io/{feature}"),
            is_there.to_string(),
        );
    }
    annotations
}

/// The namespace as the console of OpenShift makes it.
fn namespace(options: &Options) -> String {
    let mut namespace = serde_json::to_value(manager::home(options)).expect("a namespace is JSON");
    for (key, value) in openshift::LABELS {
        namespace["metadata"]["labels"][key] = json!(value);
    }
    namespace.to_string()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON is JSON")
}
