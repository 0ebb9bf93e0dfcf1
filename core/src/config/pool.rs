//! One pool of addresses and whom it serves. Owns its rules; which of its addresses are taken is the allocator's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use metallb_api::v1beta1::{IPAddressPool, ServiceAllocation};

use super::range::{AddressRange, RangeError, is_buggy};
use super::selector::{Selector, SelectorListError};
use crate::facts::{IpFamily, ServiceFacts};

/// A valid IPAddressPool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its labels, which advertisements select it by.
    pub labels: BTreeMap<String, String>,
    /// Whether a Service that does not ask for it may get an address of it.
    pub auto_assign: bool,
    /// IPv4 addresses that end in .0 or .255 are not given.
    pub avoid_buggy_ips: bool,
    /// The Services it is set aside for; all of them, after the pools set aside for them, if `None`.
    pub reservation: Option<Reservation>,
    ranges: Vec<AddressRange>,
}

/// `spec.serviceAllocation`, with the namespaces known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Rank among the pools that are set aside for a Service: the lowest is tried first, and 0 last.
    priority: i64,
    /// Namespaces that may use the pool, any if `None`. Selectors that match no namespace leave an empty set: nobody.
    namespaces: Option<BTreeSet<String>>,
    /// Services that may use the pool, any if empty.
    service_selectors: Vec<Selector>,
}

/// Why an IPAddressPool cannot be used. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The object has no name; the API server does not let that happen.
    #[error("missing pool name")]
    NoName,
    /// `spec.addresses` is empty.
    #[error("pool has no prefixes defined")]
    NoAddresses,
    /// An entry of `spec.addresses` is neither a prefix nor a range.
    #[error("invalid CIDR {entry:?} in pool {pool:?}: {error}")]
    Address {
        /// The entry.
        entry: String,
        /// The pool.
        pool: String,
        /// What is wrong with the entry. It is part of the text, because that is what users have been reading.
        error: RangeError,
    },
    /// A namespace is listed twice.
    #[error("duplicate definition in namespaces field")]
    DuplicateNamespace,
    /// A selector is listed twice.
    #[error(transparent)]
    DuplicateSelector(SelectorListError),
    /// A selector is not valid.
    #[error("invalid {of} label selector in ip pool {pool}: {error}")]
    Selector {
        /// `namespace` or `service`.
        of: &'static str,
        /// The pool.
        pool: String,
        /// What is wrong with the selector.
        error: SelectorListError,
    },
}

impl Pool {
    /// Reads an IPAddressPool. `namespaces` are the labels of the namespaces there are.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn parse(
        object: &IPAddressPool,
        namespaces: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Result<Self, PoolError> {
        let name = object
            .metadata
            .name
            .clone()
            .filter(|name| !name.is_empty())
            .ok_or(PoolError::NoName)?;
        let spec = &object.spec;
        if spec.addresses.is_empty() {
            return Err(PoolError::NoAddresses);
        }
        let range = |entry: &String| {
            AddressRange::parse(entry).map_err(|error| PoolError::Address {
                entry: entry.clone(),
                pool: name.clone(),
                error,
            })
        };
        let ranges = spec.addresses.iter().map(range).collect::<Result<_, _>>()?;
        let reservation = match &spec.service_allocation {
            Some(allocation) => Some(Reservation::parse(&name, allocation, namespaces)?),
            None => None,
        };
        Ok(Self {
            name,
            labels: object.metadata.labels.clone().unwrap_or_default(),
            auto_assign: spec.auto_assign.unwrap_or(true),
            avoid_buggy_ips: spec.avoid_buggy_ips.unwrap_or(false),
            reservation,
            ranges,
        })
    }

    /// The entries of its address list, in the order in which they are used up.
    pub fn ranges(&self) -> &[AddressRange] {
        &self.ranges
    }

    /// Whether `address` is in its address list.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }

    /// Whether `address` is in its address list and may be given.
    pub fn offers(&self, address: IpAddr) -> bool {
        self.contains(address) && !(self.avoid_buggy_ips && is_buggy(address))
    }

    /// Whether `service` may have an address of it.
    pub fn serves(&self, service: &ServiceFacts) -> bool {
        self.reservation.as_ref().is_none_or(|reservation| {
            let namespace = service.key.namespace();
            let selectors = &reservation.service_selectors;
            reservation
                .namespaces
                .as_ref()
                .is_none_or(|allowed| allowed.contains(namespace))
                && (selectors.is_empty()
                    || selectors.iter().any(|selector| selector.matches(&service.labels)))
        })
    }

    /// Its place among the pools that are set aside for the same Service: smaller is tried earlier.
    pub fn rank(&self) -> i64 {
        match self
            .reservation
            .as_ref()
            .map_or(0, |reservation| reservation.priority)
        {
            0 => i64::MAX,
            priority => priority,
        }
    }

    /// How many addresses of `family` it can give; all of IPv6 counts one short.
    pub fn capacity(&self, family: IpFamily) -> u128 {
        let size = |range: &AddressRange| range.size() - if self.avoid_buggy_ips { range.buggy() } else { 0 };
        let of_family = self.ranges.iter().filter(|range| range.family() == family);
        of_family.map(size).fold(0, u128::saturating_add)
    }
}

impl Reservation {
    fn parse(
        pool: &str,
        allocation: &ServiceAllocation,
        known: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Result<Self, PoolError> {
        let selectors = |of: &'static str, field: &'static str, list: &Option<Vec<LabelSelector>>| {
            Selector::compile_list(field, list.as_deref().unwrap_or_default()).map_err(|error| match error {
                SelectorListError::Duplicate { .. } => PoolError::DuplicateSelector(error),
                SelectorListError::Invalid(_) => PoolError::Selector {
                    of,
                    pool: pool.to_owned(),
                    error,
                },
            })
        };
        let listed = allocation.namespaces.as_deref().unwrap_or_default();
        let mut namespaces: BTreeSet<String> = listed.iter().cloned().collect();
        if namespaces.len() != listed.len() {
            return Err(PoolError::DuplicateNamespace);
        }
        let namespace_selectors =
            selectors("namespace", "namespaceSelectors", &allocation.namespace_selectors)?;
        let selected = known.iter().filter(|(_, labels)| {
            namespace_selectors
                .iter()
                .any(|selector| selector.matches(*labels))
        });
        namespaces.extend(selected.map(|(name, _)| name.clone()));
        let restricted = !listed.is_empty() || !namespace_selectors.is_empty();
        Ok(Self {
            priority: allocation.priority.unwrap_or(0),
            namespaces: restricted.then_some(namespaces),
            service_selectors: selectors("service", "serviceSelectors", &allocation.service_selectors)?,
        })
    }
}
