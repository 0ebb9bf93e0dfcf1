//! A real Kubernetes cluster in network namespaces, and what the tests that run on it share.
//!
//! ```text
//! bin/cluster ──► cluster   up, down, load: knows nothing of MetalLB
//! tests/*.rs  ──► harness   the cluster under test, namespaces of a test, fixtures
//!                 lab       what only our own cluster has: the client's namespace, cables to pull
//!                 wait      conditions instead of sleeps
//! ```

pub mod cluster;
pub mod command;
pub mod wait;
