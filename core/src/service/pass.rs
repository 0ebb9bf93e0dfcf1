//! One pass over one Service: the rules in their order. Owns nothing beyond the pass.

use std::net::IpAddr;

use metallb_api::names::event;

use super::event::ServiceEvent;
use super::footprint::Footprint;
use super::lack::Lack;
use super::{Outcome, request};
use crate::allocator::{AllocationError, Allocator, Choice, Holding, Quoted, Request, Want};
use crate::config::Pool;
use crate::facts::{FamilyPolicy, IpFamily, ServiceFacts};

/// What came of taking over a status.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    /// What to tell.
    pub(super) events: Vec<ServiceEvent>,
    /// It holds one address of two that it requires: if the second one is not to be had, it gives that up.
    pub(super) unfinished: bool,
}

pub(super) struct Pass<'a> {
    allocator: &'a mut Allocator,
    service: &'a ServiceFacts,
    before: Footprint,
    /// What it held until the pools changed.
    struck: Option<Holding>,
    events: Vec<ServiceEvent>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(allocator: &'a mut Allocator, service: &'a ServiceFacts) -> Self {
        let before = Footprint::of(allocator, service);
        let struck = allocator
            .take_struck(&service.key)
            .filter(|holding| holding.uid() == service.uid);
        Self {
            allocator,
            service,
            before,
            struck,
            events: Vec::new(),
        }
    }

    /// Takes over what the status says, as far as the rules allow and the Service would keep it when it is converged,
    /// and nothing else.
    pub(super) fn adopt(mut self) -> Adoption {
        let Ok(want) = request::want(self.service) else {
            return Adoption::default(); // it is told when it is converged
        };
        self.keep(want, self.service.ingress.clone());
        // What it gives up because it asks for something else is no news, and what is wrong with the request is told
        // when it is converged.
        let told = self.events.len();
        self.honour_pool();
        let _ = self.honour_addresses(want);
        self.events.truncate(told);
        let held = self.held().map_or(0, |holding| holding.addresses().len());
        Adoption {
            events: self.events,
            unfinished: want == Want::Both && held == 1,
        }
    }

    pub(super) fn run(mut self) -> Outcome {
        let lack = self.settle().err();
        let service = self.service;
        // A crash must not leave an address in two statuses: others have it when this one does not list it any more.
        self.allocator.linger(&service.key, &service.ingress);
        let freed = self
            .before
            .opened(&Footprint::of(self.allocator, service), self.allocator);
        let after = self.held();
        let ingress = after
            .map(|holding| holding.addresses().to_vec())
            .unwrap_or_default();
        let pool = after.map(|holding| holding.pool().to_owned());
        let stale_note = service.deprecated_allocated_from();
        let write = ingress != service.ingress
            || service.foreign_ingress
            || stale_note
            || pool.as_deref() != service.allocated_from();
        if write {
            self.events
                .extend(service.deprecated_annotations().map(ServiceEvent::deprecated));
        }
        Outcome {
            ingress,
            pool,
            write,
            events: self.events,
            freed,
            lack,
        }
    }

    fn settle(&mut self) -> Result<(), Lack> {
        let service = self.service;
        if !service.load_balancer {
            self.release();
            return Ok(());
        }
        if self.held().is_some_and(|holding| holding.uid() != service.uid) {
            self.release();
        }
        let want = self.want().inspect_err(|_| {
            self.allocator.release(&service.key);
        })?;
        let present = self.struck.as_ref().or(self.held());
        let present = present.map_or(Vec::new(), |holding| holding.addresses().to_vec());
        self.keep(want, present);
        self.honour_pool();
        let wanted = self.honour_addresses(want)?;
        self.complete(want, &wanted)?;
        if self.held().is_some() {
            return Ok(());
        }
        if service.deleting {
            // It would be gone before anybody used the address.
            return Ok(());
        }
        self.allocate(want, &wanted)?;
        self.complete(want, &wanted)
    }

    /// The families it needs addresses of.
    fn want(&mut self) -> Result<Want, Lack> {
        let (service, key) = (self.service, self.service.key.to_string());
        let cluster_ips: Vec<String> = service.cluster_ips.iter().map(ToString::to_string).collect();
        if cluster_ips.is_empty() {
            // The API server gives every LoadBalancer Service a cluster address before anybody sees it.
            let sentence = "the Service has no cluster address".to_owned();
            return Err(Lack::of_request(event::NO_CLUSTER_IPS_FAMILY, sentence));
        }
        if service.family_policy == FamilyPolicy::RequireDualStack && cluster_ips.len() < 2 {
            let listed = cluster_ips.join(" ");
            let reason = event::NOT_ENOUGH_CLUSTER_IPS;
            return Err(self.refuse(
                reason,
                format!("Service requires dual stack but {reason} [{listed}]"),
            ));
        }
        request::want(service).map_err(|error| {
            let listed = Quoted(&service.cluster_ips);
            let message = format!("Failed to retrieve ClusterIPs IPFamily for {key:?} {listed}: {error}");
            self.refuse(event::NO_CLUSTER_IPS_FAMILY, message)
        })
    }

    /// Keeps as many of the present addresses as the rules allow.
    fn keep(&mut self, want: Want, present: Vec<IpAddr>) {
        let service = self.service;
        if present.is_empty() {
            return;
        }
        let key = service.key.to_string();
        if let Err(error) = request::check_families(&present) {
            let message = format!("Failed to retrieve LBIPs IPFamily for {key:?}: {error}");
            self.warn(event::NO_LB_IPS_FAMILY, message);
            self.release();
            return;
        }
        let useful: Vec<IpAddr> = present
            .into_iter()
            .filter(|ip| want.includes(IpFamily::from(*ip)))
            .collect();
        if useful.is_empty() {
            self.release();
            return;
        }
        if let Err(error) = self.allocator.claim(service, &useful) {
            let reason = format!(
                "current IP for {key:?} not allowed by config, will attempt for new IP assignment: {error}"
            );
            self.events
                .push(ServiceEvent::normal(event::CLEAR_ASSIGNMENT, reason));
            self.release();
            self.keep_one_of(useful, want);
        }
    }

    /// Of two addresses one may still be allowed: whoever uses that one need not notice. If it could be either, the one
    /// in the pool asked for comes first, then the one of the preferred family.
    fn keep_one_of(&mut self, mut addresses: Vec<IpAddr>, want: Want) {
        if addresses.len() < 2 {
            return;
        }
        let service = self.service;
        addresses.sort_by_key(|ip| {
            let pool = self.allocator.check(service, &[*ip]).ok();
            let asked = pool.is_some_and(|pool| service.requested_pool() == Some(&pool.name));
            (!asked, want != Want::Prefer(IpFamily::from(*ip)))
        });
        for address in addresses {
            if self.allocator.claim(service, &[address]).is_ok() {
                return;
            }
        }
    }

    /// Gives up addresses of another pool than the one asked for.
    fn honour_pool(&mut self) {
        let Some(name) = self.service.requested_pool() else {
            return;
        };
        if self.named_pool().is_some() {
            if self.held().is_some_and(|holding| holding.pool() != name) {
                self.release();
            }
        } else {
            let message = format!(
                "Service asks for address pool {name:?}, which does not exist: create it, or correct the annotation. \
                 Until then its address comes from any pool that allows automatic assignment"
            );
            self.warn(event::ADDRESS_POOL_NOT_FOUND, message);
        }
    }

    /// Gives up addresses other than those asked for, and returns the latter; none if any will do.
    fn honour_addresses(&mut self, want: Want) -> Result<Vec<IpAddr>, Lack> {
        let wanted = request::addresses(self.service).map_err(|error| {
            // What it has stays until the request is corrected, unless that is less than it may have.
            if want == Want::Both && self.held().is_some_and(|holding| holding.addresses().len() < 2) {
                self.release();
            }
            let message = format!("invalid requested loadbalancer IPs: {error}");
            self.refuse(event::LOAD_BALANCER_FAILED, message)
        })?;
        let same = |held: &[IpAddr]| held.len() == wanted.len() && held.iter().all(|ip| wanted.contains(ip));
        if !wanted.is_empty() && self.held().is_some_and(|holding| !same(holding.addresses())) {
            self.release();
        }
        Ok(wanted)
    }

    /// Adds the second family, from the same pool, to a single address where both are wanted. A Service that asks for
    /// that one address keeps it alone, unless it requires two.
    fn complete(&mut self, want: Want, wanted: &[IpAddr]) -> Result<(), Lack> {
        let Some(holding) = self.held() else { return Ok(()) };
        let &[held] = holding.addresses() else {
            return Ok(());
        };
        if !want.is_dual() || (want != Want::Both && !wanted.is_empty()) {
            return Ok(());
        }
        let pool = holding.pool().to_owned();
        let added = match wanted {
            [] => self.second_address(held, &pool),
            asked => Err(AllocationError::FamilyMismatch(asked.to_vec())),
        };
        match (added, want) {
            (Ok(added), _) => {
                let message = format!("Assigned additional IP \"{added}\"");
                self.events
                    .push(ServiceEvent::normal(event::IP_ALLOCATED, message));
                Ok(())
            }
            (Err(error), Want::Prefer(_)) => {
                let request = Request {
                    want: Want::One(IpFamily::from(held).other()),
                    pool: Some(&pool),
                    addresses: &[],
                };
                let lack = self.lack(event::ADDITIONAL_ASSIGN_FAILED, &error, request);
                let message = format!(
                    "cannot assign additional IP in PreferDualStack: {}",
                    lack.sentence
                );
                self.events
                    .push(ServiceEvent::normal(event::ADDITIONAL_ASSIGN_FAILED, message));
                Err(lack)
            }
            // One address alone is not allowed: both have to come from another pool.
            (Err(_), Want::Both | Want::One(_)) => {
                self.release();
                Ok(())
            }
        }
    }

    fn second_address(&mut self, held: IpAddr, pool: &str) -> Result<IpAddr, AllocationError> {
        let missing = Want::One(IpFamily::from(held).other());
        let pool = self
            .allocator
            .pools()
            .and_then(|pools| pools.get(pool))
            .ok_or(AllocationError::NoneFree)?;
        let chosen = self
            .allocator
            .choose(self.service, missing, Choice::Named(pool))?;
        let added = *chosen.first().ok_or(AllocationError::NoneFree)?;
        self.allocator.claim(self.service, &[held, added])?;
        Ok(added)
    }

    fn allocate(&mut self, want: Want, wanted: &[IpAddr]) -> Result<(), Lack> {
        match self.try_allocate(want, wanted) {
            Ok(given) => {
                let message = format!("Assigned IP {}", Quoted(&given));
                self.events
                    .push(ServiceEvent::normal(event::IP_ALLOCATED, message));
                Ok(())
            }
            Err(error) => {
                let named = self.named_pool().map(|pool| pool.name.clone());
                let request = Request {
                    want,
                    pool: named.as_deref(),
                    addresses: wanted,
                };
                let lack = self.lack(event::ALLOCATION_FAILED, &error, request);
                self.events.push(ServiceEvent::failed(&self.service.key, &lack));
                Err(lack)
            }
        }
    }

    fn try_allocate(&mut self, want: Want, wanted: &[IpAddr]) -> Result<Vec<IpAddr>, AllocationError> {
        let service = self.service;
        let named = self.named_pool();
        let chosen = if wanted.is_empty() {
            let choice = named.map_or(Choice::Automatic, Choice::Named);
            self.allocator.choose(service, want, choice)?
        } else {
            let matches = match want {
                Want::One(family) => wanted.iter().all(|ip| IpFamily::from(*ip) == family),
                Want::Both => wanted.len() == 2,
                Want::Prefer(_) => true,
            };
            if !matches {
                return Err(AllocationError::FamilyMismatch(wanted.to_vec()));
            }
            let pool = self.allocator.check(service, wanted)?;
            if let Some(named) = named.filter(|named| named.name != pool.name) {
                let (addresses, pool) = (wanted.to_vec(), named.name.clone());
                return Err(AllocationError::PoolMismatch { addresses, pool });
            }
            wanted.to_vec()
        };
        self.allocator.claim(service, &chosen)?;
        Ok(chosen)
    }

    /// The pool asked for, if there is such a pool.
    fn named_pool(&self) -> Option<&Pool> {
        self.allocator.pools()?.get(self.service.requested_pool()?)
    }

    fn lack(&self, reason: &'static str, error: &AllocationError, request: Request<'_>) -> Lack {
        Lack::of_pools(reason, error, self.allocator.reasons(self.service, request))
    }

    /// What is asked for makes no sense; says so.
    fn refuse(&mut self, reason: &'static str, message: String) -> Lack {
        self.warn(reason, message.clone());
        Lack::of_request(reason, message)
    }

    fn held(&self) -> Option<&Holding> {
        self.allocator.holding(&self.service.key)
    }

    fn release(&mut self) {
        self.allocator.release(&self.service.key);
    }

    fn warn(&mut self, reason: &'static str, message: String) {
        self.events.push(ServiceEvent::warning(reason, message));
    }
}
