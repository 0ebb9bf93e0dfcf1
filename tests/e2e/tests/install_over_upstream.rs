//! From upstream's MetalLB to ours with the commands of docs/install-over-upstream.md as they are printed there. Upstream's
//! controller and speakers run: it was they who gave the addresses.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use metallb_api::names::{condition, object};
use metallb_e2e::cluster;
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::fixtures::{METALLB_NAMESPACE, l2_advertisement, load_balancer, pool};
use metallb_e2e::helm::Helm;
use metallb_e2e::installation::{remove_all, without_metallb};
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{WEB, addresses, all_addresses, answer, degraded, serve_web, served};
use metallb_e2e::page::{Manual, Page};
use metallb_e2e::upstream::{self, Upstream};
use metallb_e2e::wait::{self, Look};
use serde_json::json;

/// Upstream's controller makes its certificate first, and its rollout ends one node after the other.
const LIMIT: Duration = Duration::from_mins(2);
const POOL: &str = "172.30.223.10-172.30.223.20";
const FIRST: &str = "172.30.223.10";
/// What its Service asked for: not the first of the pool.
const STAYS: &str = "172.30.223.15";
/// In no pool.
const MOVES: &str = "172.30.224.1";
/// What would refuse a pool.
const WEBHOOK: &str = r#"failed calling webhook "ipaddresspoolvalidationwebhook.metallb.io""#;

static MANUAL: Manual = Manual {
    path: "docs/install-over-upstream.md",
    not_run: &[],
    adapted: &[],
};

#[tokio::test]
async fn upstreams_installations_are_replaced_as_the_manual_says() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    let upstream = Upstream::prepare(&Progress::of("upstream")).await?;
    cluster::load(&Layout::of_this_checkout(), &upstream.archives).await?;
    without_metallb(&cluster, async || {
        cluster
            .in_namespace("over-upstream", async |namespace| {
                serve_web(namespace, 1).await?;
                let mut page = Page::open(namespace, &MANUAL).await?;
                from_its_manifests(&mut page, &lab, &upstream).await?;
                remove_all(&cluster).await?;
                from_its_chart(&mut page, &lab).await?;
                page.all_ran()
            })
            .await
    })
    .await
}

async fn in_metallb(cluster: &Cluster, words: &[&str]) -> Result<String> {
    let all = [&["--namespace", METALLB_NAMESPACE], words].concat();
    cluster.kubectl(all).await
}

/// As soon as upstream's webhooks answer.
async fn configure(cluster: &Cluster) -> Result<()> {
    wait::until("a pool to be accepted", LIMIT, async || {
        cluster.apply(&pool("here", &[POOL])).await?;
        cluster.apply(&l2_advertisement("here", &[])).await?;
        Ok::<_, anyhow::Error>(Look::Done(()))
    })
    .await
}

async fn until_available(cluster: &Cluster) -> Result<()> {
    let words = [
        "wait",
        "--for=condition=Available",
        "metallb/metallb",
        "--timeout=3m",
    ];
    in_metallb(cluster, &words).await.map(drop)
}

/// Runs the block about the preflight; its exit code, and what it says. The code is in the pod that the block removes.
async fn preflight(page: &mut Page<'_>) -> Result<(i32, String)> {
    let block = page.block("config/preflight/preflight.yaml")?;
    let (delete, look) = block.split_last().context("a block of commands")?;
    let said = page.lines(look).await?;
    let pods: Api<Pod> = Api::namespaced(page.namespace().cluster().client(), "metallb-preflight");
    let status = pods.get("preflight").await?.status;
    let mut containers = status
        .and_then(|status| status.container_statuses)
        .unwrap_or_default();
    let ended = containers.pop().and_then(|container| container.state?.terminated);
    page.lines(std::slice::from_ref(delete)).await?;
    Ok((ended.context("a container that has ended")?.exit_code, said))
}

