//! What should become of one Service. Owns the order of the rules and what the Service is told; which address is to be
//! had is the allocator's.
//!
//! The ledger is what was decided, the status is where it is written down: once a Service is known its status does not
//! matter, so that a late object or a hand-edited status never moves an address. It is believed once, when the Service
//! is first listed (at the start of the process), if the rules allow it.

mod event;
mod footprint;
mod lack;
mod pass;
mod request;
mod turn;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use event::{EventKind, ServiceEvent};
pub use lack::Lack;
pub use turn::{Turn, turn};

use crate::allocator::Allocator;
use crate::config::Fault;
use crate::facts::ServiceFacts;
use pass::Pass;

/// What to do about one Service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What `status.loadBalancer.ingress` should list.
    pub ingress: Vec<IpAddr>,
    /// The pool to note on the Service; the note is removed if `None`.
    pub pool: Option<String>,
    /// Whether the object says something else.
    pub write: bool,
    /// What to tell. A complaint is repeated at every pass while its cause lasts: the caller drops what it told before.
    pub events: Vec<ServiceEvent>,
    /// Addresses that others can have and could not have before because of this Service: those who wait should be tried
    /// again. An address given up is to be had when the status does not list it any more, and not before.
    pub freed: Vec<IpAddr>,
    /// Why the Service has no address, or only one of two that it prefers. It is tried again when the pools change, and
    /// when an address of [`Lack::pools_in_use`] is released.
    pub lack: Option<Lack>,
}

/// Decides about `service` and records the decision in `allocator`. Deciding again changes nothing.
pub fn converge(allocator: &mut Allocator, service: &ServiceFacts) -> Outcome {
    if allocator.pools().is_none() {
        return undecided(service, &[]);
    }
    Pass::new(allocator, service).run()
}

/// What becomes of `service` while no pools are known, because of `faults`: nothing is known that could speak for or
/// against what it has, so nothing is given or taken. A Service without an address is told why.
pub fn undecided(service: &ServiceFacts, faults: &[Fault]) -> Outcome {
    let waits = service.load_balancer && !service.deleting && service.ingress.is_empty();
    let lack = (waits && !faults.is_empty()).then(|| Lack::of_configuration(faults));
    Outcome {
        ingress: service.ingress.clone(),
        pool: service.allocated_from().map(str::to_owned),
        events: lack
            .iter()
            .map(|lack| ServiceEvent::failed(&service.key, lack))
            .collect(),
        lack,
        ..Outcome::default()
    }
}

/// Takes over what the status of all `services` says, before the first new address is given. Of two Services that
/// claim the same address the older one keeps it; the other one is moved when it is converged. A claim that is about to
/// be given up, because the Service asks for something else by now, moves nobody.
///
/// Returns what to tell the Services that do not keep everything.
pub fn adopt<'a>(
    allocator: &mut Allocator,
    services: impl IntoIterator<Item = &'a ServiceFacts>,
) -> Vec<(&'a ServiceFacts, Vec<ServiceEvent>)> {
    let listed = services.into_iter().filter(|service| !service.ingress.is_empty());
    let listed: Vec<_> = listed.collect();
    let mut claims = listed.clone();
    claims.retain(|service| service.load_balancer);
    claims.sort_by(|a, b| (a.created_s, &a.key).cmp(&(b.created_s, &b.key)));
    let mut told = Vec::new();
    let mut unfinished = Vec::new();
    for service in claims {
        let adoption = Pass::new(allocator, service).adopt();
        if adoption.unfinished {
            allocator.release(&service.key);
            unfinished.push(service);
        } else {
            told.push((service, adoption.events));
        }
    }
    for service in unfinished {
        told.push((service, Pass::new(allocator, service).adopt().events));
    }
    for service in listed {
        allocator.linger(&service.key, &service.ingress);
    }
    told.retain(|(_, events)| !events.is_empty());
    told
}
