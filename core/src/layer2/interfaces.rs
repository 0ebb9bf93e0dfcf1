//! On which interfaces of the announcing node an address is answered. Owns what advertisements choose; which
//! interfaces there are is an observation, how to answer on them is the driver's.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A choice among the interfaces of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interfaces {
    /// Every interface, also those that come later.
    All,
    /// These and no others. Those of one advertisement are there once, in however many tables thousands of addresses are.
    Named(Arc<BTreeSet<String>>),
}

impl Interfaces {
    /// What one advertisement asks for: no name means every interface.
    pub fn of(names: &BTreeSet<String>) -> Self {
        if names.is_empty() {
            Self::All
        } else {
            Self::Named(Arc::new(names.clone()))
        }
    }

    /// What two advertisements ask for together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Named(ours), Self::Named(theirs)) if theirs.is_subset(&ours) => Self::Named(ours),
            (Self::Named(mut ours), Self::Named(theirs)) => {
                Arc::make_mut(&mut ours).extend(theirs.iter().cloned());
                Self::Named(ours)
            }
            _ => Self::All,
        }
    }

    /// Whether at least one chosen interface is among those `present`. Choosing all is never in vain: the first
    /// interface that comes up will be used.
    pub fn any_of(&self, present: &BTreeSet<String>) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => !names.is_disjoint(present),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names = &'static [&'static str];

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn advertisements_add_up_and_one_without_names_means_all() {
        // Each advertisement's names, and what they mean together (`None`: all).
        let table: [(&[Names], Option<Names>); 4] = [
            (&[&[]], None),
            (&[&["eth0"]], Some(&["eth0"])),
            (&[&["eth0"], &["eth1", "eth0"]], Some(&["eth0", "eth1"])),
            (&[&["eth0"], &[]], None),
        ];
        for (advertisements, expected) in table {
            let together = advertisements
                .iter()
                .map(|ad| Interfaces::of(&names(ad)))
                .reduce(Interfaces::or);
            let expected = expected.map_or(Interfaces::All, |expected| {
                Interfaces::Named(names(expected).into())
            });
            assert_eq!(together, Some(expected), "{advertisements:?}");
        }
    }

    #[test]
    fn one_present_interface_is_enough() {
        let present = names(&["eth0", "eth1"]);
        assert!(Interfaces::of(&names(&["eth1", "eth9"])).any_of(&present));
        assert!(!Interfaces::of(&names(&["eth9"])).any_of(&present));
        assert!(Interfaces::All.any_of(&names(&[])));
    }
}
