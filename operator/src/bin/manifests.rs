//! Writes the generated part of `config/`: `make manifests` runs it. Not part of any image.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use metallb_operator::manifests::{self, Options};

/// Writes the manifests that install the operator.
#[derive(Parser)]
struct Args {
    /// The directory to write into
    #[arg(default_value = "config")]
    directory: PathBuf,
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
        registry,
        tag,
        namespace,
    } = Args::parse();
    for (path, content) in manifests::files(&Options {
        namespace,
        registry,
        tag,
    }) {
        let path = directory.join(path);
        let parent = path.parent().context("every file is in a directory")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
