//! Why a Service does not get the addresses it wants, in MetalLB's words.

use std::fmt;
use std::net::IpAddr;

use super::sharing::Clash;
use crate::facts::IpFamily;

/// Why an allocation failed. None of them changes any state; a Service is tried again when an address is released or
/// the pools change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    /// No single pool offers all these addresses.
    #[error("{} is not allowed in config", Quoted(.0))]
    NotInPools(Vec<IpAddr>),
    /// The pool is set aside for other Services.
    #[error("pool {0} not compatible for ip assignment")]
    NotServed(String),
    /// There are at most two families.
    #[error("more than two addresses {}", Quoted(.0))]
    TooMany(Vec<IpAddr>),
    /// Two addresses of one family.
    #[error("\"{0}\" \"{1}\" has the same family")]
    SameFamily(IpAddr, IpAddr),
    /// Another Service holds the address and the two may not share it.
    #[error(transparent)]
    Clash(#[from] Clash),
    /// The addresses asked for are of other families than the Service.
    #[error("requested loadBalancer IP(s) {} does not match the ipFamily of the service", Quoted(.0))]
    FamilyMismatch(Vec<IpAddr>),
    /// The addresses asked for are not of the pool asked for.
    #[error("requested loadBalancer IP(s) {} is not compatible with requested address pool {pool}", Quoted(.addresses))]
    PoolMismatch {
        /// The addresses.
        addresses: Vec<IpAddr>,
        /// The pool.
        pool: String,
    },
    /// No pool has a free address.
    #[error("no available IPs")]
    NoneFree,
    /// The pool asked for has no free address.
    #[error("no available IPs in pool {0}")]
    NoneFreeInPool(String),
    /// The pool asked for has free addresses, but of the other family.
    #[error("no available IPs in pool {pool} for {families} IPFamily")]
    NoneOfFamily {
        /// The pool.
        pool: String,
        /// The family missing; `dual` if either is missing.
        families: Families,
    },
}

/// The families of a Service, as MetalLB calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// One.
    One(IpFamily),
    /// Both.
    Dual,
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(family) => family.fmt(f),
            Self::Dual => f.write_str("dual"),
        }
    }
}

/// Addresses as users have seen them in events: `["192.0.2.1" "2001:db8::1"]`.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a [IpAddr]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<String> = self.0.iter().map(|address| format!("\"{address}\"")).collect();
        write!(f, "[{}]", quoted.join(" "))
    }
}
