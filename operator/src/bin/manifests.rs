//! Writes the generated parts of `config/` and `charts/metallb`: `make manifests` runs it. Not part of any image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
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
    /// Where the images are
    #[arg(long, default_value_t = Options::default().registry)]
    registry: String,
    /// The tag of the images
    #[arg(long, default_value_t = Options::default().tag)]
    tag: String,
    /// The namespace of everything
    #[arg(long, default_value_t = Options::default().namespace)]
    namespace: String,
}

fn main() -> anyhow::Result<()> {
    let Args {
        directory,
        chart,
        registry,
        tag,
        namespace,
    } = Args::parse();
    let options = Options {
        namespace,
        registry,
        tag,
    };
    for (path, content) in manifests::files(&options) {
        write(&directory.join(path), &content)?;
    }
    for (path, content) in manifests::chart::files(&options) {
        write(&chart.join(path), &content)?;
    }
    Ok(())
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let parent = path.parent().context("every file is in a directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
