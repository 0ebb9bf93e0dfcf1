//! A controller beside a small API server, in every order of what users do, what the watch tells, and what becomes of
//! writes: no address is ever in two statuses, none is lost, none leaks.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// What the pool may become. Between them are moves, cuts, extensions, and one that serves nobody here.
const POOLS: [(&str, bool); 5] = [
    ("192.0.2.0/30", true),
    ("192.0.2.2-192.0.2.6", true),
    ("198.51.100.0/31", true),
    ("192.0.2.0/31", true),
    ("192.0.2.0/30", false),
];
const ASKED: [&str; 3] = ["192.0.2.1", "192.0.2.3", "203.0.113.1"];

#[derive(Debug, Clone)]
enum Step {
    /// A user makes or edits a Service. Beyond the end of [`ASKED`] it asks for nothing.
    Apply(usize, bool, usize),
    Delete(usize),
    Configure(usize),
    /// One event of the watch reaches the controller.
    Deliver,
    /// The watch begins anew.
    List,
    /// A write starts.
    Start,
    /// One of the writes under way ends.
    End(usize, Fate),
    /// Seconds.
    Time(u64),
    /// The process ends at once, and another one starts.
    Crash,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Answered,
    Refused,
    /// Not done, and the controller hears nothing.
    Lost,
    /// Done, and the controller hears nothing.
    Unheard,
    /// The controller hears nothing; it is done later.
    Late,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Fate::{Answered, Late, Lost, Refused, Unheard};
    let name = 0..NAMES.len();
    let fates = vec![Answered, Answered, Answered, Refused, Lost, Unheard, Late];
    let step = prop_oneof![
        8 => (name.clone(), prop::bool::weighted(0.8), 0..ASKED.len() * 2)
            .prop_map(|(name, balanced, asked)| Step::Apply(name, balanced, asked)),
        2 => name.prop_map(Step::Delete),
        2 => (0..POOLS.len()).prop_map(Step::Configure),
        12 => Just(Step::Deliver),
        1 => Just(Step::List),
        10 => Just(Step::Start),
        10 => (0..4_usize, prop::sample::select(fates)).prop_map(|(place, fate)| Step::End(place, fate)),
        2 => (1..40_u64).prop_map(Step::Time),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..80)
}

struct Simulation {
    /// What the API server has.
    objects: BTreeMap<NamespacedName, ServiceFacts>,
    pool: usize,
    version: u64,
    now: Duration,
    controller: State,
    events: VecDeque<Input>,
    under_way: Vec<Write>,
    late: Vec<Write>,
}

impl Simulation {
    fn new() -> Self {
        let mut new = Self {
            objects: BTreeMap::new(),
            pool: 0,
            version: 1,
            now: Duration::ZERO,
            controller: State::new(None),
            events: VecDeque::new(),
            under_way: Vec::new(),
            late: Vec::new(),
        };
        new.start();
        new
    }

    /// A controller that knows nothing lists everything.
    fn start(&mut self) {
        self.events.clear();
        self.controller = State::new(None);
        self.now = Duration::ZERO;
        self.controller.observe(Input::Namespace(all([])));
        let gold = NamespacedName::new("metallb-system", "gold");
        self.controller
            .observe(Input::Pool(all([(gold, configured(self.pool))])));
        self.list();
    }

