//! All pools together. Owns the rule that no address is in two of them; one bad pool spoils the set, because any part
//! of it could be the wrong half of a move between pools.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_api::v1beta1::IPAddressPool;

use super::fault::Fault;
use super::pool::Pool;
use super::range::AddressRange;
use crate::facts::IpFamily;

#[cfg(test)]
mod tests;

/// Every pool by name. No two overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pools {
    by_name: BTreeMap<String, Pool>,
}

impl Pools {
    /// Reads all pools. `namespaces` are the labels of the namespaces there are, for pools that select by them.
    ///
    /// # Errors
    /// One fault for each object that cannot be used. Of two that overlap it is the one that was made later, or of the
    /// same second, the later one in the order of names: the other one was there first and works.
    pub fn parse<'a>(
        objects: impl IntoIterator<Item = &'a IPAddressPool>,
        namespaces: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Result<Self, Vec<Fault>> {
        let mut by_age: Vec<(NamespacedName, &IPAddressPool)> = objects
            .into_iter()
            .map(|object| (NamespacedName::of(&object.metadata), object))
            .collect();
        by_age.sort_by_key(|(key, object)| {
            let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created.is_none(), created, key.clone()) // what has no time yet is about to be made
        });
        let mut pools = Self::default();
        let mut faults = Vec::new();
        let mut taken = Taken::default();
        for (key, object) in by_age {
            let parsed = Pool::parse(object, namespaces)
                .map_err(|error| format!("parsing address pool {}: {error}", key.name()))
                .and_then(|pool| pools.admit(pool, &mut taken));
            if let Err(message) = parsed {
                faults.push(Fault {
                    kind: "IPAddressPool",
                    object: key,
                    message,
                });
            }
        }
        if faults.is_empty() { Ok(pools) } else { Err(faults) }
    }

    fn admit(&mut self, pool: Pool, taken: &mut Taken) -> Result<(), String> {
        if self.by_name.contains_key(&pool.name) {
            return Err(format!("duplicate definition of pool {:?}", pool.name));
        }
        for range in pool.ranges() {
            taken.insert(range, &pool.name)?;
        }
        self.by_name.insert(pool.name.clone(), pool);
        Ok(())
    }

    /// All pools in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.by_name.values()
    }

    /// The pool of this name.
    pub fn get(&self, name: &str) -> Option<&Pool> {
        self.by_name.get(name)
    }

    /// The pool that `address` is in.
    pub fn containing(&self, address: IpAddr) -> Option<&Pool> {
        self.iter().find(|pool| pool.contains(address))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// The ranges read so far, by first address: they do not overlap, so that a new one can only meet its neighbours.
#[derive(Default)]
pub(crate) struct Taken {
    by_start: BTreeMap<(IpFamily, u128), (AddressRange, String)>,
}

impl Taken {
    /// Takes `range` for `pool`, unless an address of it is taken: then the message says by what.
    pub(crate) fn insert(&mut self, range: &AddressRange, pool: &str) -> Result<(), String> {
        let (first, last) = (*range.numbers().start(), *range.numbers().end());
        let before = self.by_start.range(..=(range.family(), last)).next_back();
        let before = before
            .filter(|((family, _), (known, _))| *family == range.family() && *known.numbers().end() >= first);
        if let Some((_, (known, holder))) = before {
            let (own, other) = range
                .overlap(known)
                .unwrap_or_else(|| (range.prefixes()[0], known.prefixes()[0]));
            let elsewhere = if holder == pool {
                String::new()
            } else {
                format!(" in pool {holder:?}")
            };
            return Err(format!(
                "CIDR \"{own}\" in pool {pool:?} overlaps with already defined CIDR \"{other}\"{elsewhere}"
            ));
        }
        self.by_start
            .insert((range.family(), first), (range.clone(), pool.to_owned()));
        Ok(())
    }
}
