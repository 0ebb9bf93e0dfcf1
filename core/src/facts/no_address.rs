//! The condition on a Service that says why it has no address. Owns its form; the reason is the allocator's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use metallb_api::names::condition;

/// The longest message that the API server takes is 32 KiB; nobody reads more than this.
const LONGEST: usize = 4_096;

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
    /// Makes a word of `reason`, as Kubernetes wants it: some reasons of Events have blanks.
    pub fn new(reason: &str, message: &str) -> Self {
        let end = message.floor_char_boundary(LONGEST);
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
