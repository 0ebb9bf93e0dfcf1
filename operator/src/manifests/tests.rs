use std::path::{Path, PathBuf};

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use metallb_api::v1beta1::{
    self, BFDProfile, BGPAdvertisement, Community, ConfigurationState, IPAddressPool, L2Advertisement,
    MetalLB, ServiceBGPStatus, ServiceL2Status,
};
use metallb_api::v1beta2;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path)
}

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n")
        .filter(|document| {
            document
                .lines()
                .any(|line| !line.is_empty() && !line.starts_with('#'))
        })
        .map(|document| {
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}\n{document}"))
        })
        .collect()
}

/// The document is one of `K`, and nothing in it is lost on the way through `K`: no field is misspelt.
fn is_a<K: DeserializeOwned + Serialize>(document: &Value) {
    let typed: K =
        serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error}\n{document}"));
    assert_eq!(&serde_json::to_value(typed).unwrap(), document);
}

fn check(document: &Value) {
    match document["kind"].as_str().unwrap() {
        "Namespace" => is_a::<Namespace>(document),
        "Deployment" => is_a::<Deployment>(document),
        "NetworkPolicy" => is_a::<NetworkPolicy>(document),
        "DaemonSet" => is_a::<DaemonSet>(document),
        "Pod" => is_a::<Pod>(document),
        "ConfigMap" => is_a::<ConfigMap>(document),
        "Secret" => is_a::<Secret>(document),
        "ValidatingWebhookConfiguration" => is_a::<ValidatingWebhookConfiguration>(document),
        "Service" => is_a::<Service>(document),
        "ServiceAccount" => is_a::<ServiceAccount>(document),
        "ClusterRole" => is_a::<ClusterRole>(document),
        "ClusterRoleBinding" => is_a::<ClusterRoleBinding>(document),
        "Role" => is_a::<Role>(document),
        "RoleBinding" => is_a::<RoleBinding>(document),
        "MetalLB" => is_a::<MetalLB>(document),
        "IPAddressPool" => is_a::<IPAddressPool>(document),
        "L2Advertisement" => is_a::<L2Advertisement>(document),
        "BGPAdvertisement" => is_a::<BGPAdvertisement>(document),
        "BGPPeer" if document["apiVersion"] == "metallb.io/v1beta1" => is_a::<v1beta1::BGPPeer>(document),
        "BGPPeer" => is_a::<v1beta2::BGPPeer>(document),
        "BFDProfile" => is_a::<BFDProfile>(document),
        "Community" => is_a::<Community>(document),
        "ServiceL2Status" => is_a::<ServiceL2Status>(document),
        "ServiceBGPStatus" => is_a::<ServiceBGPStatus>(document),
        "ConfigurationState" => is_a::<ConfigurationState>(document),
        // Made of its type, and a kind that no crate here has types for.
        "CustomResourceDefinition" | "Kustomization" => {}
        other => panic!("unexpected kind {other}"),
    }
}

#[test]
fn what_is_checked_in_is_what_is_generated() {
    for (path, content) in files(&Options::default()) {
        let there = std::fs::read_to_string(config(path)).unwrap_or_default();
        assert_eq!(
            there, content,
            "config/{path} is out of date: run `make manifests`"
        );
    }
    for (path, content) in chart::files(&Options::default()) {
        let there = std::fs::read_to_string(config("../charts/metallb").join(&path)).unwrap_or_default();
        assert_eq!(
            there, content,
            "charts/metallb/{path} is out of date: run `make manifests`"
        );
    }
}

