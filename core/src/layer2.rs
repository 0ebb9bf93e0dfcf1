//! Which node answers for an address on the local network, and on which interfaces.
//!
//! ```text
//!   Pods, Nodes ─► members ─┐
//!   L2Advertisements ─► Reach ├─► eligible: each node's preference, or the Reason why not ─► election: one node
//!   Service, endpoints ─► Demand ┘                                                              │
//!                                                       interfaces of that node's advertisements ┘
//! ```
//!
//! Every speaker computes this for every node from the same objects, so that they agree without talking to each
//! other. Nothing here remembers who announced before.

mod election;
mod eligible;
mod interfaces;
mod members;

pub use election::elect;
pub use eligible::{Demand, Landscape, Reach, Reason};
pub use interfaces::Interfaces;
pub use members::{Standing, members};
