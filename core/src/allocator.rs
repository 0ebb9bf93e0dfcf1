//! Which addresses are given to which Service. Owns the pools in force and the ledger of what is given; when a Service
//! needs an address, and what it is told, is decided in [`crate::service`].
//!
//! ```text
//!   check/claim(service, addresses) ─┐                     ┌─► ledger: who holds what, first free address
//!                                    ├─► pools, sharing ───┤
//!   choose(service, want) ───────────┘                     └─► counters: how full each pool is
//! ```
//!
//! Guarantees: every address held is offered by the pool it is held from; all addresses of a Service are of one pool
//! and of different families; two Services hold the same address only if the sharing rules allow it; what lingers with
//! one Service is given to no other.

mod counters;
mod error;
mod ledger;
mod lingering;
mod reason;
mod search;
mod sharing;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_api::v1beta1::IPAddressPoolStatus;

pub use counters::Usage;
pub use error::{AllocationError, Quoted};
pub use ledger::Holding;
pub use reason::{Reason, Request};
pub use search::{Choice, Want};
pub use sharing::Clash;

use crate::config::{Pool, Pools};
use crate::facts::{IpFamily, ServiceFacts};
use ledger::Ledger;

/// The pools in force and what is given of them.
#[derive(Debug, Default)]
pub struct Allocator {
    /// `None` until a valid configuration was seen.
    pools: Option<Pools>,
    ledger: Ledger,
}

impl Allocator {
    /// Nothing configured, nothing given.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pools in force; `None` until a valid configuration was seen.
    pub fn pools(&self) -> Option<&Pools> {
        self.pools.as_ref()
    }

    /// Puts `pools` in force and tells whether they differ from those before. Addresses that one of the new pools
    /// offers stay with their Service, under the new pool's name; of the others each Service keeps what it can when it
    /// is decided again, and until then they are given to nobody.
    pub fn set_pools(&mut self, pools: Pools) -> bool {
        if self.pools.as_ref() == Some(&pools) {
            return false;
        }
        self.ledger
            .relabel(|addresses| offering(&pools, addresses).map(|pool| pool.name.clone()));
        self.pools = Some(pools);
        true
    }

    /// What the Service holds.
    pub fn holding(&self, service: &NamespacedName) -> Option<&Holding> {
        self.ledger.holding(service)
    }

    /// Whether `service` may hold exactly `addresses`, apart from what it holds now.
    ///
    /// # Errors
    /// See [`AllocationError`].
    pub fn check(&self, service: &ServiceFacts, addresses: &[IpAddr]) -> Result<&Pool, AllocationError> {
        let pool = self
            .pools
            .as_ref()
            .and_then(|pools| offering(pools, addresses))
            .ok_or_else(|| AllocationError::NotInPools(addresses.to_vec()))?;
        if !pool.serves(service) {
            return Err(AllocationError::NotServed(pool.name.clone()));
        }
        check_families(addresses)?;
        for address in addresses {
            sharing::check(&self.ledger, service, *address)?;
        }
        Ok(pool)
    }

    /// Gives exactly `addresses` to `service`, in place of what it holds. Doing it again changes nothing.
    ///
    /// # Errors
    /// As [`Allocator::check`]; then the Service holds what it held.
    pub fn claim(&mut self, service: &ServiceFacts, addresses: &[IpAddr]) -> Result<(), AllocationError> {
        let pool = self.check(service, addresses)?.name.clone();
        self.ledger
            .record(&service.key, Holding::new(pool, addresses, service));
        Ok(())
    }

    /// The addresses that `service` would get, without giving them.
    ///
    /// # Errors
    /// No pool that serves it has what it wants.
    pub fn choose(
        &self,
        service: &ServiceFacts,
        want: Want,
        choice: Choice<'_>,
    ) -> Result<Vec<IpAddr>, AllocationError> {
        let pools = self.pools.as_ref().ok_or(AllocationError::NoneFree)?;
        search::choose(pools, &self.ledger, service, want, choice)
    }

    /// The pools that come into question for what `service` requests, in the order in which they are tried, and why each
    /// of them gives nothing; a pool that lacks both families twice.
    pub fn reasons(&self, service: &ServiceFacts, request: Request<'_>) -> Vec<(String, Reason)> {
        self.pools.as_ref().map_or_else(Vec::new, |pools| {
            reason::reasons(pools, &self.ledger, service, request)
        })
    }

    /// Takes back what the Service holds. Tells whether that was anything.
    pub fn release(&mut self, service: &NamespacedName) -> bool {
        self.ledger.release(service).is_some()
    }

    /// The Service is gone: everything it had a claim on is to be had. Returns what that was.
    pub fn forget(&mut self, service: &NamespacedName) -> Vec<IpAddr> {
        self.ledger.forget(service)
    }

    /// From now on exactly `addresses`, apart from those it holds, are kept from others on behalf of `service`.
    pub fn linger(&mut self, service: &NamespacedName, addresses: &[IpAddr]) {
        self.ledger.linger(service, addresses.iter().copied());
    }

    /// Besides what is kept from others on behalf of `service`, keeps `addresses`.
    pub fn reserve(&mut self, service: &NamespacedName, addresses: &[IpAddr]) {
        let mut all = self.lingering(service);
        all.extend(addresses);
        self.ledger.linger(service, all);
    }

    /// The addresses that are kept from others on behalf of `service` though it does not hold them.
    pub fn lingering(&self, service: &NamespacedName) -> Vec<IpAddr> {
        self.ledger.lingering(service).collect()
    }

    /// What a change of the pools took from the Service, once: it may keep the part that is still offered.
    pub(crate) fn take_struck(&mut self, service: &NamespacedName) -> Option<Holding> {
        self.ledger.take_struck(service)
    }

    /// The pool that offers `address`.
    pub fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        offering(self.pools.as_ref()?, &[address])
    }

    /// Whether a Service that shares with nobody holds `address`: nobody else gets it now.
    pub fn is_closed(&self, address: IpAddr) -> bool {
        self.ledger.terms(address).any(|terms| terms.key.is_empty())
    }

    /// How full the pool is; `None` if there is no such pool.
    pub fn status(&self, pool: &str) -> Option<IPAddressPoolStatus> {
        let pool = self.pools.as_ref()?.get(pool)?;
        Some(counters::status(pool, self.ledger.in_use(&pool.name)))
    }

    /// How full every pool is.
    pub fn usage(&self) -> impl Iterator<Item = (&str, Usage)> {
        let pools = self.pools.iter().flat_map(Pools::iter);
        pools.map(|pool| {
            (
                pool.name.as_str(),
                Usage::of(pool, self.ledger.in_use(&pool.name)),
            )
        })
    }
}

/// The pool that offers all of `addresses`; they are at least one.
fn offering<'a>(pools: &'a Pools, addresses: &[IpAddr]) -> Option<&'a Pool> {
    let pool = pools.containing(*addresses.first()?)?;
    addresses
        .iter()
        .all(|address| pool.offers(*address))
        .then_some(pool)
}

/// A Service has at most one address of each family.
fn check_families(addresses: &[IpAddr]) -> Result<(), AllocationError> {
    match addresses {
        [first, second] if IpFamily::from(*first) == IpFamily::from(*second) => {
            Err(AllocationError::SameFamily(*first, *second))
        }
        [_, _, _, ..] => Err(AllocationError::TooMany(addresses.to_vec())),
        [] | [_] | [_, _] => Ok(()),
    }
}
