//! What the two kinds of advertisement have in common: which pools they select, and what can be wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::community::CommunityError;
use super::selector::{Selector, SelectorListError};
use crate::facts::IpFamily;

/// Why an advertisement cannot be used; its author has to correct it. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdvertisementError {
    /// A pool is listed twice.
    #[error("duplicate definition of ipAddressPools {0:?}")]
    DuplicatePool(String),
    /// A community is listed twice.
    #[error("duplicate definition of community {0:?}")]
    DuplicateCommunity(String),
    /// A peer is listed twice.
    #[error("duplicate definition of peers {0:?}")]
    DuplicatePeer(String),
    /// A selector is listed twice.
    #[error(transparent)]
    DuplicateSelector(SelectorListError),
    /// A selector is not valid.
    #[error("failed to parse {of} for {advertisement}: {error}")]
    Selector {
        /// What it selects.
        of: &'static str,
        /// The advertisement's name.
        advertisement: String,
        /// What is wrong with the selector. It is part of the text, because that is what users have been reading.
        error: SelectorListError,
    },
    /// An aggregate cannot be advertised for some Services only.
    #[error("serviceSelectors and {field} are mutually exclusive, both cannot be set in {advertisement}")]
    Exclusive {
        /// The length that is not the default.
        field: &'static str,
        /// The advertisement's name.
        advertisement: String,
    },
    /// No prefix has this length.
    #[error("invalid aggregation length {length} for {}", words(*.family))]
    AggregationLength {
        /// What was given.
        length: i32,
        /// The family of the prefix.
        family: IpFamily,
    },
    /// A community is neither a value nor a name.
    #[error("invalid community {community:?} in BGP advertisement: {error}")]
    Community {
        /// What was given.
        community: String,
        /// What is wrong with it. It is part of the text, because that is what users have been reading.
        error: CommunityError,
    },
    /// A preference has no weight between 1 and 100.
    #[error("invalid weight {weight} in preferredNodeSelectors of {advertisement}: must be in 1-100 range")]
    Weight {
        /// What was given.
        weight: i32,
        /// The advertisement's name.
        advertisement: String,
    },
}

/// How these messages, and only these, call a family.
fn words(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "IPv4",
        IpFamily::V6 => "IPv6",
    }
}

/// The pools that an advertisement selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolChoice {
    names: BTreeSet<String>,
    selectors: Vec<Selector>,
}

impl PoolChoice {
    /// Reads `ipAddressPools` and `ipAddressPoolSelectors` of the advertisement of that name.
    ///
    /// # Errors
    /// See [`AdvertisementError`].
    pub fn parse(
        advertisement: &str,
        names: Option<&[String]>,
        selectors: Option<&[LabelSelector]>,
    ) -> Result<Self, AdvertisementError> {
        let mut unique = BTreeSet::new();
        for name in names.into_iter().flatten() {
            if !unique.insert(name.clone()) {
                return Err(AdvertisementError::DuplicatePool(name.clone()));
            }
        }
        let field = Field {
            name: "ipAddressPoolSelectors",
            of: "pool selector",
        };
        Ok(Self {
            names: unique,
            selectors: field.compile(advertisement, selectors)?,
        })
    }

    /// The pools that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the pool is selected: by name, or by its labels, or because nothing restricts the choice. `labels` is
    /// `None` for a pool that no longer exists and whose addresses are still in use.
    pub fn selects(&self, pool: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        (self.names.is_empty() && self.selectors.is_empty())
            || self.names.contains(pool)
            || labels.is_some_and(|labels| self.selectors.iter().any(|selector| selector.matches(labels)))
    }
}

/// A field that is a list of selectors, of which one that matches is enough.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// What it selects, in the words of error messages.
    pub(super) of: &'static str,
}

impl Field {
    pub(super) fn compile(
        &self,
        advertisement: &str,
        selectors: Option<&[LabelSelector]>,
    ) -> Result<Vec<Selector>, AdvertisementError> {
        Selector::compile_list(self.name, selectors.unwrap_or_default()).map_err(|error| match error {
            SelectorListError::Duplicate { .. } => AdvertisementError::DuplicateSelector(error),
            SelectorListError::Invalid(_) => AdvertisementError::Selector {
                of: self.of,
                advertisement: advertisement.to_owned(),
                error,
            },
        })
    }
}
