//! What the compiler and clippy cannot check about this repository.
//!
//! Owns: one pure check per module, each from [`Sources`] or cargo's own description to a list of [`Finding`]s, and
//! the list of [`exceptions`].
//! Never: changes a file. `tests/repository.rs` runs every check on this checkout; the unit tests beside each check
//! show that it can fail.
//!
//! | check | finds |
//! |---|---|
//! | [`modules`] | Rust files that no module reaches, modules without a header |
//! | [`sizes`] | files that grew past what one can hold in mind |
//! | [`words`] | unfinished and sleeping code |
//! | [`names`] | user-visible strings spelt outside `api/src/names.rs` |
//! | [`messages`] | messages to users that docs/troubleshooting.md does not explain |
//! | [`layers`] | dependencies that the architecture rules out |
//! | [`links`] | Markdown links that lead nowhere |
//! | [`toolchain`] | Rust versions that drifted apart |
//! | [`cluster_tests`] | tests that need a cluster, where a plain `cargo test` would run them |
//! | [`machine`] | traces of the machine somebody worked on |

pub mod cluster_tests;
pub mod exceptions;
mod finding;
pub mod layers;
pub mod links;
pub mod machine;
pub mod messages;
pub mod modules;
pub mod names;
mod rust;
pub mod sizes;
mod sources;
pub mod toolchain;
pub mod words;

pub use finding::Finding;
pub use sources::Sources;
