//! Services that wait for others to give up an address. Owns who is tried when one is to be had: those that wait for an
//! address of its pool, in their turn. Bounded by the number of Services.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use metallb_api::NamespacedName;
use metallb_core::facts::ServiceFacts;
use metallb_core::service::{Lack, Turn, turn};

/// One that waits, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    turn: Turn,
    pub(super) service: NamespacedName,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_pool: BTreeMap<String, BTreeSet<Place>>,
    /// Where each Service waits, and for which pools.
    places: BTreeMap<NamespacedName, (Place, BTreeSet<String>)>,
}

impl Waiting {
    /// The Service was decided about, and lacks this.
    pub(super) fn update(&mut self, facts: &ServiceFacts, lack: Option<&Lack>) {
        self.remove(&facts.key);
        let pools: BTreeSet<String> = lack
            .into_iter()
            .flat_map(Lack::pools_in_use)
            .map(str::to_owned)
            .collect();
        if pools.is_empty() {
            return;
        }
        let place = Place {
            turn: turn(facts),
            service: facts.key.clone(),
        };
        for pool in &pools {
            self.by_pool
                .entry(pool.clone())
                .or_default()
                .insert(place.clone());
        }
        self.places.insert(facts.key.clone(), (place, pools));
    }

    pub(super) fn remove(&mut self, service: &NamespacedName) {
        let Some((place, pools)) = self.places.remove(service) else {
            return;
        };
        for pool in pools {
            if let Some(places) = self.by_pool.get_mut(&pool) {
                places.remove(&place);
                if places.is_empty() {
                    self.by_pool.remove(&pool);
                }
            }
        }
    }

    /// The first one after `last` that waits for an address of one of `pools`.
    pub(super) fn next(&self, pools: &BTreeSet<String>, last: Option<&Place>) -> Option<Place> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let of_pool = |pool: &String| self.by_pool.get(pool)?.range((start, Bound::Unbounded)).next();
        pools.iter().filter_map(of_pool).min().cloned()
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}
