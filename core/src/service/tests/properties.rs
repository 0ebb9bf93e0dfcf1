//! Random histories of Services and pools, against the rules stated naively.

mod model;

use std::collections::BTreeSet;

use model::{PoolModel, could_be_served, models, requested};
use proptest::prelude::*;

use super::*;
use crate::facts::{ServiceFacts, TrafficPolicy};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

const STATUSES: [&[&str]; 5] = [
    &[],
    &["192.0.2.1"],
    &["2001:db8::1"],
    &["192.0.2.1", "2001:db8::1"],
    &["192.0.2.2"],
];

/// One thing that users do.
#[derive(Debug, Clone)]
enum Step {
    Apply(usize, Shape),
    Delete(usize),
    Configure(usize),
}

/// What users vary about a Service.
#[derive(Debug, Clone)]
struct Shape {
    load_balancer: bool,
    families: usize,
    pool: usize,
    ips: usize,
    key: usize,
    port: u16,
    local: bool,
    gold: bool,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let place = (0..6_usize, 0..8_usize, 0..10_usize);
    (
        prop::bool::weighted(0.9),
        place,
        0..3_usize,
        0..3_u16,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(load_balancer, (families, pool, ips), key, port, local, gold)| Shape {
                load_balancer,
                families,
                pool,
                ips,
                key,
                port,
                local,
                gold,
            },
        )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..NAMES.len(), shapes()).prop_map(|(name, shape)| Step::Apply(name, shape)),
        2 => (0..NAMES.len()).prop_map(Step::Delete),
        1 => (0..models().len()).prop_map(Step::Configure),
    ];
    prop::collection::vec(step, 1..40)
}

impl Shape {
    fn of(&self, name: &str) -> ServiceFacts {
        let (families, policy): (&[IpFamily], _) = match self.families {
            0 | 1 => (&[IpFamily::V4], FamilyPolicy::SingleStack),
            2 => (&[IpFamily::V6], FamilyPolicy::SingleStack),
            3 => (&[IpFamily::V4], FamilyPolicy::PreferDualStack),
            4 => (&[IpFamily::V6, IpFamily::V4], FamilyPolicy::PreferDualStack),
            _ => (&BOTH, FamilyPolicy::RequireDualStack),
        };
        // Of the last names, in another namespace.
        let namespace = if name < "d" { "default" } else { "bank" };
        let mut service = service(name)
            .in_namespace(namespace)
            .with_families(families, policy)
            .on_ports(&[(Protocol::Tcp, self.port)]);
        service.load_balancer = self.load_balancer;
        if let Some(key) = ["", "red", "blue"].get(self.key).filter(|key| !key.is_empty()) {
            service = service.sharing(key);
        }
        if let Some(pool) = ["main", "gold", "six", "renamed"].get(self.pool) {
            service = service.asking_for_pool(pool);
        }
        if let Some(ips) = [
            "192.0.2.1",
            "192.0.2.4",
            "2001:db8::1",
            "192.0.2.1,2001:db8::1",
            "nonsense",
        ]
        .get(self.ips)
        {
            service = service.asking_for_ips(ips);
        }
        if self.local {
            service = service.local_to(["web", "db"][usize::from(self.gold)]);
        }
        if self.gold {
            service.labelled("tier", "gold")
        } else {
            service
        }
    }
}

/// The cluster as the API server has it, and a controller that lives through its changes.
#[derive(Default)]
struct Cluster {
    allocator: Allocator,
    /// Which of the [`models`] is configured.
    configured: usize,
    services: BTreeMap<String, ServiceFacts>,
    waiting: BTreeMap<String, Lack>,
}

