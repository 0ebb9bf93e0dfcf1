//! The book of what is given: by Service, by address, by sharing key and by pool; and of what is not given on yet. Keeps
//! the views equal; knows no rule about who may hold what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use metallb_api::NamespacedName;
use rangemap::RangeInclusiveSet;

use super::lingering::Lingering;
use super::sharing::Terms;
use crate::facts::{IpFamily, ServiceFacts};

/// What one Service holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    pool: String,
    addresses: Vec<IpAddr>,
    uid: String,
    terms: Terms,
}

impl Holding {
    pub(super) fn new(pool: String, addresses: &[IpAddr], service: &ServiceFacts) -> Self {
        Self {
            pool,
            addresses: addresses.to_vec(),
            uid: service.uid.clone(),
            terms: Terms::of(service),
        }
    }

    /// The pool of its addresses.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Its addresses, in the order of the Service's status.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The Service that holds them: another one of the same name has no right to them.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether others may share its addresses on the same terms as those of `other`.
    pub(crate) fn has_terms_of(&self, other: &Self) -> bool {
        self.terms == other.terms
    }
}

/// What of a pool is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct InUse {
    /// Distinct addresses.
    pub(super) v4: u64,
    pub(super) v6: u64,
    /// Services that hold some of them.
    pub(super) services: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Boxed, because half of the space in a map's leaves is empty where keys come in order.
    holdings: BTreeMap<NamespacedName, Box<Holding>>,
    /// Who holds an address, in the order of names; never empty. Nearly always one, hence no set.
    holders: BTreeMap<IpAddr, Vec<NamespacedName>>,
    /// What others may not have yet. An address may be held by one Service and linger with another.
    lingering: Lingering,
    /// What a change of the pools took from Services that were not decided again since.
    struck: BTreeMap<NamespacedName, Holding>,
    /// The addresses held or lingering as numbers, adjacent ones merged, so that a gap is found without walking them.
    taken_v4: RangeInclusiveSet<u128>,
    taken_v6: RangeInclusiveSet<u128>,
    /// The addresses held under a sharing key.
    shared: BTreeMap<String, BTreeSet<IpAddr>>,
    in_use: BTreeMap<String, InUse>,
}

impl Ledger {
    pub(super) fn holding(&self, service: &NamespacedName) -> Option<&Holding> {
        self.holdings.get(service).map(Box::as_ref)
    }

    /// What lingers with `service`, ascending.
    pub(super) fn lingering(&self, service: &NamespacedName) -> impl Iterator<Item = IpAddr> {
        self.lingering.of(service)
    }

    /// A Service with which `address` lingers, unless `service` holds it or it lingers with `service` too: two that have
    /// shared an address do not stand in each other's way.
    pub(super) fn lingers_with(&self, address: IpAddr, service: &NamespacedName) -> Option<&NamespacedName> {
        let holds = |holding: &Holding| holding.addresses.contains(&address);
        let own = self.holding(service).is_some_and(holds)
            || self.lingering.with(address).any(|other| other == service);
        let mut all = self.lingering.with(address);
        if own { None } else { all.next() }
    }

