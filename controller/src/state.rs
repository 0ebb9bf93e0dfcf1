//! What the controller knows, and what it has to do next. Owned by one task; pure apart from log lines.
//!
//! ```text
//!   observe(Input) ─► facts, dirty Services ─► decide() ─► Write (one under way per Service), Tell, pool counters
//!        ▲                                                    │
//!        └────────────────── what came of a write ◄───────────┘
//! ```
//!
//! Nothing is decided before every kind was listed once; then every address in a status is adopted, and only then is
//! the first new one given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_api::v1beta1::IPAddressPool;
use metallb_api::{Change, NamespacedName};
use metallb_core::allocator::Allocator;
use metallb_core::facts::ServiceFacts;
use metallb_core::service::{self, Outcome};

use crate::findings::{Finding, Findings};
use crate::pool_status::PoolStatuses;
use crate::write::Write;

mod configuration;
mod known;
mod outstanding;
mod queue;
mod silent;
mod tells;
#[cfg(test)]
mod tests;
mod turns;
mod waiting;
mod writing;

use configuration::{Configuration, Reading};
use known::is_older;
use outstanding::Reasons;
use queue::WriteQueue;
use silent::Silent;
pub(crate) use silent::{CASES, Case, Concern};
use tells::Tells;
pub(crate) use tells::{Subject, Tell};
use waiting::Waiting;

/// A status that others have changed this often lately is told to be contested: not at the first time, when somebody
/// has edited it by hand and is told that this was in vain.
const CONTESTED: u32 = 3;

type Labels = BTreeMap<String, String>;

/// Something that the controller learns.
#[derive(Debug)]
pub(crate) enum Input {
    /// Services of all namespaces.
    Service(Change<ServiceFacts>),
    /// Pools of the own namespace.
    Pool(Change<IPAddressPool>),
    /// The labels of every namespace.
    Namespace(Change<Labels>),
}

/// The state of the controller.
#[derive(Debug)]
pub(crate) struct State {
    class: Option<String>,
    /// The Services that concern us: those of our class that want an address, have one, or carry our note.
    ///
    /// Boxed, because half of the space in a map's leaves is empty where keys come in order.
    services: BTreeMap<NamespacedName, Box<ServiceFacts>>,
    configuration: Configuration,
    listed: Listed,
    allocator: Allocator,
    /// Services that came with a list and were not known before: their statuses are believed with the next decision.
    unadopted: BTreeSet<NamespacedName>,
    dirty: BTreeSet<NamespacedName>,
    waiting: Waiting,
    reasons: Reasons,
    silent: Silent,
    /// Addresses that are to be had since those who wait were last tried.
    freed: Vec<IpAddr>,
    tells: Tells,
    writes: WriteQueue,
}

/// The kinds that were listed at least once.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Listed {
    services: bool,
    pools: bool,
    namespaces: bool,
}

impl State {
    /// Knows nothing yet. `class` is the load balancer class to serve; `None` serves Services without one.
    pub(crate) fn new(class: Option<String>) -> Self {
        Self {
            class,
            services: BTreeMap::new(),
            configuration: Configuration::new(),
            listed: Listed::default(),
            allocator: Allocator::new(),
            unadopted: BTreeSet::new(),
            dirty: BTreeSet::new(),
            waiting: Waiting::default(),
            reasons: Reasons::default(),
            silent: Silent::default(),
            freed: Vec::new(),
            tells: Tells::default(),
            writes: WriteQueue::default(),
        }
    }

    /// Whether every kind was listed once.
    pub(crate) fn is_complete(&self) -> bool {
        self.listed
            == Listed {
                services: true,
                pools: true,
                namespaces: true,
            }
    }

