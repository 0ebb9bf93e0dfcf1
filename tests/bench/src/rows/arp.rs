//! How long a client waits for the answer to an ARP request.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use metallb_e2e::cluster::address::Node;

use super::{Amount, Row};
use crate::bench::Bench;
use crate::crowd::Crowd;
use crate::figure::{Figure, Reading, Sample, Unit};
use crate::wire::BareAnswerer;

const HALF: Figure = Figure::new("request to reply, p50", Unit::Microseconds).at_most(60.0);
const MOST: Figure = Figure::new("request to reply, p99", Unit::Microseconds).at_most(250.0);
/// What the machine itself takes: the kernel answers in the moment in which the request arrives, and wakes nobody for it.
const KERNEL_HALF: Figure = Figure::new(
    "the kernel's reply for a node's own address, p50",
    Unit::Microseconds,
);
const KERNEL_MOST: Figure = Figure::new(
    "the kernel's reply for a node's own address, p99",
    Unit::Microseconds,
);
/// What any program takes that is woken for it: a loop on a node that does nothing else, and runs beside the implementation.
const BARE_HALF: Figure = Figure::new("the reply of a bare loop on a node, p50", Unit::Microseconds);
const BARE_MOST: Figure = Figure::new("the reply of a bare loop on a node, p99", Unit::Microseconds);
const LOST: Figure = Figure::new("requests without a reply", Unit::Count).at_most(0.0);

const LIMIT: Duration = Duration::from_secs(30);
/// An address of the segment that no pool and no machine has.
const BARE_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 200);
/// Service, node and loop are asked in turns, so that a slow moment of the machine is in all figures.
const TURNS: usize = 10;

pub(super) static ROW: Row = Row {
    name: "arp",
    about: "2,000 ARP requests, one every 2 ms; and in between as many for the address of a node, which its kernel answers, and for one that a loop on the node answers which does nothing else",
    figures: &[HALF, MOST, BARE_HALF, BARE_MOST, KERNEL_HALF, KERNEL_MOST, LOST],
    amount: Amount::same(2_000),
    measure: |bench, requests| Box::pin(measure(bench, requests)),
};

async fn measure(bench: &Bench, requests: usize) -> Result<Vec<Reading>> {
    bench
        .in_namespace("arp", async |namespace| {
            bench.serve_web(namespace).await?;
            let mut crowd = Crowd::of(namespace).await?;
            let address = bench.announced(&mut crowd, LIMIT).await?;
            let node = Node::first(1)?[0];
            let each = requests / TURNS;
            let answerer = BareAnswerer::start(bench.lab(), node, BARE_ADDRESS).await?;
            let [waits, bare, kernel] = bench
                .client()
                .ask(async move |asker| {
                    let mut latencies = [const { Vec::new() }; 3];
                    for _ in 0..TURNS {
                        for (latencies, of) in latencies.iter_mut().zip([address, BARE_ADDRESS, node.ipv4()])
                        {
                            latencies.extend(asker.latencies(of, each).await?);
                        }
                    }
                    Ok(latencies)
                })
                .await?;
            drop(answerer);
            crowd.disperse().await?;
            let lost = u32::try_from(each * TURNS - waits.len())?;
            let waits = Sample::of(waits).context("no request was answered")?;
            let bare = Sample::of(bare).context("the bare loop has answered nothing")?;
            let kernel = Sample::of(kernel).context("no node answers for its address")?;
            Ok(vec![
                HALF.took(waits.percentile(50)),
                MOST.took(waits.percentile(99)),
                BARE_HALF.took(bare.percentile(50)),
                BARE_MOST.took(bare.percentile(99)),
                KERNEL_HALF.took(kernel.percentile(50)),
                KERNEL_MOST.took(kernel.percentile(99)),
                LOST.is(f64::from(lost)),
            ])
        })
        .await
}