    /// Those other than `service` who hold `address`.
    pub(super) fn others<'a>(
        &'a self,
        address: IpAddr,
        service: &'a NamespacedName,
    ) -> impl Iterator<Item = (&'a NamespacedName, &'a Terms)> {
        let holders = self
            .holders
            .get(&address)
            .into_iter()
            .flatten()
            .filter(move |key| *key != service);
        holders.filter_map(|key| Some((key, &self.holdings.get(key)?.terms)))
    }

    /// The terms of everybody who holds `address`.
    pub(super) fn terms(&self, address: IpAddr) -> impl Iterator<Item = &Terms> {
        let holders = self.holders.get(&address).into_iter().flatten();
        holders.filter_map(|key| Some(&self.holdings.get(key)?.terms))
    }

    /// The maximal runs of numbers of `family` in `range` that nobody holds and that linger with nobody, ascending.
    pub(super) fn gaps<'a>(
        &'a self,
        family: IpFamily,
        range: &'a RangeInclusive<u128>,
    ) -> impl Iterator<Item = RangeInclusive<u128>> + 'a {
        self.taken(family).gaps(range)
    }

    /// The addresses from `first` to `last` that are held under the sharing key, ascending.
    pub(super) fn shared(&self, key: &str, first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
        self.shared
            .get(key)
            .into_iter()
            .flat_map(move |addresses| addresses.range(first..=last).copied())
    }

    pub(super) fn in_use(&self, pool: &str) -> InUse {
        self.in_use.get(pool).copied().unwrap_or_default()
    }

    /// Enters what `service` holds, in place of what it held.
    pub(super) fn record(&mut self, service: &NamespacedName, holding: Holding) {
        if self.holding(service) == Some(&holding) {
            return;
        }
        self.release(service);
        for address in &holding.addresses {
            let holders = self
                .holders
                .entry(*address)
                .or_insert_with(|| Vec::with_capacity(1));
            if holders.is_empty() {
                let number = IpFamily::number(*address);
                count(&mut self.in_use, &holding.pool, *address, |n| *n += 1);
                taken(&mut self.taken_v4, &mut self.taken_v6, *address).insert(number..=number);
            }
            if let Err(place) = holders.binary_search(service) {
                holders.insert(place, service.clone());
            }
            if !holding.terms.key.is_empty() {
                self.shared
                    .entry(holding.terms.key.clone())
                    .or_default()
                    .insert(*address);
            }
        }
        if let Some(counts) = self.in_use.get_mut(&holding.pool) {
            counts.services += 1;
        }
        self.holdings.insert(service.clone(), Box::new(holding));
    }

    /// Strikes out what `service` holds.
    pub(super) fn release(&mut self, service: &NamespacedName) -> Option<Holding> {
        let holding = *self.holdings.remove(service)?;
        if let Some(counts) = self.in_use.get_mut(&holding.pool) {
            counts.services -= 1;
        }
        for address in &holding.addresses {
            let Some(holders) = self.holders.get_mut(address) else {
                continue;
            };
            holders.retain(|key| key != service);
            if holders.is_empty() {
                self.holders.remove(address);
                count(&mut self.in_use, &holding.pool, *address, |n| *n -= 1);
                self.vacate(*address);
            }
            self.unshare(&holding.terms.key, *address);
        }
        Some(holding)
    }

    /// From now on exactly `addresses`, apart from those it holds, linger with `service`.
    pub(super) fn linger(&mut self, service: &NamespacedName, addresses: impl IntoIterator<Item = IpAddr>) {
        let held = self.holding(service).map_or(&[][..], Holding::addresses);
        let addresses: BTreeSet<IpAddr> = addresses.into_iter().filter(|ip| !held.contains(ip)).collect();
        for address in &addresses {
            let number = IpFamily::number(*address);
            taken(&mut self.taken_v4, &mut self.taken_v6, *address).insert(number..=number);
        }
        for address in self.lingering.replace(service, addresses) {
            self.vacate(address);
        }
    }

    /// Strikes out everything about `service`. Returns the addresses that it had a claim on.
    pub(super) fn forget(&mut self, service: &NamespacedName) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = self.lingering.of(service).collect();
        self.struck.remove(service);
        self.linger(service, []);
        all.extend(self.release(service).into_iter().flat_map(|held| held.addresses));
        all
    }

    /// Moves every holding to the pool that `pool_of` names for its addresses. Those it names none for are struck out,
    /// and their addresses linger until their Service has said which of them it keeps.
    pub(super) fn relabel(&mut self, pool_of: impl Fn(&[IpAddr]) -> Option<String>) {
        let old = std::mem::take(self);
        self.struck = old.struck;
        let mut lingering: BTreeMap<NamespacedName, BTreeSet<IpAddr>> = old
            .lingering
            .iter()
            .map(|(service, addresses)| (service.clone(), addresses.clone()))
            .collect();
        for (service, holding) in old.holdings {
            if let Some(pool) = pool_of(&holding.addresses) {
                self.record(&service, Holding { pool, ..*holding });
            } else {
                lingering
                    .entry(service.clone())
                    .or_default()
                    .extend(&holding.addresses);
                self.struck.insert(service, *holding);
            }
        }
        for (service, addresses) in lingering {
            self.linger(&service, addresses);
        }
    }

    /// What a change of the pools took from `service`, if it was not asked for since.
    pub(super) fn take_struck(&mut self, service: &NamespacedName) -> Option<Holding> {
        self.struck.remove(service)
    }

    /// Nobody holds `address`, or it lingers with one fewer: it is to be had unless the other still holds.
    fn vacate(&mut self, address: IpAddr) {
        if !self.holders.contains_key(&address) && !self.lingering.contains(address) {
            let number = IpFamily::number(address);
            taken(&mut self.taken_v4, &mut self.taken_v6, address).remove(number..=number);
        }
    }

    /// Forgets that `address` is held under `key`, unless one of its holders still has that key.
    fn unshare(&mut self, key: &str, address: IpAddr) {
        let mut holders = self.holders.get(&address).into_iter().flatten();
        let still = holders.any(|other| {
            self.holdings
                .get(other)
                .is_some_and(|holding| holding.terms.key == key)
        });
        if !still && let Some(addresses) = self.shared.get_mut(key) {
            addresses.remove(&address);
            if addresses.is_empty() {
                self.shared.remove(key);
            }
        }
    }

    fn taken(&self, family: IpFamily) -> &RangeInclusiveSet<u128> {
        match family {
            IpFamily::V4 => &self.taken_v4,
            IpFamily::V6 => &self.taken_v6,
        }
    }
}

/// A function of the two fields, because the rest of the ledger is borrowed where it is needed.
fn taken<'a>(
    v4: &'a mut RangeInclusiveSet<u128>,
    v6: &'a mut RangeInclusiveSet<u128>,
    address: IpAddr,
) -> &'a mut RangeInclusiveSet<u128> {
    match address {
        IpAddr::V4(_) => v4,
        IpAddr::V6(_) => v6,
    }
}

fn count(in_use: &mut BTreeMap<String, InUse>, pool: &str, address: IpAddr, change: impl Fn(&mut u64)) {
    if !in_use.contains_key(pool) {
        in_use.insert(pool.to_owned(), InUse::default());
    }
    if let Some(counts) = in_use.get_mut(pool) {
        match address {
            IpAddr::V4(_) => change(&mut counts.v4),
            IpAddr::V6(_) => change(&mut counts.v6),
        }
        if *counts == InUse::default() {
            in_use.remove(pool);
        }
    }
}
