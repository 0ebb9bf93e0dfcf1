//! One Service in a quiet cluster, until a client on the segment can reach it.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amount, Row};
use crate::bench::{Bench, WEB};
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Sample, Unit};

const ADDRESS_HALF: Figure = Figure::new("create to address, p50", Unit::Milliseconds);
const ADDRESS_MOST: Figure = Figure::new("create to address, p99", Unit::Milliseconds);
const ANSWER_HALF: Figure =
    Figure::new("create to the first ARP answer, p50", Unit::Milliseconds).at_most(15.0);
const ANSWER_MOST: Figure = Figure::new("create to the first ARP answer, p99", Unit::Milliseconds);

const LIMIT: Duration = Duration::from_secs(30);

pub(super) static ROW: Row = Row {
    name: "announce",
    about: "one Service with ready endpoints in a quiet cluster, 50 times",
    figures: &[ADDRESS_HALF, ADDRESS_MOST, ANSWER_HALF, ANSWER_MOST],
    amount: Amount::same(50),
    measure: |bench, times| Box::pin(measure(bench, times)),
};

async fn measure(bench: &Bench, times: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("announce", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            let (mut addresses, mut answers) = (Vec::new(), Vec::new());
            for number in 0..=times {
                bench.quiet().await?;
                let created = crowd
                    .create(number..number + 1, Purpose::Announcement(WEB))
                    .await?;
                let asked = created.into_values().next().context("it was created")?.asked;
                let given = crowd.has_address(number, LIMIT).await?;
                let answered = bench.first_answer(given.address, LIMIT).await?;
                // The first is not measured: connections are made with it.
                if number > 0 {
                    addresses.push(given.at - asked);
                    answers.push(answered - asked);
                }
                crowd.delete(number).await?;
            }
            crowd.disperse().await?;
            let addresses = Sample::of(addresses).context("nothing was measured")?;
            let answers = Sample::of(answers).context("nothing was measured")?;
            Ok(vec![
                ADDRESS_HALF.took(addresses.percentile(50)),
                ADDRESS_MOST.took(addresses.percentile(99)),
                ANSWER_HALF.took(answers.percentile(50)),
                ANSWER_MOST.took(answers.percentile(99)),
            ])
        })
        .await
}
