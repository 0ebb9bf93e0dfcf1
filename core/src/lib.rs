//! Pure decisions about Kubernetes facts: which address a Service gets, which node announces it.
//!
//! ```text
//!   Kubernetes objects ─► facts ─┐
//!                                ├─► service::converge ─► Outcome  (controller: status, annotations, events)
//!   metallb.io objects ─► config ┤
//!                                └─► plan(World, key)  ─► Plan     (speaker: announce here, or the reason why not)
//! ```
//!
//! Nothing here performs I/O, reads a clock or depends on iteration order of a hash map: `core/clippy.toml` and
//! `make lint` (no tokio in this crate's dependency tree) hold it to that.

pub mod admission;
pub mod allocator;
pub mod config;
pub mod facts;
pub mod layer2;
pub mod migration;
pub mod plan;
pub mod service;
pub mod world;
