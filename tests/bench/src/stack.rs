//! The two implementations, one installed at a time.
//!
//! Owns: installing and removing each as its users do, with its own defaults.
//! Never: measures.

use std::time::Duration;

use anyhow::{Context, Result};
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::metallb;
use metallb_e2e::upstream::Upstream;
use metallb_e2e::wait::{self, Look};

/// Upstream's certificates come into being after its controller has started; until then its webhooks refuse pools.
const WEBHOOK_LIMIT: Duration = Duration::from_mins(2);
const ROLLOUT: &str = "--timeout=180s";

/// An implementation of MetalLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// This repository's
    Ours,
    /// The one in Go
    Upstream,
}

impl Stack {
    /// Both, in the order in which they are measured.
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Upstream];

    /// In the head of the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Upstream => "upstream",
        }
    }

    /// Installs it, and waits until it works.
    ///
    /// # Errors
    /// If it does not.
    pub async fn install(self, cluster: &Cluster, upstream: &Upstream) -> Result<()> {
        match self {
            Self::Ours => {
                cluster.kubectl(["apply", "-k", &config()]).await?;
                rollout(cluster, "deployment/metallb-operator-controller-manager").await?;
                metallb::available(cluster).await?;
                metallb::webhooks(cluster, "Fail").await.map(drop)
            }
            Self::Upstream => {
                let manifest = upstream.manifest.to_string_lossy().into_owned();
                cluster.kubectl(["apply", "-f", &manifest]).await?;
                rollout(cluster, "deployment/controller").await?;
                rollout(cluster, "daemonset/speaker").await
            }
        }?;
        admits_pools(cluster).await
    }

    /// Removes it with everything that belongs to it.
    ///
    /// # Errors
    /// If something of it stays.
    pub async fn uninstall(self, cluster: &Cluster, upstream: &Upstream) -> Result<()> {
        match self {
            Self::Ours => {
                let resource = ["delete", "metallbs.metallb.io", "--all", "--timeout=60s"];
                cluster
                    .kubectl(["--namespace", METALLB_NAMESPACE].into_iter().chain(resource))
                    .await?;
                cluster
                    .kubectl(["delete", "-k", &config(), "--ignore-not-found"])
                    .await
            }
            Self::Upstream => {
                let manifest = upstream.manifest.to_string_lossy().into_owned();
                cluster
                    .kubectl(["delete", "-f", &manifest, "--ignore-not-found"])
                    .await
            }
        }
        .map(drop)
        .with_context(|| format!("cannot remove {}", self.name()))
    }
}

fn config() -> String {
    let checkout = Layout::of_this_checkout();
    checkout.checkout().join("config/default").display().to_string()
}

async fn rollout(cluster: &Cluster, what: &str) -> Result<()> {
    let words = [
        "--namespace",
        METALLB_NAMESPACE,
        "rollout",
        "status",
        what,
        ROLLOUT,
    ];
    cluster.kubectl(words).await.map(drop)
}

async fn admits_pools(cluster: &Cluster) -> Result<()> {
    let pool = metallb_e2e::fixtures::pool("trial", &["192.0.2.0/32"]);
    let mut manifest = serde_json::to_value(&pool)?;
    manifest["apiVersion"] = "metallb.io/v1beta1".into();
    manifest["kind"] = "IPAddressPool".into();
    let manifest = manifest.to_string();
    wait::until("a pool to be admitted", WEBHOOK_LIMIT, async || {
        let words = ["apply", "--dry-run=server", "-f", "-"];
        cluster
            .kubectl_with_input(words, &manifest)
            .await
            .map(|_| Look::Done(()))
    })
    .await
}
