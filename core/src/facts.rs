//! The few fields of Kubernetes objects that decisions read, taken out of each object as it arrives.
//!
//! Thousands of these are held in memory, so each keeps only what some decision asks for. Owns the meaning of the
//! fields (what counts as ready, which annotation wins); decides nothing.

mod endpoint;
#[cfg(test)]
pub(crate) mod examples;
mod family;
mod no_address;
mod node;
mod said;
mod service;
mod speaker;

pub use endpoint::EndpointFacts;
pub use family::IpFamily;
pub use no_address::NoAddress;
pub use node::NodeFacts;
pub use said::Said;
pub use service::{FamilyPolicy, Port, Protocol, ServiceFacts, TrafficPolicy};
pub use speaker::SpeakerFacts;
