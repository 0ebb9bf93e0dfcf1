//! The bundle for the Operator Lifecycle Manager, which is not there: its kinds are, in their documented shape, and what
//! it does with a bundle is done here. Leaves the operator installed from `config/`, and MetalLB available.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use metallb_api::names::object;
use metallb_e2e::admission::{REFUSES, says};
use metallb_e2e::fixtures::{METALLB_NAMESPACE, load_balancer, pool};
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::metallb::{self, absent, available, webhooks};
use serde_json::{Value, json};

const OPERATOR: &str = "deployment/metallb-operator-controller-manager";

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> Result<String> {
    let path = checkout().join(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn cluster_service_version() -> Result<Value> {
    let text = read("bundle/manifests/metallb-operator.clusterserviceversion.yaml")?;
    let mut csv: Value = serde_saphyr::from_str(&text)?;
    csv["metadata"]["namespace"] = json!(METALLB_NAMESPACE);
    Ok(csv)
}

/// What the API server says to an object that it is to take, but not to keep. Unknown fields are refused.
async fn accepted(cluster: &Cluster, object: &str) -> Result<()> {
    let words = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
    ];
    cluster.kubectl_with_input(words, object).await.map(drop)
}

#[tokio::test]
async fn every_object_and_every_example_is_accepted() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    webhooks(&cluster, "Fail").await?;
    let definitions = read("tests/e2e/data/olm/definitions.yaml")?;
    cluster.kubectl_apply(&definitions).await?;
    let outcome = all_accepted(&cluster).await;
    let words = ["delete", "--filename=-"];
    cluster.kubectl_with_input(words, &definitions).await?;
    outcome
}

async fn all_accepted(cluster: &Cluster) -> Result<()> {
    let words = [
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "--filename=-",
    ];
    cluster
        .kubectl_with_input(words, &read("tests/e2e/data/olm/definitions.yaml")?)
        .await?;
    let csv = cluster_service_version()?;
    // All in one go: kubectl needs longer to start than the API server to answer.
    let mut documents = vec![read("config/olm/install.yaml")?];
    for entry in fs::read_dir(checkout().join("bundle/manifests"))? {
        let path = entry?.path();
        documents.push(if path.ends_with("metallb-operator.clusterserviceversion.yaml") {
            csv.to_string()
        } else {
            fs::read_to_string(&path)?
        });
    }
    ensure!(documents.len() > 11, "{} files", documents.len());
    accepted(cluster, &documents.join("\n---\n")).await?;
    let examples = csv["metadata"]["annotations"]["alm-examples"]
        .as_str()
        .context("examples")?;
    let examples: Vec<Value> = serde_json::from_str(examples)?;
    ensure!(examples.len() > 10, "{} examples", examples.len());
    accepted(cluster, &manifest(&examples)).await?;
    // The API server would have said so.
    let mut misspelt = csv.clone();
    misspelt["spec"]["displayname"] = json!("x");
    ensure!(accepted(cluster, &misspelt.to_string()).await.is_err());
    Ok(())
}

/// What the Operator Lifecycle Manager makes of a ClusterServiceVersion in its own namespace: accounts, Roles and
/// ClusterRoles with names of its own choice, the Deployment, and what leads from the API server to its webhook.
fn installed(csv: &Value) -> Result<Vec<Value>> {
    let strategy = &csv["spec"]["install"]["spec"];
    let version = csv["metadata"]["name"].as_str().context("a name")?;
    let list = |value: &Value| value.as_array().cloned().context("a list");
    let mut objects = Vec::new();
    let kinds = [
        ("permissions", "Role", "RoleBinding"),
        ("clusterPermissions", "ClusterRole", "ClusterRoleBinding"),
    ];
    for (field, role, binding) in kinds {
        for permission in list(&strategy[field])? {
            let account = &permission["serviceAccountName"];
            let name = format!("{version}-{}", account.as_str().context("an account")?);
            let metadata =
                json!({ "name": name, "namespace": METALLB_NAMESPACE, "labels": { "olm.owner": version } });
            let group = "rbac.authorization.k8s.io";
            objects.push(json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": { "name": account, "namespace": METALLB_NAMESPACE },
            }));
            objects.push(json!({
                "apiVersion": format!("{group}/v1"), "kind": role, "metadata": metadata, "rules": permission["rules"],
            }));
            objects.push(json!({
                "apiVersion": format!("{group}/v1"), "kind": binding, "metadata": metadata,
                "roleRef": { "apiGroup": group, "kind": role, "name": name },
                "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": METALLB_NAMESPACE }],
            }));
        }
    }
    for deployment in list(&strategy["deployments"])? {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "spec": deployment["spec"],
            "metadata": { "name": deployment["name"], "namespace": METALLB_NAMESPACE, "labels": deployment["label"] },
        });
        for webhook in list(&csv["spec"]["webhookdefinitions"])? {
            if webhook["deploymentName"] == deployment["name"] {
                objects.extend(answered(&webhook, &mut object)?);
            }
        }
        objects.push(object);
    }
    Ok(objects)
}

