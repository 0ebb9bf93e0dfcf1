//! `bench rows|prepare|run`: what `scripts/bench` calls, in this order.
//!
//! Owns: the arguments, and where the table goes.
//! Never: starts or stops the cluster.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use metallb_bench::bench::Bench;
use metallb_bench::machine::Machine;
use metallb_bench::report;
use metallb_bench::rows::{self, ROWS};
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::upstream::Upstream;

/// Measure this MetalLB and upstream's on the cluster of this checkout.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print what is measured, or fail if there is no such row
    Rows(Only),
    /// Build upstream if it is not in the cache, and print the paths of its image archives
    Prepare,
    /// Measure, and print the table; with all rows, write docs/benchmarks.md as well
    Run(Only),
}

#[derive(Debug, clap::Args)]
struct Only {
    /// Names of rows, separated by commas [default: all]
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .context("cannot start")
        .and_then(|runtime| runtime.block_on(run(Arguments::parse().verb)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Rows(Only { only }) => {
            for row in rows::named(&only)? {
                println!("{:<16} {}", row.name, row.about);
            }
            Ok(())
        }
        Verb::Prepare => {
            for archive in Upstream::prepare(&Progress::of("bench")).await?.archives {
                println!("{}", archive.display());
            }
            Ok(())
        }
        Verb::Run(Only { only }) => measure(&only).await,
    }
}

async fn measure(only: &str) -> Result<()> {
    let rows = rows::named(only)?;
    let upstream = Upstream::prepare(&Progress::of("bench")).await?;
    let bench = Bench::connect().await?;
    let machine = Machine::describe(bench.cluster()).await?;
    let readings = bench.run(&rows, &upstream).await?;
    println!("\n{}", report::table(&rows, &readings));
    println!("ours: {}; upstream: {}", machine.ours, machine.upstream);
    if rows.len() < ROWS.len() {
        println!("docs/benchmarks.md is only written when every row was measured");
        return Ok(());
    }
    let path = Layout::of_this_checkout().checkout().join("docs/benchmarks.md");
    std::fs::write(&path, report::document(&rows, &readings, &machine))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}
