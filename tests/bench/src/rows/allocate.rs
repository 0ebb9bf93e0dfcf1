//! Many Services at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Amount, Row};
use crate::bench::Bench;
use crate::crowd::{Created, Crowd, Purpose};
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
/// What Kubernetes itself takes here, whoever gives the addresses.
const ALONE_MOST: Figure = Figure::new("the create of one that nobody serves, p99", Unit::Milliseconds);
const ALONE: Figure = Figure::new("the creates of those that nobody serves", Unit::Milliseconds);

/// Upstream takes 4 seconds for 500 Services.
const LIMIT: Duration = Duration::from_mins(2);

pub(super) static ROW: Row = Row {
    name: "allocate-500",
    about: "500 Services created at once, by 8 clients; and before as many of a class that no implementation serves",
    figures: &[HALF, MOST, ALLOCATION, SETTLED, CREATES, ALONE_MOST, ALONE],
    amount: Amount::same(500),
    measure: |bench, count| Box::pin(measure(bench, count)),
};

async fn measure(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
    let mut readings = unserved(bench, count).await?;
    readings.extend(served(bench, count).await?);
    Ok(readings)
}

async fn unserved(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("unserved", async |namespace| {
            let crowd = Crowd::of(namespace).await?;
            crowd.create(0..1, Purpose::Nobody).await?;
            bench.quiet().await?;
            let created = crowd.create(1..count + 1, Purpose::Nobody).await?;
            crowd.disperse().await?;
            let waits = created.values().map(|created| created.answered - created.asked);
            let waits = Sample::of(waits).context("nothing was created")?;
            let (first, last) = span(&created).context("nothing was created")?;
            Ok(vec![
                ALONE_MOST.took(waits.percentile(99)),
                ALONE.took(last - first),
            ])
        })
        .await
}

/// When the first was asked for, and the last was there.
fn span(created: &BTreeMap<String, Created>) -> Option<(Instant, Instant)> {
    let first = created.values().map(|created| created.asked).min();
    let last = created.values().map(|created| created.answered).max();
    first.zip(last)
}

async fn served(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
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
            let (first, last) = span(&created).context("nothing was created")?;
            let settled = given.values().map(|given| given.at).max();
            let settled = settled.context("nothing was created")?;
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
