//! What is wrong with a configuration object, for its author. Owns the form of the report, not the rules.

use std::fmt;

use metallb_api::NamespacedName;

/// One object that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Its kind, such as `IPAddressPool`.
    pub kind: &'static str,
    /// Which one.
    pub object: NamespacedName,
    /// What is wrong with it, in MetalLB's words.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.object, self.message)
    }
}