    fn list(&mut self) {
        self.events.clear();
        let list = Input::Service(Change::Reset(self.objects.clone()));
        self.controller.observe(list);
        self.controller.decide();
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Apply(name, balanced, asked) => {
                self.apply(NAMES[name], balanced, ASKED.get(asked).copied());
            }
            Step::Delete(name) => {
                let gone = key(NAMES[name]);
                if self.objects.remove(&gone).is_some() {
                    self.version += 1;
                    self.events.push_back(Input::Service(Change::Delete(gone)));
                }
            }
            Step::Configure(pool) => {
                self.pool = pool;
                reconfigure(&mut self.controller, configured(pool));
            }
            Step::Deliver => {
                if let Some(event) = self.events.pop_front() {
                    self.controller.observe(event);
                    self.controller.decide();
                }
            }
            Step::List => {
                self.perform_late();
                self.list();
            }
            Step::Start => self.under_way.extend(self.controller.next_write()),
            Step::End(place, fate) => self.end(place, fate),
            Step::Time(seconds) => {
                self.perform_late();
                self.now += Duration::from_secs(seconds);
                pass(&mut self.controller, self.now);
            }
            Step::Crash => {
                for write in std::mem::take(&mut self.under_way) {
                    self.perform(&write);
                }
                self.perform_late();
                self.start();
            }
        }
    }

    fn apply(&mut self, name: &str, load_balancer: bool, asked: Option<&str>) {
        let old = self.objects.get(&key(name));
        let (uid, ingress) = match old {
            // The API server clears the status of a Service that is no load balancer.
            Some(old) if load_balancer => (old.uid.clone(), old.ingress.clone()),
            Some(old) => (old.uid.clone(), Vec::new()),
            None => (format!("uid {}", self.version), Vec::new()),
        };
        let note = old.and_then(|old| old.allocated_from().map(str::to_owned));
        let mut facts = ServiceFacts {
            uid,
            ingress,
            load_balancer,
            ..service(name, 0, &[])
        };
        annotate(&mut facts, "metallb.io/ip-allocated-from-pool", note.as_deref());
        annotate(&mut facts, "metallb.io/loadBalancerIPs", asked);
        self.put(facts);
    }

    /// The API server has a new version of an object.
    fn put(&mut self, mut facts: ServiceFacts) -> ServiceFacts {
        self.version += 1;
        facts.resource_version = self.version.to_string();
        let change = Change::Apply(facts.key.clone(), facts.clone());
        self.events.push_back(Input::Service(change));
        self.objects.insert(facts.key.clone(), facts.clone());
        facts
    }

    fn end(&mut self, place: usize, fate: Fate) {
        if self.under_way.is_empty() {
            return;
        }
        let write = self.under_way.remove(place % self.under_way.len());
        let failed = Written::Failed { answered: false };
        let outcome = match fate {
            Fate::Answered => self.perform(&write),
            Fate::Refused => refused(),
            Fate::Lost => failed,
            Fate::Unheard => {
                self.perform(&write);
                failed
            }
            Fate::Late => {
                self.late.push(write.clone());
                failed
            }
        };
        self.controller.observe_written(&write, outcome);
        self.controller.decide();
    }

    fn perform_late(&mut self) {
        for write in std::mem::take(&mut self.late) {
            self.perform(&write);
        }
    }

    /// As the API server does: only on the version that it was decided on. Afterwards no address is in two statuses.
    fn perform(&mut self, write: &Write) -> Written {
        let old = self.objects.get(&write.service);
        let Some(old) = old.filter(|old| old.resource_version == write.resource_version) else {
            return Written::Outdated;
        };
        let mut new = old.clone();
        new.ingress.clone_from(&write.ingress);
        annotate(
            &mut new,
            "metallb.io/ip-allocated-from-pool",
            write.pool.as_deref(),
        );
        if new == *old {
            return Written::Done(Box::new(new));
        }
        let new = self.put(new);
        self.check_unique();
        Written::Done(Box::new(new))
    }

    fn check_unique(&self) {
        let mut listed: Vec<_> = self.objects.values().flat_map(|facts| &facts.ingress).collect();
        let all = listed.len();
        listed.sort();
        listed.dedup();
        assert_eq!(all, listed.len(), "{:?}", self.statuses());
    }

    /// Nothing goes wrong any more, until nothing happens any more.
    fn settle(&mut self) {
        self.perform_late();
        for _ in 0..1000 {
            self.now += MINUTE;
            pass(&mut self.controller, self.now);
            self.under_way
                .extend(std::iter::from_fn(|| self.controller.next_write()));
            if self.events.is_empty() && self.under_way.is_empty() {
                return;
            }
            while !self.under_way.is_empty() {
                self.end(0, Fate::Answered);
            }
            while !self.events.is_empty() {
                self.step(&Step::Deliver);
            }
        }
        panic!("no rest: {:?}", self.statuses());
    }

    fn statuses(&self) -> Vec<(&str, &[std::net::IpAddr])> {
        self.objects
            .values()
            .map(|facts| (facts.key.name(), facts.ingress.as_slice()))
            .collect()
    }

    /// What is given is what is listed, and nobody waits for what is free.
    fn check_settled(&self) {
        let status = self.controller.allocator.status("gold").unwrap();
        let listed = self.objects.values().filter(|facts| !facts.ingress.is_empty());
        assert_eq!(
            usize::try_from(status.assigned_ipv4),
            Ok(listed.count()),
            "{:?}",
            self.statuses()
        );
        let waits = |facts: &&ServiceFacts| {
            facts.load_balancer && facts.ingress.is_empty() && facts.requested_ips().is_none()
        };
        let waiting = self.objects.values().filter(waits).count();
        let (_, serves) = POOLS[self.pool];
        assert!(
            waiting == 0 || status.available_ipv4 == 0 || !serves,
            "{:?}",
            self.statuses()
        );
        for facts in self.objects.values() {
            assert_eq!(
                facts.ingress.is_empty(),
                facts.allocated_from().is_none(),
                "{facts:?}"
            );
            for ip in &facts.ingress {
                assert!(facts.load_balancer && self.controller.allocator.pool_of(*ip).is_some());
            }
        }
    }
}

fn configured(index: usize) -> IPAddressPool {
    let (addresses, serves) = POOLS[index];
    let mut pool = pool(addresses);
    if !serves {
        pool.spec.service_allocation = Some(ServiceAllocation {
            namespaces: Some(vec!["elsewhere".into()]),
            ..ServiceAllocation::default()
        });
    }
    pool
}

fn annotate(facts: &mut ServiceFacts, name: &str, value: Option<&str>) {
    facts.annotations.retain(|(known, _)| known != name);
    let added = value.map(|value| (name.to_owned(), value.to_owned()));
    facts.annotations.extend(added);
    facts.annotations.sort();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_order_of_events_gives_an_address_twice_or_loses_one(steps in steps()) {
        let mut simulation = Simulation::new();
        for step in &steps {
            simulation.step(step);
        }
        simulation.settle();
        simulation.check_settled();
        let before: Vec<_> = simulation.objects.values().cloned().collect();
        simulation.step(&Step::Crash);
        simulation.settle();
        prop_assert_eq!(before, simulation.objects.values().cloned().collect::<Vec<_>>());
    }
}
