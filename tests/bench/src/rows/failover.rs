//! A node or its speaker dies: how long nobody answers for an address of it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::metallb::{pods, speakers_rolled_out, tune_speakers};
use metallb_e2e::wait::{self, Look};
use tokio::sync::oneshot;

use super::{Amount, Row};
use crate::bench::Bench;
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Sample, Unit};
use crate::wire::Mac;

const LINK_HALF: Figure =
    Figure::new("link down to the next owner's answer, p50", Unit::Milliseconds).at_most(200.0);
const LINK_MOST: Figure =
    Figure::new("link down to the next owner's answer, worst", Unit::Milliseconds).at_most(350.0);
const KILL_HALF: Figure = Figure::new("SIGKILL to the next answer, p50", Unit::Milliseconds).at_most(200.0);
const KILL_MOST: Figure = Figure::new("SIGKILL to the next answer, worst", Unit::Milliseconds).at_most(350.0);
const FAST_HALF: Figure =
    Figure::new("link down to the next owner's answer, p50", Unit::Milliseconds).at_most(100.0);
const FAST_MOST: Figure = Figure::new("link down to the next owner's answer, worst", Unit::Milliseconds);

const SPEAKER: &str = "speaker";
/// A member that was away for a while may be taken back late.
const LIMIT: Duration = Duration::from_mins(3);
/// Answers of a process that was killed a moment ago are out of the wire then.
const GONE: Duration = Duration::from_millis(10);
/// For so long only one answers when everything is as it was.
const SETTLED: Duration = Duration::from_millis(500);

pub(super) static ROW: Row = Row {
    name: "failover",
    about: "the owner of an address loses its link, or its speaker is killed, 50 times each; the worst is of all",
    figures: &[LINK_HALF, LINK_MOST, KILL_HALF, KILL_MOST],
    amount: Amount {
        ours: 50,
        upstream: Some(3),
        because: "each failover takes it many seconds",
    },
    measure: |bench, times| Box::pin(measure(bench, times)),
};

pub(super) static FAST: Row = Row {
    name: "failover-fast",
    about: "the same with the profile for networks that lose nothing, 50 times",
    figures: &[FAST_HALF, FAST_MOST],
    amount: Amount {
        ours: 50,
        upstream: None,
        because: "",
    },
    measure: |bench, times| Box::pin(measure_fast(bench, times)),
};

async fn measure(bench: &Bench, times: usize) -> Result<Vec<Reading>> {
    with_an_owner(bench, "failover", async |scene| {
        let links = scene.links(times).await?;
        let mut kills = Vec::new();
        for number in 0..times {
            let silence = scene.kill().await?;
            bench.say(format!("SIGKILL {number}: {silence:?}"));
            kills.push(silence);
        }
        let kills = Sample::of(kills).context("nothing was measured")?;
        Ok(vec![
            LINK_HALF.took(links.percentile(50)),
            LINK_MOST.took(links.worst()),
            KILL_HALF.took(kills.percentile(50)),
            KILL_MOST.took(kills.worst()),
        ])
    })
    .await
}

