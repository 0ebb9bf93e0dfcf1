//! The Helm chart and the manifests without an operator: what they render. Needs Helm and kubectl, and no cluster.

mod rendered;
mod values;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use metallb_api::names::{metric, object};
use metallb_e2e::cluster::components::Components;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::helm::{Helm, chart};
use metallb_e2e::installation::checkout;
use metallb_e2e::{command, upstream};
use rendered::{Objects, essence, objects, path, render};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Everything that a value can add.
const EVERYTHING: &str = "
controller: {replicas: 2}
networkpolicies: {enabled: true, defaultDeny: true}
tls: {controllerMetricsTLSSecret: certificate, speakerMetricsTLSSecret: certificate}
prometheus:
  scrapeAnnotations: true
  serviceAccount: prometheus
  namespace: monitoring
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
";

fn plain() -> Result<Objects> {
    objects(&std::fs::read_to_string(checkout(
        "config/manifests/metallb-native.yaml",
    ))?)
}

#[tokio::test]
async fn neither_helm_finds_a_fault_in_the_chart() -> Result<()> {
    for helm in Helm::both().await? {
        for values in ["{}", EVERYTHING] {
            helm.run(["lint", "--strict", path(&chart())?], values).await?;
        }
    }
    Ok(())
}

/// The plain manifests are generated from what the operator builds, so that this compares the chart with the operator.
#[tokio::test]
async fn the_chart_installs_what_the_operator_builds() -> Result<()> {
    let mut expected = essence(&plain()?)?;
    // Helm makes the namespace if it is told to, and the Services of the metrics come with the monitors.
    for id in [
        "Namespace/metallb-system",
        "Service/controller-monitor-service",
        "Service/speaker-monitor-service",
    ] {
        expected.remove(id).context(id)?;
    }
    for helm in Helm::both().await? {
        let mut found = essence(&render(&helm, "{}").await?)?;
        // The controller makes it elsewhere; here it goes with the release.
        let lease = format!("Lease/{}", object::CONTROLLER_LEASE);
        found.remove(&lease).context(lease)?;
        ensure!(
            found.keys().eq(expected.keys()),
            "the chart: {:?}\nthe operator: {:?}",
            found.keys(),
            expected.keys()
        );
        for (id, expected) in &expected {
            ensure!(
                found[id] == *expected,
                "charts/metallb/templates is behind operator/src/metallb/build: {id} differs at\n{}",
                differences(expected, &found[id], "").join("\n")
            );
        }
    }
    Ok(())
}

fn differences(operator: &Value, chart: &Value, at: &str) -> Vec<String> {
    match (operator, chart) {
        (left, right) if left == right => Vec::new(),
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            let of = |fields: &serde_json::Map<String, Value>, key: &str| {
                fields.get(key).cloned().unwrap_or_default()
            };
            keys.into_iter()
                .flat_map(|key| differences(&of(left, key), &of(right, key), &format!("{at}.{key}")))
                .collect()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .flat_map(|(index, (left, right))| differences(left, right, &format!("{at}[{index}]")))
            .collect(),
        _ => vec![format!("{at}: operator {operator}, chart {chart}")],
    }
}

#[tokio::test]
async fn the_single_manifest_is_what_kustomize_makes() -> Result<()> {
    let kubectl = Components::prepare(&Progress::start()).await?.program("kubectl");
    let text = command::run(&kubectl, ["kustomize", path(&checkout("config/native"))?]).await?;
    let (kustomized, single) = (objects(&text)?, plain()?);
    ensure!(
        kustomized.keys().eq(single.keys()),
        "{:?}\n{:?}",
        kustomized.keys(),
        single.keys()
    );
    for (id, object) in &single {
        let found = &kustomized[id];
        ensure!(
            found == object,
            "{id}: {}",
            differences(object, found, "").join("\n")
        );
    }
    Ok(())
}

/// The object is one of `K`, and nothing in it is lost on the way through `K`: no field is misspelt.
fn is_a<K: DeserializeOwned + Serialize>(object: &Value) -> Result<()> {
    let typed: K = serde_json::from_value(object.clone()).with_context(|| object.to_string())?;
    let back = serde_json::to_value(typed)?;
    let lost = differences(&back, object, "");
    ensure!(lost.is_empty(), "{}\n{object}", lost.join("\n"));
    Ok(())
}

