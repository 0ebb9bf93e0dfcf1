//! Each way in, and the way out, with the commands of docs/install.md as they are printed there. Only the addresses and the image
//! of the web server are those of the test cluster, and Services have a namespace of their own.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use metallb_e2e::helm::Helm;
use metallb_e2e::installation::{left, without_metallb};
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{addresses, answer, serve_web};
use metallb_e2e::page::{Manual, Page};
use metallb_e2e::wait;

const LIMIT: Duration = Duration::from_mins(1);

static MANUAL: Manual = Manual {
    path: "docs/install.md",
    not_run: &[("skopeo copy", "it needs a registry to push to")],
    adapted: &[
        ("192.0.2.10-192.0.2.99", "172.30.236.10-172.30.236.99"),
        ("kubectl create deployment web --image=nginx", ""),
    ],
};
const FIRST: &str = "172.30.236.10";

/// Waits until nobody answers for the address.
async fn silence(lab: &Lab, address: &str) -> Result<()> {
    let (client, address) = (lab.client()?, address.parse()?);
    let what = format!("silence about {address}");
    wait::until_none(what, LIMIT, async || client.arp(address).await).await
}

/// Waits until nothing is there that an installation brings, and no definition of it.
async fn nothing_is_left(cluster: &Cluster) -> Result<()> {
    wait::until_none("MetalLB to be gone", LIMIT, async || {
        let mut found = left(cluster).await?;
        let definitions = cluster.kubectl(["get", "crd", "--output=name"]).await?;
        let ours = definitions.lines().filter(|line| line.ends_with("metallb.io"));
        found.extend(ours.map(str::to_owned));
        anyhow::Ok(found)
    })
    .await
}

#[tokio::test]
async fn s16_each_way_in_and_out_works_as_the_manual_says() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    without_metallb(&cluster, async || {
        cluster
            .in_namespace("manual", async |namespace| {
                serve_web(namespace, 1).await?;
                let mut page = Page::open(namespace, &MANUAL).await?;
                let [helm, _] = Helm::both().await?;
                page.provide("helm", helm.program())?;
                with_the_operator(&mut page, &lab).await?;
                nothing_is_left(&cluster).await?;
                with_helm(&mut page).await?;
                nothing_is_left(&cluster).await?;
                page.run("kubectl apply -f config/manifests/metallb-native.yaml")
                    .await?;
                page.run("kubectl delete -f config/manifests/metallb-native.yaml")
                    .await?;
                nothing_is_left(&cluster).await?;
                page.all_ran()
            })
            .await
    })
    .await
}

async fn with_the_operator(page: &mut Page<'_>, lab: &Lab) -> Result<()> {
    page.run("kubectl apply -k config/default").await?;
    let described = page.run("kind: IPAddressPool").await?;
    ensure!(described.contains("LoadBalancer"), "{described}");
    ensure!(addresses(page.namespace(), "web", 1).await? == [FIRST]);
    answer(lab, FIRST, LIMIT).await?;
    page.run("metallb-dashboard").await?;
    let dashboard = fs::read(page.directory().join("metallb.json"))?;
    let _: serde_json::Value = serde_json::from_slice(&dashboard)?;

    let block = page.block("delete metallb metallb")?;
    let (metallb, operator) = block.split_at(1);
    page.lines(metallb).await?;
    silence(lab, FIRST).await?;
    page.lines(operator).await.map(drop)
}

/// The commands for who comes from MetalLB's own chart are the same whosever chart the release is of.
async fn with_helm(page: &mut Page<'_>) -> Result<()> {
    page.run("helm upgrade --install --create-namespace").await?;
    page.run("get values metallb --output yaml").await?;
    page.run("rollback metallb 1").await?;
    page.run("uninstall metallb").await.map(drop)
}
