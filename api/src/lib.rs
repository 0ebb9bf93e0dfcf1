//! The `metallb.io` API: what users write, what they read back, and every name they can see.
//!
//! - [`v1beta1`] and [`v1beta2`]: one kind a file. A doc comment on a kind or a field is what `kubectl explain`
//!   prints, so it is written for the person at the prompt and never names a Rust item.
//! - [`names`]: annotations, labels, event reasons, condition types and object names, each spelt once.
//! - [`crd`]: the CustomResourceDefinitions, generated from the types and made such that an API server accepts them
//!   without a warning.
//! - [`NamespacedName`] and [`Change`]: the words in which watches speak of objects.
//!
//! - [`conversion`]: BGPPeer from one version into the other.
//!
//! The crate is data only: it decides nothing, does no I/O and knows no client. Every optional field is an
//! `Option`; a default that the API server fills in is stated on the field.

#![expect(
    clippy::duplicated_attributes,
    reason = "every `printcolumn` in one attribute has a type and a path"
)]

mod change;
pub mod conversion;
pub mod crd;
pub mod names;
mod namespaced_name;
mod schema;
pub mod v1beta1;
pub mod v1beta2;

pub use change::Change;
pub use namespaced_name::NamespacedName;
