//! A file-based catalog with one package: what a CatalogSource serves, so that a Subscription finds the bundle.

use metallb_api::names::GROUP;
use serde_json::{Value, json};

use super::{CHANNEL, GENERATED, PACKAGE, annotations, csv, release};
use crate::manifests::Options;
use crate::manifests::yaml::Documents;

/// The package, its channel and the bundle of this version. An older version need not be listed to be replaced: the
/// range of versions that may be skipped covers it.
pub(super) fn text(options: &Options, csv: &Value) -> String {
    let spec = &csv["spec"];
    let package = json!({
        "schema": "olm.package",
        "name": PACKAGE,
        "defaultChannel": CHANNEL,
        "description": csv["metadata"]["annotations"]["description"],
        "icon": { "base64data": spec["icon"][0]["base64data"], "mediatype": spec["icon"][0]["mediatype"] },
    });
    let documents = Documents::default()
        .add([], &package)
        .add([], &channel(csv))
        .add([], &bundle(options, csv));
    format!("{GENERATED}{}", documents.finish())
}

fn channel(csv: &Value) -> Value {
    let mut entry = json!({
        "name": csv["metadata"]["name"],
        "skipRange": csv["metadata"]["annotations"][annotations::SKIP_RANGE],
    });
    if let Some(replaced) = csv["spec"].get("replaces") {
        entry["replaces"] = replaced.clone();
    }
    json!({ "schema": "olm.channel", "package": PACKAGE, "name": CHANNEL, "entries": [entry] })
}

fn bundle(options: &Options, csv: &Value) -> Value {
    let image = options.image(csv::BUNDLE_IMAGE);
    let owned = csv["spec"]["customresourcedefinitions"]["owned"].as_array();
    let kinds = owned.into_iter().flatten().map(|owned| {
        let value = json!({ "group": GROUP, "kind": owned["kind"], "version": owned["version"] });
        json!({ "type": "olm.gvk", "value": value })
    });
    let version = release::current().version;
    let properties: Vec<Value> = kinds
        .chain([
            json!({ "type": "olm.package", "value": { "packageName": PACKAGE, "version": version } }),
            json!({ "type": "olm.csv.metadata", "value": shown(csv) }),
        ])
        .collect();
    let related = csv["spec"]["relatedImages"].as_array();
    let related: Vec<Value> = related
        .into_iter()
        .flatten()
        .cloned()
        .chain([json!({ "name": csv::BUNDLE_IMAGE, "image": image })])
        .collect();
    json!({
        "schema": "olm.bundle",
        "name": csv["metadata"]["name"],
        "package": PACKAGE,
        "image": image,
        "properties": properties,
        "relatedImages": related,
    })
}

/// What a console shows of a bundle before it is installed.
fn shown(csv: &Value) -> Value {
    let spec = &csv["spec"];
    let same = [
        "description",
        "displayName",
        "installModes",
        "keywords",
        "links",
        "maturity",
        "minKubeVersion",
        "provider",
    ];
    let mut shown: serde_json::Map<String, Value> = same
        .into_iter()
        .map(|field| (field.to_owned(), spec[field].clone()))
        .collect();
    shown.insert("annotations".to_owned(), csv["metadata"]["annotations"].clone());
    shown.insert("labels".to_owned(), csv["metadata"]["labels"].clone());
    shown.insert(
        "crdDescriptions".to_owned(),
        spec["customresourcedefinitions"].clone(),
    );
    shown.insert("apiServiceDefinitions".to_owned(), json!({}));
    Value::Object(shown)
}

/// The image of the catalog: `opm` and the file.
pub(super) fn dockerfile() -> String {
    format!(
        "{GENERATED}# The image of a CatalogSource.\n\
         FROM quay.io/operator-framework/opm:v1.55.0\n\
         LABEL operators.operatorframework.io.index.configs.v1=/configs\n\
         COPY catalog /configs\n\
         ENTRYPOINT [\"/bin/opm\"]\n\
         CMD [\"serve\", \"/configs\"]\n"
    )
}
