//! The API server may be away: what is announced stays, whoever dies is replaced, and everything goes on where it was when
//! it is back.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use metallb_e2e::announced::Announced;
use metallb_e2e::command;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, WEB_PORT, l2_advertisement, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::{Lab, web_image};
use metallb_e2e::metallb::{available, pods};
use metallb_e2e::pools::until_in_use;
use metallb_e2e::wait::{self, Look};
use metallb_e2e::witness::Witness;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A restart of a control plane's machine, generously. MetalLB's pauses between two attempts have their full length long
/// before.
const OUTAGE: Duration = Duration::from_mins(2);
/// When the announcing node loses its link, and for how long: longer than memberlist takes to bury it.
const DEATH: Duration = Duration::from_secs(45);
const DEAD: Duration = Duration::from_secs(15);
/// The longest that nobody may answer then, and that two may.
const TAKEOVER: Duration = Duration::from_secs(2);
const TWO_OWNERS: Duration = Duration::from_secs(1);
/// From the API server's first answer until a new Service has its address: a MetalLB process tries every five seconds.
/// The rest is for the API server, which everybody asks at once.
const RECOVERY_LIMIT: Duration = Duration::from_mins(1);
/// A kubelet's pauses are up to a minute long after such an outage, and it makes several.
const KUBELET_LIMIT: Duration = Duration::from_mins(4);
const LIMIT: Duration = Duration::from_secs(30);
const SERVICES: usize = 20;

/// The cluster tool of this checkout.
const TOOL: &str = env!("CARGO_BIN_EXE_cluster");
const API_SERVER: &str = "kube-apiserver";

/// The API server does not run while this lives.
struct Outage {
    started: Instant,
}

impl Outage {
    async fn begin() -> Result<Self> {
        command::run(TOOL, ["stop", API_SERVER]).await?;
        Ok(Self {
            started: Instant::now(),
        })
    }

    async fn end(self) -> Result<()> {
        command::run(TOOL, ["start", API_SERVER]).await?;
        // Kubernetes' own controllers take up to a minute to ask again, and this is not about them.
        for component in ["kube-controller-manager", "kube-scheduler"] {
            command::run(TOOL, ["stop", component]).await?;
            command::run(TOOL, ["start", component]).await?;
        }
        Ok(())
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        // Done by `end` in most cases, and harmless then; this is for tests that failed.
        let _ = Command::new(TOOL).args(["start", API_SERVER]).status();
    }
}

#[tokio::test]
async fn nothing_is_lost_while_the_api_server_is_away() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    cluster
        .in_namespace("outage", async |namespace| outlive(namespace, &lab).await)
        .await
}

async fn outlive(namespace: &TempNamespace, lab: &Lab) -> Result<()> {
    let cluster = namespace.cluster();
    namespace.apply(pool("outage", &["172.30.216.0/24"])).await?;
    namespace.apply(l2_advertisement("outage", &["outage"])).await?;
    namespace
        .apply(fixtures::web("web", 2, web_image(cluster))?)
        .await?;
    namespace.apply(fixtures::load_balancer("web")?).await?;
    for number in 1..SERVICES {
        namespace
            .apply(fixtures::load_balancer(&format!("web-{number:02}"))?)
            .await?;
    }
    let mut witness = Witness::of(namespace);
    let given = witness.all_have_addresses(SERVICES, LIMIT).await?;
    let address: Ipv4Addr = given["web"].first().context("an address")?.parse()?;
    let service = Announced::web(namespace, lab, address, LIMIT).await?;
    wait::until("an answer", LIMIT, async || {
        answers(&service).await.map(Look::Done)
    })
    .await?;
    service.answered_by_the_owner().await?;
    until_in_use(cluster, "outage", SERVICES, LIMIT).await?;
    let (pod, _) = pods(cluster, "component=controller")
        .await?
        .pop_first()
        .context("a controller")?;
    let controller = lab
        .container(cluster, METALLB_NAMESPACE, &pod, "controller")
        .await?;

    let outage = Outage::begin().await?;
    // Whoever starts meanwhile has to wait for the API server, and must not take its silence for an empty cluster.
    lab.kill(&controller)?;
    serves_until(&service, &outage, DEATH).await?;
    dies_and_comes_back(&service).await?;
    // From here on nothing moves, whatever the API server has to say.
    let asker = lab.client()?.ask_all_the_time(address).await?;
    serves_until(&service, &outage, OUTAGE).await?;
    outage.end().await?;

    // What was there is as it was; what comes and goes is noticed.
    let back = Instant::now();
    let services = namespace.api::<Service>();
    namespace.apply(fixtures::load_balancer("new")?).await?;
    let now = witness.all_have_addresses(SERVICES + 1, RECOVERY_LIMIT).await?;
    println!(
        "a new Service had its address {:.1?} after the outage",
        back.elapsed()
    );
    for (service, addresses) in &given {
        ensure!(
            now.get(service) == Some(addresses),
            "before: {given:?}\nnow: {now:?}"
        );
    }
    answers(&service).await?;
    until_in_use(cluster, "outage", SERVICES + 1, LIMIT).await?;
    services.delete("web-01", &DeleteParams::default()).await?;
    until_in_use(cluster, "outage", SERVICES, LIMIT).await?;
    witness.saw_no_change()?;
    let heard = asker.stop().await?;
    ensure!(
        heard.owners.len() == 1 && service.is_owner(&heard.owners[0]),
        "it moved when the API server came back: {heard:?}"
    );
    let recovered = back.elapsed();
    every_node_takes_pods(cluster).await?;
    println!(
        "the kubelets were back {:.1?} later",
        back.elapsed().saturating_sub(recovered)
    );
    Ok(())
}