/// Braces would be read by Helm.
#[test]
fn nothing_in_the_chart_is_taken_for_a_template_by_mistake() {
    let files = chart::files(&Options::default());
    let expressions: BTreeMap<&str, usize> = files
        .values()
        .flat_map(|content| content.split("{{").skip(1))
        .filter_map(|rest| rest.split("}}").next())
        .filter(|expression| !expression.contains("define") && !expression.contains("/*"))
        .fold(BTreeMap::new(), |mut counts, expression| {
            *counts.entry(expression.trim_matches(['-', ' '])).or_default() += 1;
            counts
        });
    let kinds = crd::all().len() - 1;
    let expected = [
        (".Release.Namespace", 7),
        (".Values.crds.validationFailurePolicy", 6),
        ("end", 9 + kinds),
        (
            "$live := lookup \"apiextensions.k8s.io/v1\" \"CustomResourceDefinition\" \"\" \"bgppeers.metallb.io\"",
            1,
        ),
        ("if .Values.crds.enabled", kinds),
        (
            "if eq (dig \"spec\" \"conversion\" \"strategy\" \"\" $live) \"Webhook\"",
            1,
        ),
        ("include `metallb.controllerName` .", 1),
    ];
    assert_eq!(expressions, expected.into());
}

#[test]
fn every_document_is_of_its_kind() {
    for content in files(&Options::default()).values() {
        documents(content).iter().for_each(check);
    }
}

/// The kinds and versions of all documents in `directory`.
fn kinds(directory: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(config(directory)).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        for document in documents(&std::fs::read_to_string(path).unwrap()) {
            check(&document);
            let word = |field: &str| document[field].as_str().unwrap().to_owned();
            kinds.push(format!("{} {}", word("apiVersion"), word("kind")));
        }
    }
    kinds.sort();
    kinds
}

#[test]
fn every_kind_has_one_sample_that_its_api_accepts() {
    let to_write = [
        "apps/v1 Deployment",
        "metallb.io/v1beta1 BFDProfile",
        "metallb.io/v1beta1 BGPAdvertisement",
        "metallb.io/v1beta1 BGPPeer",
        "metallb.io/v1beta1 Community",
        "metallb.io/v1beta1 IPAddressPool",
        "metallb.io/v1beta1 L2Advertisement",
        "metallb.io/v1beta1 MetalLB",
        "metallb.io/v1beta2 BGPPeer",
        "v1 Service",
    ];
    assert_eq!(kinds("samples"), to_write);
    let to_read = [
        "metallb.io/v1beta1 ConfigurationState",
        "metallb.io/v1beta1 ServiceBGPStatus",
        "metallb.io/v1beta1 ServiceL2Status",
    ];
    assert_eq!(kinds("samples/status"), to_read);
}

