//! What it costs to be asked for what one does not have.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amount, Row};
use crate::bench::Bench;
use crate::containers::{self, Meter};
use crate::crowd::Crowd;
use crate::figure::{Figure, Reading, Sample, Unit};

const SPEAKER: Figure = Figure::new("busiest speaker", Unit::Percent).at_most(1.0);
const SENDING: Figure = Figure::new("sending a million requests", Unit::Milliseconds).at_most(10_500.0);
const HALF: Figure = Figure::new(
    "request for a Service's address to reply, p50",
    Unit::Microseconds,
);
const LOST: Figure = Figure::new("of these without a reply", Unit::Count).at_most(0.0);

const EACH_SECOND: u32 = 100_000;
/// What a client asks beside it. In the time of the flood, if it is answered.
const REQUESTS: usize = 500;
const LIMIT: Duration = Duration::from_secs(30);

pub(super) static ROW: Row = Row {
    name: "flood",
    about: "100,000 ARP requests a second for addresses that nobody has, 1,000,000 in all; processor time in percent of one processor; meanwhile 500 requests for the address of a Service, one every 2 ms",
    figures: &[SPEAKER, SENDING, HALF, LOST],
    amount: Amount::same(1_000_000),
    measure: |bench, requests| Box::pin(measure(bench, requests)),
};

async fn measure(bench: &Bench, requests: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("flood", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            let address = bench.announced(&mut crowd, LIMIT).await?;
            let meter = Meter::start(containers::running(bench.cluster()).await?)?;
            let client = bench.client();
            let flood = client.ask(async move |asker| asker.flood(requests, EACH_SECOND).await);
            let waits = client.ask(async move |asker| asker.latencies(address, REQUESTS).await);
            let flood = async {
                let took = flood.await?;
                let busiest = meter.busiest("speaker", took)?.context("no speaker runs")?;
                anyhow::Ok((took, busiest))
            };
            let ((took, busiest), waits) = tokio::try_join!(flood, waits)?;
            crowd.disperse().await?;
            let lost = u32::try_from(REQUESTS - waits.len())?;
            let waits = Sample::of(waits).context("no request was answered")?;
            Ok(vec![
                SPEAKER.is(busiest),
                SENDING.took(took),
                HALF.took(waits.percentile(50)),
                LOST.is(f64::from(lost)),
            ])
        })
        .await
}
