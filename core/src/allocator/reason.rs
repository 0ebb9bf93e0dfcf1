//! Why each pool gives a Service nothing, for its owner. Explains what [`super::search`] and the rules have decided, and
//! decides nothing.

use std::fmt;
use std::net::IpAddr;

use super::ledger::Ledger;
use super::search::{Search, Want, automatic};
use super::sharing::{self, Clash};
use crate::config::{Pool, Pools};
use crate::facts::{IpFamily, ServiceFacts};

/// Why one pool gives a Service no address; follows the words `pool NAME`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// `spec.autoAssign` is false, and the Service does not ask for the pool.
    #[error("is only for Services that ask for it")]
    NotAutomatic,
    /// `spec.serviceAllocation` does not name the Service.
    #[error("is set aside for other Services")]
    NotServed,
    /// It has no address of a family that the Service needs.
    #[error("has no {} address", Name(*.0))]
    NoneOfFamily(IpFamily),
    /// Every address of a family that the Service needs is in use.
    #[error("has no free {} address: {total} of {total} in use", Name(*.family))]
    Full {
        /// The family.
        family: IpFamily,
        /// How many addresses of that family the pool has to give.
        total: u128,
    },
    /// It does not have an address that the Service asks for.
    #[error("does not have {0}")]
    Lacks(IpAddr),
    /// It has an address that the Service asks for, and `spec.avoidBuggyIPs` says that nobody gets it.
    #[error("gives {0} to nobody (avoidBuggyIPs)")]
    Buggy(IpAddr),
    /// Another Service has an address that this one asks for.
    #[error("cannot share it: {0}")]
    Taken(Clash),
}

impl Reason {
    /// Whether it may not hold any more when an address is released.
    pub fn ends_with_a_release(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Taken(_) => true,
            Self::NotAutomatic
            | Self::NotServed
            | Self::NoneOfFamily(_)
            | Self::Lacks(_)
            | Self::Buggy(_) => false,
        }
    }
}

/// The family as people write it.
struct Name(IpFamily);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            IpFamily::V4 => "IPv4",
            IpFamily::V6 => "IPv6",
        })
    }
}

/// What a Service wants, and what it asks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The families.
    pub want: Want,
    /// The pool it asks for by name, if there is such a pool.
    pub pool: Option<&'a str>,
    /// The addresses it asks for; empty if any will do.
    pub addresses: &'a [IpAddr],
}

/// The pools that come into question for `request`, in the order in which they are tried, and why each of them gives
/// nothing. One that lacks both families has two reasons.
pub(super) fn reasons(
    pools: &Pools,
    ledger: &Ledger,
    service: &ServiceFacts,
    request: Request<'_>,
) -> Vec<(String, Reason)> {
    let search = Search { ledger, service };
    let named = request.pool.and_then(|name| pools.get(name));
    let about = |pool: &Pool| {
        let reasons = if !pool.serves(service) {
            vec![Reason::NotServed]
        } else if !request.addresses.is_empty() {
            against(pool, ledger, service, request.addresses)
        } else if named.is_none() && !pool.auto_assign {
            vec![Reason::NotAutomatic]
        } else {
            missing(pool, &search, request.want)
        };
        let name = |reason| (pool.name.clone(), reason);
        reasons.into_iter().map(name).collect::<Vec<_>>()
    };
    match named {
        Some(pool) => about(pool),
        None if request.addresses.is_empty() => {
            let tried = automatic(pools, service).concat();
            let others = pools
                .iter()
                .filter(|pool| !tried.iter().any(|tried| tried.name == pool.name));
            tried.iter().copied().chain(others).flat_map(about).collect()
        }
        None => {
            let contains = |pool: &&Pool| request.addresses.iter().any(|ip| pool.contains(*ip));
            pools.iter().filter(contains).flat_map(about).collect()
        }
    }
}

/// What speaks against each of `addresses` in `pool`.
fn against(pool: &Pool, ledger: &Ledger, service: &ServiceFacts, addresses: &[IpAddr]) -> Vec<Reason> {
    let reason = |address: &IpAddr| {
        if !pool.contains(*address) {
            Some(Reason::Lacks(*address))
        } else if !pool.offers(*address) {
            Some(Reason::Buggy(*address))
        } else {
            sharing::check(ledger, service, *address).err().map(Reason::Taken)
        }
    };
    addresses.iter().filter_map(reason).collect()
}

/// The families of which `pool` has nothing for the Service.
fn missing(pool: &Pool, search: &Search<'_>, want: Want) -> Vec<Reason> {
    let families = IpFamily::BOTH.into_iter().filter(|family| want.includes(*family));
    families
        .filter(|family| search.first_usable(pool, *family).is_none())
        .map(|family| match pool.capacity(family) {
            0 => Reason::NoneOfFamily(family),
            total => Reason::Full { family, total },
        })
        .collect()
}
