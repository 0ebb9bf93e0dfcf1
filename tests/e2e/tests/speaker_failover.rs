//! A node or its speaker fails, and nobody planned it: who answers for its address, from when on, and never two for long.
//! Judged by what a client sees on the wire that asks all 5 milliseconds.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use metallb_api::names::{label, object};
use metallb_e2e::announced::Announced;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, l2_advertisement, pool};
use metallb_e2e::lab::{Container, Heard, Loss, web_image};
use metallb_e2e::metallb::{on_the_wire, pods, speakers_rolled_out};
use metallb_e2e::wait::{self, Look};
use serde_json::json;

const LIMIT: Duration = Duration::from_mins(1);
/// The longest that nobody may answer after a node died. It takes 180 ms on a machine that does nothing else, and
/// memberlist by itself more than four seconds.
const TAKEOVER: Duration = Duration::from_secs(2);
/// The longest that two nodes may answer whom one client hears.
const TWO_OWNERS: Duration = Duration::from_secs(1);
/// A process may be stopped for so long without being missed, and one that was stopped for a tenth more is not looked at:
/// then it was the machine that was slow.
const SHORT: Duration = Duration::from_millis(100);
const SHORT_AND_LATE: Duration = Duration::from_millis(110);
/// How often that is tried. The other nodes run on the same two processors, and may be late as well.
const SHORT_TRIES: usize = 5;
/// The kubelet has not told the API server by then.
const UNTOLD: Duration = Duration::from_millis(500);
/// For so long it is looked at whether two answer when all is over.
const AFTERWARDS: Duration = Duration::from_millis(1_500);
/// For so long it is looked at before: whoever asks takes a moment to begin.
const BEFORE: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(5);
/// Longer than a new owner gives its predecessor to fall silent, and shorter than memberlist takes.
const PARTED: Duration = Duration::from_secs(3);
/// Memberlist has long made up its mind, too, and each believes what it would believe for ever.
const DEAF: Duration = Duration::from_secs(15);
/// For so long other pods keep all processors busy: a hundred beats.
const BUSY: Duration = Duration::from_secs(5);
/// So many in a hundred packets of the speakers are lost, for so long.
const LOST: u8 = 20;
const LOSSY: Duration = Duration::from_secs(20);

/// A Service that is announced by one of the nodes, whose speakers fail.
struct Scene<'a> {
    service: Announced<'a>,
}

