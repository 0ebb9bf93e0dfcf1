//! One Service while thousands exist: in a quiet cluster, and right after another one went.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amount, GROWS, Row};
use crate::bench::Bench;
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Unit};
use crate::served::Samples;

const CREATE: Figure = Figure::new("the create itself, p50", Unit::Milliseconds);
const ALLOCATION: Figure = Figure::new(
    "the Service in a watch to its address in it, p50",
    Unit::Milliseconds,
);
const HALF: Figure = Figure::new("create to address, p50", Unit::Milliseconds).at_most(15.0);
const MOST: Figure = Figure::new("create to address, p99", Unit::Milliseconds);
const ENDPOINTS: Figure = Figure::new("create to a ready endpoint in a watch, p50", Unit::Milliseconds);
const ANSWER: Figure = Figure::new("create to the first ARP answer, p50", Unit::Milliseconds);
const GOING: Figure = Figure::new(
    "create to address 0.3 s after another was deleted, p50",
    Unit::Milliseconds,
);
const GOING_ANSWER: Figure = Figure::new(
    "create to the first ARP answer 0.3 s after another was deleted, p50",
    Unit::Milliseconds,
);

const TIMES: usize = 30;
const PAUSE: Duration = Duration::from_millis(300);
/// Upstream takes 4 seconds for 500 Services.
const CROWD_LIMIT: Duration = Duration::from_mins(5);
const ONE_LIMIT: Duration = Duration::from_mins(1);

pub(super) static ROW: Row = Row {
    name: "one-at-5000",
    about: "one Service with ready endpoints, 30 times, while 5,000 others exist",
    figures: &[
        CREATE,
        ALLOCATION,
        HALF,
        MOST,
        ENDPOINTS,
        ANSWER,
        GOING,
        GOING_ANSWER,
    ],
    amount: Amount {
        ours: 5_000,
        upstream: Some(500),
        because: GROWS,
    },
    measure: |bench, count| Box::pin(measure(bench, count)),
};

async fn measure(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("one", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            bench.say(format!("creating {count} Services"));
            crowd.create(0..count, Purpose::Address).await?;
            crowd.have_addresses(count, CROWD_LIMIT).await?;
            let (mut quiet, mut going) = (Vec::new(), Vec::new());
            for number in count..count + TIMES {
                bench.quiet().await?;
                quiet.push(bench.serve(&mut crowd, number, ONE_LIMIT).await?);
                crowd.delete(number).await?;
            }
            for number in count + TIMES..count + 2 * TIMES {
                tokio::time::sleep(PAUSE).await;
                going.push(bench.serve(&mut crowd, number, ONE_LIMIT).await?);
                crowd.delete(number).await?;
            }
            bench.say("deleting them");
            crowd.disperse().await?;
            let quiet = Samples::of(&quiet).context("nothing was measured")?;
            let going = Samples::of(&going).context("nothing was measured")?;
            Ok(vec![
                CREATE.took(quiet.creates.percentile(50)),
                ALLOCATION.took(quiet.allocations.percentile(50)),
                HALF.took(quiet.addresses.percentile(50)),
                MOST.took(quiet.addresses.percentile(99)),
                ENDPOINTS.took(quiet.endpoints.percentile(50)),
                ANSWER.took(quiet.answers.percentile(50)),
                GOING.took(going.addresses.percentile(50)),
                GOING_ANSWER.took(going.answers.percentile(50)),
            ])
        })
        .await
}