/// What it makes of a webhook: a Service, a certificate that the Deployment finds at two places, and the registration.
fn answered(webhook: &Value, deployment: &mut Value) -> Result<[Value; 3]> {
    let name = deployment["metadata"]["name"].as_str().context("a name")?;
    let service = format!("{name}-service");
    let host = format!("{service}.{METALLB_NAMESPACE}.svc");
    let certificate = rcgen::generate_simple_self_signed([host])?;
    let (chain, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let metadata = |name: &str| json!({ "name": name, "namespace": METALLB_NAMESPACE });
    let secret = format!("{service}-cert");
    let selector = deployment["spec"]["selector"]["matchLabels"].clone();
    let places = [
        (
            "apiservice-cert",
            "/apiserver.local.config/certificates",
            "apiserver",
        ),
        ("webhook-cert", "/tmp/k8s-webhook-server/serving-certs", "tls"),
    ];
    let pod = &mut deployment["spec"]["template"]["spec"];
    pod["volumes"] = places
        .map(|(volume, _, file)| {
            let item =
                |ending: &str| json!({ "key": format!("tls.{ending}"), "path": format!("{file}.{ending}") });
            let items = [item("crt"), item("key")];
            json!({ "name": volume, "secret": { "secretName": secret, "items": items } })
        })
        .into();
    pod["containers"][0]["volumeMounts"] = places
        .map(|(volume, path, _)| json!({ "name": volume, "mountPath": path }))
        .into();
    let reference = json!({ "name": service, "namespace": METALLB_NAMESPACE, "path": webhook["webhookPath"],
        "port": webhook["containerPort"] });
    let mut registered = json!({ "name": webhook["generateName"],
        "clientConfig": { "service": reference, "caBundle": BASE64_STANDARD.encode(&chain) } });
    for field in [
        "rules",
        "failurePolicy",
        "sideEffects",
        "timeoutSeconds",
        "admissionReviewVersions",
    ] {
        registered[field] = webhook[field].clone();
    }
    let ports = [json!({ "port": webhook["containerPort"], "targetPort": webhook["targetPort"] })];
    Ok([
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata(&service),
            "spec": { "selector": selector, "ports": ports } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata(&secret),
            "type": "kubernetes.io/tls", "stringData": { "tls.crt": chain, "tls.key": key } }),
        json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": format!("{}-bundle", webhook["generateName"].as_str().context("a name")?) },
            "webhooks": [registered] }),
    ])
}

/// The same as a manifest.
fn manifest(objects: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string()
}

async fn kubectl<const N: usize>(cluster: &Cluster, words: [&str; N]) -> Result<String> {
    let root = checkout();
    let words = words.map(|word| word.replace("CHECKOUT", &root.to_string_lossy()));
    cluster.kubectl(words).await
}

async fn operator_runs(cluster: &Cluster) -> Result<()> {
    let wait = [
        "--namespace",
        METALLB_NAMESPACE,
        "rollout",
        "status",
        OPERATOR,
        "--timeout=120s",
    ];
    cluster.kubectl(wait).await.map(drop)
}

/// Ends MetalLB and the operator. A process that goes on without permissions would be refused what it asks for.
async fn nobody_runs(cluster: &Cluster) -> Result<()> {
    absent(cluster).await?;
    let delete = ["--namespace", METALLB_NAMESPACE, "delete", OPERATOR];
    kubectl(cluster, delete).await?;
    for labels in ["app=metallb", metallb::OPERATORS] {
        let wait = [
            "wait",
            "--for=delete",
            "pods",
            "--timeout=60s",
            "--selector",
            labels,
        ];
        let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(wait);
        cluster.kubectl(words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_installed_from_the_bundle_needs_no_other_permissions() -> Result<()> {
    let cluster = Cluster::connect().await?;
    nobody_runs(&cluster).await?;
    // Nothing of config/ is left that could grant anything, or lead to a webhook.
    kubectl(&cluster, ["delete", "--kustomize", "CHECKOUT/config/rbac"]).await?;
    let webhook = "--filename=CHECKOUT/config/manager/webhook.yaml";
    kubectl(&cluster, ["delete", webhook]).await?;
    let secret = ["delete", "secret", object::OPERATOR_CERTIFICATE_SECRET];
    let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(secret);
    cluster.kubectl(words).await?;
    let objects = installed(&cluster_service_version()?)?;
    cluster.kubectl_apply(&manifest(&objects)).await?;
    let outcome = works(&cluster).await;

    nobody_runs(&cluster).await?;
    let of_bundle: Vec<Value> = objects
        .into_iter()
        .filter(|object| object["kind"] != "Deployment")
        .collect();
    cluster
        .kubectl_with_input(
            ["delete", "--ignore-not-found", "--filename=-"],
            &manifest(&of_bundle),
        )
        .await?;
    kubectl(&cluster, ["apply", "--kustomize", "CHECKOUT/config/default"]).await?;
    operator_runs(&cluster).await?;
    outcome.and(available(&cluster).await)
}

async fn works(cluster: &Cluster) -> Result<()> {
    operator_runs(cluster).await?;
    // Asked by the way of the bundle, with the certificate that was mounted; an own one is not made.
    let wrong = json!({ "logLevel": "info", "frrk8sConfig": { "alwaysBlock": ["x"] } });
    let refusal = format!("{REFUSES}invalid CIDR x in AlwaysBlock");
    says(cluster, object::METALLB, &wrong, &refusal).await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let own = secrets.get_opt(object::OPERATOR_CERTIFICATE_SECRET).await?;
    ensure!(own.is_none(), "a certificate was made");
    available(cluster).await?;
    webhooks(cluster, "Fail").await?;
    cluster
        .in_namespace("bundle", async |namespace| {
            namespace.apply(pool("bundle", &["172.30.121.0/24"])).await?;
            namespace.apply(load_balancer("web")?).await?;
            metallb::addresses(namespace, "web", 1).await.map(drop)
        })
        .await
}
