//! Whether a cluster works.
//!
//! Owns: the questions put to its components.
//! Never: repairs anything.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::address::KUBERNETES_SERVICE;
use super::layout::Layout;
use super::node::Entry;
use super::owner::{Phase, Record};
use super::process;
use crate::wait;

/// A local API server answers at once or not at all.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A client with the rights of an administrator.
///
/// # Errors
/// If the kubeconfig cannot be read.
pub async fn client(layout: &Layout) -> Result<Client> {
    let path = layout.kubeconfig();
    let kubeconfig =
        Kubeconfig::read_from(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Client::try_from(direct(kubeconfig).await?)?)
}

/// The way to a cluster that a kubeconfig names. A proxy of the environment is for the internet, and would be asked for
/// clusters as well.
///
/// # Errors
/// If the kubeconfig contradicts itself.
pub async fn direct(kubeconfig: Kubeconfig) -> Result<Config> {
    let clusters = kubeconfig
        .clusters
        .iter()
        .filter_map(|named| named.cluster.as_ref());
    let proxied = clusters.filter_map(|cluster| cluster.proxy_url.as_ref()).count() > 0;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    if !proxied {
        config.proxy_url = None;
    }
    Ok(config)
}

/// Waits until the API server is ready.
///
/// # Errors
/// If it is not in time.
pub async fn api_server(layout: &Layout, limit: Duration) -> Result<Client> {
    let client = client(layout).await?;
    wait::until("the API server", limit, async || {
        is_ready(&client).await.map(wait::Look::Done)
    })
    .await?;
    Ok(client)
}

/// Waits until Services work on a node, by using the one that every cluster has. kube-proxy's own health tells less: it
/// is good before the first rule is written.
///
/// # Errors
/// If they do not in time.
pub async fn services(entry: &Entry, limit: Duration) -> Result<()> {
    let url = format!("https://{KUBERNETES_SERVICE}/readyz");
    let words = [
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        "--insecure",
        "--noproxy",
        "*",
        "--max-time",
        "2",
        &url,
    ];
    wait::until(format!("Services on {}", entry.name()), limit, async || {
        entry.run(words).await.map(|_| wait::Look::Done(()))
    })
    .await
}

/// Why a node is not ready, or nothing if it is.
pub fn why_unready(node: &NodeObject) -> Option<String> {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let Some(ready) = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready")
    else {
        return Some(format!("{name}: its kubelet has not reported yet"));
    };
    (ready.status != "True").then(|| format!("{name}: {}", ready.message.as_deref().unwrap_or_default()))
}

/// Checks a cluster that was ready once.
///
/// # Errors
/// With the first thing that is wrong.
pub async fn check(record: &Record) -> Result<()> {
    if record.phase == Phase::Unfinished {
        bail!("its start was not finished");
    }
    let layout = record.layout();
    process::all_alive(&record.processes, |name| layout.log(name))?;
    let client = client(&layout).await?;
    let questions = async {
        is_ready(&client).await?;
        Api::<NodeObject>::all(client.clone())
            .list(&ListParams::default())
            .await
    };
    let nodes = tokio::time::timeout(ANSWER_LIMIT, questions)
        .await
        .context("the API server does not answer")??;
    match nodes.items.iter().find_map(why_unready) {
        Some(reason) => bail!("{reason}"),
        None => Ok(()),
    }
}

async fn is_ready(client: &Client) -> Result<(), kube::Error> {
    let request = http::Request::get("/readyz")
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_its_kubelet_says_so() {
        let check = |conditions: serde_json::Value, expected: Option<&str>| {
            let node =
                serde_json::json!({"metadata": {"name": "node1"}, "status": {"conditions": conditions}});
            let found = why_unready(&serde_json::from_value(node).unwrap());
            assert_eq!(found.as_deref(), expected);
        };
        check(
            serde_json::json!([]),
            Some("node1: its kubelet has not reported yet"),
        );
        check(serde_json::json!([{"type": "Ready", "status": "True"}]), None);
        check(
            serde_json::json!([{"type": "Ready", "status": "False", "message": "no network"}]),
            Some("node1: no network"),
        );
    }
}
