//! A cluster on which nobody has installed MetalLB yet, for the tests that do.
//!
//! Owns: that nothing of any installation is left: of the operator that the other tests share, and of a test that failed.
//! Never: brings the operator back: these tests run last, and `make deploy` does it for who goes on working.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fixtures::METALLB_NAMESPACE;
use crate::kubernetes::Cluster;

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
    delete(&["validatingwebhookconfiguration", "metallb-webhook-configuration"]).await?;
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
