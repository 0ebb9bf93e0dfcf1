//! What the processes cost while there is nothing to do.

use std::time::Duration;

use anyhow::Result;

use super::{Amount, Row};
use crate::bench::Bench;
use crate::containers::{self, Meter};
use crate::figure::{Figure, Reading, Unit};

const CONTROLLER: Figure = Figure::new("controller", Unit::Percent);
const SPEAKER: Figure = Figure::new("busiest speaker", Unit::Percent).at_most(0.5);
const OPERATOR: Figure = Figure::new("operator", Unit::Percent);

pub(super) static ROW: Row = Row {
    name: "idle",
    about: "processor time of each process in 30 quiet seconds, in percent of one processor",
    figures: &[CONTROLLER, SPEAKER, OPERATOR],
    amount: Amount::same(30),
    measure: |bench, seconds| Box::pin(measure(bench, seconds)),
};

async fn measure(bench: &Bench, seconds: usize) -> Result<Vec<Reading>> {
    let period = Duration::from_secs(u64::try_from(seconds)?);
    bench
        .in_namespace("idle", async |_| {
            bench.quiet().await?;
            let meter = Meter::start(containers::running(bench.cluster()).await?)?;
            tokio::time::sleep(period).await;
            let mut readings = Vec::new();
            for (name, figure) in [
                ("controller", CONTROLLER),
                ("speaker", SPEAKER),
                ("operator", OPERATOR),
            ] {
                // Upstream is installed without its operator.
                readings.extend(meter.busiest(name, period)?.map(|share| figure.is(share)));
            }
            Ok(readings)
        })
        .await
}