    /// Learns something.
    pub(crate) fn observe(&mut self, input: Input) {
        match input {
            Input::Service(Change::Apply(key, facts)) => self.observe_service(key, facts),
            Input::Service(Change::Delete(key)) => self.forget(&key),
            Input::Service(Change::Reset(all)) => {
                self.listed.services = true;
                let gone: Vec<_> = self
                    .services
                    .keys()
                    .filter(|key| !all.contains_key(key))
                    .cloned()
                    .collect();
                for key in &gone {
                    self.forget(key);
                }
                for (key, facts) in all {
                    if !self.services.contains_key(&key) {
                        self.unadopted.insert(key.clone());
                        self.tells.listed(&facts);
                    }
                    // A list is the truth even where its versions are lower: etcd was restored from a backup.
                    self.believe_service(key, facts);
                }
            }
            Input::Pool(change) => {
                self.listed.pools |= matches!(change, Change::Reset(_));
                self.configuration.observe_pools(change);
            }
            Input::Namespace(change) => {
                self.listed.namespaces |= matches!(change, Change::Reset(_));
                self.configuration.observe_namespaces(change);
            }
        }
    }

    /// Learns what is wrong with the objects that no address depends on.
    pub(crate) fn observe_findings(&mut self, findings: Findings) {
        for Finding { fault, uid } in self.configuration.observe_findings(findings) {
            let meanwhile = "what it said when it was last valid stays in force";
            self.tells.push(Tell::fault(fault, uid, meanwhile));
        }
    }

    /// Reads the configuration and decides nothing: for metrics and logs of a controller that does not lead.
    pub(crate) fn follow(&mut self) {
        if self.is_complete() {
            self.read_config();
        }
    }

    /// Forgets what is to be told, as who does not lead: the leader tells it, and what is not forgotten would pile up
    /// for as long as another one leads.
    pub(crate) fn drop_tells(&mut self) {
        self.tells.take();
    }

    /// Decides about everything that something new is known about. The decisions wait in the queue of writes and in
    /// [`State::take_tells`].
    pub(crate) fn decide(&mut self) {
        if !self.is_complete() {
            return;
        }
        self.read_config();
        if self.allocator.pools().is_none() {
            self.explain();
            return;
        }
        self.adopt();
        loop {
            for key in self.next_round() {
                self.decide_about(&key);
            }
            if self.freed.is_empty() {
                break;
            }
            self.try_waiting();
        }
    }

    /// What is to be told since the last call.
    pub(crate) fn take_tells(&mut self) -> Vec<Tell> {
        self.tells.take()
    }

    /// What the status of pools should say and does not.
    pub(crate) fn pool_statuses(&self) -> PoolStatuses {
        self.configuration.outdated_statuses(&self.allocator)
    }

    /// What is given to whom, and the pools in force.
    pub(crate) fn allocator(&self) -> &Allocator {
        &self.allocator
    }

    /// Whether the configuration that was written last is not in force, because something is wrong with it.
    pub(crate) fn is_stale(&self) -> bool {
        self.configuration.is_faulty()
    }

    /// Learns of a Service, unless the watch is behind what a write has returned.
    fn observe_service(&mut self, key: NamespacedName, facts: ServiceFacts) {
        let known = self.services.get(&key);
        if known.is_none_or(|known| !is_older(&facts, known)) {
            if self.allocator.pools().is_none() {
                self.unadopted.insert(key.clone()); // nothing was decided yet: another controller may have written it
            }
            self.believe_service(key, facts);
        }
    }

    fn believe_service(&mut self, key: NamespacedName, facts: ServiceFacts) {
        let concerns_us = if facts.load_balancer {
            facts.has_class(self.class.as_deref())
        } else {
            // The API server takes the class away together with the type: what it has of us tells whose it was.
            let ours = facts.allocated_from().is_some() || facts.no_address.is_some();
            let ours = ours || facts.unannounced.is_some();
            ours || self.allocator.holding(&key).is_some()
        };
        if !concerns_us {
            self.forget(&key);
        } else if self.services.get(&key).is_none_or(|known| **known != facts) {
            if let Some(held) = self.undone(&facts) {
                let addresses_differ = facts.ingress != held || facts.foreign_ingress;
                match self.writes.undone(&key) {
                    1 if addresses_differ => self.tells.restored(&facts, &held),
                    CONTESTED => self.tells.contested(&facts),
                    _ => {}
                }
            }
            if !self.unadopted.contains(&key) {
                // Whoever wrote it: until it is put right, nobody else may list it.
                self.allocator.reserve(&key, &facts.ingress);
            }
            self.dirty.insert(key.clone());
            self.services.insert(key, Box::new(facts));
            self.silent.look_again();
        }
    }

