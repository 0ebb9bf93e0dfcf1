//! Schemas of the Kubernetes types that our kinds contain, for the fields to refer to.
//!
//! The derived ones lack limits and merge rules, and bring pages of text. Here are the selectors in the words of
//! this API, and everything that a pod has too without text: `kubectl explain pod.spec` describes it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// Property sets of the types that change as a whole: of two field managers with server-side apply, the last one
/// replaces the other's selector instead of mixing both into a third.
const ATOMIC: [&[&str]; 3] = [
    &["matchExpressions", "matchLabels"], // LabelSelector
    &["nodeSelectorTerms"],               // NodeSelector
    &["matchExpressions", "matchFields"], // NodeSelectorTerm
];

/// The quantities that the API server's own kinds accept: without this a typing error in `resources` would be found
/// only when the pods are made, where nobody looks.
const QUANTITY: &str = concat!(
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))",
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
);

/// A list of label selectors.
pub(crate) fn label_selectors(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": label_selector(generator) })
}

/// A label selector.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Objects, by label. All parts have to match; an empty selector matches everything.",
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that an object must have with exactly these values.",
                "type": "object",
                "additionalProperties": { "type": "string" }
            },
            "matchExpressions": {
                "description": "Further requirements on the labels of an object.",
                "type": "array",
                "items": {
                    "description": "One requirement on a label.",
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "description": "The label.", "type": "string" },
                        "operator": {
                            "description": "How the label is compared with the values: In, NotIn, Exists or \
                                            DoesNotExist.",
                            "type": "string",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"]
                        },
                        "values": {
                            "description": "The values to compare with: at least one for In and NotIn, none for \
                                            Exists and DoesNotExist.",
                            "type": "array",
                            "items": { "type": "string" }
                        }
                    }
                }
            }
        }
    })
}

/// A reference to a Secret.
pub(crate) fn secret_reference(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "name": { "description": "Name of the Secret.", "type": "string" },
            "namespace": {
                "description": "Ignored: the Secret has to be in the namespace MetalLB runs in.",
                "type": "string"
            }
        }
    })
}

/// A list of conditions with the limits that all Kubernetes kinds put on them; the derived schema has none.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "description": "One aspect of the state.",
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "description": "When the status last changed.",
                    "type": "string",
                    "format": "date-time"
                },
                "message": {
                    "description": "The details, for people. May be empty.",
                    "type": "string",
                    "maxLength": 32768
                },
                "observedGeneration": {
                    "description": "The metadata.generation that the condition is about. An older one than the \
                                    object has means that the condition is out of date.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0
                },
                "reason": {
                    "description": "Why, in one word, for programs.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "status": {
                    "description": "Whether it is so.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"]
                },
                "type": {
                    "description": "Which aspect.",
                    "type": "string",
                    "maxLength": 316,
                    "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
                                (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
                }
            }
        }
    })
}

/// A type that pods have too, without its text.
pub(crate) fn of_pod<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    if let Some(object) = schema.as_object_mut() {
        let mut value = Value::Object(std::mem::take(object));
        finish_pod_part(&mut value);
        if let Value::Object(finished) = value {
            *object = finished;
        }
    }
    schema
}

/// Takes the text out of `value` and of everything below it, and adds limits and merge rules.
fn finish_pod_part(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(finish_pod_part),
        Value::Object(schema) => {
            // A field may be called so too; then it is an object.
            if schema.get("description").is_some_and(Value::is_string) {
                schema.remove("description");
            }
            schema.values_mut().for_each(finish_pod_part);
            if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                schema.insert("pattern".into(), QUANTITY.into());
            }
            let Some(Value::Object(properties)) = schema.get_mut("properties") else {
                return;
            };
            if let Some(Value::Object(claims)) = properties.get_mut("claims") {
                claims.insert("x-kubernetes-list-type".into(), "map".into());
                claims.insert("x-kubernetes-list-map-keys".into(), serde_json::json!(["name"]));
            }
            if ATOMIC.iter().any(|names| is_exactly(properties.keys(), names)) {
                schema.insert("x-kubernetes-map-type".into(), "atomic".into());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether `keys` are `names`, in any order.
fn is_exactly<'a>(keys: impl ExactSizeIterator<Item = &'a String>, names: &[&str]) -> bool {
    keys.len() == names.len() && keys.into_iter().all(|key| names.contains(&key.as_str()))
}
