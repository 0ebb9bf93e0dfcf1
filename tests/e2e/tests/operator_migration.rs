//! Users come from MetalLB's own installations, up to 0.12 with a ConfigMap, and with Services that have addresses already.
//! The names of the tests carry the scenarios' numbers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use metallb_api::v1beta1::MetalLBSpec;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE};
use metallb_e2e::installation::{path, without_metallb};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{self, addresses, all_addresses, available, event, run_as, served, stop};
use metallb_e2e::upstream;
use metallb_e2e::wait::{self, Look};

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

#[tokio::test]
async fn s11_services_keep_their_addresses_when_a_config_map_is_migrated() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    cluster
        .in_namespace("s11", async |namespace| {
            let old = r"
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
            namespace.kubectl_apply_elsewhere(old).await?;
            let new = migrated(&cluster, METALLB_NAMESPACE, "config").await?;
            stop(&cluster).await?;
            // Not in the order in which they would be given.
            served(namespace, fixtures::load_balancer("web")?, "172.30.211.245").await?;
            served(namespace, fixtures::load_balancer("shop")?, "172.30.211.240").await?;
            served(namespace, fixtures::load_balancer("routed")?, "172.30.212.7").await?;
            let before = all_addresses(namespace).await?;

            namespace.kubectl_apply_elsewhere(&new).await?;
            available(&cluster).await?;
            namespace.apply(fixtures::load_balancer("new")?).await?;
            ensure!(addresses(namespace, "new", 1).await? == ["172.30.211.241"]);
            let mut now = all_addresses(namespace).await?;
            now.remove("new");
            ensure!(now == before, "before: {before:?}\nnow: {now:?}");
            if let Some(lab) = Lab::of(&cluster)? {
                // Nobody answers without an endpoint; what is announced is for the tests of the speaker.
                ensure!(lab.client()?.arp("172.30.211.245".parse()?).await?.is_empty());
            }
            Ok(())
        })
        .await
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

/// What `operator preflight` says, run with the account and the roles of its manifest, and its exit code.
async fn preflight(cluster: &Cluster) -> Result<(i32, String)> {
    let manifest = path("config/preflight/preflight.yaml")?;
    cluster.kubectl(["apply", "--filename", &manifest]).await?;
    // As the manual says.
    let ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}";
    let words = [
        "--namespace",
        "metallb-preflight",
        "wait",
        ended,
        "pod/preflight",
        "--timeout=60s",
    ];
    cluster.kubectl(words).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "metallb-preflight");
    let status = pods.get("preflight").await?.status;
    let mut containers = status
        .and_then(|status| status.container_statuses)
        .unwrap_or_default();
    let ended = containers.pop().and_then(|container| container.state?.terminated);
    let code = ended.context("a container that has ended")?.exit_code;
    let said = pods.logs("preflight", &LogParams::default()).await?;
    let words = ["delete", "--filename", &manifest, "--timeout=60s"];
    cluster.kubectl(words).await?;
    Ok((code, said))
}

/// Upstream's pods do not start here, as its images are not on the nodes: its controller is played by the statuses that it
/// would have written, and its webhooks let everything pass.
#[tokio::test]
async fn what_the_preflight_says_of_an_installation_of_upstream_comes_true() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let manifest = upstream::source()
        .await?
        .join("config/manifests/metallb-frr.yaml");
    let manifest = std::fs::read_to_string(manifest)?.replace("failurePolicy: Fail", "failurePolicy: Ignore");
    without_metallb(&cluster, async || {
        cluster.kubectl_apply(&manifest).await?;
        let kinds = ["crd/ipaddresspools.metallb.io", "crd/l2advertisements.metallb.io"];
        let words = ["wait", "--for=condition=Established", "--timeout=60s"];
        cluster.kubectl(words.into_iter().chain(kinds)).await?;
        cluster
            .in_namespace("preflight", async |namespace| comes_true(namespace).await)
            .await
    })
    .await
}

async fn comes_true(namespace: &TempNamespace) -> Result<()> {
    let cluster = namespace.cluster();
    namespace
        .apply(fixtures::pool("here", &["172.30.223.10-172.30.223.20"]))
        .await?;
    namespace.apply(fixtures::l2_advertisement("here", &[])).await?;
    served(namespace, fixtures::load_balancer("stays")?, "172.30.223.15").await?;
    served(namespace, fixtures::load_balancer("moves")?, "172.30.224.1").await?;
    // Somebody came from 0.12 before, and forgot it.
    let forgotten = "{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: metallb-system},
        data: {config: 'address-pools: []'}}";
    cluster.kubectl_apply(forgotten).await?;
    let (code, said) = preflight(cluster).await?;
    println!("{said}");
    ensure!(code == 1, "{code}: {said}");
    let name = namespace.name();
    for line in [
        "  metallb-system, by manifests\n".to_owned(),
        "      Deployment controller (quay.io/metallb/controller:v0.16.2)\n".to_owned(),
        "Addresses: 1 Service kept, 1 moved\n".to_owned(),
        format!("  {name}/moves: 172.30.224.1 -> 172.30.223.10\n"),
        "  ConfigMap metallb-system/config: configures MetalLB up to 0.12 and is not read".to_owned(),
        "  DaemonSet metallb-system/speaker: is taken over in place".to_owned(),
        "  DaemonSet metallb-system/speaker: its containers frr, reloader, frr-metrics go".to_owned(),
    ] {
        ensure!(said.contains(&line), "{line:?} is not in\n{said}");
    }
    // As it says, and with nothing more to be said.
    let configuration = path("config/default")?;
    cluster.kubectl(["apply", "--kustomize", &configuration]).await?;
    let words = ["wait", "--for=condition=Established", "crd/metallbs.metallb.io"];
    cluster.kubectl(words).await?;
    available(cluster).await?;
    wait::until("the address that moves", LIMIT, async || {
        let now = all_addresses(namespace).await?;
        let expected = [("moves", "172.30.223.10"), ("stays", "172.30.223.15")];
        let came_true = expected.iter().all(|(name, address)| now[*name] == [*address]);
        Ok::<_, anyhow::Error>(if came_true {
            Look::Done(())
        } else {
            Look::NotYet(format!("{now:?}"))
        })
    })
    .await?;
    let (code, said) = preflight(cluster).await?;
    ensure!(
        code == 0 && said.contains("Nothing has to be done."),
        "{code}: {said}"
    );
    ensure!(said.contains("Addresses: 2 Services kept, 0 moved\n"), "{said}");
    Ok(())
}
