//! `operator preflight`: what this version would change in a cluster that runs MetalLB already.
//!
//! ```text
//!  API server ─► look ─► Facts ─► report (pure) ─► Report ─► text or JSON, exit code
//! ```
//!
//! Owns the order of these, and what the exit code means. Never writes anything, and decides about addresses with the same
//! code as the controller: [`metallb_core::service`].

mod addresses;
mod announcements;
mod definitions;
mod facts;
mod installations;
mod legacy;
mod look;
mod print;
mod report;

use std::io::Write as _;
use std::process::ExitCode;

use metallb_runtime::client;

use crate::args::{Format, Preflight};
use crate::metallb::explain;

/// There is something to do, or an address would move.
const FOUND: u8 = 1;
/// The cluster could not be read: nothing is known.
const BLIND: u8 = 2;

/// Runs the command. The exit code is 0 if an installation needs no preparation and moves no address, 1 if the report names
/// something to do, and 2 if the cluster could not be looked at, with the reason on standard error.
pub async fn run(command: &Preflight) -> ExitCode {
    match attempt(command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        Err(error) => {
            eprintln!("Error: {}", explain(error.as_ref()));
            ExitCode::from(BLIND)
        }
    }
}

/// Looks, and prints. Tells whether nothing is to be done.
async fn attempt(command: &Preflight) -> anyhow::Result<bool> {
    let client = client::connect().await?;
    let facts = look::look(&client, &command.namespace).await?;
    let report = report::report(&facts);
    let text = match command.output {
        Format::Text => print::text(&report),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(report.is_clear())
}

#[cfg(test)]
mod tests;
