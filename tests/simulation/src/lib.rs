//! Many members on a network that exists only in memory, on a virtual clock.
//!
//! Owns the network and its faults: loss, delay, jitter, partitions, stopped and dead processes, clocks that leap; and the
//! segment on which the speakers answer their clients. The members are the
//! machines of `metallb-protocol` as the speaker drives them. The same seed gives the same run, so that a failure found
//! once is found again.

pub mod address;
pub mod cluster;
pub mod conditions;
pub mod network;
pub mod owners;
pub mod party;
pub mod segment;
#[cfg(test)]
mod tests;

pub use address::Place;
pub use cluster::Cluster;
pub use conditions::Conditions;
pub use network::Network;
pub use owners::Owners;
pub use party::{Party, Speaker};
pub use segment::Segment;
