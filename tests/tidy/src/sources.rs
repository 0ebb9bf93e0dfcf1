//! The files of the repository, in memory.
//!
//! Owns: which files count. Never: knows what is in them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

/// Every file that is or would be committed, by its path relative to the root.
#[derive(Clone, Debug, Default)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads what git tracks, and what it would track after `git add`: a new file is checked before it is committed.
    pub fn of_checkout(root: &Path) -> io::Result<Self> {
        let listing = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()?;
        if !listing.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&listing.stderr).into_owned(),
            ));
        }
        let mut files = BTreeMap::new();
        for path in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
            match std::fs::read(root.join(path)) {
                Ok(bytes) => {
                    files.insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
                }
                // Removed, but not yet from the index.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A link to a directory: what it leads to is listed by itself.
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(files))
    }

    /// Paths and contents given by hand.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
        )
    }

    /// Every file, in the order of its path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files whose names end in `.extension`.
    pub fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let wanted = move |path: &str| {
            Path::new(path)
                .extension()
                .is_some_and(|actual| actual == extension)
        };
        self.iter().filter(move |(path, _)| wanted(path))
    }

    /// The content of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Whether there is a file or a directory of this path.
    pub fn exists(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty() || self.0.contains_key(path) || self.0.keys().any(|file| file.starts_with(&below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_exists_if_a_file_is_in_it() {
        let sources = Sources::of(&[("docs/release.md", ""), ("README.md", "")]);
        for path in ["docs", "docs/release.md", "README.md", ""] {
            assert!(sources.exists(path), "{path}");
        }
        for path in ["doc", "docs/release", "release.md"] {
            assert!(!sources.exists(path), "{path}");
        }
    }

    #[test]
    fn a_checkout_lists_this_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sources = Sources::of_checkout(&root).unwrap();
        assert!(
            sources
                .text("tests/tidy/src/sources.rs")
                .unwrap()
                .contains("a_checkout_lists_this_file")
        );
        assert!(!sources.exists("target"));
    }
}
