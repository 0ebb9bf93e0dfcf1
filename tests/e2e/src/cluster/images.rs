//! Container images on the nodes: the two that every cluster has, and those that are loaded into it.
//!
//! Owns: the names of the cluster's own images.
//! Never: talks to a registry: the nodes have no way out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use metallb_images::{File, Identity, Image};

use super::node::Entry;

/// Holds the namespaces of a pod.
pub const PAUSE: &str = "localhost/metallb-cluster/pause:1";
/// Kubernetes' own test server: `agnhost netexec --http-port=80` is the web server of tests and demo.
pub const AGNHOST: &str = "localhost/metallb-cluster/agnhost:1";

/// The programs of the cluster's own images, with the images' names.
pub(super) static IMAGES: [(&str, &str); 2] = [("pause", PAUSE), ("agnhost", AGNHOST)];

/// The archives in a directory that [`pack`] filled.
pub(super) fn archives(images: &[(&str, &str)], directory: &Path) -> Vec<PathBuf> {
    images
        .iter()
        .map(|(name, _)| directory.join(format!("{name}.tar")))
        .collect()
}

/// Packs programs into an image each, which starts the program.
pub(super) fn pack(images: &[(&str, &str)], programs: &Path, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    for ((name, reference), archive) in images.iter().zip(archives(images, directory)) {
        let program = format!("/{name}");
        let image = Image {
            reference: (*reference).to_owned(),
            entrypoint: vec![program.clone()],
            files: vec![File {
                source: programs.join(name),
                destination: program,
                mode: 0o755,
            }],
            ..Image::default()
        };
        image
            .write_archive(&archive)
            .with_context(|| format!("cannot pack the image {reference}"))?;
    }
    Ok(())
}

/// What the nodes call the image of an archive.
///
/// # Errors
/// If it is not one that `make images` wrote.
pub fn identity(archive: &Path) -> Result<Identity> {
    Identity::read(archive).with_context(|| format!("cannot read the image archive {}", archive.display()))
}

/// Imports archives into every node, all nodes at once.
///
/// # Errors
/// If an archive cannot be read or a node does not take it.
pub async fn load(entries: &[Entry], archives: &[PathBuf]) -> Result<()> {
    try_join_all(entries.iter().map(async |entry| {
        for archive in archives {
            let archive = archive
                .canonicalize()
                .with_context(|| format!("no image archive {}", archive.display()))?;
            let import = ["ctr", "--namespace", "k8s.io", "images", "import"].map(str::to_owned);
            let words = import.into_iter().chain([archive.to_string_lossy().into_owned()]);
            entry
                .run(words)
                .await
                .with_context(|| format!("{} did not take {}", entry.name(), archive.display()))?;
        }
        Ok::<_, anyhow::Error>(())
    }))
    .await?;
    Ok(())
}
