//! Users come from a MetalLB up to 0.12, with its ConfigMap and with Services that have addresses already.
//! The names of the tests carry the scenarios' numbers.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use metallb_api::v1beta1::MetalLBSpec;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE};
use metallb_e2e::installation::without_metallb;
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{
    self, addresses, all_addresses, answer, available, event, run_as, serve_web, served,
};
use metallb_e2e::page::{Manual, Page};
use metallb_e2e::wait::{self, Look};
use serde_json::json;

const LIMIT: Duration = Duration::from_mins(1);

/// What `controller migrate` prints for the ConfigMap as `kubectl get -o yaml` shows it.
async fn migrated(cluster: &Cluster, namespace: &str, name: &str) -> Result<String> {
    let words = [
        "--namespace",
        namespace,
        "get",
        "configmap",
        name,
        "--output=yaml",
    ];
    let old = cluster.kubectl(words).await?;
    let words = [
        "--namespace",
        METALLB_NAMESPACE,
        "exec",
        "--stdin",
        "deployment/controller",
        "--",
        "/controller",
        "migrate",
    ];
    cluster.kubectl_with_input(words, &old).await
}

/// What 0.12 was configured by.
const OLD: &str = r"
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: metallb-system
  name: config
data:
  config: |
    peers:
    - peer-address: 172.30.0.1
      peer-asn: 64501
      my-asn: 64500
    address-pools:
    - name: default
      protocol: layer2
      addresses:
      - 172.30.211.240-172.30.211.250
    - name: routed
      protocol: bgp
      auto-assign: false
      addresses:
      - 172.30.212.0/28
      bgp-advertisements:
      - aggregation-length: 32
        localpref: 100
";

/// Its workloads, without pods: no Kubernetes that is still served runs that version. What its controller would have
/// written is in the statuses of Services.
fn old_workloads() -> String {
    let workload = |kind: &str, name: &str| {
        let labels = json!({ "app": "metallb", "component": name });
        json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": { "namespace": METALLB_NAMESPACE, "name": name, "labels": labels },
            "spec": { "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "nodeSelector": { "kubernetes.io/os": "none-that-is-here" },
                    "containers": [{ "name": name, "image": format!("quay.io/metallb/{name}:v0.12.1") }],
                },
            }},
        })
    };
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": METALLB_NAMESPACE } });
    let items = [
        namespace,
        workload("Deployment", "controller"),
        workload("DaemonSet", "speaker"),
    ];
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

static MANUAL: Manual = Manual {
    path: "docs/migration.md",
    not_run: &[],
    // The same image, where there is no podman to run it.
    adapted: &[(
        "podman run -i --rm quay.io/metallb-rs/controller:v0.1.0 migrate",
        "kubectl run migrate -i --rm --quiet --restart=Never --image=quay.io/metallb-rs/controller:v0.1.0 -- migrate",
    )],
};

#[tokio::test]
async fn s11_services_keep_their_addresses_when_a_config_map_is_migrated_as_the_manual_says() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    without_metallb(&cluster, async || {
        cluster.kubectl_apply(&old_workloads()).await?;
        cluster.kubectl_apply(OLD).await?;
        cluster
            .in_namespace("s11", async |namespace| s11(namespace, &lab).await)
            .await
    })
    .await
}

async fn s11(namespace: &TempNamespace, lab: &Lab) -> Result<()> {
    serve_web(namespace, 1).await?;
    // Not in the order in which they would be given.
    served(namespace, fixtures::load_balancer("web")?, "172.30.211.245").await?;
    served(namespace, fixtures::load_balancer("shop")?, "172.30.211.240").await?;
    served(namespace, fixtures::load_balancer("routed")?, "172.30.212.7").await?;
    let before = all_addresses(namespace).await?;

    let mut page = Page::open(namespace, &MANUAL).await?;
    page.run("> before.txt").await?;
    let saved = fs::read_to_string(page.directory().join("before.txt"))?;
    ensure!(saved.contains("172.30.211.245"), "{saved}");
    page.run("migrate < old.yaml").await?;
    page.run("delete deployment/controller daemonset/speaker").await?;
    page.run("kubectl apply -f new.yaml").await?;
    // It fails where an address is another one than before.
    page.run("diff before.txt").await?;
    page.run("delete configmap config").await?;
    page.all_ran()?;

    answer(lab, "172.30.211.245", LIMIT).await?;
    namespace.apply(fixtures::load_balancer("new")?).await?;
    ensure!(addresses(namespace, "new", 1).await? == ["172.30.211.241"]);
    let mut now = all_addresses(namespace).await?;
    now.remove("new");
    ensure!(now == before, "before: {before:?}\nnow: {now:?}");
    Ok(())
}