impl Cluster {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Apply(index, shape) => {
                let name = NAMES[*index];
                let old = self.services.get(name);
                let (ingress, pool) = old.map_or((Vec::new(), None), |old| {
                    (old.ingress.clone(), old.allocated_from().map(str::to_owned))
                });
                let applied = shape.of(name).holding(pool.as_deref(), &ingress);
                self.services.insert(name.to_owned(), applied);
                self.converge([name.to_owned()].into());
            }
            Step::Delete(index) => {
                if let Some(service) = self.services.remove(NAMES[*index]) {
                    let freed = self.allocator.forget(&service.key);
                    self.waiting.remove(NAMES[*index]);
                    self.converge(self.waiting_for(&freed));
                }
            }
            Step::Configure(index) => {
                let before = self.services.clone();
                self.configured = *index;
                self.allocator.set_pools(model::pools(&models()[*index]));
                self.converge(self.services.keys().cloned().collect());
                for old in before.values() {
                    self.check_kept(old);
                }
            }
        }
    }

    /// As the controller does: all decisions first, then one write after the other, each followed by what it gives rise
    /// to; those who wait are tried again whenever something is freed.
    fn converge(&mut self, mut dirty: Vec<String>) {
        let mut writes: BTreeMap<String, ServiceFacts> = BTreeMap::new();
        for _ in 0..500 {
            while let Some(name) = dirty.pop() {
                let service = &self.services[&name];
                let outcome = converge(&mut self.allocator, service);
                let decided = service.clone().holding(outcome.pool.as_deref(), &outcome.ingress);
                writes.remove(&name);
                self.waiting.remove(&name);
                if let Some(lack) = outcome.lack {
                    self.waiting.insert(name.clone(), lack);
                }
                if outcome.write {
                    writes.insert(name, decided);
                }
                dirty.extend(self.waiting_for(&outcome.freed));
            }
            let Some((name, written)) = writes.pop_first() else {
                return;
            };
            self.check_write(&written);
            self.services.insert(name.clone(), written);
            dirty.push(name);
        }
        panic!("the Services push each other around for ever");
    }

    /// Those that lack an address of a pool that one of `freed` is of.
    fn waiting_for(&self, freed: &[IpAddr]) -> Vec<String> {
        let pool_of = |ip: &IpAddr| self.allocator.pool_of(*ip);
        let pools: Vec<&str> = freed
            .iter()
            .filter_map(pool_of)
            .map(|pool| pool.name.as_str())
            .collect();
        let waits = |lack: &Lack| lack.pools_in_use().any(|pool| pools.contains(&pool));
        let waiting = self.waiting.iter().filter(|(_, lack)| waits(lack));
        waiting.map(|(name, _)| name.clone()).collect()
    }

    /// A crash after this write leaves no address in two statuses that may not share it.
    fn check_write(&self, written: &ServiceFacts) {
        let before = &self.services[written.key.name()].ingress;
        let mut added = written.clone();
        added.ingress.retain(|ip| !before.contains(ip));
        for other in self.services.values().filter(|other| other.key != written.key) {
            check_pair(&added, other);
        }
    }

    fn check(&mut self) {
        let holders: Vec<&ServiceFacts> = self.services.values().collect();
        let pools = models().swap_remove(self.configured);
        for service in &holders {
            check_alone(service, &pools);
            let waits = service.load_balancer && service.ingress.is_empty();
            assert!(
                !waits || !could_be_served(service, &pools, &holders),
                "waits in vain: {service:?}"
            );
            for other in holders.iter().filter(|other| other.key != service.key) {
                check_pair(service, other);
            }
        }
        self.check_settled();
        self.check_restart();
    }

    /// A change of the pools takes no more from a Service than it has to.
    fn check_kept(&self, old: &ServiceFacts) {
        let pools = models().swap_remove(self.configured);
        let asked = model::asked_pool(old, &pools);
        let pool_of = |ip: IpAddr| {
            let mut all = pools.iter();
            let pool = all.find(|pool| pool.offers(ip) && (pool.serves)(old))?;
            asked.is_none_or(|asked| asked == pool.name).then_some(pool.name)
        };
        let new = &self.services[old.key.name()].ingress;
        let allowed: Vec<_> = old.ingress.iter().filter_map(|ip| pool_of(*ip)).collect();
        let whole = allowed.len() == old.ingress.len() && allowed.iter().all(|pool| *pool == allowed[0]);
        if old.ingress.is_empty() {
            return;
        }
        if whole {
            assert!(new.starts_with(&old.ingress), "{old:?} has {new:?}");
        } else if old.family_policy != FamilyPolicy::RequireDualStack && old.requested_ips().is_none() {
            let kept = old
                .ingress
                .iter()
                .any(|ip| pool_of(*ip).is_some() && new.contains(ip));
            assert!(allowed.is_empty() || kept, "{old:?} has {new:?}");
        }
    }

    /// Nothing is left to do, and nobody waits who could be served.
    fn check_settled(&mut self) {
        for service in self.services.values() {
            let outcome = converge(&mut self.allocator, service);
            assert!(
                !outcome.write && outcome.freed.is_empty(),
                "not settled: {service:?} {outcome:?}"
            );
            assert!(
                !outcome.events.iter().any(|event| event.reason == "IPAllocated"),
                "{outcome:?}"
            );
        }
    }

    /// A controller that starts now comes to the same decisions.
    fn check_restart(&self) {
        let Some(pools) = self.allocator.pools() else {
            return;
        };
        let mut restarted = Allocator::new();
        restarted.set_pools(pools.clone());
        assert_eq!(adopt(&mut restarted, self.services.values()), []);
        for service in self.services.values() {
            let outcome = converge(&mut restarted, service);
            assert!(
                !outcome.write && outcome.freed.is_empty(),
                "a restart moves {service:?}: {outcome:?}"
            );
            assert_eq!(
                restarted.holding(&service.key),
                self.allocator.holding(&service.key)
            );
        }
    }
}

