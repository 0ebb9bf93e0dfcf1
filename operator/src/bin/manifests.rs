//! Writes the generated parts of `config/` and `charts/metallb`: `make manifests` runs it. Not part of any image.

use std::path::PathBuf;

use clap::Parser;
use metallb_operator::checkout;
use metallb_operator::manifests::{self, Options};

/// Writes the manifests, and what the Helm chart has in common with them.
#[derive(Parser)]
struct Args {
    /// The directory to write into
    #[arg(default_value = "config")]
    directory: PathBuf,
    /// The directory of the Helm chart
    #[arg(long, default_value = "charts/metallb")]
    chart: PathBuf,
    #[command(flatten)]
    options: Options,
}

fn main() -> anyhow::Result<()> {
    let Args {
        directory,
        chart,
        options,
    } = Args::parse();
    checkout::write(&directory, manifests::files(&options))?;
    checkout::write(&chart, manifests::chart::files(&options))
}
