//! What others cannot have because of one Service, and whether a decision has changed that. Owns the comparison alone.

use std::net::IpAddr;

use crate::allocator::{Allocator, Holding};
use crate::facts::ServiceFacts;

/// The addresses of one Service, as others meet them.
#[derive(Debug)]
pub(super) struct Footprint {
    holding: Option<Holding>,
    lingering: Vec<IpAddr>,
}

impl Footprint {
    pub(super) fn of(allocator: &Allocator, service: &ServiceFacts) -> Self {
        Self {
            holding: allocator.holding(&service.key).cloned(),
            lingering: allocator.lingering(&service.key),
        }
    }

    /// The addresses that others can have with `after` and could not have before: they are free, or may be shared on other
    /// terms.
    pub(super) fn opened(&self, after: &Self, allocator: &Allocator) -> Vec<IpAddr> {
        let terms_changed = match (&self.holding, &after.holding) {
            (Some(before), Some(after)) => !before.has_terms_of(after),
            _ => false,
        };
        let opened = |address: IpAddr| {
            if after.holds(address) {
                terms_changed || self.lingering.contains(&address)
            } else {
                !after.lingering.contains(&address)
            }
        };
        let held = self.holding.as_ref().map_or(&[][..], Holding::addresses);
        let before = held.iter().chain(&self.lingering).copied();
        before
            .filter(|address| opened(*address) && allocator.pool_of(*address).is_some())
            .collect()
    }

    fn holds(&self, address: IpAddr) -> bool {
        let held = |holding: &Holding| holding.addresses().contains(&address);
        self.holding.as_ref().is_some_and(held)
    }
}
