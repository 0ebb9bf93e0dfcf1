//! Upstream's speaker on one node and ours on the others, as while a cluster is moved from one to the other: they hear of
//! one another, agree who has which address, and take over from one another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::ListParams;
use metallb_api::names::{label, object};
use metallb_api::v1beta1::{MetalLBSpec, ServiceL2Status};
use metallb_e2e::cluster;
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, ingress_addresses, l2_advertisement, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{available, on_the_wire, ordinary, run_as, serve_web};
use metallb_e2e::upstream::Upstream;
use metallb_e2e::wait::{self, Look};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

const SERVICES: usize = 50;
/// A node that went is taken for dead after some seconds, and hears that it was when it is back, after a minute at most.
const LIMIT: Duration = Duration::from_mins(3);
/// Questions at a time: each waits for a second, as a second one may answer.
const QUESTIONS: usize = 25;
/// Says on a node whose speaker it runs.
const WHOSE: &str = "test.metallb.io/speaker";

/// Who has which address.
type Owners = BTreeMap<Ipv4Addr, String>;

/// The objects of upstream's speaker, under names of their own, on the nodes that are labelled for it. Everything else is
/// as upstream's manifest has it.
fn upstreams_speaker(manifest: &str) -> Result<Vec<Value>> {
    let wanted = [
        ("ServiceAccount", "speaker"),
        ("Role", "pod-lister"),
        ("RoleBinding", "pod-lister"),
        ("ClusterRole", "metallb-system:speaker"),
        ("ClusterRoleBinding", "metallb-system:speaker"),
        ("DaemonSet", "speaker"),
    ];
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(manifest)?;
    objects.retain(|object| {
        let is = |(kind, name): (&str, &str)| object["kind"] == kind && object["metadata"]["name"] == name;
        wanted.into_iter().any(is)
    });
    ensure!(
        objects.len() == wanted.len(),
        "upstream's manifest has other names now"
    );
    let renamed = |value: &Value| json!(format!("upstream-{}", value.as_str().unwrap_or_default()));
    for object in &mut objects {
        object["metadata"]["name"] = renamed(&object["metadata"]["name"]);
        if object.get("roleRef").is_some() {
            object["roleRef"]["name"] = renamed(&object["roleRef"]["name"]);
            object["subjects"] = json!([{ "kind": "ServiceAccount", "name": "upstream-speaker", "namespace": METALLB_NAMESPACE }]);
        }
        if object["kind"] == "DaemonSet" {
            // By these the operator finds another MetalLB, and would rightly wait until it is gone.
            object["metadata"]["labels"] = json!({});
            object["spec"]["selector"]["matchLabels"]["implementation"] = json!("upstream");
            let template = &mut object["spec"]["template"];
            template["metadata"]["labels"]["implementation"] = json!("upstream");
            let pod = &mut template["spec"];
            pod["nodeSelector"] = json!({ WHOSE: "upstream" });
            pod["serviceAccountName"] = json!("upstream-speaker");
            for volume in pod["volumes"].as_array_mut().context("volumes")? {
                if volume["name"] == "memberlist" {
                    volume["secret"]["secretName"] = json!(object::MEMBERLIST_SECRET);
                }
            }
        }
    }
    Ok(objects)
}

/// The election as MetalLB's documentation has it: the node whose SHA-256 of `node#address` is the least.
fn elect<'a>(nodes: &[&'a str], address: Ipv4Addr) -> &'a str {
    let lot = |node: &&&str| {
        digest(&SHA256, format!("{node}#{address}").as_bytes())
            .as_ref()
            .to_vec()
    };
    nodes.iter().min_by_key(lot).copied().unwrap_or_default()
}

fn elected(nodes: &[&str], addresses: &[Ipv4Addr]) -> Owners {
    let owner = |address: &Ipv4Addr| (*address, elect(nodes, *address).to_owned());
    addresses.iter().map(owner).collect()
}