/// What holds for each Service, whoever else there is.
fn check_alone(service: &ServiceFacts, pools: &[PoolModel]) {
    assert!(service.load_balancer || service.ingress.is_empty());
    let families: Vec<IpFamily> = service.ingress.iter().map(|ip| IpFamily::from(*ip)).collect();
    let wanted: Vec<IpFamily> = service.cluster_ips.iter().map(|ip| IpFamily::from(*ip)).collect();
    assert!(
        families.iter().all(|family| wanted.contains(family)),
        "{service:?}"
    );
    assert!(families.len() < 2 || families[0] != families[1], "{service:?}");
    let required = service.family_policy == FamilyPolicy::RequireDualStack;
    assert!(
        families.is_empty() || !required || families.len() == 2,
        "{service:?}"
    );
    let (Some(name), false) = (service.allocated_from(), service.ingress.is_empty()) else {
        assert!(
            service.allocated_from().is_none() && service.ingress.is_empty(),
            "status and note differ: {service:?}"
        );
        return;
    };
    let pool = pools.iter().find(|pool| pool.name == name);
    let pool = pool.expect("a pool that does not exist is noted");
    assert!(
        service.ingress.iter().all(|ip| pool.offers(*ip)) && (pool.serves)(service),
        "{service:?}"
    );
    assert!(
        model::asked_pool(service, pools).is_none_or(|asked| asked == name),
        "{service:?}"
    );
    // Exactly what it asks for.
    if let Some(Ok(asked)) = requested(service) {
        let (asked, has): (BTreeSet<_>, BTreeSet<_>) =
            (asked.iter().collect(), service.ingress.iter().collect());
        assert_eq!(asked, has, "{service:?}");
    }
}

/// The sharing rule, stated once more.
fn check_pair(one: &ServiceFacts, other: &ServiceFacts) {
    if !one.ingress.iter().any(|ip| other.ingress.contains(ip)) {
        return;
    }
    assert!(may_share(one, other), "{one:?} {other:?}");
}

fn may_share(one: &ServiceFacts, other: &ServiceFacts) -> bool {
    let key = |service: &ServiceFacts| service.sharing_annotation().unwrap_or_default().to_owned();
    let local = |service: &ServiceFacts| service.traffic_policy == TrafficPolicy::Local;
    !key(one).is_empty()
        && key(one) == key(other)
        && one.ports.iter().all(|port| !other.ports.contains(port))
        && local(one) == local(other)
        && (!local(one) || one.selector == other.selector)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Statuses as a crash, a manual edit or changes during a standstill leave them.
    #[test]
    fn whoever_loses_a_valid_address_at_the_start_loses_it_to_an_older_service_that_keeps_it(
        drafts in prop::collection::vec((shapes(), 0..3_i64, 0..STATUSES.len()), 1..NAMES.len()),
        configuration in 0..3_usize,
    ) {
        let mut services: Vec<ServiceFacts> = drafts.iter().zip(NAMES)
            .map(|((shape, created, status), name)| {
                shape.of(name).created_at(*created).holding(Some("main"), &ips(STATUSES[*status]))
            })
            .collect();
        services.sort_by_key(|service| (service.created_s, service.key.clone()));
        let start = |services: &[ServiceFacts]| {
            let mut allocator = Allocator::new();
            allocator.set_pools(model::pools(&models()[configuration]));
            adopt(&mut allocator, services);
            allocator
        };
        let mut allocator = start(&services);
        let after: Vec<Vec<IpAddr>> =
            services.iter().map(|service| converge(&mut allocator, service).ingress).collect();
        for (index, service) in services.iter().enumerate() {
            let alone = converge(&mut start(std::slice::from_ref(service)), service).ingress;
            if alone == service.ingress && after[index] != service.ingress {
                let mut older = after[..index].iter();
                prop_assert!(older.any(|kept| kept.iter().any(|ip| service.ingress.contains(ip))), "{service:?}");
            }
        }
    }

    #[test]
    fn no_history_breaks_a_rule_and_a_restart_changes_nothing(steps in steps()) {
        let mut cluster = Cluster::default();
        cluster.step(&Step::Configure(0));
        for step in &steps {
            cluster.step(step);
            cluster.check();
        }
    }
}
