//! What the processes keep resident, idle and with Services.

use std::time::Duration;

use anyhow::Result;

use super::{Amount, GROWS, Row};
use crate::bench::Bench;
use crate::containers;
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Unit};

/// Those of one component, in the order in which they are taken.
type Figures = [(&'static str, Figure); 3];

const IDLE: Figures = [
    ("controller", Figure::new("controller, idle", Unit::Megabytes)),
    (
        "speaker",
        Figure::new("largest speaker, idle", Unit::Megabytes).at_most(12.0),
    ),
    (
        "operator",
        Figure::new("operator, idle", Unit::Megabytes).at_most(12.0),
    ),
];
const BUSY: Figures = [
    (
        "controller",
        Figure::new("controller, with them", Unit::Megabytes),
    ),
    (
        "speaker",
        Figure::new("largest speaker, with them", Unit::Megabytes).at_most(20.0),
    ),
    (
        "operator",
        Figure::new("operator, with them", Unit::Megabytes).at_most(12.0),
    ),
];

/// Upstream takes 4 seconds for 500 Services, and as long again to announce them.
const LIMIT: Duration = Duration::from_mins(5);

pub(super) static ROW: Row = Row {
    name: "memory",
    about: "resident memory (VmRSS) of each process, idle and while 500 Services are announced",
    figures: &[IDLE[0].1, IDLE[1].1, IDLE[2].1, BUSY[0].1, BUSY[1].1, BUSY[2].1],
    amount: Amount::same(500),
    measure: |bench, count| {
        Box::pin(async move {
            bench.quiet().await?;
            let mut readings = read(bench, IDLE).await?;
            readings.extend(measure(bench, count).await?);
            Ok(readings)
        })
    },
};

/// After the rows that take time: the API server is slower for minutes after so many objects.
pub(super) static MANY: Row = Row {
    name: "memory-5000",
    about: "the same while 5,000 Services are announced",
    figures: &[BUSY[0].1, BUSY[1].1, BUSY[2].1],
    amount: Amount {
        ours: 5_000,
        upstream: Some(500),
        because: GROWS,
    },
    measure: |bench, count| Box::pin(measure(bench, count)),
};

async fn measure(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("memory", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            crowd.create(0..count, Purpose::Crowd).await?;
            crowd.have_addresses(count, LIMIT).await?;
            for given in crowd.addresses().into_values() {
                bench.first_answer(given.address, LIMIT).await?;
            }
            bench.quiet().await?;
            let readings = read(bench, BUSY).await?;
            crowd.disperse().await?;
            Ok(readings)
        })
        .await
}

async fn read(bench: &Bench, figures: Figures) -> Result<Vec<Reading>> {
    let running = containers::running(bench.cluster()).await?;
    let mut readings = Vec::new();
    for (name, figure) in figures {
        // Upstream is installed without its operator.
        readings.extend(containers::largest(&running, name)?.map(|size| figure.is(size)));
    }
    Ok(readings)
}