async fn from_its_manifests(page: &mut Page<'_>, lab: &Lab, upstream: &Upstream) -> Result<()> {
    let (namespace, cluster) = (page.namespace(), page.namespace().cluster());
    let native = upstream.manifest.to_str().context("a path that is text")?;
    cluster.kubectl(["apply", "--filename", native]).await?;
    configure(cluster).await?;
    let mut service = load_balancer(WEB)?;
    let asks = ("metallb.io/loadBalancerIPs".to_owned(), STAYS.to_owned());
    service.metadata.annotations = Some([asks].into());
    namespace.apply(service).await?;
    ensure!(addresses(namespace, WEB, 1).await? == [STAYS]);
    answer(lab, STAYS, LIMIT).await?;

    // To another mode: there are no images of FRR here, so that the update of its speakers stops half-way. And its
    // controller is gone, so that an address remains which it would take back.
    let frr = upstream::source()
        .await?
        .join("config/manifests/metallb-frr.yaml");
    let frr = frr.to_str().context("a path that is text")?;
    cluster.kubectl(["apply", "--filename", frr]).await?;
    in_metallb(cluster, &["scale", "deployment/controller", "--replicas=0"]).await?;
    its_webhook_refuses(cluster).await?;
    served(namespace, load_balancer("moves")?, MOVES).await?;
    // Somebody came from 0.12 before, and forgot it.
    let forgotten = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "config", "namespace": METALLB_NAMESPACE },
        "data": { "config": "address-pools: []" },
    });
    cluster.kubectl_apply(&forgotten.to_string()).await?;

    let (code, said) = preflight(page).await?;
    ensure!(code == 1, "{code}: {said}");
    for line in page.shown("Runs already")? {
        let line = line.replace("default/moves", &format!("{}/moves", namespace.name()));
        ensure!(said.contains(&line), "{line:?} is not in\n{said}");
    }
    let unread = "  ConfigMap metallb-system/config: configures MetalLB up to 0.12 and is not read";
    ensure!(said.contains(unread), "{said}");

    page.run("kubectl apply -f config/samples/metallb.yaml").await?;
    page.run("secret/memberlist").await?;
    let left = in_metallb(cluster, &["get", "secrets,configmaps", "--output=name"]).await?;
    let is_left = |name: &str| left.lines().any(|line| line == name);
    ensure!(
        !is_left("secret/memberlist") && !is_left("configmap/frr-startup"),
        "{left}"
    );
    ensure!(is_left("secret/metallb-webhook-cert"), "{left}");
    // As it said, and with nothing more to be said.
    addresses_come_true(page, &[("moves", FIRST), (WEB, STAYS)]).await?;
    answer(lab, STAYS, LIMIT).await?;
    let (code, said) = preflight(page).await?;
    ensure!(
        code == 0 && said.contains("Nothing has to be done."),
        "{code}: {said}"
    );
    ensure!(said.contains("Addresses: 2 Services kept, 0 moved\n"), "{said}");
    Ok(())
}

/// Once the API server has noticed that nobody is there to be asked.
async fn its_webhook_refuses(cluster: &Cluster) -> Result<()> {
    let another = serde_json::to_string(&pool("another", &["172.30.225.1/32"]))?;
    wait::until("upstream's webhook to refuse a pool", LIMIT, async || {
        let words = ["apply", "--dry-run=server", "--filename=-"];
        Ok::<_, anyhow::Error>(match cluster.kubectl_with_input(words, &another).await {
            Err(error) if error.to_string().contains(WEBHOOK) => Look::Done(()),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await
}

async fn addresses_come_true(page: &Page<'_>, expected: &[(&str, &str)]) -> Result<()> {
    wait::until(format!("{expected:?}"), LIMIT, async || {
        let now = all_addresses(page.namespace()).await?;
        let as_expected = expected
            .iter()
            .all(|(name, address)| now.get(*name).is_some_and(|given| given[..] == [*address]));
        Ok::<_, anyhow::Error>(if as_expected {
            Look::Done(())
        } else {
            Look::NotYet(format!("{now:?}"))
        })
    })
    .await
}

async fn from_its_chart(page: &mut Page<'_>, lab: &Lab) -> Result<()> {
    let (namespace, cluster) = (page.namespace(), page.namespace().cluster());
    let chart = upstream::source().await?.join("charts/metallb");
    let chart = chart.to_str().context("a path that is text")?;
    let [helm, _] = Helm::both().await?;
    let words = ["install", "metallb", chart, "--set=frrk8s.enabled=false"];
    let place = ["--create-namespace", "--namespace", METALLB_NAMESPACE];
    helm.on(cluster, words.into_iter().chain(place)).await?;
    configure(cluster).await?;
    in_metallb(
        cluster,
        &["rollout", "status", "daemonset/metallb-speaker", "--timeout=2m"],
    )
    .await?;
    answer(lab, STAYS, LIMIT).await?;
    addresses_come_true(page, &[("moves", FIRST), (WEB, STAYS)]).await?;
    let before = all_addresses(namespace).await?;

    // First, as it says: nothing is installed as long as the other one is there.
    page.run("kubectl apply -f config/samples/metallb.yaml").await?;
    let refused = degraded(cluster, object::METALLB).await?;
    ensure!(refused.reason == condition::ANOTHER_INSTALLATION, "{refused:?}");
    let workloads = in_metallb(cluster, &["get", "deployments,daemonsets", "--output=name"]).await?;
    ensure!(!workloads.contains("daemonset.apps/speaker"), "{workloads}");
    answer(lab, STAYS, LIMIT).await?;

    page.run("delete deployment/metallb-controller daemonset/metallb-speaker")
        .await?;
    until_available(cluster).await?;
    answer(lab, STAYS, LIMIT).await?;
    namespace.apply(load_balancer("new")?).await?;
    ensure!(addresses(namespace, "new", 1).await? == ["172.30.223.11"]);
    let mut now = all_addresses(namespace).await?;
    now.remove("new");
    ensure!(now == before, "{before:?} became {now:?}");
    Ok(())
}
