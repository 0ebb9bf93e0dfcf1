//! Services that share addresses, directly or through one another. They are announced by one node, so they are
//! planned together.

use std::collections::BTreeSet;
use std::net::IpAddr;

use metallb_api::NamespacedName;

use super::{Claim, World};

/// The Services that one decision is for. Nearly always it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) services: BTreeSet<NamespacedName>,
    /// What the lots are drawn with: the first address of the Service, and in a group the least of them. Sharers
    /// usually have the same first address; where a dual-stack Service shares only its second one, MetalLB's rule
    /// (each by its own first) would give one address to two nodes.
    pub(super) address: Option<IpAddr>,
}

impl World {
    /// The group of `service`, whose claim is or was `claim`.
    pub(super) fn group_of(&self, service: &NamespacedName, claim: &Claim) -> Group {
        let mut services = BTreeSet::from([service.clone()]);
        let mut address = claim.addresses.first().copied();
        let mut addresses = BTreeSet::new();
        let mut open: Vec<IpAddr> = if self.own.serves(claim) {
            claim.addresses.to_vec()
        } else {
            Vec::new()
        };
        while let Some(next) = open.pop() {
            if !addresses.insert(next) {
                continue;
            }
            for sharer in self.services_at(next) {
                if services.contains(sharer) {
                    continue;
                }
                if let Some(claim) = self.claims.get(sharer) {
                    address = address.min(claim.addresses.first().copied());
                    open.extend(claim.addresses.iter());
                    services.insert(sharer.clone());
                }
            }
        }
        Group { services, address }
    }

    fn services_at(&self, address: IpAddr) -> impl Iterator<Item = &NamespacedName> {
        let first = (address, NamespacedName::default());
        self.by_address
            .range(first..)
            .take_while(move |(of, _)| *of == address)
            .map(|(_, service)| service)
    }
}
