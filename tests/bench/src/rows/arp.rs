//! How long a client waits for the answer to an ARP request.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amount, Row};
use crate::bench::Bench;
use crate::crowd::Crowd;
use crate::figure::{Figure, Reading, Sample, Unit};

const HALF: Figure = Figure::new("request to reply, p50", Unit::Microseconds).at_most(60.0);
const MOST: Figure = Figure::new("request to reply, p99", Unit::Microseconds).at_most(250.0);
const LOST: Figure = Figure::new("requests without a reply", Unit::Count).at_most(0.0);

const LIMIT: Duration = Duration::from_secs(30);

pub(super) static ROW: Row = Row {
    name: "arp",
    about: "2,000 ARP requests, one every 2 ms",
    figures: &[HALF, MOST, LOST],
    amount: Amount::same(2_000),
    measure: |bench, requests| Box::pin(measure(bench, requests)),
};

async fn measure(bench: &Bench, requests: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("arp", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            let address = bench.announced(&mut crowd, LIMIT).await?;
            let waits = bench
                .client()
                .ask(async move |asker| asker.latencies(address, requests).await)
                .await?;
            crowd.disperse().await?;
            let lost = u32::try_from(requests - waits.len())?;
            let waits = Sample::of(waits).context("no request was answered")?;
            Ok(vec![
                HALF.took(waits.percentile(50)),
                MOST.took(waits.percentile(99)),
                LOST.is(f64::from(lost)),
            ])
        })
        .await
}
