//! What the operator does where the kinds of OpenShift are: they are, in their documented shape, and nobody acts on them.
//! Leaves a cluster without them, and MetalLB available.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Service};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use metallb_e2e::command;
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{OPERATORS, absent, available};
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};

/// One speaker after the other gets new arguments.
const LIMIT: Duration = Duration::from_mins(2);
const OPERATOR: &str = "deployment/metallb-operator-controller-manager";
const CONSTRAINTS: &str = "metallb-speaker";

fn kind(cluster: &Cluster, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Api::all_with(cluster.client(), &kind)
}

fn constraints(cluster: &Cluster) -> Api<DynamicObject> {
    kind(
        cluster,
        "security.openshift.io",
        "SecurityContextConstraints",
        "securitycontextconstraints",
    )
}

/// The operator looks for these kinds when it starts.
async fn restart_operator(cluster: &Cluster) -> Result<()> {
    let limit = ["rollout", "status", OPERATOR, "--timeout=120s"];
    for words in [vec!["rollout", "restart", OPERATOR], limit.to_vec()] {
        let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(words);
        cluster.kubectl(words).await?;
    }
    Ok(())
}

async fn profile(cluster: &Cluster, profile: Value) -> Result<()> {
    let object = json!({
        "apiVersion": "config.openshift.io/v1",
        "kind": "APIServer",
        "metadata": { "name": "cluster" },
        "spec": { "tlsSecurityProfile": profile },
    });
    cluster.kubectl_apply(&object.to_string()).await.map(drop)
}

/// The pods of both programs as the operator wants them.
async fn templates(cluster: &Cluster) -> Result<[PodTemplateSpec; 2]> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let daemon_sets: Api<DaemonSet> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let controller = deployments
        .get("controller")
        .await?
        .spec
        .context("a specification")?;
    let speaker = daemon_sets
        .get("speaker")
        .await?
        .spec
        .context("a specification")?;
    Ok([controller.template, speaker.template])
}

