//! The rules by which the validators of the Operator Framework judge a bundle, as far as they can be judged without a
//! cluster.

mod catalog;
mod permissions;
mod shape;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shape::{Csv, Install, Spec};

use super::*;
use crate::manifests;

const CSV_FILE: &str = "bundle/manifests/metallb-operator.clusterserviceversion.yaml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn samples() -> Vec<Value> {
    let mut samples = Vec::new();
    for directory in ["config/samples", "config/samples/status"] {
        for entry in std::fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                samples.extend(documents(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    samples
}

fn generated(options: &Options) -> BTreeMap<String, String> {
    files(options, &samples()).unwrap()
}

fn csv() -> Csv {
    serde_json::from_value(documents(&generated(&Options::default())[CSV_FILE]).remove(0)).unwrap()
}

fn examples(csv: &Csv) -> Vec<Value> {
    serde_json::from_str(&csv.metadata.annotations["alm-examples"]).unwrap()
}

/// Three numbers, and a fourth part if it is not released.
fn semantic(version: &str) -> (u64, u64, u64) {
    let numbers: Vec<u64> = version
        .split('.')
        .map(|number| {
            number
                .parse()
                .unwrap_or_else(|_| panic!("{version} is no semantic version"))
        })
        .collect();
    let [major, minor, patch] = numbers[..] else {
        panic!("{version} has not three numbers");
    };
    (major, minor, patch)
}

#[test]
fn what_is_checked_in_is_what_is_generated() {
    for (path, content) in generated(&Options::default()) {
        let there = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        assert!(there == content, "{path} is out of date: run `make bundle`");
    }
}

#[test]
fn it_is_a_cluster_service_version_that_consoles_can_show() {
    let csv = csv();
    assert_eq!(
        (csv.api_version.as_str(), csv.kind.as_str()),
        ("operators.coreos.com/v1alpha1", "ClusterServiceVersion")
    );
    let Spec {
        display_name,
        description,
        maturity,
        provider,
        keywords,
        links,
        icon,
        ..
    } = &csv.spec;
    for text in [display_name, description, maturity, &provider["name"]] {
        assert!(!text.is_empty());
    }
    assert!(!keywords.is_empty());
    assert!(links.iter().all(|link| link.url.starts_with("https://")));
    let drawing = STANDARD.decode(&icon[0].base64data).unwrap();
    assert!(drawing.starts_with(b"<svg") && icon[0].mediatype == "image/svg+xml");
    assert!(
        csv.metadata
            .labels
            .contains_key("operatorframework.io/arch.amd64")
    );
    let levels = [
        "Basic Install",
        "Seamless Upgrades",
        "Full Lifecycle",
        "Deep Insights",
        "Auto Pilot",
    ];
    assert!(levels.contains(&csv.metadata.annotations["capabilities"].as_str()));
}

#[test]
fn its_name_versions_and_upgrades_agree() {
    let csv = csv();
    let version = semantic(&csv.spec.version);
    assert_eq!(
        csv.metadata.name,
        format!("metallb-operator.v{}", csv.spec.version)
    );
    assert!(semantic(&csv.spec.min_kube_version) >= (1, 29, 0));
    if let Some(replaced) = &csv.spec.replaces {
        let replaced = semantic(replaced.strip_prefix("metallb-operator.v").unwrap());
        assert!(replaced < version, "replaces a newer one");
    }
    let range = &csv.metadata.annotations["olm.skipRange"];
    assert_eq!(range, &format!(">=0.0.1 <{}", csv.spec.version));
}

#[test]
fn every_kind_and_version_is_owned_and_every_owned_one_is_in_the_bundle() {
    let files = generated(&Options::default());
    let mut defined = BTreeSet::new();
    for definition in crd::all() {
        let file = format!("bundle/manifests/{}", crd::file_name(&definition));
        let there = &documents(&files[&file])[0];
        assert_eq!(there["kind"], "CustomResourceDefinition");
        for version in &definition.spec.versions {
            defined.insert((
                definition.metadata.name.clone().unwrap(),
                version.name.clone(),
                definition.spec.names.kind.clone(),
            ));
        }
    }
    let owned = csv().spec.customresourcedefinitions.owned;
    let claimed: BTreeSet<_> = owned
        .iter()
        .map(|owned| (owned.name.clone(), owned.version.clone(), owned.kind.clone()))
        .collect();
    assert_eq!(claimed.len(), owned.len(), "one is claimed twice");
    assert_eq!(claimed, defined);
    for owned in owned {
        let what = format!("{} {}", owned.kind, owned.version);
        assert!(
            !owned.display_name.is_empty() && !owned.description.is_empty(),
            "{what}"
        );
        assert!(!owned.resources.is_empty(), "{what} has no resources");
        for descriptor in owned.spec_descriptors.iter().chain(&owned.status_descriptors) {
            assert!(
                !descriptor.path.is_empty() && !descriptor.description.is_empty(),
                "{what}"
            );
            assert!(!descriptor.display_name.is_empty(), "{what}");
            assert!(
                descriptor
                    .input
                    .iter()
                    .all(|input| input.starts_with("urn:alm:descriptor:")),
                "{what}"
            );
        }
    }
}

#[test]
fn every_kind_and_version_has_one_example() {
    let csv = csv();
    let shown: Vec<String> = examples(&csv)
        .iter()
        .map(|example| {
            format!(
                "{} {}",
                example["apiVersion"].as_str().unwrap(),
                example["kind"].as_str().unwrap()
            )
        })
        .collect();
    let owned: BTreeSet<String> = csv
        .spec
        .customresourcedefinitions
        .owned
        .iter()
        .map(|owned| format!("metallb.io/{} {}", owned.version, owned.kind))
        .collect();
    assert_eq!(shown.iter().cloned().collect::<BTreeSet<_>>(), owned);
    assert_eq!(shown.len(), owned.len());
    let first: Value =
        serde_json::from_str(&csv.metadata.annotations["operatorframework.io/initialization-resource"])
            .unwrap();
    assert!(examples(&csv).contains(&first) && first["kind"] == "MetalLB");
}

/// What a form shows in the example has to have a label, in the words of the scorecard's test of descriptors.
#[test]
fn every_field_of_an_example_has_a_descriptor() {
    let csv = csv();
    for example in examples(&csv) {
        let owned = &csv.spec.customresourcedefinitions.owned;
        let owned = owned
            .iter()
            .find(|owned| {
                example["kind"] == owned.kind
                    && example["apiVersion"] == format!("metallb.io/{}", owned.version)
            })
            .unwrap();
        for (part, descriptors) in [
            ("spec", &owned.spec_descriptors),
            ("status", &owned.status_descriptors),
        ] {
            for field in example[part]
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.keys())
            {
                assert!(
                    descriptors.iter().any(|descriptor| &descriptor.path == field),
                    "{}: {part}.{field}",
                    owned.kind
                );
            }
        }
    }
}

#[test]
fn images_have_a_fixed_version_and_all_of_them_are_related() {
    let csv = csv();
    let related: BTreeSet<&str> = csv
        .spec
        .related_images
        .iter()
        .map(|related| related.image.as_str())
        .collect();
    assert!(
        csv.spec
            .related_images
            .iter()
            .all(|related| !related.name.is_empty())
    );
    let [deployment] = csv.spec.install.spec.deployments.as_slice() else {
        panic!("one Deployment");
    };
    let container = &deployment.spec.template.spec.as_ref().unwrap().containers[0];
    let operator = container.image.as_deref().unwrap();
    assert_eq!(csv.metadata.annotations["containerImage"], operator);
    let variables = container.env.iter().flatten();
    let used: BTreeSet<&str> = variables
        .filter(|variable| variable.name.ends_with("_IMAGE"))
        .map(|variable| variable.value.as_deref().unwrap())
        .chain([operator])
        .collect();
    assert_eq!(related, used);
    for image in related {
        let tag = image.rsplit_once(':').unwrap().1;
        assert!(tag != "latest" && !tag.contains('/'), "{image}");
    }
    for (path, content) in generated(&Options::default()) {
        assert!(!content.contains(":latest"), "{path}");
    }
}

#[test]
fn the_deployment_is_the_one_of_config() {
    let csv = csv();
    let text = &manifests::files(&Options::default())["manager/operator.yaml"];
    let of_config: k8s_openapi::api::apps::v1::Deployment = serde_saphyr::from_str(text).unwrap();
    let Install { strategy, spec } = &csv.spec.install;
    assert_eq!(strategy, "deployment");
    let ours = &spec.deployments[0];
    assert_eq!(Some(&ours.name), of_config.metadata.name.as_ref());
    assert_eq!(Some(&ours.label), of_config.metadata.labels.as_ref());
    assert_eq!(Some(&ours.spec), of_config.spec.as_ref());
    // The selector has to find the pods.
    let template = ours
        .spec
        .template
        .metadata
        .as_ref()
        .unwrap()
        .labels
        .as_ref()
        .unwrap();
    let selector = ours.spec.selector.match_labels.as_ref().unwrap();
    assert!(
        selector
            .iter()
            .all(|label| template.get_key_value(label.0) == Some(label))
    );
}

/// As the API server is asked to where nobody reads the bundle, in the place where the Operator Lifecycle Manager makes
/// the Service and the registration.
#[test]
fn the_webhook_is_the_one_of_config_and_a_deployment_of_the_bundle_answers_it() {
    let csv = csv();
    let [webhook] = csv.spec.webhookdefinitions.as_slice() else {
        panic!("one webhook");
    };
    let of_config = documents(&manifests::files(&Options::default())["manager/webhook.yaml"]);
    let [service, registration] = of_config.as_slice() else {
        panic!("a Service and a registration");
    };
    let registered = &registration["webhooks"][0];
    assert_eq!(registered["name"], webhook.generate_name);
    assert_eq!(registered["rules"], json!(webhook.rules));
    assert_eq!(
        registered["clientConfig"]["service"]["path"],
        webhook.webhook_path
    );
    assert_eq!(registered["failurePolicy"], webhook.failure_policy);
    assert_eq!(registered["sideEffects"], webhook.side_effects);
    assert_eq!(registered["timeoutSeconds"], webhook.timeout_seconds);
    assert_eq!(
        registered["admissionReviewVersions"],
        json!(webhook.admission_review_versions)
    );
    let said = (
        webhook.r#type.as_str(),
        webhook.failure_policy.as_str(),
        webhook.side_effects.as_str(),
    );
    assert_eq!(said, ("ValidatingAdmissionWebhook", "Ignore", "None"));
    assert_eq!(service["spec"]["ports"][0]["port"], webhook.container_port);
    let deployment = &csv.spec.install.spec.deployments[0];
    assert_eq!(deployment.name, webhook.deployment_name);
    let pod = deployment.spec.template.spec.as_ref().unwrap();
    let port = |port: &k8s_openapi::api::core::v1::ContainerPort| {
        let named = port.name.as_deref() == service["spec"]["ports"][0]["targetPort"].as_str();
        named && json!(port.container_port) == json!(webhook.target_port)
    };
    assert!(pod.containers[0].ports.iter().flatten().any(port));
}

#[test]
fn it_installs_for_all_namespaces_or_for_its_own_and_suggests_one() {
    let csv = csv();
    let supported: Vec<&str> = csv
        .spec
        .install_modes
        .iter()
        .filter(|mode| mode.supported)
        .map(|mode| mode.r#type.as_str())
        .collect();
    assert_eq!(supported, ["OwnNamespace", "AllNamespaces"]);
    assert_eq!(csv.spec.install_modes.len(), 4, "each mode is spelt out");
    let annotations = &csv.metadata.annotations;
    assert_eq!(
        annotations["operatorframework.io/suggested-namespace"],
        "metallb-system"
    );
    let template = &annotations["operatorframework.io/suggested-namespace-template"];
    let namespace: Value = serde_json::from_str(template).unwrap();
    assert_eq!(namespace["kind"], "Namespace");
    assert_eq!(
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "privileged"
    );
    assert!(!annotations.contains_key("operators.openshift.io/valid-subscription"));
    let hidden: Vec<String> =
        serde_json::from_str(&annotations["operators.operatorframework.io/internal-objects"]).unwrap();
    assert_eq!(hidden.len(), 3);
}

#[test]
fn image_metadata_and_scorecard_say_the_same() {
    let files = generated(&Options::default());
    let metadata = &documents(&files["bundle/metadata/annotations.yaml"])[0]["annotations"];
    for (key, value) in labels() {
        assert_eq!(metadata[key], value);
        let label = format!("LABEL {key}={value}\n");
        assert!(files["bundle.Dockerfile"].contains(&label), "{label}");
    }
    assert_eq!(
        metadata["operators.operatorframework.io.bundle.package.v1"],
        PACKAGE
    );
    for directory in [MANIFESTS, METADATA, SCORECARD] {
        let prefix = format!("bundle/{directory}");
        assert!(files.keys().any(|path| path.starts_with(&prefix)), "{prefix}");
    }
    let scorecard = &documents(&files["bundle/tests/scorecard/config.yaml"])[0];
    assert_eq!(scorecard["stages"][0]["tests"].as_array().unwrap().len(), 6);
}

#[test]
fn the_operator_lifecycle_manager_finds_one_document_in_each_file() {
    for (path, content) in generated(&Options::default()) {
        if path.starts_with("bundle/") {
            assert!(!content.contains("---\n"), "{path}");
        }
    }
}

#[test]
fn registry_tag_and_namespace_reach_every_file() {
    let options = Options {
        namespace: "lb".into(),
        registry: "localhost:5000/me".into(),
        tag: "test".into(),
    };
    let files = generated(&options);
    for (path, content) in &files {
        assert!(!content.contains("quay.io/metallb-rs"), "{path}");
    }
    let csv: Csv = serde_json::from_value(documents(&files[CSV_FILE]).remove(0)).unwrap();
    let suggested = &csv.metadata.annotations["operatorframework.io/suggested-namespace"];
    assert_eq!(suggested, "lb");
    assert!(files["catalog/metallb-operator/catalog.yaml"].contains("localhost:5000/me/bundle:test"));
    assert!(files["config/olm/install.yaml"].contains("localhost:5000/me/catalog:test"));
    assert!(!files["config/olm/install.yaml"].contains("metallb-system"));
}
