//! BGPPeer from one version into the other. Pure: owns what becomes of the fields, not who asks.
//!
//! Every field of `v1beta1` has the same name and meaning in `v1beta2`. What a peer has beyond that is kept in an
//! annotation while it is shown as `v1beta1`: whoever reads the old version and writes it back loses nothing. Where this
//! differs from upstream's conversion: nothing is dropped, and timers that were left out stay left out.

use kube::core::conversion::{ConversionRequest, ConversionResponse, ConversionReview};
use kube::core::response::Status;
use serde_json::{Map, Value};

use crate::names::{self, annotation};

type Fields = Map<String, Value>;

/// The fields of the old version. Nothing is in the new version under the same name with another meaning.
const OLD_FIELDS: [&str; 12] = [
    "bfdProfile",
    "ebgpMultiHop",
    "holdTime",
    "keepaliveTime",
    "myASN",
    "nodeSelectors",
    "password",
    "peerASN",
    "peerAddress",
    "peerPort",
    "routerID",
    "sourceAddress",
];
/// What the API server fills in by itself; no reason for an annotation.
const DEFAULTS: [(&str, Value); 2] = [
    ("disableMP", Value::Bool(false)),
    ("dualStackAddressFamily", Value::Bool(false)),
];

/// Why an object cannot be converted. The API server passes the message on to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// There is no such version.
    #[error("no BGPPeer can be converted to {0:?}: the versions are v1beta1 and v1beta2 of {group}", group = names::GROUP)]
    Version(String),
    /// Only BGPPeer has two versions.
    #[error("{0} has no other version")]
    Kind(String),
    /// It is no Kubernetes object.
    #[error("the object to convert is no JSON object with a spec")]
    NoObject,
}

/// Answers a review; to one that makes no sense, with a failure that says so.
pub fn review(review: ConversionReview) -> ConversionReview {
    let request = match ConversionRequest::from_review(review) {
        Ok(request) => request,
        Err(error) => {
            return ConversionResponse::invalid(failure(&error.to_string())).into_review();
        }
    };
    let desired = request.desired_api_version.clone();
    let objects = request.objects.clone();
    let response = ConversionResponse::for_request(request);
    let converted: Result<Vec<Value>, ConversionError> = objects
        .into_iter()
        .map(|object| convert(object, &desired))
        .collect();
    match converted {
        Ok(converted) => response.success(converted),
        Err(error) => response.failure(failure(&error.to_string())),
    }
    .into_review()
}

fn failure(message: &str) -> Status {
    Status::failure(message, "Invalid").with_code(422)
}

/// The same BGPPeer in the version `desired`, such as `metallb.io/v1beta2`.
///
/// # Errors
/// See [`ConversionError`].
pub fn convert(mut object: Value, desired: &str) -> Result<Value, ConversionError> {
    let version = |text: &str| {
        let (group, version) = text.split_once('/')?;
        let known = [names::V1BETA1, names::V1BETA2];
        known
            .into_iter()
            .find(|known| group == names::GROUP && *known == version)
    };
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (kind, from) = (text("kind"), text("apiVersion"));
    if kind != "BGPPeer" {
        return Err(ConversionError::Kind(kind));
    }
    let current = version(&from).ok_or(ConversionError::Version(from))?;
    let wanted = version(desired).ok_or_else(|| ConversionError::Version(desired.to_owned()))?;
    if current != wanted {
        let Value::Object(mut spec) = object["spec"].take() else {
            return Err(ConversionError::NoObject);
        };
        let beyond = take_annotation(&mut object);
        if wanted == names::V1BETA1 {
            let beyond = downgrade(&mut spec);
            put_annotation(&mut object, &beyond);
        } else {
            upgrade(&mut spec, beyond);
        }
        object["spec"] = spec.into();
        object["apiVersion"] = desired.into();
    }
    Ok(object)
}

/// The new version, from the old one and what is known beyond it.
fn upgrade(spec: &mut Fields, beyond: Fields) {
    let shown = as_old(&beyond);
    for (field, value) in beyond {
        // Whoever changed a field of the old version meant it.
        let unchanged = !is_old(&field) || spec.get(&field) == shown.get(&field);
        if unchanged && value.is_null() {
            spec.remove(&field);
        } else if unchanged {
            spec.insert(field, value);
        }
    }
}

/// The old version; returned is what it cannot express, null for what is not there in the new one.
fn downgrade(spec: &mut Fields) -> Fields {
    let old = as_old(spec);
    let new = std::mem::replace(spec, old);
    let default = |field: &str, value: &Value| {
        DEFAULTS
            .iter()
            .any(|(name, default)| *name == field && default == value)
    };
    let mut beyond: Fields = new
        .iter()
        .filter(|(field, value)| spec.get(*field) != Some(value) && !default(field, value))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    // What the old version requires and the new one left out.
    for field in ["peerASN", "peerAddress"] {
        if !new.contains_key(field) {
            beyond.insert(field.to_owned(), Value::Null);
        }
    }
    beyond
}

/// The fields of the old version, as it shows them.
fn as_old(spec: &Fields) -> Fields {
    let mut old: Fields = (spec.iter())
        .filter(|(field, _)| is_old(field))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    let filled = [("peerASN", Value::from(0)), ("peerAddress", Value::from(""))];
    for (field, value) in filled {
        if old.get(field).is_none_or(Value::is_null) {
            old.insert(field.to_owned(), value);
        }
    }
    // An expression of the old version has values, if only an empty list.
    for selector in old
        .get_mut("nodeSelectors")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let expressions = selector.get_mut("matchExpressions").and_then(Value::as_array_mut);
        for expression in expressions.into_iter().flatten().filter_map(Value::as_object_mut) {
            expression
                .entry("values")
                .or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    old
}

fn is_old(field: &str) -> bool {
    OLD_FIELDS.contains(&field)
}

/// Takes what a peer has beyond the old version out of its annotations. One that somebody broke counts as none.
fn take_annotation(object: &mut Value) -> Fields {
    let Some(annotations) = object["metadata"]
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    else {
        return Fields::new();
    };
    let text = annotations.remove(annotation::BEYOND_V1BETA1);
    if text.is_some()
        && annotations.is_empty()
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        metadata.remove("annotations");
    }
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

fn put_annotation(object: &mut Value, beyond: &Fields) {
    if beyond.is_empty() {
        return;
    }
    let text = Value::Object(beyond.clone()).to_string();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Fields::new().into());
        annotations[annotation::BEYOND_V1BETA1] = text.into();
    }
}

#[cfg(test)]
mod tests;
