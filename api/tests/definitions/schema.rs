//! The definitions as the crate generates them, and ways to a field of theirs.

use std::sync::LazyLock;

use metallb_api::crd;
use serde_json::Value;

/// The schema of `kind` in `version`.
pub(crate) fn schema(kind: &str, version: &str) -> Value {
    let versions = definition(kind)["spec"]["versions"].clone();
    let version = versions
        .as_array()
        .unwrap()
        .iter()
        .find(|candidate| candidate["name"] == version)
        .cloned();
    version.expect("the kind has the version")["schema"]["openAPIV3Schema"].clone()
}

/// All definitions. Generated once: it is most of the work of these tests.
pub(crate) static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    crd::all()
        .into_iter()
        .map(|crd| serde_json::to_value(crd).unwrap())
        .collect()
});

/// The definition of `kind`.
pub(crate) fn definition(kind: &str) -> &'static Value {
    DEFINITIONS
        .iter()
        .find(|crd| crd["spec"]["names"]["kind"] == kind)
        .expect("the kind exists")
}

/// The schema of the field at `path` ("spec.nodeSelectors[].matchLabels") of `kind/version`.
pub(crate) fn field(kind_version: &str, path: &str) -> Value {
    let (kind, version) = kind_version.split_once('/').unwrap_or((kind_version, "v1beta1"));
    let mut at = schema(kind, version);
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches("[]");
        at = at["properties"][name].clone();
        if step.ends_with("[]") {
            at = at["items"].clone();
        }
        assert!(at.is_object(), "{kind_version} has no {path}");
    }
    at
}

/// Calls `visit` with the path and the schema of every field of every kind.
pub(crate) fn every_field(mut visit: impl FnMut(&str, &Value)) {
    fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, visit);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                walk(&format!("{path}[]"), &schema[below], visit);
            }
        }
    }
    for crd in DEFINITIONS.iter() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let path = format!("{kind}/{}", version["name"].as_str().unwrap());
            walk(&path, &version["schema"]["openAPIV3Schema"], &mut visit);
        }
    }
}

/// The words of each line of a table.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| !words.is_empty())
}