/// What the web server says.
async fn answers(service: &Announced<'_>) -> Result<String> {
    let client = service.lab.client()?;
    client
        .http_get(service.address.into(), WEB_PORT, "/hostname")
        .await
}

/// It answers, as one who asks every second sees, until the API server has been away for so long.
async fn serves_until(service: &Announced<'_>, outage: &Outage, away: Duration) -> Result<()> {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while outage.started.elapsed() < away {
        seconds.tick().await;
        let away = outage.started.elapsed().as_secs();
        answers(service)
            .await
            .with_context(|| format!("{away} s after the API server went away"))?;
    }
    Ok(())
}

/// The owner loses its link while nobody can ask the API server; another one answers, and gives back.
async fn dies_and_comes_back(service: &Announced<'_>) -> Result<()> {
    let asker = service.lab.client()?.ask_all_the_time(service.address).await?;
    let begun = Instant::now();
    let cable = service.lab.pull_cable(&service.owner).await?;
    service.answered_by_another().await?;
    tokio::time::sleep(DEAD.saturating_sub(begun.elapsed())).await;
    cable.plug().await?;
    service.answered_by_the_owner().await?;
    let heard = asker.stop().await?;
    let (silence, overlap) = (heard.longest_silence, heard.longest_overlap);
    println!("without an API server: nobody answered for {silence:?}, two did for {overlap:?}; {heard:?}");
    ensure!(silence <= TAKEOVER, "nobody answered for {silence:?}");
    ensure!(overlap <= TWO_OWNERS, "two answered for {overlap:?}");
    // The other web server was out of reach, and the nodes ask each other for their addresses again.
    wait::until("an answer", LIMIT, async || {
        answers(service).await.map(Look::Done)
    })
    .await
    .map(drop)
}

/// The kubelets have their pauses as well: without this it would be the next test that waits for them.
async fn every_node_takes_pods(cluster: &Cluster) -> Result<()> {
    // One of them on each node; the controller, too, whose container would be started late if it died once more.
    let all = "component in (controller,speaker)";
    let before = pods(cluster, all).await?;
    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    api.delete_collection(&DeleteParams::default(), &ListParams::default().labels(all))
        .await?;
    wait::until("new pods on all nodes", KUBELET_LIMIT, async || {
        let found = api.list(&ListParams::default().labels(all)).await?.items;
        let ready = |pod: &&Pod| {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            let mut conditions = conditions.into_iter().flatten();
            conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
        };
        let new = found.iter().filter(|pod| !before.contains_key(&pod.name_any()));
        let count = new.filter(ready).count();
        Ok::<_, kube::Error>(if count == before.len() && found.len() == count {
            Look::Done(())
        } else {
            Look::NotYet(format!("{count} of {} are ready", before.len()))
        })
    })
    .await?;
    available(cluster).await
}
