//! Container images from static binaries, without a container engine.
//!
//! Owns: the bytes of an image archive that `ctr images import`, `podman load`, `skopeo copy oci-archive:` and
//! `docker load` read.
//! Never: compiles anything, runs anything, or talks to a registry.
//!
//! ```text
//! Image ──build()──► layer.rs  one tar layer: /etc/passwd, /tmp, the files
//!   │                elf.rs    is the entrypoint static, and for which machine?
//!   └─► Archive ◄─── layout.rs configuration, manifest, index and blobs as one tar
//!          └───────► identity.rs  what nodes will call it
//! ```
//!
//! The same input gives the same bytes, on any machine and at any time: entries are sorted, every timestamp is zero
//! and every file belongs to root. The digest of a release can therefore be checked by building it again.

mod elf;
mod identity;
mod image;
mod layer;
mod layout;

pub use elf::{Architecture, NotStatic};
pub use identity::Identity;
pub use image::{Archive, Error, File, Image, User};
