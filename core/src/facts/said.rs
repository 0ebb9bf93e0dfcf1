//! What a condition says, to be compared with what it should say. Owns the comparison; the words are whoever's who says
//! them.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Status, reason and message of a condition, as a digest: of thousands of Services that all say much the same only this
/// is kept. Two that are equal by chance would leave an outdated sentence in one of 10^19 cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said(u64);

impl Said {
    /// The digest of this.
    pub fn new(status: &str, reason: &str, message: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (status, reason, message).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// What the condition of this type says, if there is one.
    pub(super) fn find(conditions: &[Condition], kind: &str) -> Option<Self> {
        let found = conditions.iter().find(|known| known.type_ == kind)?;
        Some(Self::new(&found.status, &found.reason, &found.message))
    }
}