#[tokio::test]
async fn every_object_is_of_its_kind_and_selects_the_pods_it_is_for() -> Result<()> {
    let [helm, _] = Helm::both().await?;
    let objects = render(&helm, EVERYTHING).await?;
    let mut selections = 0;
    for (id, object) in &objects {
        match id.split_once('/').map_or("", |(kind, _)| kind) {
            "Deployment" => is_a::<Deployment>(object)?,
            "DaemonSet" => is_a::<DaemonSet>(object)?,
            "PodDisruptionBudget" => is_a::<PodDisruptionBudget>(object)?,
            "ConfigMap" => is_a::<ConfigMap>(object)?,
            "Secret" => is_a::<Secret>(object)?,
            "Service" => is_a::<Service>(object)?,
            "ServiceAccount" => is_a::<ServiceAccount>(object)?,
            "ClusterRole" => is_a::<ClusterRole>(object)?,
            "ClusterRoleBinding" => is_a::<ClusterRoleBinding>(object)?,
            "Role" => is_a::<Role>(object)?,
            "RoleBinding" => is_a::<RoleBinding>(object)?,
            "Lease" => is_a::<Lease>(object)?,
            "NetworkPolicy" => is_a::<NetworkPolicy>(object)?,
            "ValidatingWebhookConfiguration" => is_a::<ValidatingWebhookConfiguration>(object)?,
            // Compared with config/crd elsewhere, or of the Prometheus operator.
            "CustomResourceDefinition" | "ServiceMonitor" | "PodMonitor" | "PrometheusRule" => {}
            other => anyhow::bail!("unexpected kind {other}"),
        }
        for pointer in [
            "/spec/selector/matchLabels",
            "/spec/selector",
            "/spec/podSelector/matchLabels",
        ] {
            let Some(wanted) = object.pointer(pointer).and_then(Value::as_object) else {
                continue;
            };
            if let Some(component) = wanted.get("app.kubernetes.io/component").and_then(Value::as_str) {
                let workload = ["Deployment", "DaemonSet"]
                    .iter()
                    .find_map(|kind| objects.get(&format!("{kind}/xyz-{component}")))
                    .context("a workload")?;
                let labels = &workload["spec"]["template"]["metadata"]["labels"];
                let selected = wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
                ensure!(selected, "{id} selects {wanted:?}, the pods have {labels}");
                selections += 1;
            }
        }
    }
    // Both workloads, the budget, three Services, the network policy.
    ensure!(selections == 7, "{selections} objects select pods");
    Ok(())
}

#[tokio::test]
async fn alerts_ask_for_metrics_that_there_are() -> Result<()> {
    let [helm, _] = Helm::both().await?;
    let values = "prometheus: {prometheusRule: {enabled: true, bgpSessionDown: {enabled: false},
        addressPoolUsage: {enabled: true, excludePools: 'a|b'}, extraAlerts: [{alert: Own, expr: up == 0}]}}";
    let objects = render(&helm, values).await?;
    let rules = &objects["PrometheusRule/xyz"]["spec"]["groups"][0];
    ensure!(rules["name"] == "xyz.rules");
    let rules: Vec<(String, String)> = rules["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| ["alert", "expr"].map(|key| rule[key].as_str().unwrap_or_default().to_owned()))
        .map(|[alert, expression]| (alert, expression))
        .collect();
    let (used, all) = (metric::ADDRESSES_IN_USE, metric::ADDRESSES);
    let usage = |percent: u8| {
        let pools = "{pool!~\"a|b\"}";
        (
            format!("MetalLBAddressPoolUsage{percent}Percent"),
            format!("{used}{pools} / {all}{pools} * 100 > {percent}"),
        )
    };
    let expected = [
        (
            "MetalLBStaleConfig".to_owned(),
            format!("{} == 1", metric::CONFIG_STALE),
        ),
        (
            "MetalLBConfigNotLoaded".to_owned(),
            format!("{} == 0", metric::CONFIG_LOADED),
        ),
        (
            "MetalLBAddressPoolExhausted".to_owned(),
            format!("{used} >= {all}"),
        ),
        usage(75),
        usage(85),
        usage(95),
        ("Own".to_owned(), "up == 0".to_owned()),
    ];
    ensure!(rules == expected, "{rules:#?}");
    Ok(())
}

