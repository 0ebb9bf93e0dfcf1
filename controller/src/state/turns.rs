//! Whose turn it is: the order in which Services are decided about, and who is tried again when an address is released.

use std::collections::BTreeSet;

use metallb_api::NamespacedName;
use metallb_core::service;

use super::State;

impl State {
    pub(super) fn decide_about(&mut self, key: &NamespacedName) {
        // What is on its way into a status stays with its Service until it is known whether it got there.
        if self.writes.postpones(key) {
            return;
        }
        if let Some(facts) = self.services.get(key).cloned() {
            let outcome = service::converge(&mut self.allocator, &facts);
            self.carry_out(&facts, outcome);
        }
    }

    /// Decides again about those who wait for what was released, until nothing is left of it: where thousands wait for
    /// one address, the first one gets it and the others are not troubled.
    pub(super) fn try_waiting(&mut self) {
        let mut freed = std::mem::take(&mut self.freed);
        let pools = freed.iter().filter_map(|ip| self.allocator.pool_of(*ip));
        let pools: BTreeSet<String> = pools.map(|pool| pool.name.clone()).collect();
        let mut last = None;
        while let Some(place) = self.waiting.next(&pools, last.as_ref()) {
            while freed.pop_if(|ip| self.allocator.is_closed(*ip)).is_some() {}
            if freed.is_empty() {
                return;
            }
            self.decide_about(&place.service);
            last = Some(place);
        }
    }

    /// The Services to decide about, in the order of their claims.
    pub(super) fn next_round(&mut self) -> Vec<NamespacedName> {
        let turn = |key| Some((service::turn(self.services.get(&key)?), key));
        let mut round: Vec<_> = std::mem::take(&mut self.dirty)
            .into_iter()
            .filter_map(turn)
            .collect();
        round.sort();
        round.into_iter().map(|(_, key)| key).collect()
    }
}
