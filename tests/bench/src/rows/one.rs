//! One Service while thousands exist.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amount, Row};
use crate::bench::{Bench, WEB};
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Sample, Unit};

const HALF: Figure = Figure::new("create to address, p50", Unit::Milliseconds).at_most(15.0);
const MOST: Figure = Figure::new("create to address, p99", Unit::Milliseconds);
const ANSWER: Figure = Figure::new("create to the first ARP answer, p50", Unit::Milliseconds);

const TIMES: usize = 30;
/// Upstream takes 4 seconds for 500 Services.
const CROWD_LIMIT: Duration = Duration::from_mins(5);
const ONE_LIMIT: Duration = Duration::from_mins(1);

pub(super) static ROW: Row = Row {
    name: "one-at-5000",
    about: "one Service, 30 times, while 5,000 others exist",
    figures: &[HALF, MOST, ANSWER],
    amount: Amount {
        ours: 5_000,
        upstream: Some(500),
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
            let (mut addresses, mut answers) = (Vec::new(), Vec::new());
            for number in count..count + TIMES {
                bench.quiet().await?;
                let created = crowd
                    .create(number..number + 1, Purpose::Announcement(WEB))
                    .await?;
                let asked = created.into_values().next().context("it was created")?.asked;
                let given = crowd.has_address(number, ONE_LIMIT).await?;
                let answered = bench.first_answer(given.address, ONE_LIMIT).await?;
                addresses.push(given.at - asked);
                answers.push(answered - asked);
                crowd.delete(number).await?;
            }
            bench.say("deleting them");
            crowd.disperse().await?;
            let addresses = Sample::of(addresses).context("nothing was measured")?;
            let answers = Sample::of(answers).context("nothing was measured")?;
            Ok(vec![
                HALF.took(addresses.percentile(50)),
                MOST.took(addresses.percentile(99)),
                ANSWER.took(answers.percentile(50)),
            ])
        })
        .await
}
