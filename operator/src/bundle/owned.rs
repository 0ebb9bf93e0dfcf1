//! The kinds as a console shows them: a name, the objects that come with them, and a label and an input for each field.
//! What a field means is said in the CRDs and taken from there.

mod fields;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use metallb_api::crd;
use serde_json::{Value, json};

use fields::{Field, KINDS, Kind};

/// All kinds in all their versions: `spec.customresourcedefinitions.owned`.
pub(super) fn all() -> Vec<Value> {
    let mut owned = Vec::new();
    for definition in crd::all() {
        let kind = kind(&definition.spec.names.kind);
        for version in &definition.spec.versions {
            owned.push(of(kind, &definition, version));
        }
    }
    owned
}

/// The CRDs of kinds that nobody but MetalLB makes.
pub(super) fn written_by_metallb() -> Vec<String> {
    crd::all()
        .into_iter()
        .filter(|definition| kind(&definition.spec.names.kind).written_by_metallb)
        .map(|definition| definition.metadata.name.unwrap_or_default())
        .collect()
}

fn kind(name: &str) -> &'static Kind {
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .expect("a test finds kinds without a line in the table")
}

fn of(
    kind: &Kind,
    definition: &CustomResourceDefinition,
    version: &CustomResourceDefinitionVersion,
) -> Value {
    let schema = version
        .schema
        .as_ref()
        .and_then(|schema| schema.open_api_v3_schema.as_ref())
        .expect("every version of a CRD has a schema");
    let display_name = if definition.spec.versions.len() > 1 {
        format!("{} ({})", kind.display_name, version.name)
    } else {
        kind.display_name.to_owned()
    };
    let resources: Vec<Value> = kind
        .resources
        .iter()
        .map(|(kind, version)| json!({ "kind": kind, "name": "", "version": version }))
        .collect();
    let mut owned = json!({
        "name": definition.metadata.name,
        "version": version.name,
        "kind": kind.name,
        "displayName": display_name,
        "description": schema.description,
        "resources": resources,
    });
    for (part, fields) in [("spec", kind.spec), ("status", kind.status)] {
        let descriptors = descriptors(part, fields, schema);
        if !descriptors.is_empty() {
            owned[format!("{part}Descriptors")] = json!(descriptors);
        }
    }
    owned
}

/// The fields that this version has, with what they mean.
fn descriptors(part: &str, fields: &[Field], schema: &JSONSchemaProps) -> Vec<Value> {
    let mut descriptors = Vec::new();
    for Field { path, label, input } in fields {
        let Some(field) = at(schema, part).and_then(|part| at(part, path)) else {
            continue;
        };
        let mut descriptor = json!({ "path": path, "displayName": label, "description": field.description });
        if !input.is_empty() {
            descriptor["x-descriptors"] = json!(input);
        }
        descriptors.push(descriptor);
    }
    descriptors
}

/// The schema of the field at `path`, such as `communities[0].name`.
fn at<'a>(schema: &'a JSONSchemaProps, path: &str) -> Option<&'a JSONSchemaProps> {
    let mut schema = schema;
    for part in path.split('.') {
        let name = part.strip_suffix("[0]").unwrap_or(part);
        schema = schema.properties.as_ref()?.get(name)?;
        if name != part {
            schema = match schema.items.as_ref()? {
                JSONSchemaPropsOrArray::Schema(items) => items,
                JSONSchemaPropsOrArray::Schemas(_) => return None,
            };
        }
    }
    Some(schema)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn schemas(definition: &CustomResourceDefinition) -> Vec<JSONSchemaProps> {
        definition
            .spec
            .versions
            .iter()
            .map(|version| version.schema.clone().unwrap().open_api_v3_schema.unwrap())
            .collect()
    }

    #[test]
    fn every_kind_has_a_line_in_the_table_and_none_is_there_twice() {
        let defined: Vec<String> = crd::all()
            .into_iter()
            .map(|definition| definition.spec.names.kind)
            .collect();
        let described: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(
            defined.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            described.iter().copied().collect()
        );
        assert_eq!(defined.len(), described.len());
    }

    /// A label for a field that is gone says nothing; a field without a label is called what it is called in Rust.
    #[test]
    fn every_field_of_the_schemas_has_a_label_and_every_label_a_field() {
        for definition in crd::all() {
            let kind = kind(&definition.spec.names.kind);
            let schemas = schemas(&definition);
            for (part, fields) in [("spec", kind.spec), ("status", kind.status)] {
                for field in fields {
                    assert!(
                        schemas
                            .iter()
                            .any(|schema| at(schema, part).and_then(|part| at(part, field.path)).is_some()),
                        "{} has no {part}.{}",
                        kind.name,
                        field.path
                    );
                }
                let first_level = schemas
                    .iter()
                    .filter_map(|schema| at(schema, part)?.properties.as_ref())
                    .flat_map(|properties| properties.keys());
                for name in first_level {
                    let labelled = |field: &Field| field.path.split(['.', '[']).next() == Some(name);
                    assert!(
                        fields.iter().any(labelled),
                        "{part}.{name} of {} has no label",
                        kind.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_field_says_what_it_means() {
        for owned in all() {
            for part in ["specDescriptors", "statusDescriptors"] {
                for descriptor in owned[part].as_array().into_iter().flatten() {
                    let text = descriptor["description"].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{}: {descriptor}", owned["kind"]);
                }
            }
        }
    }
}
