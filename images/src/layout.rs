//! The outer archive: an OCI image layout in a tar, with the one file that lets `docker load` read it as well.
//!
//! Owns: the JSON documents (OCI image specification 1.1: configuration, manifest, index, layout) and their digests.
//! Never: decides what is in the image.

use std::io;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::layer::{append_directory, append_file};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// Of the older format; see [`docker_manifest`].
pub(crate) const TABLE_OF_CONTENTS: &str = "manifest.json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// A finished archive: its tar, and the digest of the manifest by which registries and nodes know the image.
pub(crate) struct Layout {
    pub(crate) tar: Vec<u8>,
    pub(crate) manifest_digest: String,
}

/// A document stored under its own digest.
struct Blob<'a> {
    hex: String,
    content: &'a [u8],
}

impl<'a> Blob<'a> {
    fn new(content: &'a [u8]) -> Self {
        Self {
            hex: hex_sha256(content),
            content,
        }
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.hex)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hex)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest(), "size": self.content.len()})
    }
}

/// Packs one layer. `runtime` is the `config` part of the image configuration: entrypoint, user and so on.
pub(crate) fn pack(reference: &str, architecture: &str, runtime: &Value, layer: &[u8]) -> io::Result<Layout> {
    let layer = Blob::new(layer);
    let configuration = configuration(architecture, runtime, &layer).to_string();
    let configuration = Blob::new(configuration.as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": configuration.descriptor(CONFIGURATION_TYPE),
        "layers": [layer.descriptor(LAYER_TYPE)],
    })
    .to_string();
    let manifest = Blob::new(manifest.as_bytes());
    let documents = [
        ("index.json", index(reference, architecture, &manifest)),
        (
            TABLE_OF_CONTENTS,
            docker_manifest(reference, &configuration, &layer),
        ),
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
    ];

    let mut tar = tar::Builder::new(Vec::with_capacity(layer.content.len() + 16 * 1024));
    for (name, document) in documents {
        append_file(&mut tar, name, 0o644, document.to_string().as_bytes())?;
    }
    append_directory(&mut tar, "blobs", 0o755)?;
    append_directory(&mut tar, "blobs/sha256", 0o755)?;
    for blob in [&manifest, &configuration, &layer] {
        append_file(&mut tar, &blob.path(), 0o644, blob.content)?;
    }
    Ok(Layout {
        tar: tar.into_inner()?,
        manifest_digest: manifest.digest(),
    })
}

fn configuration(architecture: &str, runtime: &Value, layer: &Blob<'_>) -> Value {
    json!({
        "architecture": architecture,
        "os": "linux",
        // Any other time would make two builds of one source differ.
        "created": "1970-01-01T00:00:00Z",
        "config": runtime,
        // The layer is not compressed, so that its digest is also that of its content.
        "rootfs": {"type": "layers", "diff_ids": [layer.digest()]},
    })
}

/// containerd names the imported image after `io.containerd.image.name`, podman and skopeo after
/// `org.opencontainers.image.ref.name`.
fn index(reference: &str, architecture: &str, manifest: &Blob<'_>) -> Value {
    let mut descriptor = manifest.descriptor(MANIFEST_TYPE);
    descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
    descriptor["annotations"] = json!({
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
    });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor],
    })
}

/// The table of contents of the older format, for every docker before 25.
fn docker_manifest(reference: &str, configuration: &Blob<'_>, layer: &Blob<'_>) -> Value {
    json!([{"Config": configuration.path(), "RepoTags": [reference], "Layers": [layer.path()]}])
}

/// SHA-256 as every digest of an image is written.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(hex, "{byte:02x}").expect("a String takes every write");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_lower_case_sha256() {
        // FIPS 180-4, example of the empty message.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex_sha256(b""), empty);
    }
}
