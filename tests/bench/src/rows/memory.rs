//! What the processes keep resident, idle and with Services.

use std::time::Duration;

use anyhow::Result;

use super::{Amount, GROWS, Row};
use crate::bench::Bench;
use crate::containers;
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Unit};

const CONTROLLER: [Figure; 2] = [
    Figure::new("controller, idle", Unit::Megabytes),
    Figure::new("controller, with the Services", Unit::Megabytes),
];
const SPEAKER: [Figure; 2] = [
    Figure::new("largest speaker, idle", Unit::Megabytes).at_most(12.0),
    Figure::new("largest speaker, with the Services", Unit::Megabytes).at_most(20.0),
];
const OPERATOR: [Figure; 2] = [
    Figure::new("operator, idle", Unit::Megabytes).at_most(12.0),
    Figure::new("operator, with the Services", Unit::Megabytes).at_most(12.0),
];

/// Upstream takes 4 seconds for 500 Services, and as long again to announce them.
const LIMIT: Duration = Duration::from_mins(5);

pub(super) static ROW: Row = Row {
    name: "memory",
    about: "resident memory (VmRSS) of each process, idle and while 5,000 Services are announced",
    figures: &[
        CONTROLLER[0],
        CONTROLLER[1],
        SPEAKER[0],
        SPEAKER[1],
        OPERATOR[0],
        OPERATOR[1],
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
        .in_namespace("memory", async |namespace| {
            bench.serve_web(namespace).await?;
            bench.quiet().await?;
            let mut readings = read(bench, 0).await?;
            let mut crowd = Crowd::of(namespace).await?;
            crowd.create(0..count, Purpose::Crowd).await?;
            crowd.have_addresses(count, LIMIT).await?;
            for given in crowd.addresses().into_values() {
                bench.first_answer(given.address, LIMIT).await?;
            }
            bench.quiet().await?;
            readings.extend(read(bench, 1).await?);
            crowd.disperse().await?;
            Ok(readings)
        })
        .await
}

async fn read(bench: &Bench, moment: usize) -> Result<Vec<Reading>> {
    let running = containers::running(bench.cluster()).await?;
    let mut readings = Vec::new();
    for (name, figures) in [
        ("controller", CONTROLLER),
        ("speaker", SPEAKER),
        ("operator", OPERATOR),
    ] {
        // Upstream is installed without its operator.
        readings.extend(containers::largest(&running, name)?.map(|size| figures[moment].is(size)));
    }
    Ok(readings)
}
