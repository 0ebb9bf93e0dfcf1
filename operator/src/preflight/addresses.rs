//! Which Services keep their addresses. Owns the rehearsal of a controller's first minute; the rules are the controller's
//! own, those of [`metallb_core::service`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_core::allocator::Allocator;
use metallb_core::config::{Fault, Pools};
use metallb_core::facts::ServiceFacts;
use metallb_core::service::{self, EventKind, Outcome, ServiceEvent};
use serde::Serialize;

use super::facts::Facts;

/// What becomes of the Services of type LoadBalancer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Addresses {
    /// How many keep what they have.
    pub(super) kept: usize,
    /// Those that do not.
    pub(super) moving: Vec<Moving>,
    /// Those that have no address, and get none.
    pub(super) waiting: Vec<Waiting>,
    /// Those of another class: nobody touches them.
    pub(super) of_other_classes: usize,
}

/// A Service whose status would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Moving {
    pub(super) service: String,
    pub(super) from: Vec<IpAddr>,
    pub(super) to: Vec<IpAddr>,
    pub(super) why: String,
}

/// A Service without an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Waiting {
    pub(super) service: String,
    pub(super) why: String,
}

/// The pools that would be in force.
pub(super) fn pools(facts: &Facts) -> Result<Pools, Vec<Fault>> {
    let at_home = facts
        .pools
        .iter()
        .filter(|pool| pool.metadata.namespace.as_deref() == Some(facts.namespace.as_str()));
    Pools::parse(at_home, &facts.namespaces)
}

/// Does what a controller does when it starts: believes what the statuses say, then decides about each Service in turn.
pub(super) fn rehearse(pools: Pools, services: &[ServiceFacts], class: Option<&str>) -> Addresses {
    let all = || services.iter().filter(|service| service.load_balancer);
    let mut ours: Vec<&ServiceFacts> = all().filter(|service| service.has_class(class)).collect();
    ours.sort_by_key(|service| (service::turn(service), &service.key));
    let mut unused = Allocator::new();
    unused.set_pools(pools.clone());
    let mut allocator = Allocator::new();
    allocator.set_pools(pools);
    let told: BTreeMap<NamespacedName, Vec<ServiceEvent>> =
        service::adopt(&mut allocator, ours.iter().copied())
            .into_iter()
            .map(|(service, events)| (service.key.clone(), events))
            .collect();
    let mut addresses = Addresses {
        of_other_classes: all().count() - ours.len(),
        ..Addresses::default()
    };
    let mut holders: BTreeMap<IpAddr, &NamespacedName> = BTreeMap::new();
    for service in &ours {
        let held = allocator.holding(&service.key);
        let held = held.into_iter().flat_map(|held| held.addresses().to_vec());
        holders.extend(held.map(|address| (address, &service.key)));
    }
    for service in ours {
        let outcome = service::converge(&mut allocator, service);
        let told = told.get(&service.key).map_or(&[][..], Vec::as_slice);
        let holder = service.ingress.iter().find_map(|address| holders.get(address));
        let why = told_why(told, &outcome)
            .or_else(|| refused(&unused, service))
            .or_else(|| in_use(service, holder.copied()))
            .unwrap_or_else(|| wanted(service));
        addresses.note(service, outcome.ingress, why);
    }
    addresses
}

/// What the Service would be told.
fn told_why(told: &[ServiceEvent], outcome: &Outcome) -> Option<String> {
    let mut events = told.iter().chain(&outcome.events);
    let warning = events.find(|event| event.kind == EventKind::Warning);
    let warning = warning.map(|warning| warning.message.clone());
    warning.or_else(|| outcome.lack.as_ref().map(|lack| lack.sentence.clone()))
}

/// What the pools say about its addresses, if nobody else had any.
fn refused(unused: &Allocator, service: &ServiceFacts) -> Option<String> {
    let checked = unused.check(service, &service.ingress);
    checked.err().map(|error| error.to_string())
}

fn in_use(service: &ServiceFacts, holder: Option<&NamespacedName>) -> Option<String> {
    let other = holder.filter(|holder| **holder != service.key)?;
    Some(format!(
        "Service {other} has it, and the two do not share addresses"
    ))
}

fn wanted(service: &ServiceFacts) -> String {
    let asked = service.requested_ips().or(service.load_balancer_ip.as_deref());
    match (asked, service.requested_pool()) {
        _ if service.foreign_ingress => "the status lists what is no address".to_owned(),
        (Some(addresses), _) => format!("it asks for {addresses}"),
        (None, Some(pool)) => format!("it asks for an address of the pool {pool}"),
        (None, None) => "its families have changed".to_owned(),
    }
}

impl Addresses {
    fn note(&mut self, service: &ServiceFacts, to: Vec<IpAddr>, why: String) {
        let name = service.key.to_string();
        let had = !service.ingress.is_empty() || service.foreign_ingress;
        if had && (service.ingress != to || service.foreign_ingress) {
            self.moving.push(Moving {
                service: name,
                from: service.ingress.clone(),
                to,
                why,
            });
        } else if had {
            self.kept += 1;
        } else if to.is_empty() {
            self.waiting.push(Waiting { service: name, why });
        }
    }
}
