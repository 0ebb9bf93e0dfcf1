//! What a node calls an image: its name, and the digest that tells two builds of one name apart.
//!
//! Owns: reading both from an archive. Never: reads the layers.

use std::fs::File;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::layout::TABLE_OF_CONTENTS;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The full name, as in [`Image::reference`](crate::Image::reference).
    pub reference: String,
    /// `sha256:...` of the configuration: a container's `imageID` in the status of its pod, once imported.
    pub id: String,
}

impl Identity {
    /// Reads it from an archive that this crate wrote.
    ///
    /// # Errors
    /// If the file cannot be read or is no such archive.
    pub fn read(archive: &Path) -> io::Result<Self> {
        let mut archive = tar::Archive::new(File::open(archive)?);
        for entry in archive.entries()? {
            let entry = entry?;
            if entry.path()? == Path::new(TABLE_OF_CONTENTS) {
                let table: Value = serde_json::from_reader(entry)?;
                return Self::from_table(&table)
                    .ok_or_else(|| malformed("its table of contents is malformed"));
            }
        }
        Err(malformed("it is not an image archive"))
    }

    fn from_table(table: &Value) -> Option<Self> {
        let image = table.get(0)?;
        let digest = image.get("Config")?.as_str()?.rsplit('/').next()?;
        Some(Self {
            reference: image.get("RepoTags")?.get(0)?.as_str()?.to_owned(),
            id: format!("sha256:{digest}"),
        })
    }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn name_and_digest_are_in_the_table_of_contents() {
        let table =
            json!([{"Config": "blobs/sha256/abc", "RepoTags": ["a/b:1"], "Layers": ["blobs/sha256/def"]}]);
        let expected = Identity {
            reference: "a/b:1".to_owned(),
            id: "sha256:abc".to_owned(),
        };
        assert_eq!(Identity::from_table(&table), Some(expected));
        assert_eq!(Identity::from_table(&json!([])), None);
    }
}
