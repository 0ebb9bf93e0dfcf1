//! Manifests of users go through the types without loss, and the manifests here use every field there is.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;

use metallb_api::{crd, v1beta1, v1beta2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Every document of the manifests that the API server accepts, with the name of its file.
fn documents() -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/data/admit/accept");
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for text in std::fs::read_to_string(&path).unwrap().split("---\n") {
            documents.push((file.clone(), serde_saphyr::from_str(text).unwrap()));
        }
    }
    assert!(
        documents.len() > 20,
        "the manifests are where the test looks for them"
    );
    documents
}

/// `document` after it was read as `K` and written again.
fn through<K: DeserializeOwned + Serialize>(document: &Value) -> Value {
    let object: K = serde_json::from_value(document.clone()).unwrap();
    serde_json::to_value(object).unwrap()
}

#[test]
fn what_a_user_wrote_is_still_there_after_reading_and_writing() {
    for (file, document) in documents() {
        let kind = (
            document["apiVersion"].as_str().unwrap(),
            document["kind"].as_str().unwrap(),
        );
        let written = match kind {
            ("metallb.io/v1beta1", "IPAddressPool") => through::<v1beta1::IPAddressPool>(&document),
            ("metallb.io/v1beta1", "L2Advertisement") => through::<v1beta1::L2Advertisement>(&document),
            ("metallb.io/v1beta1", "BGPAdvertisement") => through::<v1beta1::BGPAdvertisement>(&document),
            ("metallb.io/v1beta1", "BGPPeer") => through::<v1beta1::BGPPeer>(&document),
            ("metallb.io/v1beta2", "BGPPeer") => through::<v1beta2::BGPPeer>(&document),
            ("metallb.io/v1beta1", "BFDProfile") => through::<v1beta1::BFDProfile>(&document),
            ("metallb.io/v1beta1", "Community") => through::<v1beta1::Community>(&document),
            ("metallb.io/v1beta1", "ServiceL2Status") => through::<v1beta1::ServiceL2Status>(&document),
            ("metallb.io/v1beta1", "ServiceBGPStatus") => through::<v1beta1::ServiceBGPStatus>(&document),
            ("metallb.io/v1beta1", "ConfigurationState") => through::<v1beta1::ConfigurationState>(&document),
            ("metallb.io/v1beta1", "MetalLB") => through::<v1beta1::MetalLB>(&document),
            other => panic!("{file}: there is no kind {other:?}"),
        };
        assert_kept(&file, "", &document, &written);
    }
}

/// Everything in `before` is in `after`, with the same value. `after` may have more: an empty spec where there was
/// none.
fn assert_kept(file: &str, path: &str, before: &Value, after: &Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(_)) => {
            for (key, value) in before {
                assert_kept(file, &format!("{path}.{key}"), value, &after[key]);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{file}: {path}");
            for (before, after) in before.iter().zip(after) {
                assert_kept(file, &format!("{path}[]"), before, after);
            }
        }
        // A quantity may be a number, and is then written as the same text.
        (Value::Number(number), Value::String(text)) => {
            assert_eq!(&number.to_string(), text, "{file}: {path}");
        }
        _ => assert_eq!(before, after, "{file}: {path}"),
    }
}

#[test]
fn the_manifests_use_every_field_of_every_kind() {
    let mut used = BTreeSet::new();
    for (_, document) in documents() {
        let version = document["apiVersion"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        used_fields(
            &format!("{}/{version}", document["kind"].as_str().unwrap()),
            &document,
            &mut used,
        );
    }
    let mut defined = BTreeSet::new();
    for definition in crd::all() {
        for version in &definition.spec.versions {
            let schema = serde_json::to_value(&version.schema).unwrap();
            let path = format!("{}/{}", definition.spec.names.kind, version.name);
            defined_fields(&path, &schema["openAPIV3Schema"], &mut defined);
        }
    }
    let unused: Vec<_> = defined.difference(&used).collect();
    assert!(unused.is_empty(), "no manifest uses {unused:#?}");
}

/// Adds the path of every field in `value`.
fn used_fields(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    for (key, value) in value.as_object().into_iter().flatten() {
        used_fields(&format!("{path}.{key}"), value, into);
    }
    for value in value.as_array().into_iter().flatten() {
        used_fields(path, value, into);
    }
}

/// Adds the path of every field that `schema` defines. What Kubernetes defines, and an object without fields, is not
/// looked into.
fn defined_fields(path: &str, schema: &Value, into: &mut BTreeSet<String>) {
    let fields = schema["properties"].as_object();
    if schema["type"] == "object" && fields.is_none() && schema["additionalProperties"].is_null() {
        return;
    }
    into.insert(path.to_owned());
    let selector = fields.is_some_and(|fields| fields.contains_key("matchLabels"));
    if selector
        || ["affinity", "resources", "Tolerations"]
            .iter()
            .any(|end| path.ends_with(end))
    {
        return;
    }
    for (name, property) in fields.into_iter().flatten() {
        defined_fields(&format!("{path}.{name}"), property, into);
    }
    if schema["items"].is_object() {
        defined_fields(path, &schema["items"], into);
    }
}
