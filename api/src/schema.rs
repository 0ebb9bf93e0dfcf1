//! Makes a derived schema one that an API server takes without a warning, and that accepts what users have.
//!
//! Owns the differences between what the derive macros can say and what a CustomResourceDefinition should say.
//! Never adds or removes a field: the types alone decide what a kind has.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

mod kubernetes;
mod text;

pub(crate) use kubernetes::{conditions, label_selector, label_selectors, of_pod, secret_reference};
pub(crate) use text::{IS_ADDRESS, communities, community, pool_addresses};

/// Finishes the schema of a whole kind.
pub(crate) fn finish(root: &mut JSONSchemaProps) {
    clean(root);
    let properties = root.properties.get_or_insert_default();
    for property in properties.values_mut() {
        // A default here only says that the type can do without the property. In a schema it would make the API
        // server write an empty spec into every object that has none.
        property.default = None;
    }
    properties.insert(
        "apiVersion".into(),
        text("API group and version of this representation of the object, for example metallb.io/v1beta1."),
    );
    properties.insert("kind".into(), text("Kind of the object."));
    properties.insert("metadata".into(), of_type("object"));
}

/// A property that holds text.
fn text(description: &str) -> JSONSchemaProps {
    JSONSchemaProps {
        description: Some(description.into()),
        ..of_type("string")
    }
}

fn of_type(name: &str) -> JSONSchemaProps {
    JSONSchemaProps {
        type_: Some(name.into()),
        ..JSONSchemaProps::default()
    }
}

/// Applies the rules to `schema` and to everything below it.
fn clean(schema: &mut JSONSchemaProps) {
    // The names of our own types are of no use to a reader.
    schema.title = None;
    // "Not set" is the absence of a field, never null.
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    if schema.default.as_ref().is_some_and(|default| default.0.is_null()) {
        schema.default = None;
    }
    if schema.x_kubernetes_int_or_string == Some(true) {
        // The derive takes the types of the alternatives away. The API server wants exactly these two.
        schema.any_of = Some(["integer", "string"].map(of_type).into());
    }
    schema.format = schema.format.take().and_then(known_format);
    schema.description = schema.description.take().map(|text| unwrap_lines(&text));
    if let Some(properties) = &mut schema.properties {
        schema.one_of = requirement_forms(properties).or(schema.one_of.take());
        properties.values_mut().for_each(clean);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        clean(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        clean(values);
    }
}

/// The forms of one requirement of a label selector, if these are its properties: In and NotIn compare with values, Exists
/// and DoesNotExist do not. Alternatives in the schema and not a rule, because a rule would need to know how long the lists
/// of selectors and of requirements may be; and here, because the derive would merge the alternatives into one.
fn requirement_forms(properties: &BTreeMap<String, JSONSchemaProps>) -> Option<Vec<JSONSchemaProps>> {
    let is_requirement = properties.len() == 3
        && ["key", "values"]
            .iter()
            .all(|name| properties.contains_key(*name));
    let operators = properties.get("operator")?.enum_.as_deref().unwrap_or_default();
    let form = |with_values: bool| {
        let takes = |operator: &&JSON| with_values == matches!(operator.0.as_str(), Some("In" | "NotIn"));
        let operator = JSONSchemaProps {
            enum_: Some(operators.iter().filter(takes).cloned().collect()),
            ..JSONSchemaProps::default()
        };
        let values = JSONSchemaProps {
            min_items: with_values.then_some(1),
            max_items: (!with_values).then_some(0),
            ..JSONSchemaProps::default()
        };
        JSONSchemaProps {
            properties: Some([("operator".into(), operator), ("values".into(), values)].into()),
            required: with_values.then(|| vec!["values".into()]),
            ..JSONSchemaProps::default()
        }
    };
    (is_requirement && operators.len() == 4).then(|| vec![form(true), form(false)])
}

/// The formats that an API server knows; for others it prints a warning to whoever applies the definition. An
/// unsigned field loses no check: the derive gives it a lower bound, and its upper one where it is the type's.
fn known_format(format: String) -> Option<String> {
    match format.as_str() {
        "uint32" => Some("int32".into()),
        "uint8" | "uint16" | "uint" | "int8" | "int16" | "int" => None,
        _ => Some(format),
    }
}

/// Joins the lines of each paragraph: their breaks are those of the source file, not of the reader's terminal.
fn unwrap_lines(text: &str) -> String {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    paragraphs.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_formats_that_an_api_server_knows_are_kept() {
        let after = |format: &str| known_format(format.into());
        assert_eq!(after("uint32").as_deref(), Some("int32"));
        assert_eq!(after("int64").as_deref(), Some("int64"));
        assert_eq!(after("date-time").as_deref(), Some("date-time"));
        assert_eq!(after("uint16"), None);
    }

    #[test]
    fn a_requirement_has_values_if_its_operator_compares_with_them() {
        let operators = ["In", "NotIn", "Exists", "DoesNotExist"].map(|operator| JSON(operator.into()));
        let operator = JSONSchemaProps {
            enum_: Some(operators.into()),
            ..of_type("string")
        };
        let property = |name: &str, schema: JSONSchemaProps| (name.to_owned(), schema);
        let mut properties = BTreeMap::from([
            property("key", of_type("string")),
            property("operator", operator),
            property("values", of_type("array")),
        ]);
        let forms = requirement_forms(&properties).unwrap();
        assert_eq!(
            serde_json::to_value(forms).unwrap(),
            serde_json::json!([
                { "properties": { "operator": { "enum": ["In", "NotIn"] }, "values": { "minItems": 1 } },
                  "required": ["values"] },
                { "properties": { "operator": { "enum": ["Exists", "DoesNotExist"] }, "values": { "maxItems": 0 } } },
            ])
        );
        properties.insert("operator".into(), of_type("string"));
        assert_eq!(requirement_forms(&properties), None);
        properties.remove("operator");
        assert_eq!(requirement_forms(&properties), None);
    }

    #[test]
    fn lines_are_joined_and_paragraphs_are_kept() {
        assert_eq!(unwrap_lines("one\ntwo\n\nthree"), "one two\n\nthree");
    }
}