/// Waits until both programs are told to speak this and nothing else.
async fn told(cluster: &Cluster, flags: &[&str]) -> Result<()> {
    wait::until(format!("the flags {flags:?}"), LIMIT, async || {
        let mut found = Vec::new();
        for template in templates(cluster).await? {
            let pod = template.spec.context("a pod")?;
            let arguments = pod.containers[0].args.clone().unwrap_or_default();
            found.push(
                arguments
                    .into_iter()
                    .filter(|argument| argument.starts_with("--tls-"))
                    .collect::<Vec<_>>(),
            );
        }
        Ok::<_, anyhow::Error>(if found.iter().all(|found| found == flags) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await
}

/// The constraints, once they are as `expected` says.
async fn admitted(cluster: &Cluster, expected: &Value) -> Result<DynamicObject> {
    wait::until(format!("constraints with {expected}"), LIMIT, async || {
        let Some(found) = constraints(cluster).get_opt(CONSTRAINTS).await? else {
            return Ok(Look::NotYet("none".to_owned()));
        };
        let same = |(field, value): (&String, &Value)| found.data[field] == *value;
        Ok::<_, anyhow::Error>(if expected.as_object().context("an object")?.iter().all(same) {
            Look::Done(found)
        } else {
            Look::NotYet(found.data.to_string())
        })
    })
    .await
}

#[tokio::test]
async fn constraints_certificates_and_tls_are_those_of_openshift() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/openshift/definitions.yaml");
    let definitions = definitions.to_str().context("a path in UTF-8")?;
    cluster.kubectl(["apply", "--filename", definitions]).await?;
    let words = [
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "--filename",
        definitions,
    ];
    let ready = cluster.kubectl(words).await;
    let outcome = match ready {
        Ok(_) => on_openshift(&cluster).await,
        Err(error) => Err(error),
    };

    cluster
        .kubectl(["delete", "--ignore-not-found", "--filename", definitions])
        .await?;
    restart_operator(&cluster).await?;
    available(&cluster).await?;
    outcome?;
    told(&cluster, &[]).await
}

async fn on_openshift(cluster: &Cluster) -> Result<()> {
    profile(
        cluster,
        json!({ "type": "Custom", "custom": {
            "minTLSVersion": "VersionTLS12",
            "ciphers": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"],
        }}),
    )
    .await?;
    restart_operator(cluster).await?;
    told(
        cluster,
        &[
            "--tls-min-version=VersionTLS12",
            "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ],
    )
    .await?;
    // So does its own server, which has an own certificate here: an ECDSA one.
    webhook_speaks_tls_1_2(cluster, true).await?;
    let as_made = json!({
        "allowHostNetwork": true,
        "allowPrivilegedContainer": false,
        "allowedCapabilities": ["NET_RAW"],
        "requiredDropCapabilities": ["ALL"],
        "users": [],
    });
    let made = admitted(cluster, &as_made).await?;
    ensure!(
        made.metadata
            .owner_references
            .is_some_and(|owners| owners[0].kind == "Namespace")
    );
    certificates_are_asked_for(cluster).await?;
    monitors_come_back(cluster).await?;
    // The pods run with what they are told, although nobody makes a certificate here.
    available(cluster).await?;

    // What is edited is set right, what is deleted comes back, and another profile reaches the pods.
    let edit = Patch::Merge(json!({ "allowPrivilegedContainer": true, "users": ["system:admin"] }));
    constraints(cluster)
        .patch(CONSTRAINTS, &PatchParams::default(), &edit)
        .await?;
    admitted(cluster, &as_made).await?;
    constraints(cluster)
        .delete(CONSTRAINTS, &DeleteParams::default())
        .await?;
    admitted(cluster, &as_made).await?;
    profile(cluster, json!({ "type": "Modern", "modern": {} })).await?;
    told(cluster, &["--tls-min-version=VersionTLS13"]).await?;
    webhook_speaks_tls_1_2(cluster, false).await?;
    available(cluster).await?;

    absent(cluster).await?;
    wait::until("the constraints to go", LIMIT, async || {
        Ok::<_, kube::Error>(match constraints(cluster).get_opt(CONSTRAINTS).await? {
            None => Look::Done(()),
            Some(_) => Look::NotYet("they are there".to_owned()),
        })
    })
    .await
}

/// Waits until the operator's webhook takes handshakes of TLS 1.2, or does not. Its pod can be reached from the lab only.
async fn webhook_speaks_tls_1_2(cluster: &Cluster, wanted: bool) -> Result<()> {
    if Lab::of(cluster)?.is_none() {
        return Ok(());
    }
    let operators = ListParams::default().labels(OPERATORS);
    wait::until(format!("TLS 1.2: {wanted}"), LIMIT, async || {
        let pods: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
        let pods = pods.list(&operators).await?.items;
        let running = pods
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let addresses = running.filter_map(|pod| pod.status?.pod_ip);
        let mut said = Vec::new();
        for address in addresses {
            let url = format!("https://{address}:9443/");
            let words = [
                "--silent",
                "--show-error",
                "--insecure",
                "--tlsv1.2",
                "--tls-max",
                "1.2",
                &url,
            ];
            said.push(
                command::run("curl", words)
                    .await
                    .map_err(|error| format!("{error:#}")),
            );
        }
        // What is refused is the version, and not the connection.
        let as_wanted = |said: &Result<String, String>| match said {
            Ok(_) => wanted,
            Err(error) => !wanted && error.contains("alert protocol version"),
        };
        Ok::<_, anyhow::Error>(if said.is_empty() || !said.iter().all(as_wanted) {
            Look::NotYet(format!("{said:?}"))
        } else {
            Look::Done(())
        })
    })
    .await
}

/// What has Prometheus collect the metrics is there, and comes back.
async fn monitors_come_back(cluster: &Cluster) -> Result<()> {
    for (kind, expected) in [
        ("servicemonitors", vec!["controller-monitor", "speaker-monitor"]),
        ("prometheusrules", vec!["metallb-alerts"]),
    ] {
        there(cluster, kind, &expected).await?;
        let words = ["--namespace", METALLB_NAMESPACE, "delete", kind, "--all"];
        cluster.kubectl(words).await?;
        there(cluster, kind, &expected).await?;
    }
    Ok(())
}

async fn there(cluster: &Cluster, kind: &str, expected: &[&str]) -> Result<()> {
    wait::until(format!("{kind} {expected:?}"), LIMIT, async || {
        let words = ["--namespace", METALLB_NAMESPACE, "get", kind, "--output=name"];
        let listed = cluster.kubectl(words).await?;
        let names: Vec<&str> = listed
            .lines()
            .filter_map(|line| Some(line.split_once('/')?.1))
            .collect();
        Ok::<_, anyhow::Error>(if names == expected {
            Look::Done(())
        } else {
            Look::NotYet(listed)
        })
    })
    .await
}

async fn certificates_are_asked_for(cluster: &Cluster) -> Result<()> {
    let services: Api<Service> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let [controller, speaker] = templates(cluster).await?;
    for (template, service, secret) in [
        (
            controller,
            "controller-monitor-service",
            "controller-certs-secret",
        ),
        (speaker, "speaker-monitor-service", "speaker-certs-secret"),
    ] {
        let annotations = services
            .get(service)
            .await?
            .metadata
            .annotations
            .unwrap_or_default();
        let wanted = annotations.get("service.beta.openshift.io/serving-cert-secret-name");
        ensure!(
            wanted.map(String::as_str) == Some(secret),
            "{service}: {annotations:?}"
        );
        let volumes = template.spec.context("a pod")?.volumes.unwrap_or_default();
        let names: BTreeMap<_, _> = volumes
            .into_iter()
            .filter_map(|volume| Some((volume.name, volume.secret?.secret_name?)))
            .collect();
        ensure!(names.values().any(|name| name == secret), "{names:?}");
    }
    Ok(())
}