impl Scene<'_> {
    /// What the client hears while `act` goes on, and until the first owner has the address again.
    async fn heard_during(&self, act: impl AsyncFnOnce() -> Result<()>) -> Result<Heard> {
        self.service.answered_by_the_owner().await?;
        let asker = self
            .service
            .lab
            .client()?
            .ask_all_the_time(self.service.address)
            .await?;
        let acted = async {
            tokio::time::sleep(BEFORE).await;
            act().await?;
            self.service.answered_by_the_owner().await?;
            tokio::time::sleep(AFTERWARDS).await;
            Ok::<_, anyhow::Error>(())
        }
        .await;
        let heard = asker.stop().await;
        acted.with_context(|| format!("{heard:?}"))?;
        heard
    }

    /// The speakers with their nodes.
    async fn speakers(&self) -> Result<Vec<(Container, String)>> {
        let cluster = self.service.namespace.cluster();
        let mut found = Vec::new();
        for (pod, node) in pods(cluster, "component=speaker").await? {
            let container = self
                .service
                .lab
                .container(cluster, METALLB_NAMESPACE, &pod, object::SPEAKER)
                .await?;
            found.push((container, node));
        }
        Ok(found)
    }

    /// A pod beside the speaker that owns the address, with a share of the processors.
    async fn neighbour(&self) -> Result<Container> {
        let namespace = &self.service.namespace;
        let name = "neighbour";
        let mut pod: Pod = serde_json::from_value(json!({ "metadata": { "name": name }, "spec": {
            "nodeName": self.service.owner,
            "terminationGracePeriodSeconds": 1,
            "containers": [{ "name": name, "image": web_image(namespace.cluster()), "args": ["netexec"],
                "resources": { "requests": { "cpu": "500m" } } }],
        } }))?;
        pod.metadata.namespace = Some(namespace.name().to_owned());
        namespace.cluster().apply(&pod).await?;
        wait::until("the neighbour to run", LIMIT, async || {
            let found = self
                .service
                .lab
                .container(namespace.cluster(), namespace.name(), name, name);
            Ok::<_, anyhow::Error>(match found.await {
                Ok(container) => Look::Done(container),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
        .await
    }

    async fn speaker_of_owner(&self) -> Result<Container> {
        let all = self.speakers().await?.into_iter();
        let mut of_owner = all.filter(|(_, node)| *node == self.service.owner);
        Ok(of_owner.next().context("the owner has a speaker")?.0)
    }

    /// Replaces the pods of the speakers that were killed: the kubelet lets containers wait that were killed before.
    async fn replace(&self, pods: &[String]) -> Result<()> {
        let cluster = self.service.namespace.cluster();
        let delete = ["--namespace", METALLB_NAMESPACE, "delete", "pod"];
        let names = pods.iter().map(String::as_str);
        cluster.kubectl(delete.into_iter().chain(names)).await?;
        speakers_rolled_out(cluster).await
    }

    /// The pods of these nodes' speakers.
    async fn pods_of(&self, right: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let all = pods(self.service.namespace.cluster(), "component=speaker").await?;
        let of_nodes = all.into_iter().filter(|(_, node)| right(node));
        Ok(of_nodes.map(|(pod, _)| pod).collect())
    }
}

/// An endpoint that is said to be ready. Nobody connects to it.
fn endpoint() -> Result<EndpointSlice> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": "web-by-hand", "labels": {label::ENDPOINT_SLICE_SERVICE: "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.250"], "conditions": {"ready": true}}],
        "ports": [{"port": 80, "protocol": "TCP"}],
    }))?)
}

