//! What server-side apply alone does not set right in a Deployment or DaemonSet. Owns finding it and the patches that
//! remove it; sends nothing.
//!
//! Applying sets the fields that the operator owns. What somebody else added beside them stays: a second container, a
//! variable, a volume. In a pod that is drift like any other, and on the way from another MetalLB it would keep that
//! one's containers in our pods.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::core::Status;
use metallb_api::names::field_manager::OPERATOR;
use serde_json::{Value, json};

/// The HTTP status of an object that cannot be.
const UNPROCESSABLE: u16 = 422;
/// The key of the specification in a set of fields.
const SPECIFICATION: &str = "f:spec";

/// Whether the API server understood the object and will not have it: only another object helps.
pub(super) fn is_refusal(status: &Status) -> bool {
    status.code == UNPROCESSABLE
}

/// Whether an object was refused for its strategy: one whose strategy was another still has that one's settings, filled
/// in by the API server and owned by nobody, which do not go with ours.
pub(super) fn is_strategy_refused(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    is_refusal(status)
        && causes
            .into_iter()
            .any(|cause| cause.field.starts_with("spec.strategy"))
}

/// Removes the settings of every other strategy than `wanted`'s.
pub(super) fn reset_strategy(wanted: &Value) -> Value {
    json!({ "spec": { "strategy": { "type": wanted["spec"]["strategy"]["type"], "rollingUpdate": null } } })
}

/// What others have added to the specification of an object.
#[derive(Debug, PartialEq)]
pub(super) struct Additions {
    /// The field managers that added it
    pub(super) by: Vec<String>,
    /// Takes it out again
    pub(super) removal: Value,
}

/// What others have added to an object with this `metadata`, which was just applied as `wanted`. The labels and
/// annotations of the pods are open to everybody: `kubectl rollout restart` writes one.
pub(super) fn additions(wanted: &Value, metadata: &ObjectMeta) -> Option<Additions> {
    let mut entries = metadata.managed_fields.clone()?;
    let own = entries
        .iter()
        .find(|entry| is_own(entry))
        .and_then(specification)?
        .clone();
    let mut specification_patch = Value::Null;
    let mut by = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !is_own(entry)) {
        let Some(extra) = specification(entry).and_then(|fields| beyond(fields, &own, "")) else {
            continue;
        };
        merge(&mut specification_patch, extra);
        by.extend(entry.manager.clone());
        // A field with a default comes back with it. It is nobody's then, and not an addition any more.
        if let Some(fields) = entry
            .fields_v1
            .as_mut()
            .and_then(|fields| fields.0.as_object_mut())
        {
            fields.remove(SPECIFICATION);
        }
    }
    if by.is_empty() {
        return None;
    }
    if specification_patch.get("template").is_some() {
        let mut pod = wanted["spec"]["template"]["spec"].clone();
        pod["$patch"] = "replace".into();
        specification_patch["template"] = json!({ "spec": pod });
    }
    let removal = json!({ "metadata": { "managedFields": entries }, "spec": specification_patch });
    Some(Additions { by, removal })
}

fn is_own(entry: &ManagedFieldsEntry) -> bool {
    let field = |field: &Option<String>, value: &str| field.as_deref() == Some(value);
    field(&entry.manager, OPERATOR) && field(&entry.operation, "Apply") && entry.subresource.is_none()
}

fn specification(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref()?.0.get(SPECIFICATION)
}

/// The fields of the set `others` that `own` lacks, apart from the metadata of the pods, as a patch that removes them.
/// Below the pods, where lists begin, it only says that there are some.
fn beyond(others: &Value, own: &Value, path: &str) -> Option<Value> {
    let mut removal = serde_json::Map::new();
    for (key, below) in others.as_object()?.iter().filter(|(key, _)| *key != ".") {
        let path = format!("{path}/{key}");
        let extra = match own.get(key) {
            _ if path == "/f:template/f:metadata" => None,
            Some(own) => beyond(below, own, &path),
            None => Some(Value::Null),
        };
        if let Some(extra) = extra {
            removal.insert(key.trim_start_matches("f:").to_owned(), extra);
        }
    }
    (!removal.is_empty()).then_some(Value::Object(removal))
}

