//! Writes what is generated into a checkout. Owns that I/O for the programs of `make manifests` and `make bundle`; what the
//! files say is in [`crate::manifests`] and [`crate::bundle`].

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes each file, by its path below `root`, with the directories it is in.
///
/// # Errors
/// A directory cannot be made, or a file cannot be written.
pub fn write<P: AsRef<Path>>(root: &Path, files: impl IntoIterator<Item = (P, String)>) -> Result<()> {
    for (path, content) in files {
        let path = root.join(path);
        let parent = path.parent().context("every file is in a directory")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
