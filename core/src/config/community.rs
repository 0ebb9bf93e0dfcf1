//! BGP communities, and the names that Community objects give them. Owns their grammar.

use std::collections::BTreeMap;
use std::str::FromStr;

use metallb_api::NamespacedName;
use metallb_api::v1beta1::{Community, CommunityAlias};

use super::fault::Fault;

/// The mark of a large community.
const LARGE: &str = "large";

/// One community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommunityValue {
    /// `64500:100` (RFC 1997).
    Legacy(u16, u16),
    /// `large:64500:1:2` (RFC 8092).
    Large(u32, u32, u32),
}

/// Why a text is no community. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommunityError {
    /// One of its numbers is none, or too large.
    #[error(
        "invalid community value: invalid section {section:?} of community {community:?}, err: {reason:?}"
    )]
    Section {
        /// The number.
        section: String,
        /// The whole text.
        community: String,
        /// What is wrong with the number.
        reason: &'static str,
    },
    /// It has the four parts of a large community, but not its mark.
    #[error(
        "invalid community value: invalid marker for large community, expected community to be of format \
         {LARGE}:<uint32>:<uint32>:<uint32> but got {0:?} instead"
    )]
    Marker(String),
    /// It has neither two nor four parts.
    #[error("invalid community format: {0}")]
    Format(String),
}

impl FromStr for CommunityValue {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        let sections: Vec<&str> = text.split(':').collect();
        match sections.as_slice() {
            [high, low] => Ok(Self::Legacy(number(high, text)?, number(low, text)?)),
            [LARGE, global, first, second] => Ok(Self::Large(
                number(global, text)?,
                number(first, text)?,
                number(second, text)?,
            )),
            [_, _, _, _] => Err(CommunityError::Marker(text.to_owned())),
            _ => Err(CommunityError::Format(text.to_owned())),
        }
    }
}

/// Digits alone: the parser of the standard library would take a sign, too.
fn number<T: FromStr>(section: &str, community: &str) -> Result<T, CommunityError> {
    let digits = !section.is_empty() && section.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { section.parse().ok() } else { None };
    parsed.ok_or_else(|| CommunityError::Section {
        section: section.to_owned(),
        community: community.to_owned(),
        reason: if digits {
            "value out of range"
        } else {
            "invalid syntax"
        },
    })
}

/// All aliases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Communities {
    by_alias: BTreeMap<String, CommunityValue>,
}

impl Communities {
    /// Reads all Community objects, and returns what is usable beside what is wrong: one fault for each object that
    /// has a mistake. Of two objects with the same alias it is the later one in the order given.
    pub fn parse<'a>(objects: impl IntoIterator<Item = &'a Community>) -> (Self, Vec<Fault>) {
        let mut communities = Self::default();
        let mut faults = Vec::new();
        for object in objects {
            for alias in object.spec.communities.iter().flatten() {
                if let Err(message) = communities.admit(alias) {
                    faults.push(Fault {
                        kind: "Community",
                        object: NamespacedName::of(&object.metadata),
                        message,
                    });
                    break;
                }
            }
        }
        (communities, faults)
    }

    fn admit(&mut self, alias: &CommunityAlias) -> Result<(), String> {
        let CommunityAlias { name, value } = alias;
        let name = name.as_deref().unwrap_or_default();
        let value = value.as_deref().unwrap_or_default().parse();
        let value = value.map_err(|error: CommunityError| format!("parsing community {name:?}: {error}"))?;
        if self.by_alias.contains_key(name) {
            return Err(format!("duplicate definition of community {name:?}"));
        }
        self.by_alias.insert(name.to_owned(), value);
        Ok(())
    }

    /// What the alias stands for.
    pub fn get(&self, alias: &str) -> Option<CommunityValue> {
        self.by_alias.get(alias).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (text, value) in [
            ("64500:100", CommunityValue::Legacy(64500, 100)),
            ("0:065535", CommunityValue::Legacy(0, 65535)),
            ("large:4294967295:1:2", CommunityValue::Large(u32::MAX, 1, 2)),
        ] {
            assert_eq!(text.parse(), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_metallbs_words() {
        for (text, message) in [
            (
                "70000:1",
                "invalid community value: invalid section \"70000\" of community \"70000:1\", err: \"value out of range\"",
            ),
            (
                "1:+2",
                "invalid community value: invalid section \"+2\" of community \"1:+2\", err: \"invalid syntax\"",
            ),
            (
                "large:1:2:x",
                "invalid community value: invalid section \"x\" of community \"large:1:2:x\", err: \"invalid syntax\"",
            ),
            (
                "big:1:2:3",
                "invalid community value: invalid marker for large community, expected community to be of format \
                 large:<uint32>:<uint32>:<uint32> but got \"big:1:2:3\" instead",
            ),
            ("1:2:3", "invalid community format: 1:2:3"),
            ("", "invalid community format: "),
        ] {
            let error = text.parse::<CommunityValue>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