async fn measure_fast(bench: &Bench, times: usize) -> Result<Vec<Reading>> {
    tune_speakers(bench.cluster(), Some(r#"{"Failover": {"Profile": "fast"}}"#)).await?;
    let measured = with_an_owner(bench, "failover-fast", async |scene| {
        let links = scene.links(times).await?;
        Ok(vec![
            FAST_HALF.took(links.percentile(50)),
            FAST_MOST.took(links.worst()),
        ])
    })
    .await;
    tune_speakers(bench.cluster(), None).await?;
    measured
}

/// A Service whose address one node has.
struct Scene<'a> {
    bench: &'a Bench,
    address: Ipv4Addr,
    owner: Mac,
    node: String,
}

async fn with_an_owner(
    bench: &Bench,
    row: &str,
    body: impl AsyncFnOnce(&Scene<'_>) -> Result<Vec<Reading>>,
) -> Result<Vec<Reading>> {
    bench
        .in_namespace(row, async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            crowd.create(0..1, Purpose::Announcement).await?;
            let address = crowd.has_address(0, LIMIT).await?.address;
            bench.quiet().await?;
            let asked = async move |asker: &mut crate::wire::Asker| {
                let (_, mac) = asker.answer_of(address, |_| true, LIMIT).await?;
                Ok(mac)
            };
            let owner = bench.client().ask(asked).await?;
            let nodes = bench.lab().nodes_by_mac().await?;
            let node = nodes.get(&text(owner)).context("the owner is a node")?;
            let scene = Scene {
                bench,
                address,
                owner,
                node: node.clone(),
            };
            let measured = body(&scene).await;
            crowd.disperse().await?;
            measured
        })
        .await
}

impl Scene<'_> {
    async fn links(&self, times: usize) -> Result<Sample> {
        let mut links = Vec::new();
        for number in 0..times {
            let silence = self.link_down().await?;
            self.bench.say(format!("link down {number}: {silence:?}"));
            links.push(silence);
        }
        Sample::of(links).context("nothing was measured")
    }

    /// From before the link goes down until another node answers.
    async fn link_down(&self) -> Result<Duration> {
        let (ready, is_ready) = oneshot::channel();
        let (address, owner) = (self.address, self.owner);
        let asking = self.bench.client().ask(async move |asker| {
            let _ = ready.send(());
            asker.answer_of(address, |mac| mac != owner, LIMIT).await
        });
        let failing = async {
            is_ready.await.context("the client cannot ask")?;
            let begun = Instant::now();
            Ok((begun, self.bench.lab().pull_cable(&self.node).await?))
        };
        let ((answered, _), (begun, cable)) = tokio::try_join!(asking, failing)?;
        cable.plug().await?;
        self.settle().await?;
        Ok(answered - begun)
    }

    /// From the end of the owner's speaker until anybody answers.
    async fn kill(&self) -> Result<Duration> {
        let (cluster, lab) = (self.bench.cluster(), self.bench.lab());
        let all = pods(cluster, "component=speaker").await?.into_iter();
        let mut of_owner = all.filter(|(_, node)| *node == self.node);
        let (pod, _) = of_owner.next().context("the owner has a speaker")?;
        let speaker = lab.container(cluster, METALLB_NAMESPACE, &pod, SPEAKER).await?;
        let (tell, told) = oneshot::channel();
        let address = self.address;
        let asking = self.bench.client().ask(async move |asker| {
            told.await?;
            tokio::time::sleep(GONE).await;
            asker.first_answer(address, LIMIT).await
        });
        let failing = async {
            let begun = Instant::now();
            lab.kill(&speaker)?;
            let _ = tell.send(());
            Ok(begun)
        };
        let (answered, begun) = tokio::try_join!(asking, failing)?;
        // The kubelet lets a container wait that is killed again and again; a new pod starts at once.
        let delete = ["--namespace", METALLB_NAMESPACE, "delete", "pod", &pod];
        cluster.kubectl(delete).await?;
        speakers_rolled_out(cluster).await?;
        self.settle().await?;
        Ok(answered - begun)
    }

    /// Waits until the first owner, and nobody else, answers again, and nothing is left to do.
    async fn settle(&self) -> Result<()> {
        let (address, owner) = (self.address, self.owner);
        wait::until("the first owner to answer alone", LIMIT, async || {
            let seen = async move |asker: &mut crate::wire::Asker| {
                asker.answer_of(address, |mac| mac == owner, LIMIT).await?;
                Ok(asker
                    .answer_of(address, |mac| mac != owner, SETTLED)
                    .await
                    .is_err())
            };
            let alone = self.bench.client().ask(seen).await?;
            Ok::<_, anyhow::Error>(if alone {
                Look::Done(())
            } else {
                Look::NotYet("another one answers, too".to_owned())
            })
        })
        .await?;
        self.bench.quiet().await
    }
}

/// As the kernel writes it.
fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
