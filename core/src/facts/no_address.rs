//! The condition on a Service that says why it has no address. Owns its form; the reason is the allocator's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use metallb_api::names::condition;

/// Why a Service has no address, as its status says or should say. That there is no such condition means that the
/// Service has one, or wants none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoAddress {
    /// One word for machines.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl NoAddress {
    /// The longest message, of the 32 KiB that the API server takes: enough for 250 pools that each have a reason of their
    /// own, and ten thousand Services that wait for one of these still fit into etcd. What is longer is cut.
    pub const LONGEST: usize = 16_384;

    /// Makes a word of `reason`, as Kubernetes wants it: some reasons of Events have blanks.
    pub fn new(reason: &str, message: &str) -> Self {
        let end = message.floor_char_boundary(Self::LONGEST);
        Self {
            reason: reason.chars().filter(char::is_ascii_alphanumeric).collect(),
            message: message[..end].to_owned(),
        }
    }

    /// What the conditions of a Service say about it.
    pub(super) fn find(conditions: &[Condition]) -> Option<Self> {
        let found = conditions
            .iter()
            .find(|known| known.type_ == condition::ADDRESS_ALLOCATED)?;
        Some(Self {
            reason: found.reason.clone(),
            message: found.message.clone(),
        })
    }
}