/// The label of the nodes that are to announce.
const POOL_OF_NODES: &str = "onprem.gke.io/lbnode";

#[tokio::test]
async fn s15_speakers_of_one_node_pool_announce_what_the_old_system_config_map_allows() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    let node = lab.nodes()?.last().context("a node")?.name();
    cluster
        .kubectl([
            "label",
            "node",
            &node,
            &format!("{POOL_OF_NODES}=true"),
            "--overwrite",
        ])
        .await?;
    let outcome = cluster
        .in_namespace("s15", async |namespace| s15(namespace, &lab, &node).await)
        .await;
    cluster
        .kubectl(["label", "node", &node, &format!("{POOL_OF_NODES}-")])
        .await?;
    available(&cluster).await.and(outcome)
}

async fn s15(namespace: &TempNamespace, lab: &Lab, node: &str) -> Result<()> {
    let cluster = namespace.cluster();
    let old = r"
apiVersion: v1
kind: ConfigMap
metadata:
  namespace: kube-system
  name: metallb-config
data:
  config: |
    address-pools:
    - name: single-addresses
      protocol: layer2
      addresses:
      - 172.30.213.5/32
      - 172.30.213.9/32
    - name: on-demand
      protocol: layer2
      manualAssign: true
      avoidBuggyIPs: true
      addresses:
      - 172.30.213.254-172.30.214.1
";
    namespace.kubectl_apply_elsewhere(old).await?;
    namespace
        .kubectl_apply_elsewhere(&migrated(cluster, "kube-system", "metallb-config").await?)
        .await?;
    let spec = MetalLBSpec {
        node_selector: Some([(POOL_OF_NODES.to_owned(), "true".to_owned())].into()),
        ..metallb::ordinary()
    };
    run_as(cluster, spec).await?;
    namespace
        .apply(fixtures::web("web", 3, metallb_e2e::lab::web_image(cluster))?)
        .await?;
    let ask = async |name: &str, pool: Option<&str>| {
        let mut service = fixtures::load_balancer(name)?;
        service.spec.get_or_insert_default().selector = Some([("app".to_owned(), "web".to_owned())].into());
        let annotation = pool.map(|pool| ("metallb.universe.tf/address-pool".to_owned(), pool.to_owned()));
        service.metadata.annotations = annotation.map(|annotation| [annotation].into());
        namespace.apply(service).await
    };
    for (name, pool, expected) in [
        ("first", None, "172.30.213.5"),
        ("second", None, "172.30.213.9"),
        ("third", Some("on-demand"), "172.30.213.254"),
        ("fourth", Some("on-demand"), "172.30.214.1"),
    ] {
        ask(name, pool).await?;
        ensure!(addresses(namespace, name, 1).await? == [expected], "{name}");
    }
    ask("fifth", None).await?;
    event(namespace, "fifth", "AllocationFailed").await?;

    let macs = lab.nodes_by_mac().await?;
    let client = lab.client()?;
    for address in ["172.30.213.5", "172.30.213.254"] {
        let seen = wait::until(format!("an answer for {address}"), LIMIT, async || {
            let mut found = client.arp(address.parse()?).await?;
            Ok::<_, anyhow::Error>(
                found
                    .pop_first()
                    .map_or(Look::NotYet("silence".to_owned()), Look::Done),
            )
        });
        let mac = seen.await?;
        let answers = macs.get(&mac).map(String::as_str);
        ensure!(answers == Some(node), "{address}: {mac}");
    }
    Ok(())
}
