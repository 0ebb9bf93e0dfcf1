//! Writes the bundle and the catalog for the Operator Lifecycle Manager: `make bundle` runs it. Not part of any image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use metallb_operator::manifests::Options;
use metallb_operator::{bundle, checkout};
use serde_json::Value;

/// Writes the bundle by which the Operator Lifecycle Manager installs the operator, and a catalog with it.
#[derive(Parser)]
struct Args {
    /// The root of the checkout, to read the samples from and to write into
    #[arg(default_value = ".")]
    root: PathBuf,
    #[command(flatten)]
    options: Options,
}

fn main() -> Result<()> {
    let Args { root, options } = Args::parse();
    let samples = samples(&root.join("config/samples"))?;
    checkout::write(&root, bundle::files(&options, &samples)?)
}

/// The documents of all files below `directory`.
fn samples(directory: &Path) -> Result<Vec<Value>> {
    let mut samples = Vec::new();
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            samples.extend(self::samples(&path)?);
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("cannot read {}", path.display()))?;
        samples.extend(documents);
    }
    Ok(samples)
}
