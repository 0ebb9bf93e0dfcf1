//! Addresses that a Service does not hold any more, and that are nobody else's yet. Owns who has such a claim on what;
//! why an address lingers, and how long, is decided where it is given up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_api::NamespacedName;

/// Empty nearly all the time: an address lingers while one write of a status is under way.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    by_service: BTreeMap<NamespacedName, BTreeSet<IpAddr>>,
    by_address: BTreeMap<IpAddr, BTreeSet<NamespacedName>>,
}

impl Lingering {
    /// What lingers with `service`, ascending.
    pub(super) fn of(&self, service: &NamespacedName) -> impl Iterator<Item = IpAddr> {
        self.by_service.get(service).into_iter().flatten().copied()
    }

    /// The Services `address` lingers with.
    pub(super) fn with(&self, address: IpAddr) -> impl Iterator<Item = &NamespacedName> {
        self.by_address.get(&address).into_iter().flatten()
    }

    /// Whether `address` lingers at all.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Every Service with which something lingers, and what.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NamespacedName, &BTreeSet<IpAddr>)> {
        self.by_service.iter()
    }

    /// From now on exactly `addresses` linger with `service`. Returns those that did before.
    pub(super) fn replace(
        &mut self,
        service: &NamespacedName,
        addresses: BTreeSet<IpAddr>,
    ) -> BTreeSet<IpAddr> {
        let before = self.by_service.remove(service).unwrap_or_default();
        for address in before.difference(&addresses) {
            if let Some(services) = self.by_address.get_mut(address) {
                services.remove(service);
                if services.is_empty() {
                    self.by_address.remove(address);
                }
            }
        }
        for address in addresses.difference(&before) {
            self.by_address
                .entry(*address)
                .or_default()
                .insert(service.clone());
        }
        if !addresses.is_empty() {
            self.by_service.insert(service.clone(), addresses);
        }
        before
    }
}
