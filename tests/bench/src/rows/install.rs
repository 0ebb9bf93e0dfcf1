//! A MetalLB resource, until everything that it asks for runs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::metallb;
use metallb_e2e::wait::{self, Look};

use super::{Amount, Row};
use crate::bench::Bench;
use crate::figure::{Figure, Reading, Sample, Unit};

const HALF: Figure = Figure::new("create to every pod ready, p50", Unit::Milliseconds).at_most(5_000.0);
const WORST: Figure = Figure::new("create to every pod ready, worst", Unit::Milliseconds);
const AVAILABLE: Figure = Figure::new("create to its condition Available, p50", Unit::Milliseconds);

const PODS: &str = "app=metallb";
const LIMIT: Duration = Duration::from_mins(2);

pub(super) static ROW: Row = Row {
    name: "install",
    about: "a MetalLB resource is created while the operator runs and the images are on the nodes, 5 times",
    figures: &[HALF, WORST, AVAILABLE],
    amount: Amount::of_ours(5),
    measure: |bench, times| Box::pin(measure(bench, times)),
};

async fn measure(bench: &Bench, times: usize) -> Result<Vec<Reading>> {
    let (mut ready, mut available) = (Vec::new(), Vec::new());
    for number in 1..=times {
        metallb::absent(bench.cluster()).await?;
        pods(bench, 0).await?;
        bench.quiet().await?;
        let created = Instant::now();
        let asked = metallb::resource(metallb::ordinary());
        bench.cluster().apply(&asked).await?;
        // A speaker on each node, and the controller.
        pods(bench, bench.lab().nodes()?.len() + 1).await?;
        ready.push(created.elapsed());
        metallb::available(bench.cluster()).await?;
        available.push(created.elapsed());
        bench.say(format!(
            "{number}: pods after {:?}, Available after {:?}",
            ready[number - 1],
            available[number - 1]
        ));
    }
    let ready = Sample::of(ready).context("nothing was measured")?;
    let available = Sample::of(available).context("nothing was measured")?;
    Ok(vec![
        HALF.took(ready.percentile(50)),
        WORST.took(ready.worst()),
        AVAILABLE.took(available.percentile(50)),
    ])
}

/// Waits until there are so many pods, all of them ready. To the tenth of a second that lies between two looks.
async fn pods(bench: &Bench, count: usize) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(bench.cluster().client(), METALLB_NAMESPACE);
    let ours = ListParams::default().labels(PODS);
    wait::until(format!("{count} pods to be ready"), LIMIT, async || {
        let found = api.list(&ours).await?.items;
        let ready = found.iter().filter(|pod| is_ready(pod)).count();
        Ok::<_, kube::Error>(if (found.len(), ready) == (count, count) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{ready} of {}", found.len()))
        })
    })
    .await
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