struct Scene<'a> {
    namespace: &'a TempNamespace,
    lab: &'a Lab,
    addresses: Vec<Ipv4Addr>,
    nodes_by_mac: BTreeMap<String, String>,
}

impl Scene<'_> {
    /// Who answers for these addresses.
    async fn answers(&self, addresses: &[Ipv4Addr]) -> Result<Owners> {
        let client = &self.lab.client()?;
        let ask = async |address: &Ipv4Addr| {
            let macs = client.arp(*address).await?;
            let nodes: Vec<&str> = macs
                .iter()
                .map(|mac| self.nodes_by_mac.get(mac).map_or("a stranger", String::as_str))
                .collect();
            Ok::<_, anyhow::Error>((*address, nodes.join(" and ")))
        };
        try_join_all(addresses.iter().map(ask))
            .await
            .map(Owners::from_iter)
    }

    /// Waits until each address is answered by the node that these nodes elect.
    async fn until_agreed(&self, what: &str, nodes: &[&str]) -> Result<()> {
        for addresses in self.addresses.chunks(QUESTIONS) {
            let expected = elected(nodes, addresses);
            wait::until(what, LIMIT, async || {
                let answers = self.answers(addresses).await?;
                Ok::<_, anyhow::Error>(if answers == expected {
                    Look::Done(())
                } else {
                    Look::NotYet(format!("{answers:?} and not {expected:?}"))
                })
            })
            .await?;
        }
        Ok(())
    }

    /// What the speakers write themselves: the node of each address.
    async fn statuses(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let api: Api<ServiceL2Status> = Api::namespaced(self.namespace.cluster().client(), METALLB_NAMESPACE);
        let here = format!("{}={}", label::SERVICE_NAMESPACE, self.namespace.name());
        let mut nodes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for object in api.list(&ListParams::default().labels(&here)).await?.items {
            let status = object.status.unwrap_or_default();
            nodes
                .entry(status.service_name.unwrap_or_default())
                .or_default()
                .extend(status.node);
        }
        Ok(nodes)
    }

    /// Takes a node from the network and gives it back; how long the client got no answer for an address of it that
    /// `heir` takes over.
    async fn fails(&self, nodes: &[&str], gone: &str, heir: &str) -> Result<Duration> {
        let rest: Vec<&str> = nodes.iter().copied().filter(|node| *node != gone).collect();
        let inherited =
            |address: &&Ipv4Addr| elect(nodes, **address) == gone && elect(&rest, **address) == heir;
        let address = self
            .addresses
            .iter()
            .find(inherited)
            .context("an address to inherit")?;
        let asker = self.lab.client()?.ask_all_the_time(*address).await?;
        let cable = self.lab.pull_cable(gone).await?;
        let agreed = self
            .until_agreed(&format!("the others to have what {gone} had"), &rest)
            .await;
        let heard = asker.stop().await?;
        cable.plug().await?;
        agreed?;
        self.until_agreed(&format!("{gone} to have what it had"), nodes)
            .await?;
        Ok(heard.longest_silence)
    }
}

