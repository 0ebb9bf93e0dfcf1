//! Schemas of Kubernetes types that the kinds refer to.

/// Schema of a list of conditions.
pub fn conditions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>>()
}
