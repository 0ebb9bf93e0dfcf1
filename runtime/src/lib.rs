//! The process shell that the operator, the controller and the speaker share.
//!
//! ```text
//!   args ─► log ─► client ─► watch ──► inputs of the one owner task (in the binary)
//!                    │                       │ decisions, as values
//!                    └──► events ◄───────────┘
//!   tasks: the first task that ends, ends the process.   shutdown: SIGTERM, SIGINT.
//!   http: one small server for admin (/healthz, /readyz), metrics and webhooks.
//! ```
//!
//! It owns how a process starts, watches, reports and ends. It takes no MetalLB decision: those are in
//! `metallb-core` and `metallb-protocol`.

pub mod admin;
pub mod args;
pub mod backoff;
pub mod certificates;
pub mod client;
pub mod configuration_state;
pub mod events;
pub mod http;
pub mod lease;
pub mod log;
pub mod memberlist_key;
pub mod memory;
pub mod metrics;
mod outage;
pub mod shutdown;
pub mod tasks;
pub mod tls;
pub mod watch;
pub mod webhooks;