/// Announces a Service at `address`, and has `body` make it fail.
async fn with_a_service(
    test: &str,
    address: Ipv4Addr,
    body: impl AsyncFnOnce(&Scene<'_>) -> Result<()>,
) -> Result<()> {
    on_the_wire(test, async |namespace, lab| {
        namespace.apply(pool(test, &[&format!("{address}/32")])).await?;
        namespace.apply(l2_advertisement(test, &[test])).await?;
        namespace.apply(endpoint()?).await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        let service = Announced::web(namespace, lab, address, LIMIT).await?;
        let scene = Scene { service };
        body(&scene).await
    })
    .await
}

/// Another node has taken over in time and the owner has taken back, and the two have not answered together for long.
fn taken_over(scene: &Scene<'_>, test: &str, heard: &Heard) -> Result<()> {
    let (silence, overlap) = (heard.longest_silence, heard.longest_overlap);
    eprintln!("{test}: nobody answered for {silence:?}, two did for {overlap:?}; {heard:?}");
    let last_is_owner = heard.owners.last().is_some_and(|mac| scene.service.is_owner(mac));
    let moved = heard.owners.iter().any(|mac| !scene.service.is_owner(mac));
    ensure!(moved && last_is_owner, "it moved away and back: {heard:?}");
    ensure!(silence <= TAKEOVER, "nobody answered for {silence:?}");
    ensure!(overlap <= TWO_OWNERS, "two answered for {overlap:?}");
    Ok(())
}

#[tokio::test]
async fn s14_when_the_announcing_node_dies_another_answers_and_gives_back() -> Result<()> {
    with_a_service("failover-link", Ipv4Addr::new(172, 30, 219, 1), async |scene| {
        let heard = scene
            .heard_during(async || {
                let begun = Instant::now();
                let cable = scene.service.lab.pull_cable(&scene.service.owner).await?;
                scene.service.answered_by_another().await?;
                tokio::time::sleep(PARTED.saturating_sub(begun.elapsed())).await;
                cable.plug().await
            })
            .await?;
        taken_over(scene, "link down", &heard)
    })
    .await
}

#[tokio::test]
async fn a_speaker_that_is_killed_is_replaced_by_another_node() -> Result<()> {
    with_a_service("failover-kill", Ipv4Addr::new(172, 30, 219, 2), async |scene| {
        let speaker = scene.speaker_of_owner().await?;
        let pods = scene.pods_of(|node| node == scene.service.owner).await?;
        let heard = scene
            .heard_during(async || {
                scene.service.lab.kill(&speaker)?;
                tokio::time::sleep(UNTOLD).await;
                scene.replace(&pods).await
            })
            .await?;
        taken_over(scene, "SIGKILL", &heard)
    })
    .await
}

#[tokio::test]
async fn a_short_pause_of_a_speaker_moves_nothing() -> Result<()> {
    with_a_service("failover-pause", Ipv4Addr::new(172, 30, 219, 3), async |scene| {
        let speaker = scene.speaker_of_owner().await?;
        let mut tries = Vec::new();
        for _ in 0..SHORT_TRIES {
            let mut took = Duration::ZERO;
            let heard = scene
                .heard_during(async || {
                    let begun = Instant::now();
                    let stopped = scene.service.lab.stop(&speaker)?;
                    tokio::time::sleep(SHORT).await;
                    stopped.go_on();
                    took = begun.elapsed();
                    Ok(())
                })
                .await?;
            eprintln!("SIGSTOP for {took:?}: {heard:?}");
            if took <= SHORT_AND_LATE && heard.owners.iter().all(|mac| scene.service.is_owner(mac)) {
                return Ok(());
            }
            tries.push((took, heard));
        }
        anyhow::bail!("it moved each time: {tries:?}")
    })
    .await
}

#[tokio::test]
async fn a_node_whose_other_pods_keep_all_processors_busy_is_not_taken_for_a_dead_one() -> Result<()> {
    with_a_service("failover-busy", Ipv4Addr::new(172, 30, 219, 10), async |scene| {
        let neighbour = scene.neighbour().await?;
        let heard = scene
            .heard_during(async || {
                let busy = scene.service.lab.keep_busy(&neighbour)?;
                tokio::time::sleep(BUSY).await;
                drop(busy);
                Ok(())
            })
            .await?;
        eprintln!("busy for {BUSY:?}: {heard:?}");
        let all = heard.owners.iter().all(|mac| scene.service.is_owner(mac));
        ensure!(all, "another node took over: {heard:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_speaker_that_was_stopped_answers_nothing_before_it_may() -> Result<()> {
    with_a_service("failover-stop", Ipv4Addr::new(172, 30, 219, 4), async |scene| {
        let speaker = scene.speaker_of_owner().await?;
        let heard = scene
            .heard_during(async || {
                let begun = Instant::now();
                let stopped = scene.service.lab.stop(&speaker)?;
                scene.service.answered_by_another().await?;
                tokio::time::sleep(LONG.saturating_sub(begun.elapsed())).await;
                stopped.go_on();
                Ok(())
            })
            .await?;
        taken_over(scene, "SIGSTOP for 5 s", &heard)?;
        // When it may it tells everybody first. Before, the other one was the last who did.
        let outdated = heard.outdated.keys().find(|mac| scene.service.is_owner(mac));
        ensure!(
            outdated.is_none(),
            "it answered as if it had not been stopped: {heard:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_node_that_was_cut_off_yields_when_it_is_heard_again() -> Result<()> {
    with_a_service(
        "failover-partition",
        Ipv4Addr::new(172, 30, 219, 5),
        async |scene| {
            let heard = scene
                .heard_during(async || {
                    let begun = Instant::now();
                    let partition = scene.service.lab.part(&scene.service.owner).await?;
                    scene.service.answered_by_another().await?;
                    tokio::time::sleep(PARTED.saturating_sub(begun.elapsed())).await;
                    partition.remove().await
                })
                .await?;
            taken_over(scene, "partition into 2 and 1", &heard)
        },
    )
    .await
}

/// For `length`, and until another node answers, the owner's speaker and the others hear each other in one direction only.
async fn lost_one_way(
    test: &str,
    address: Ipv4Addr,
    loss: fn(String) -> Loss,
    length: Duration,
) -> Result<()> {
    with_a_service(test, address, async |scene| {
        let heard = scene
            .heard_during(async || {
                let begun = Instant::now();
                let loss = loss(scene.service.owner.clone());
                let obstacle = scene.service.lab.lose(loss).await?;
                scene.service.answered_by_another().await?;
                tokio::time::sleep(length.saturating_sub(begun.elapsed())).await;
                // Whoever took over still has it, alone.
                scene.service.answered_by_another().await?;
                obstacle.remove().await
            })
            .await?;
        taken_over(scene, test, &heard)
    })
    .await
}

#[tokio::test]
async fn a_node_whose_speaker_is_not_heard_yields_until_it_is() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 219, 7);
    lost_one_way("failover-mute", address, Loss::From, PARTED).await
}

#[tokio::test]
async fn a_node_whose_speaker_hears_nobody_yields_to_whoever_takes_over() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 219, 8);
    lost_one_way("failover-deaf", address, Loss::To, DEAF).await
}

#[tokio::test]
async fn where_one_packet_in_five_is_lost_the_owner_stays_and_is_replaced_when_it_dies() -> Result<()> {
    with_a_service("failover-loss", Ipv4Addr::new(172, 30, 219, 9), async |scene| {
        let heard = scene
            .heard_during(async || {
                let obstacle = scene.service.lab.lose(Loss::Percent(LOST)).await?;
                tokio::time::sleep(LOSSY).await;
                obstacle.remove().await
            })
            .await?;
        let (silence, overlap) = (heard.longest_silence, heard.longest_overlap);
        eprintln!("{LOST} % lost: nobody answered for {silence:?}, two did for {overlap:?}; {heard:?}");
        ensure!(silence <= TAKEOVER, "nobody answered for {silence:?}");
        ensure!(overlap <= TWO_OWNERS, "two answered for {overlap:?}");

        let speaker = scene.speaker_of_owner().await?;
        let pods = scene.pods_of(|node| node == scene.service.owner).await?;
        let heard = scene
            .heard_during(async || {
                let obstacle = scene.service.lab.lose(Loss::Percent(LOST)).await?;
                scene.service.lab.kill(&speaker)?;
                tokio::time::sleep(TAKEOVER).await; // the kubelet starts it again soon: what was heard tells who took over
                obstacle.remove().await?;
                scene.replace(&pods).await
            })
            .await?;
        taken_over(scene, "SIGKILL, 20 % lost", &heard)
    })
    .await
}

#[tokio::test]
async fn speakers_that_are_all_killed_at_once_are_never_two_owners() -> Result<()> {
    with_a_service("failover-all", Ipv4Addr::new(172, 30, 219, 6), async |scene| {
        let speakers = scene.speakers().await?;
        let pods = scene.pods_of(|_| true).await?;
        let heard = scene
            .heard_during(async || {
                for (speaker, _) in &speakers {
                    scene.service.lab.kill(speaker)?;
                }
                scene.replace(&pods).await
            })
            .await?;
        let (silence, overlap) = (heard.longest_silence, heard.longest_overlap);
        eprintln!("all killed: nobody answered for {silence:?}, two did for {overlap:?}; {heard:?}");
        ensure!(overlap <= TWO_OWNERS, "two answered for {overlap:?}");
        Ok(())
    })
    .await
}
