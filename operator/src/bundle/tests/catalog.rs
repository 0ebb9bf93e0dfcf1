//! That the catalog, and what asks for its contents, are about this bundle.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::Options;
use super::{CSV_FILE, csv, documents, generated};

#[test]
fn the_catalog_offers_this_bundle() {
    let files = generated(&Options::default());
    let csv = csv();
    let blobs = documents(&files["catalog/metallb-operator/catalog.yaml"]);
    let of = |schema: &str| {
        let found: Vec<&Value> = blobs.iter().filter(|blob| blob["schema"] == schema).collect();
        assert_eq!(found.len(), 1, "{schema}");
        found[0]
    };
    let (package, channel, bundle) = (of("olm.package"), of("olm.channel"), of("olm.bundle"));
    assert_eq!(package["defaultChannel"], channel["name"]);
    assert_eq!(channel["package"], package["name"]);
    assert_eq!(bundle["package"], package["name"]);
    let entry = &channel["entries"][0];
    assert_eq!(entry["name"], bundle["name"]);
    assert_eq!(entry["name"], csv.metadata.name);
    assert_eq!(entry["skipRange"], csv.metadata.annotations["olm.skipRange"]);
    assert_eq!(
        entry.get("replaces").and_then(Value::as_str),
        csv.spec.replaces.as_deref()
    );
    let properties = |kind: &str| -> Vec<&Value> {
        let all = bundle["properties"].as_array().unwrap();
        all.iter()
            .filter(|property| property["type"] == kind)
            .map(|property| &property["value"])
            .collect()
    };
    assert_eq!(
        properties("olm.gvk").len(),
        csv.spec.customresourcedefinitions.owned.len()
    );
    let packages = properties("olm.package");
    assert_eq!(packages[0]["version"], csv.spec.version);
    assert_eq!(
        properties("olm.csv.metadata")[0]["displayName"],
        csv.spec.display_name
    );
    let related: BTreeSet<&str> = bundle["relatedImages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|related| related["image"].as_str().unwrap())
        .collect();
    for image in csv.spec.related_images {
        assert!(related.contains(image.image.as_str()), "{}", image.image);
    }
    assert!(related.contains(bundle["image"].as_str().unwrap()));
}

#[test]
fn the_pod_of_the_catalog_is_not_allowed_what_the_operator_is() {
    let files = generated(&Options::default());
    let wanted = documents(&files["config/olm/install.yaml"]);
    let source = wanted
        .iter()
        .find(|object| object["kind"] == "CatalogSource")
        .unwrap();
    let csv = &documents(&files[CSV_FILE])[0]["spec"]["install"]["spec"];
    for kind in ["permissions", "clusterPermissions"] {
        for permission in csv[kind].as_array().unwrap() {
            // Its account is called as it is.
            assert_ne!(permission["serviceAccountName"], source["metadata"]["name"]);
        }
    }
}

#[test]
fn the_subscription_asks_for_what_the_catalog_offers() {
    let files = generated(&Options::default());
    let wanted = documents(&files["config/olm/install.yaml"]);
    let of = |kind: &str| wanted.iter().find(|object| object["kind"] == kind).unwrap();
    let blobs = documents(&files["catalog/metallb-operator/catalog.yaml"]);
    let (source, group, subscription) = (of("CatalogSource"), of("OperatorGroup"), of("Subscription"));
    let spec = &subscription["spec"];
    assert_eq!(spec["name"], blobs[0]["name"]);
    assert_eq!(spec["channel"], blobs[1]["name"]);
    assert_eq!(spec["source"], source["metadata"]["name"]);
    assert_eq!(spec["sourceNamespace"], source["metadata"]["namespace"]);
    assert_eq!(
        group["spec"]["targetNamespaces"],
        json!([of("Namespace")["metadata"]["name"]])
    );
}