#[test]
fn every_kustomization_names_files_that_exist() {
    let files = files(&Options::default());
    for (path, content) in files
        .iter()
        .filter(|(path, _)| path.ends_with("kustomization.yaml"))
    {
        let directory = Path::new(path).parent().unwrap();
        for resource in documents(content)[0]["resources"].as_array().unwrap() {
            let resource = directory.join(resource.as_str().unwrap());
            assert!(
                config(resource.to_str().unwrap()).exists(),
                "{path} names {}",
                resource.display()
            );
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
    let files = files(&options);
    let operator = &files["manager/operator.yaml"];
    for component in ["operator", "controller", "speaker"] {
        assert!(
            operator.contains(&format!("localhost:5000/me/{component}:test")),
            "{operator}"
        );
    }
    for component in ["controller", "speaker"] {
        let image = format!("image: localhost:5000/me/{component}:test");
        assert!(files["manifests/metallb-native.yaml"].contains(&image), "{image}");
    }
    let chart = chart::files(&options);
    assert!(chart["Chart.yaml"].contains("appVersion: test\n"));
    assert!(chart["templates/_generated.tpl"].contains("\nlocalhost:5000/me\n"));
    let chart = chart.iter().map(|(path, content)| (path.as_str(), content));
    for (path, content) in files.iter().map(|(path, content)| (*path, content)).chain(chart) {
        assert!(
            !content.contains("metallb-system") && !content.contains("quay.io"),
            "{path}:\n{content}"
        );
    }
}

#[test]
fn secrets_and_what_is_in_no_namespace_are_seen_by_name_only() {
    let files = files(&Options::default());
    for (file, expected) in [
        (
            "rbac/operator.yaml",
            vec![
                vec!["metallb-memberlist", "metallb-webhook-cert"],
                vec!["metallb-operator-webhook-server-cert"],
            ],
        ),
        ("rbac/controller.yaml", vec![vec!["metallb-webhook-cert"]]),
    ] {
        let (mut secrets, mut others) = (Vec::new(), 0);
        for document in documents(&files[file]) {
            for rule in document["rules"].as_array().into_iter().flatten() {
                let of = |resource: &str| rule["resources"].as_array().unwrap().contains(&resource.into());
                let names = rule["resourceNames"].as_array().map_or(0, Vec::len);
                if of("secrets") {
                    secrets.push(rule["resourceNames"].clone());
                }
                if of("validatingwebhookconfigurations") || of("customresourcedefinitions") {
                    assert_eq!(names, 1, "{file}: {rule}");
                    others += 1;
                }
            }
        }
        assert!(others > 0, "{file}");
        assert_eq!(serde_json::json!(secrets), serde_json::json!(expected), "{file}");
    }
}

/// Without an operator the controller makes the key of the speakers; it may see none.
#[test]
fn without_an_operator_the_controller_may_make_secrets_and_see_one() {
    let files = files(&Options::default());
    let rules: Vec<Value> = documents(&files["native/rbac.yaml"])
        .into_iter()
        .flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default())
        .filter(|rule| rule["resources"] == serde_json::json!(["secrets"]))
        .map(|rule| serde_json::json!([rule["resourceNames"], rule["verbs"]]))
        .collect();
    let expected = [
        serde_json::json!([["metallb-webhook-cert"], ["list", "patch", "watch"]]),
        serde_json::json!([null, ["create"]]),
    ];
    assert_eq!(rules, expected);
}

/// What carries them would be pruned by an operator that is installed later, and a published key is none.
#[test]
fn without_an_operator_nothing_has_its_marks_and_no_key_is_published() {
    let native = &files(&Options::default())["manifests/metallb-native.yaml"];
    let objects = documents(native);
    assert!(objects.iter().any(|object| object["kind"] == "DaemonSet"));
    for object in &objects {
        let metadata = &object["metadata"];
        assert!(metadata["ownerReferences"].is_null(), "{metadata}");
        assert!(
            metadata["labels"]["app.kubernetes.io/managed-by"].is_null(),
            "{metadata}"
        );
        assert!(object["kind"] != "Secret" || object["data"].is_null(), "{object}");
        assert_ne!(metadata["name"], "metallbs.metallb.io");
        let pod = &object["spec"]["template"]["metadata"]["labels"];
        assert!(pod["app.kubernetes.io/managed-by"].is_null(), "{pod}");
    }
    let key = "secretName: memberlist\n";
    assert!(
        native.contains(key)
            && native.contains("- name: METALLB_ML_SECRET_NAME\n          value: memberlist\n")
    );
}

#[test]
fn outside_its_namespace_the_operator_has_five_objects_and_sees_what_else_is_installed() {
    let files = files(&Options::default());
    let everywhere: Vec<Value> = documents(&files["rbac/operator.yaml"])
        .into_iter()
        .filter(|document| document["kind"] == "ClusterRole")
        .flat_map(|role| role["rules"].as_array().unwrap().clone())
        .collect();
    let (of_all, rest): (Vec<&Value>, Vec<&Value>) = everywhere
        .iter()
        .partition(|rule| rule["resourceNames"].is_null());
    let seen = serde_json::json!({ "apiGroups": ["apps"], "resources": ["deployments", "daemonsets"],
        "verbs": ["list", "watch"] });
    assert_eq!(of_all, [&seen]);
    let names: Vec<&Value> = rest.iter().map(|rule| &rule["resourceNames"]).collect();
    let expected = [
        "metallb-webhook-configuration",
        "metallb-operator-webhook-configuration",
        "bgppeers.metallb.io",
        "metallb-speaker",
        "cluster",
    ]
    .map(|name| serde_json::json!([name]));
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
}

#[test]
fn nobody_may_do_everything_or_grant_anything() {
    for (path, content) in files(&Options::default()) {
        for forbidden in [
            "- '*'",
            "- \"*\"",
            "- *",
            "- escalate",
            "- bind",
            "- impersonate",
            "- tokenrequests",
        ] {
            let line = content
                .lines()
                .find(|line| line.trim_start().starts_with(forbidden));
            assert_eq!(line, None, "{path}");
        }
    }
}
