//! Many Services at once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Amount, Row};
use crate::bench::Bench;
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Sample, Unit};

const HALF: Figure = Figure::new("create to address, p50", Unit::Milliseconds);
const MOST: Figure = Figure::new("create to address, p99", Unit::Milliseconds).at_most(100.0);
const ALLOCATION: Figure = Figure::new(
    "the Service in a watch to its address in it, p99",
    Unit::Milliseconds,
);
const SETTLED: Figure =
    Figure::new("from the last create until all have one", Unit::Milliseconds).at_most(300.0);
const CREATES: Figure = Figure::new("the creates themselves", Unit::Milliseconds);

/// Upstream takes 4 seconds for 500 Services.
const LIMIT: Duration = Duration::from_mins(2);

pub(super) static ROW: Row = Row {
    name: "allocate-500",
    about: "500 Services created at once, by 8 clients",
    figures: &[HALF, MOST, ALLOCATION, SETTLED, CREATES],
    amount: Amount::same(500),
    measure: |bench, count| Box::pin(measure(bench, count)),
};

async fn measure(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("allocate", async |namespace| {
            let mut crowd = Crowd::of(namespace).await?;
            // The first is not measured: connections are made with it.
            crowd.create(0..1, Purpose::Address).await?;
            crowd.have_addresses(1, LIMIT).await?;
            bench.quiet().await?;
            let created = crowd.create(1..count + 1, Purpose::Address).await?;
            crowd.have_addresses(count + 1, LIMIT).await?;

            let given = crowd.addresses();
            let distinct: BTreeSet<_> = given.values().map(|given| given.address).collect();
            ensure!(
                distinct.len() == given.len(),
                "an address was given twice: {given:?}"
            );
            let waits = created
                .iter()
                .map(|(name, created)| given[name].at - created.asked);
            let waits = Sample::of(waits).context("nothing was created")?;
            let allocations = created.keys().map(|name| given[name].at - given[name].appeared);
            let allocations = Sample::of(allocations).context("nothing was created")?;
            let first = created.values().map(|created| created.asked).min();
            let last = created.values().map(|created| created.answered).max();
            let settled = given.values().map(|given| given.at).max();
            let (first, last, settled) = first
                .zip(last)
                .zip(settled)
                .map(|((first, last), settled)| (first, last, settled))
                .context("nothing was created")?;
            crowd.disperse().await?;
            Ok(vec![
                HALF.took(waits.percentile(50)),
                MOST.took(waits.percentile(99)),
                ALLOCATION.took(allocations.percentile(99)),
                SETTLED.took(settled.saturating_duration_since(last)),
                CREATES.took(last - first),
            ])
        })
        .await
}
