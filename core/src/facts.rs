//! The few fields of Kubernetes objects that decisions read, taken out of each object as it arrives.
//!
//! Thousands of these are held in memory, so each keeps only what some decision asks for. Owns the meaning of the
//! fields (what counts as ready, which annotation wins); decides nothing.

mod endpoint;
#[cfg(test)]
pub(crate) mod examples;
mod family;
mod labels;
mod no_address;
mod node;
mod said;
mod service;
mod speaker;

pub use endpoint::{EndpointFacts, NodeNames, SliceObject};
pub use family::IpFamily;
pub use labels::{Labelled, Labels};
pub use no_address::NoAddress;
pub use node::NodeFacts;
pub use said::Said;
pub use service::{FamilyPolicy, Port, Protocol, ServiceFacts, ServiceObject, TrafficPolicy};
pub use speaker::SpeakerFacts;
