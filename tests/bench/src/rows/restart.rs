//! The controller dies while thousands of Services have addresses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::wait::{self, Look};

use super::{Amount, GROWS, Row};
use crate::bench::Bench;
use crate::containers::{self, Container};
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading, Unit};

const CHANGED: Figure = Figure::new("addresses that changed", Unit::Count).at_most(0.0);
const READY: Figure =
    Figure::new("from its start to the next new address", Unit::Milliseconds).at_most(5_000.0);
const BACK: Figure = Figure::new("from SIGKILL to the next new address", Unit::Milliseconds);
const MEMORY: Figure = Figure::new("controller's resident memory after it", Unit::Megabytes).at_most(40.0);

const CONTROLLER: &str = "controller";
const LIMIT: Duration = Duration::from_mins(10);

pub(super) static ROW: Row = Row {
    name: "restart-10000",
    about: "the controller is killed while 10,000 Services have addresses, and started again by the kubelet",
    figures: &[CHANGED, READY, BACK, MEMORY],
    amount: Amount {
        ours: 10_000,
        upstream: Some(1_500),
        because: GROWS,
    },
    measure: |bench, count| Box::pin(measure(bench, count)),
};

async fn measure(bench: &Bench, count: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("restart", async |namespace| {
            let mut crowd = Crowd::of(namespace).await?;
            bench.say(format!("creating {count} Services"));
            crowd.create(0..count, Purpose::Address).await?;
            crowd.have_addresses(count, LIMIT).await?;
            bench.quiet().await?;
            let before = controller(bench).await?;
            let pod = before.pod.clone();
            let lab = bench.lab();
            bench.say("killing the controller");
            let killed = Instant::now();
            lab.kill_container(bench.cluster(), METALLB_NAMESPACE, &pod, CONTROLLER)
                .await?;
            crowd.create(count..count + 1, Purpose::Address).await?;
            let given = crowd.has_address(count, LIMIT).await?;
            let after = restarted(bench, killed).await?;
            let ready = after.age()?.saturating_sub(given.at.elapsed());
            let memory = after.resident_mb()?;
            bench.quiet().await?;
            let changed = crowd.addresses().values().filter(|given| given.changed).count();
            bench.say("deleting them");
            crowd.disperse().await?;
            Ok(vec![
                CHANGED.is(f64::from(u32::try_from(changed)?)),
                READY.took(ready),
                BACK.took(given.at - killed),
                MEMORY.is(memory),
            ])
        })
        .await
}

async fn controller(bench: &Bench) -> Result<Container> {
    let running = containers::running(bench.cluster()).await?;
    let mut controllers = running
        .into_iter()
        .filter(|container| container.name == CONTROLLER);
    controllers.next().context("no controller runs")
}

/// The controller that was started after this moment, once the kubelet reports it.
async fn restarted(bench: &Bench, killed: Instant) -> Result<Container> {
    wait::until("the new controller to be reported", LIMIT, async || {
        let found = controller(bench).await?;
        let younger = found.age()? < killed.elapsed();
        Ok::<_, anyhow::Error>(if younger {
            Look::Done(found)
        } else {
            Look::NotYet("the old one".to_owned())
        })
    })
    .await
}
