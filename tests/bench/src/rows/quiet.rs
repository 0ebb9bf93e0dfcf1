//! What the operator asks of the API server while there is nothing for it to do.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use metallb_e2e::audit::Requests;
use metallb_e2e::fixtures::METALLB_NAMESPACE;

use super::{Amount, Row};
use crate::bench::Bench;
use crate::figure::{Figure, Reading, Unit};

const WRITES: Figure = Figure::new("operator's requests to write", Unit::Count).at_most(0.0);
const READS: Figure = Figure::new("operator's requests to read, watches among them", Unit::Count);

const ACCOUNT: &str = "metallb-operator";
/// Twice the time that the API server takes to write its log.
const LOG_DELAY: Duration = Duration::from_secs(2);

/// The operator has nothing to do with Services: the rows before this one are a part of its quiet time.
pub(super) static ROW: Row = Row {
    name: "operator-quiet",
    about: "what the operator asks of the API server in the 10 minutes after everything was installed, in which only the \
            Services of the rows before this one come and go",
    figures: &[WRITES, READS],
    amount: Amount::of_ours(600),
    measure: |bench, seconds| Box::pin(measure(bench, seconds)),
};

async fn measure(bench: &Bench, seconds: usize) -> Result<Vec<Reading>> {
    let from = bench.settled()?;
    let until = from + Duration::from_secs(u64::try_from(seconds)?);
    let left = Timestamp::now().duration_until(until + LOG_DELAY);
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    let Requests { writes, reads } = Requests::of(METALLB_NAMESPACE, ACCOUNT, &(from..until))?;
    for write in &writes {
        bench.say(format!("wrote: {write}"));
    }
    let count = |requests: usize| u32::try_from(requests).map(f64::from);
    Ok(vec![
        WRITES.is(count(writes.len())?),
        READS.is(count(reads.len())?),
    ])
}