/// Waits until ours run on these nodes and nowhere else, also not those that are about to end: they share ports with
/// upstream's.
async fn until_ours_are_on(cluster: &Cluster, nodes: &[&str]) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let ours = ListParams::default().labels("component=speaker,implementation!=upstream");
    let expected: BTreeSet<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
    wait::until(format!("our speakers on {nodes:?}"), LIMIT, async || {
        let found = api.list(&ours).await?.items;
        let found: BTreeSet<String> = found.into_iter().filter_map(|pod| pod.spec?.node_name).collect();
        Ok::<_, kube::Error>(if found == expected {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await
}

/// Services with an address each, as many as [`SERVICES`].
async fn expose(namespace: &TempNamespace) -> Result<Vec<Ipv4Addr>> {
    serve_web(namespace, 2).await?;
    namespace.apply(pool("mixed", &["172.30.233.0/24"])).await?;
    namespace.apply(l2_advertisement("mixed", &["mixed"])).await?;
    for number in 0..SERVICES {
        let mut service = fixtures::load_balancer("web")?;
        service.metadata.name = Some(format!("web-{number:02}"));
        namespace.apply(service).await?;
    }
    wait::until(format!("{SERVICES} addresses"), LIMIT, async || {
        let services = namespace
            .api::<Service>()
            .list(&ListParams::default())
            .await?
            .items;
        let given = services.iter().flat_map(ingress_addresses);
        let given: BTreeSet<Ipv4Addr> = given.filter_map(|address| address.parse().ok()).collect();
        Ok::<_, kube::Error>(if given.len() == SERVICES {
            Look::Done(given.into_iter().collect())
        } else {
            Look::NotYet(format!("{} addresses", given.len()))
        })
    })
    .await
}

async fn meet(scene: &Scene<'_>, ours: &[&str], theirs: &str) -> Result<()> {
    let everybody: Vec<&str> = ours.iter().copied().chain([theirs]).collect();
    let shares = elected(&everybody, &scene.addresses);
    let share = |node: &str| shares.values().filter(|owner| *owner == node).count();
    scene
        .until_agreed("both implementations to agree", &everybody)
        .await?;
    let statuses = scene.statuses().await?;
    let alone = statuses.values().all(|nodes| nodes.len() == 1);
    ensure!(statuses.len() == SERVICES && alone, "{statuses:?}");

    let by_ours = scene.fails(&everybody, theirs, ours[0]).await?;
    let by_theirs = scene.fails(&everybody, ours[0], theirs).await?;
    let by_ours_from_ours = scene.fails(&everybody, ours[0], ours[1]).await?;
    println!(
        "{SERVICES} addresses, {} of them at upstream's; without an answer: {by_ours:?} when upstream's node was gone, \
         {by_theirs:?} when ours was gone and upstream's took over, {by_ours_from_ours:?} when ours took over from ours",
        share(theirs)
    );
    Ok(())
}

#[tokio::test]
async fn upstreams_speaker_and_ours_agree_who_has_each_address_and_take_over_from_one_another() -> Result<()>
{
    on_the_wire("mixed", async |namespace, lab| {
        let upstream = Upstream::prepare(&Progress::of("upstream")).await?;
        cluster::load(&Layout::of_this_checkout(), &upstream.archives).await?;
        let objects = upstreams_speaker(&std::fs::read_to_string(&upstream.manifest)?)?;
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
        let cluster = namespace.cluster();
        let names: Vec<String> = lab.nodes()?.iter().map(|node| node.name()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let [first, second, theirs] = names[..] else {
            anyhow::bail!("three nodes are needed: {names:?}");
        };
        let ours = [first, second];

        let outcome = async {
            for (node, whose) in [(first, "ours"), (second, "ours"), (theirs, "upstream")] {
                let label = format!("{WHOSE}={whose}");
                cluster.kubectl(["label", "node", node, &label]).await?;
            }
            let selected = MetalLBSpec {
                node_selector: Some([(WHOSE.to_owned(), "ours".to_owned())].into()),
                ..ordinary()
            };
            run_as(cluster, selected).await?;
            until_ours_are_on(cluster, &ours).await?;
            cluster.kubectl_apply(&objects).await?;
            let speaker = "daemonset/upstream-speaker";
            let rollout = ["rollout", "status", speaker, "--timeout=120s"];
            cluster
                .kubectl(["--namespace", METALLB_NAMESPACE].into_iter().chain(rollout))
                .await?;
            let scene = Scene {
                namespace,
                lab,
                addresses: expose(namespace).await?,
                nodes_by_mac: lab.nodes_by_mac().await?,
            };
            meet(&scene, &ours, theirs).await
        }
        .await;

        let delete = ["delete", "--ignore-not-found", "--wait", "-f", "-"];
        cluster.kubectl_with_input(delete, &objects).await?;
        let forget = format!("{WHOSE}-");
        cluster.kubectl(["label", "node", "--all", &forget]).await?;
        available(cluster).await?;
        until_ours_are_on(cluster, &names).await?;
        outcome
    })
    .await
}
