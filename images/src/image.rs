//! What an image is: a name, one static binary to start, the files beside it, and how to run it.
//!
//! Owns: the checks that turn a mistake of the build into a message instead of a pod that never starts.
//! Never: knows how the archive is laid out.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::elf::{self, Architecture, NotStatic};
use crate::layer::Root;
use crate::layout;

/// An image before it is built. Its architecture is that of its entrypoint.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The full name, such as `quay.io/metallb-rs/controller:v0.1.0`: registry, repository and tag.
    pub reference: String,
    /// The command to start, an absolute path in the image first. That file must be a static executable.
    pub entrypoint: Vec<String>,
    /// Who runs it; root if absent.
    pub user: Option<User>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Labels of the image, `org.opencontainers.image.*` by custom.
    pub labels: BTreeMap<String, String>,
    /// The files of the image. Their directories, `/tmp` and an `/etc/passwd` come by themselves.
    pub files: Vec<File>,
}

/// A numeric user and group: Kubernetes can only tell that a number is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id
    pub uid: u32,
    /// Group id
    pub gid: u32,
}

impl User {
    /// The user `nobody` of the image's `/etc/passwd`.
    pub const NOBODY: Self = Self {
        uid: 65534,
        gid: 65534,
    };
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// A file of the image.
#[derive(Clone, Debug)]
pub struct File {
    /// Where its content is read.
    pub source: PathBuf,
    /// Its absolute path in the image.
    pub destination: String,
    /// Its permissions, such as `0o755`.
    pub mode: u32,
}

/// A built image, in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    tar: Vec<u8>,
    /// `sha256:...` of the manifest: what `kubectl describe pod` shows as the image's id.
    pub manifest_digest: String,
    /// The machine the entrypoint was built for.
    pub architecture: Architecture,
}

/// Why an image cannot be built or written. Nothing is left behind in any of these cases.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nodes look images up by their full name; a shorter one would be completed differently by every tool.
    #[error("image reference {0:?} is not of the form registry/repository:tag")]
    Reference(String),
    /// The entrypoint is empty or is not one of the files.
    #[error("entrypoint {0:?} is not among the files of the image")]
    Entrypoint(Vec<String>),
    /// The entrypoint would not start in an image without a loader.
    #[error("{}: {reason}", path.display())]
    NotStatic {
        /// The file on the build machine
        path: PathBuf,
        /// What its header says
        reason: NotStatic,
    },
    /// A destination is relative, has an empty, `.` or `..` part, or names a directory.
    #[error("destination {0:?} is not an absolute path to a file")]
    Destination(String),
    /// Two files claim one place.
    #[error("destination {0:?} is already taken")]
    Taken(String),
    /// A file of the build machine cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file on the build machine
        path: PathBuf,
        /// What the system says
        source: io::Error,
    },
    /// A path is too long for a tar header.
    #[error("the image does not fit the tar format")]
    Tar(#[source] io::Error),
}

impl Image {
    /// Reads the files and builds the archive.
    ///
    /// Guarantee: the same files and the same fields give the same bytes.
    pub fn build(&self) -> Result<Archive, Error> {
        if !is_full_reference(&self.reference) {
            return Err(Error::Reference(self.reference.clone()));
        }
        let contents = self.read_files()?;
        let architecture = self.architecture(&contents)?;
        let mut root = Root::new();
        for (file, content) in self.files.iter().zip(&contents) {
            let path =
                relative(&file.destination).ok_or_else(|| Error::Destination(file.destination.clone()))?;
            if !root.add(path, file.mode, content) {
                return Err(Error::Taken(file.destination.clone()));
            }
        }
        let layer = root.into_tar().map_err(Error::Tar)?;
        let layout = layout::pack(
            &self.reference,
            &architecture.to_string(),
            &self.runtime(),
            &layer,
        )
        .map_err(Error::Tar)?;
        Ok(Archive {
            tar: layout.tar,
            manifest_digest: layout.manifest_digest,
            architecture,
        })
    }

    /// Builds the image and writes it: [`Image::build`], then [`Archive::write`].
    pub fn write_archive(&self, path: &Path) -> Result<Archive, Error> {
        let archive = self.build()?;
        archive.write(path)?;
        Ok(archive)
    }

    fn read_files(&self) -> Result<Vec<Vec<u8>>, Error> {
        let read = |file: &File| {
            std::fs::read(&file.source).map_err(|source| Error::Io {
                path: file.source.clone(),
                source,
            })
        };
        self.files.iter().map(read).collect()
    }

    fn architecture(&self, contents: &[Vec<u8>]) -> Result<Architecture, Error> {
        let command = self.entrypoint.first();
        let (file, content) = self
            .files
            .iter()
            .zip(contents)
            .find(|(file, _)| Some(&file.destination) == command)
            .ok_or_else(|| Error::Entrypoint(self.entrypoint.clone()))?;
        elf::static_executable(content).map_err(|reason| Error::NotStatic {
            path: file.source.clone(),
            reason,
        })
    }

    /// The part of the image configuration that a runtime reads (OCI image specification, "config").
    fn runtime(&self) -> serde_json::Value {
        let env: Vec<String> = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut runtime = json!({
            "Entrypoint": self.entrypoint,
            "Env": env,
            "Labels": self.labels,
            "WorkingDir": "/",
        });
        if let Some(user) = self.user {
            runtime["User"] = user.to_string().into();
        }
        runtime
    }
}

impl Archive {
    /// The archive's size.
    pub fn size_bytes(&self) -> usize {
        self.tar.len()
    }

    /// The archive itself: a tar.
    pub fn as_bytes(&self) -> &[u8] {
        &self.tar
    }

    /// Writes the archive, and the directories above it if need be. The file appears whole or not at all, so that an
    /// interrupted build leaves nothing a cluster would import.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |at: &Path| {
            let path = at.to_owned();
            move |source| Error::Io { path, source }
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        // Named after the process: two builds at once must not write into each other's file.
        let unfinished = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::write(&unfinished, &self.tar)
            .map_err(failed(&unfinished))
            .and_then(|()| std::fs::rename(&unfinished, path).map_err(failed(path)));
        if written.is_err() {
            // Best effort: the error that is returned says more than a second one would.
            drop(std::fs::remove_file(&unfinished));
        }
        written
    }
}

/// `registry/repository:tag` with a registry that cannot be mistaken for a first path element: it has a dot or a port,
/// or is `localhost` (the rule of docker, containerd and the kubelet).
fn is_full_reference(reference: &str) -> bool {
    let Some((registry, rest)) = reference.split_once('/') else {
        return false;
    };
    let Some((repository, tag)) = rest.rsplit_once(':') else {
        return false;
    };
    let host = registry.contains(['.', ':']) || registry == "localhost";
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let tag_fits = !tag.is_empty() // at most 128 characters (OCI distribution specification, "Pulling manifests")
        && tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    host && registry.split(':').all(part) && repository.split('/').all(part) && tag_fits
}

/// The path below the root directory, or nothing if it does not name a file there.
fn relative(destination: &str) -> Option<&str> {
    let path = destination.strip_prefix('/')?;
    let clean = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    clean.then_some(path)
}

#[cfg(test)]
mod tests;