    /// The addresses that the status listed, as it should, until somebody has changed it or the note beside it.
    fn undone(&self, facts: &ServiceFacts) -> Option<Vec<IpAddr>> {
        let held = self.allocator.holding(&facts.key)?;
        let says_it = |facts: &ServiceFacts| {
            let plain = facts.ingress == held.addresses() && !facts.foreign_ingress;
            plain && facts.allocated_from() == Some(held.pool())
        };
        let known = self.services.get(&facts.key)?;
        let undone = known.uid == facts.uid && says_it(known) && facts.load_balancer && !says_it(facts);
        undone.then(|| held.addresses().to_vec())
    }

    /// The Service is gone, or was never ours.
    fn forget(&mut self, key: &NamespacedName) {
        if self.services.remove(key).is_some() {
            self.silent.look_again();
        }
        self.tells.forget(key);
        self.waiting.remove(key);
        self.reasons.forget(key);
        self.unadopted.remove(key);
        self.dirty.remove(key);
        self.writes.forget(key);
        self.freed.extend(self.allocator.forget(key));
    }

    /// Puts the configuration in force if it is valid; otherwise says once what is wrong, and keeps the last good one.
    fn read_config(&mut self) {
        match self.configuration.read() {
            Reading::Unchanged => {}
            Reading::Valid(pools) => {
                let count = pools.iter().count();
                if self.allocator.set_pools(pools) {
                    tracing::info!(pools = count, "configuration in force");
                    self.dirty.extend(self.services.keys().cloned());
                }
            }
            Reading::Faulty(faults) => {
                let mut meanwhile = "no change of any IPAddressPool takes effect";
                if self.allocator.pools().is_none() {
                    meanwhile = "no Service gets an address that it does not have yet";
                    self.dirty.extend(self.services.keys().cloned()); // each names the faults there are now
                }
                for fault in faults {
                    let uid = self.configuration.uid(&fault.object).unwrap_or_default();
                    self.tells.push(Tell::fault(fault, uid, meanwhile));
                }
            }
        }
    }

    /// Tells those without an address that no configuration was ever read. When one is, everybody is decided about.
    fn explain(&mut self) {
        for key in std::mem::take(&mut self.dirty) {
            if let Some(facts) = self.services.get(&key).cloned() {
                let outcome = service::undecided(&facts, self.configuration.faults());
                self.carry_out(&facts, outcome);
            }
        }
    }

    fn adopt(&mut self) {
        let unadopted = std::mem::take(&mut self.unadopted);
        if unadopted.is_empty() {
            return;
        }
        let services = unadopted
            .iter()
            .filter_map(|key| self.services.get(key).map(Box::as_ref));
        for (facts, events) in service::adopt(&mut self.allocator, services) {
            for event in events {
                self.tells.push(Tell::service(facts, event));
            }
        }
        let holding = |key: &&NamespacedName| self.allocator.holding(key).is_some();
        let adopted = unadopted.iter().filter(holding).count();
        tracing::info!(services = unadopted.len(), adopted, "existing addresses adopted");
    }

    fn carry_out(&mut self, facts: &ServiceFacts, outcome: Outcome) {
        let Outcome {
            ingress,
            pool,
            write,
            events,
            freed,
            lack,
        } = outcome;
        let key = &facts.key;
        self.freed.extend(freed);
        self.waiting.update(facts, lack.as_ref());
        self.tells.decided(facts, events, lack.as_ref(), &ingress, !write);
        self.reasons
            .update(facts, lack.filter(|_| ingress.is_empty()).as_ref());
        if write {
            self.writes.put(Write {
                service: key.clone(),
                resource_version: facts.resource_version.clone(),
                ingress,
                pool,
                drop_deprecated_note: facts.deprecated_allocated_from(),
            });
        } else {
            self.writes.cancel(key);
        }
    }
}
