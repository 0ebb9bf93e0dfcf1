//! The configuration of MetalLB up to 0.12 (one ConfigMap) turned into resources that mean the same.
//!
//! ```text
//!   text ─► legacy::Config ─► convert ─► Resources and remarks, or every mistake with its place
//!  (caller's YAML library)
//! ```
//!
//! Owns what the old keys mean and what can be wrong with their values. Never reads text: a mistake has a [`Place`],
//! and whoever has the text knows the line.

mod advertisements;
mod bfd;
mod convert;
pub mod legacy;
mod names;
mod peers;
mod place;
mod pools;

pub use convert::{Resources, convert};
pub use place::{Place, Remark, Step};