#[tokio::test]
async fn values_files_of_today_are_accepted() -> Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(checkout("tests/e2e/data/chart/values"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    ensure!(files.len() == 6, "{files:?}");
    // What people copy and edit.
    files.push(upstream::source().await?.join("charts/metallb/values.yaml"));
    for helm in Helm::both().await? {
        for file in &files {
            let values = std::fs::read_to_string(file)?;
            let objects = render(&helm, &values)
                .await
                .with_context(|| file.display().to_string())?;
            is_a::<Deployment>(&objects["Deployment/xyz-controller"])?;
            is_a::<DaemonSet>(&objects["DaemonSet/xyz-speaker"])?;
        }
    }
    Ok(())
}

/// Also the other way round: what our file sets is explained there, and has a type.
#[tokio::test]
async fn the_schema_knows_every_value_of_both_charts() -> Result<()> {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json"))?)?;
    let upstreams = upstream::source().await?.join("charts/metallb/values.yaml");
    for file in [chart().join("values.yaml"), upstreams] {
        let values: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
        let mut unknown = Vec::new();
        find_unknown(&schema, &schema, &values, "", &mut unknown);
        ensure!(unknown.is_empty(), "{}: {unknown:?}", file.display());
    }
    Ok(())
}

fn find_unknown(root: &Value, schema: &Value, values: &Value, at: &str, unknown: &mut Vec<String>) {
    let Some(values) = values.as_object() else {
        return;
    };
    for (key, value) in values {
        let at = format!("{at}.{key}");
        match property(root, schema, key) {
            Property::Typed(schema) => find_unknown(root, schema, value, &at, unknown),
            Property::Anything => {}
            Property::Unknown => unknown.push(at),
        }
    }
}

enum Property<'a> {
    Typed(&'a Value),
    /// The object has no listed properties: it is one of Kubernetes', or has no effect.
    Anything,
    Unknown,
}

fn property<'a>(root: &'a Value, schema: &'a Value, key: &str) -> Property<'a> {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return property(root, root.pointer(pointer).unwrap_or(&Value::Null), key);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let found = parts.iter().map(|part| property(root, part, key));
        return found
            .into_iter()
            .find(|property| matches!(property, Property::Typed(_)))
            .unwrap_or(Property::Unknown);
    }
    match schema["properties"].get(key) {
        Some(schema) => Property::Typed(schema),
        None if schema["properties"].is_null() => Property::Anything,
        None => Property::Unknown,
    }
}

#[tokio::test]
async fn the_notes_say_what_to_do_next() -> Result<()> {
    let [helm, _] = Helm::both().await?;
    let notes = async |values: &str| -> Result<String> {
        let arguments = [
            "install",
            "lb",
            path(&chart())?,
            "--namespace",
            "net",
            "--dry-run=client",
        ]
        .map(ToOwned::to_owned);
        let text = helm.run(arguments, values).await?;
        let (_, notes) = text.split_once("\nNOTES:\n").context("notes")?;
        Ok(notes.to_owned())
    };
    let ordinary = notes("{}").await?;
    for line in [
        "kubectl -n net rollout status deployment/lb-metallb-controller",
        "kubectl -n net rollout status daemonset/lb-metallb-speaker",
        "\nkubectl apply -f - <<EOF\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n",
        "\nEOF\n",
        "kubectl describe service NAME",
    ] {
        ensure!(ordinary.contains(line), "{line:?} is not in\n{ordinary}");
    }
    ensure!(!ordinary.contains("NOTE:"), "{ordinary}");
    // What is proposed is what the API accepts, and the line that ends it ends it.
    let (_, proposal) = ordinary.split_once("<<EOF\n").context("a proposal")?;
    let (proposal, _) = proposal.split_once("\nEOF\n").context("its end")?;
    let proposed = objects(proposal)?;
    is_a::<metallb_api::v1beta1::IPAddressPool>(&proposed["IPAddressPool/first-pool"])?;
    ensure!(proposed.contains_key("L2Advertisement/all-pools"), "{proposal}");
    ensure!(proposed["IPAddressPool/first-pool"]["metadata"]["namespace"] == json!("net"));

    for (values, line) in [
        (
            "frrk8s: {enabled: true}",
            "NOTE: speaker.frr and frrk8s have no effect",
        ),
        (
            "speaker: {image: {repository: quay.io/metallb/speaker, tag: v0.15.2}}",
            "NOTE: speaker.image names the image of MetalLB's own project",
        ),
        (
            "loadBalancerClass: a/b",
            "of type LoadBalancer with loadBalancerClass a/b gets",
        ),
    ] {
        let text = notes(values).await?;
        ensure!(text.contains(line), "{line:?} is not in\n{text}");
    }
    Ok(())
}
