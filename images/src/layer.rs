//! The one layer of an image: a tar of its root directory.
//!
//! Owns: what is in the root directory besides the caller's files, and the tar headers that make it reproducible.
//! Never: looks into a file, or touches the disk.

use std::collections::BTreeMap;
use std::io;

/// A place in the root directory: its permissions, and its content unless it is a directory.
pub(crate) struct Node<'a> {
    mode: u32,
    content: Option<&'a [u8]>,
}

/// A root directory on its way into a tar, keyed by path without the leading slash. The order of the keys puts
/// every directory before its content.
pub(crate) struct Root<'a>(BTreeMap<String, Node<'a>>);

// Kubernetes resolves a user's name through /etc/passwd, and `runAsNonRoot` wants it to be there.
const PASSWD: &[u8] = b"root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &[u8] = b"root:x:0:\nnobody:x:65534:\n";

impl<'a> Root<'a> {
    /// The root directory every image starts with.
    pub(crate) fn new() -> Self {
        let mut root = Self(BTreeMap::new());
        root.insert("etc/passwd", 0o644, PASSWD);
        root.insert("etc/group", 0o644, GROUP);
        root.0.insert(
            "tmp".to_owned(),
            Node {
                mode: 0o1777,
                content: None,
            },
        );
        root
    }

    /// Adds a file and the directories above it. False if the path is taken, or leads through a file.
    #[must_use]
    pub(crate) fn add(&mut self, path: &str, mode: u32, content: &'a [u8]) -> bool {
        let through_a_file =
            parents(path).any(|parent| self.0.get(parent).is_some_and(|n| n.content.is_some()));
        if self.0.contains_key(path) || through_a_file {
            return false;
        }
        self.insert(path, mode, content);
        true
    }

    fn insert(&mut self, path: &str, mode: u32, content: &'a [u8]) {
        for parent in parents(path) {
            self.0.entry(parent.to_owned()).or_insert(Node {
                mode: 0o755,
                content: None,
            });
        }
        self.0.insert(
            path.to_owned(),
            Node {
                mode,
                content: Some(content),
            },
        );
    }

    /// The layer: an uncompressed tar, because the registries and engines that want gzip make it themselves, and
    /// unpacking at the start of a pod is faster without.
    pub(crate) fn into_tar(self) -> io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, node) in self.0 {
            match node.content {
                Some(content) => append_file(&mut tar, &path, node.mode, content)?,
                None => append_directory(&mut tar, &path, node.mode)?,
            }
        }
        tar.into_inner()
    }
}

/// `a/b` and `a` for `a/b/c`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Appends a file with a header that depends on nothing but the arguments.
pub(crate) fn append_file(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = reproducible_header(tar::EntryType::Regular, mode);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content)
}

/// Appends a directory with a header that depends on nothing but the arguments.
pub(crate) fn append_directory(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32) -> io::Result<()> {
    let mut header = reproducible_header(tar::EntryType::Directory, mode);
    tar.append_data(&mut header, format!("{path}/"), io::empty())
}

fn reproducible_header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path mode length` of every entry, in order.
    fn listing(root: Root<'_>) -> Vec<String> {
        let tar = root.into_tar().unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let line = |entry: tar::Entry<'_, &[u8]>| {
            let header = entry.header();
            assert_eq!(
                (
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    header.mtime().unwrap()
                ),
                (0, 0, 0)
            );
            let path = entry.path().unwrap().display().to_string();
            format!("{path} {:o} {}", header.mode().unwrap(), entry.size())
        };
        archive
            .entries()
            .unwrap()
            .map(|entry| line(entry.unwrap()))
            .collect()
    }

    #[test]
    fn every_file_stands_behind_its_directories_in_one_fixed_order() {
        let mut root = Root::new();
        assert!(root.add("usr/bin/z", 0o755, b"zz"));
        assert!(root.add("controller", 0o555, b"c"));
        let expected = [
            "controller 555 1",
            "etc/ 755 0",
            "etc/group 644 26",
            "etc/passwd 644 76",
            "tmp/ 1777 0",
            "usr/ 755 0",
            "usr/bin/ 755 0",
            "usr/bin/z 755 2",
        ];
        assert_eq!(listing(root), expected);
    }

    #[test]
    fn two_files_cannot_share_a_place() {
        let mut root = Root::new();
        assert!(root.add("a", 0o644, b""));
        for taken in ["a", "a/b", "etc/passwd", "etc", "tmp"] {
            assert!(!root.add(taken, 0o644, b""), "{taken}");
        }
    }
}
