//! A cluster on which nobody has installed MetalLB yet, for the tests that do.
//!
//! Owns: that nothing of any installation is left, and that the operator which the other tests share is there again
//! afterwards, also after a test that failed.
//! Never: knows how a test installs MetalLB.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures::FutureExt;

use crate::fixtures::METALLB_NAMESPACE;
use crate::kubernetes::Cluster;

/// Runs the body of a test on a cluster without MetalLB, and leaves the cluster with the operator and nothing else.
///
/// # Errors
/// Those of the body; otherwise if something of MetalLB does not go, or the operator does not come back.
pub async fn without_metallb(cluster: &Cluster, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    remove_all(cluster).await?;
    let outcome = AssertUnwindSafe(body()).catch_unwind().await;
    let left = match remove_all(cluster).await {
        Ok(()) => install_operator(cluster).await,
        failed => failed,
    };
    match outcome {
        Ok(Ok(())) => left,
        Ok(Err(error)) => Err(error),
        Err(panic) => resume_unwind(panic),
    }
}

/// As `make deploy` does, also over an operator that is there.
async fn install_operator(cluster: &Cluster) -> Result<()> {
    let configuration = path("config/default")?;
    let manager = "deployment/metallb-operator-controller-manager";
    for words in [
        ["apply", "--kustomize", &configuration, "--output=name"].as_slice(),
        &[
            "wait",
            "--for=condition=Established",
            "crd/metallbs.metallb.io",
            "--timeout=1m",
        ],
        &[
            "--namespace",
            METALLB_NAMESPACE,
            "rollout",
            "status",
            manager,
            "--timeout=2m",
        ],
    ] {
        cluster.kubectl(words).await?;
    }
    Ok(())
}

/// A file of this checkout.
pub fn checkout(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(inside)
}

/// The same as text, for a command line.
///
/// # Errors
/// If the path of the checkout is not text.
pub fn path(inside: &str) -> Result<String> {
    let path = checkout(inside)
        .canonicalize()
        .with_context(|| inside.to_owned())?;
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("{} is not text", path.display()))
}

/// Removes every installation of MetalLB, with its definitions and all that was configured.
///
/// # Errors
/// If something does not go.
pub async fn remove_all(cluster: &Cluster) -> Result<()> {
    let delete = async |what: &[&str]| -> Result<()> {
        let words = ["delete", "--ignore-not-found", "--timeout=60s"];
        cluster
            .kubectl(words.into_iter().chain(what.iter().copied()))
            .await
            .map(drop)
    };
    // First who would bring the rest back, and who is asked about it.
    delete(&[
        "--namespace",
        METALLB_NAMESPACE,
        "deployment",
        "metallb-operator-controller-manager",
    ])
    .await?;
    delete(&[
        "validatingwebhookconfiguration",
        "metallb-webhook-configuration",
        "metallb-operator-webhook-configuration",
    ])
    .await?;
    delete(&["namespace", METALLB_NAMESPACE]).await?;
    delete(&["--kustomize", &path("config/crd")?]).await?;
    delete(&[
        "clusterrole,clusterrolebinding",
        "--selector",
        "app.kubernetes.io/name=metallb",
    ])
    .await?;
    for account in ["controller", "speaker", "metallb-operator"] {
        delete(&[
            "clusterrole,clusterrolebinding",
            &format!("{METALLB_NAMESPACE}:{account}"),
        ])
        .await?;
    }
    Ok(())
}

/// What there is of MetalLB in the cluster: kind and name, as a user would list it. Definitions are left out, and what
/// Kubernetes puts into every namespace.
///
/// # Errors
/// If the API server does not answer.
pub async fn left(cluster: &Cluster) -> Result<Vec<String>> {
    let kinds = "deployments,daemonsets,pods,secrets,configmaps,serviceaccounts,services,poddisruptionbudgets,roles,\
                 rolebindings,leases";
    let inside = ["--namespace", METALLB_NAMESPACE, "get", kinds, "--output=name"];
    let outside = [
        "get",
        "clusterroles,clusterrolebindings,validatingwebhookconfigurations",
        "--output=name",
    ];
    let listed = cluster.kubectl(inside).await? + &cluster.kubectl(outside).await?;
    let of_kubernetes = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
    Ok(listed
        .lines()
        .filter(|line| !of_kubernetes.contains(line))
        .filter(|line| !line.contains("clusterrole") || line.contains("metallb"))
        .map(str::to_owned)
        .collect())
}
