//! The documented shape of a ClusterServiceVersion, as far as it is used here. A field that is misspelt is an error.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::RuleWithOperations;
use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

/// The object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Csv {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(rename = "namespace")]
    pub(super) _namespace: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) display_name: String,
    pub(super) description: String,
    pub(super) version: String,
    pub(super) maturity: String,
    pub(super) min_kube_version: String,
    pub(super) provider: BTreeMap<String, String>,
    pub(super) keywords: Vec<String>,
    pub(super) links: Vec<Link>,
    pub(super) icon: Vec<Icon>,
    pub(super) customresourcedefinitions: Definitions,
    pub(super) install_modes: Vec<InstallMode>,
    pub(super) install: Install,
    pub(super) webhookdefinitions: Vec<WebhookDefinition>,
    pub(super) related_images: Vec<RelatedImage>,
    pub(super) replaces: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    #[serde(rename = "name")]
    pub(super) _name: String,
    pub(super) url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Icon {
    pub(super) base64data: String,
    pub(super) mediatype: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Definitions {
    pub(super) owned: Vec<Owned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Owned {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) display_name: String,
    pub(super) description: String,
    pub(super) resources: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) spec_descriptors: Vec<Descriptor>,
    #[serde(default)]
    pub(super) status_descriptors: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Descriptor {
    pub(super) path: String,
    pub(super) display_name: String,
    pub(super) description: String,
    #[serde(rename = "x-descriptors", default)]
    pub(super) input: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstallMode {
    pub(super) r#type: String,
    pub(super) supported: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    pub(super) strategy: String,
    pub(super) spec: Strategy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Strategy {
    pub(super) deployments: Vec<StrategyDeployment>,
    pub(super) permissions: Vec<Permission>,
    pub(super) cluster_permissions: Vec<Permission>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrategyDeployment {
    pub(super) name: String,
    pub(super) label: BTreeMap<String, String>,
    pub(super) spec: DeploymentSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Permission {
    pub(super) service_account_name: String,
    pub(super) rules: Vec<PolicyRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelatedImage {
    pub(super) name: String,
    pub(super) image: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookDefinition {
    pub(super) r#type: String,
    pub(super) generate_name: String,
    pub(super) deployment_name: String,
    pub(super) container_port: i32,
    pub(super) target_port: IntOrString,
    pub(super) webhook_path: String,
    pub(super) rules: Vec<RuleWithOperations>,
    pub(super) failure_policy: String,
    pub(super) side_effects: String,
    pub(super) timeout_seconds: i32,
    pub(super) admission_review_versions: Vec<String>,
}
