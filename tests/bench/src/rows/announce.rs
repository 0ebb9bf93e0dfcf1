//! One Service in a quiet cluster, until a client on the segment can reach it.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amount, Row};
use crate::bench::Bench;
use crate::crowd::Crowd;
use crate::figure::{Figure, Reading, Unit};
use crate::served::Samples;

const CREATE: Figure = Figure::new("the create itself, p50", Unit::Milliseconds);
const ALLOCATION: Figure = Figure::new(
    "the Service in a watch to its address in it, p50",
    Unit::Milliseconds,
);
const ADDRESS_HALF: Figure = Figure::new("create to address, p50", Unit::Milliseconds);
const ADDRESS_MOST: Figure = Figure::new("create to address, p99", Unit::Milliseconds);
const ENDPOINTS: Figure = Figure::new("create to a ready endpoint in a watch, p50", Unit::Milliseconds);
const ANSWER_HALF: Figure =
    Figure::new("create to the first ARP answer, p50", Unit::Milliseconds).at_most(15.0);
const ANSWER_MOST: Figure = Figure::new("create to the first ARP answer, p99", Unit::Milliseconds);

const LIMIT: Duration = Duration::from_secs(30);

pub(super) static ROW: Row = Row {
    name: "announce",
    about: "one Service with ready endpoints in a quiet cluster, 50 times",
    figures: &[
        CREATE,
        ALLOCATION,
        ADDRESS_HALF,
        ADDRESS_MOST,
        ENDPOINTS,
        ANSWER_HALF,
        ANSWER_MOST,
    ],
    amount: Amount::same(50),
    measure: |bench, times| Box::pin(measure(bench, times)),
};

async fn measure(bench: &Bench, times: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("announce", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            let mut served = Vec::new();
            for number in 0..=times {
                bench.quiet().await?;
                let one = bench.serve(&mut crowd, number, LIMIT).await?;
                // The first is not measured: connections are made with it.
                if number > 0 {
                    served.push(one);
                }
                crowd.delete(number).await?;
            }
            crowd.disperse().await?;
            let samples = Samples::of(&served).context("nothing was measured")?;
            Ok(vec![
                CREATE.took(samples.creates.percentile(50)),
                ALLOCATION.took(samples.allocations.percentile(50)),
                ADDRESS_HALF.took(samples.addresses.percentile(50)),
                ADDRESS_MOST.took(samples.addresses.percentile(99)),
                ENDPOINTS.took(samples.endpoints.percentile(50)),
                ANSWER_HALF.took(samples.answers.percentile(50)),
                ANSWER_MOST.took(samples.answers.percentile(99)),
            ])
        })
        .await
}
