//! Who may share an address. Owns that rule alone; the ledger says who holds it.

use std::net::IpAddr;

use metallb_api::NamespacedName;

use super::ledger::Ledger;
use crate::facts::{Port, ServiceFacts};

/// What Services that hold the same address have agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    /// Value of the sharing annotation; empty if the Service shares with nobody.
    pub(super) key: String,
    /// The pods behind the Service, where that matters.
    pub(super) backend: String,
    /// The ports it takes.
    pub(super) ports: Vec<Port>,
}

impl Terms {
    pub(super) fn of(service: &ServiceFacts) -> Self {
        Self {
            key: service.sharing_key().to_owned(),
            backend: service.backend_key(),
            ports: service.ports.clone(),
        }
    }

    fn agree(&self, other: &Self) -> bool {
        !self.key.is_empty() && self.key == other.key && self.backend == other.backend
    }
}

/// Why an address that others hold cannot be shared. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// Sharing key or backend differ, or one of them does not share.
    #[error("can't change sharing key for {service:?}, address also in use by {others}", service = service.to_string())]
    Key {
        /// Who wants the address.
        service: NamespacedName,
        /// Who holds it, separated by commas.
        others: String,
    },
    /// Another Service takes the same port.
    #[error("port {port} is already in use on \"{address}\"")]
    Port {
        /// The port.
        port: Port,
        /// The address.
        address: IpAddr,
    },
    /// Its former holder has not taken leave of it yet.
    #[error("address \"{address}\" is still in use by {former}, which is about to give it up")]
    Lingering {
        /// The address.
        address: IpAddr,
        /// Its former holder.
        former: NamespacedName,
    },
}

/// Whether `service` may hold `address` beside those who hold it. A sole holder may always change its own terms.
pub(super) fn check(ledger: &Ledger, service: &ServiceFacts, address: IpAddr) -> Result<(), Clash> {
    if let Some(former) = ledger.lingers_with(address, &service.key) {
        let former = former.clone();
        return Err(Clash::Lingering { address, former });
    }
    if ledger.others(address, &service.key).next().is_none() {
        return Ok(());
    }
    let terms = Terms::of(service);
    if !ledger
        .others(address, &service.key)
        .all(|(_, other)| terms.agree(other))
    {
        let others: Vec<String> = ledger
            .others(address, &service.key)
            .map(|(key, _)| key.to_string())
            .collect();
        return Err(Clash::Key {
            service: service.key.clone(),
            others: others.join(","),
        });
    }
    let taken = |port: &&Port| {
        ledger
            .others(address, &service.key)
            .any(|(_, other)| other.ports.contains(port))
    };
    match terms.ports.iter().find(taken) {
        Some(port) => Err(Clash::Port { port: *port, address }),
        None => Ok(()),
    }
}