/// Adds the fields of `more` to `patch`.
fn merge(patch: &mut Value, more: Value) {
    match (patch, more) {
        (Value::Object(patch), Value::Object(more)) => {
            for (key, value) in more {
                merge(patch.entry(key).or_insert(Value::Null), value);
            }
        }
        (patch, more) if patch.is_null() => *patch = more,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;

    use super::*;

    fn status(code: u16, fields: &[&str]) -> Status {
        let causes: Vec<Value> = fields.iter().map(|field| json!({ "field": field })).collect();
        serde_json::from_value(json!({ "code": code, "details": { "causes": causes } })).unwrap()
    }

    #[test]
    fn only_a_refused_strategy_is_reset() {
        let strategy = "spec.strategy.rollingUpdate";
        for (status, refused, reset) in [
            (status(422, &[strategy]), true, true),
            (
                status(422, &["spec.template.spec.affinity", strategy]),
                true,
                true,
            ),
            (status(422, &["spec.template.spec.affinity"]), true, false),
            (status(422, &["spec.selector"]), true, false),
            (status(422, &[]), true, false),
            (status(403, &[strategy]), false, false),
            (status(500, &[]), false, false),
        ] {
            assert_eq!(
                (is_refusal(&status), is_strategy_refused(&status)),
                (refused, reset),
                "{status:?}"
            );
        }
    }

    /// Metadata in which the operator owns two fields of one container, and `manager` owns `fields`.
    fn managed(manager: &str, subresource: Option<&str>, fields: &str) -> ObjectMeta {
        let own = r#"{"f:spec": {"f:replicas": {}, "f:template": {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec":
            {"f:containers": {"k:{\"name\":\"speaker\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}"#;
        let entry =
            |manager: &str, operation: &str, subresource: Option<&str>, fields: &str| ManagedFieldsEntry {
                manager: Some(manager.to_owned()),
                operation: Some(operation.to_owned()),
                subresource: subresource.map(str::to_owned),
                fields_v1: Some(FieldsV1(serde_json::from_str(fields).unwrap())),
                ..ManagedFieldsEntry::default()
            };
        ObjectMeta {
            managed_fields: Some(vec![
                entry(OPERATOR, "Apply", None, own),
                entry(manager, "Update", subresource, fields),
            ]),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn what_others_add_to_the_pod_is_found_and_what_they_may_add_is_not() {
        let container = |inside: &str| {
            format!(r#"{{"f:spec": {{"f:template": {{"f:spec": {{"f:containers": {{{inside}}}}}}}}}}}"#)
        };
        for (fields, found) in [
            (
                container(r#""k:{\"name\":\"frr\"}": {".": {}, "f:image": {}}"#),
                true,
            ),
            (
                container(r#""k:{\"name\":\"speaker\"}": {"f:env": {"k:{\"name\":\"A\"}": {}}}"#),
                true,
            ),
            (
                r#"{"f:spec": {"f:template": {"f:spec": {"f:hostPID": {}}}}}"#.to_owned(),
                true,
            ),
            (r#"{"f:spec": {"f:paused": {}}}"#.to_owned(), true),
            // The same field as ours, set to the same value.
            (
                container(r#""k:{\"name\":\"speaker\"}": {".": {}, "f:image": {}}"#),
                false,
            ),
            (
                r#"{"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:restartedAt": {}}}}}}"#
                    .to_owned(),
                false,
            ),
            (
                r#"{"f:metadata": {"f:annotations": {"f:a": {}}}}"#.to_owned(),
                false,
            ),
            (r#"{"f:status": {"f:replicas": {}}}"#.to_owned(), false),
        ] {
            let metadata = managed("kubectl-edit", None, &fields);
            let by = additions(&wanted(), &metadata).map(|additions| additions.by);
            assert_eq!(by, found.then(|| vec!["kubectl-edit".to_owned()]), "{fields}");
        }
        // What an update by the operator itself owned would stay for ever as well.
        let paused = r#"{"f:spec": {"f:paused": {}}}"#;
        let additions_of = |metadata| additions(&wanted(), &metadata).map(|additions| additions.by);
        assert_eq!(
            additions_of(managed(OPERATOR, None, paused)),
            Some(vec![OPERATOR.to_owned()])
        );
        assert_eq!(
            additions_of(managed(OPERATOR, Some("status"), r#"{"f:status": {}}"#)),
            None
        );
        assert_eq!(additions_of(ObjectMeta::default()), None);
    }

    fn wanted() -> Value {
        let pod = json!({ "containers": [{ "name": "speaker" }] });
        json!({ "spec": { "replicas": 1, "template": { "metadata": { "labels": {} }, "spec": pod } } })
    }

    #[test]
    fn additions_are_removed_and_their_owner_forgets_them() {
        let fields = r#"{"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:paused": {}, "f:strategy":
            {"f:rollingUpdate": {}}, "f:template": {"f:metadata": {"f:annotations": {}}, "f:spec": {"f:hostPID": {}}}}}"#;
        let removal = additions(&wanted(), &managed("kubectl-edit", None, fields))
            .unwrap()
            .removal;
        let expected = json!({
            "paused": null,
            "strategy": null,
            "template": { "spec": { "$patch": "replace", "containers": [{ "name": "speaker" }] } },
        });
        assert_eq!(removal["spec"], expected);
        let entries = removal["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries[0]["fieldsV1"]["f:spec"].is_object(), "ours stay");
        assert_eq!(
            entries[1]["fieldsV1"],
            json!({ "f:metadata": { "f:labels": { "f:a": {} } } })
        );
        // Without a change of the pods, the pods are left out: they would be made anew.
        let paused = managed("kubectl-edit", None, r#"{"f:spec": {"f:paused": {}}}"#);
        assert_eq!(
            additions(&wanted(), &paused).unwrap().removal["spec"],
            json!({ "paused": null })
        );
    }
}
