//! One controller after the other on one API server: leaders die or end in peace with writes under way, watches lag,
//! answers get lost, users make and delete Services. At no time do two statuses list the same address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// The pool has eight addresses: some Services have to wait.
const ADDRESSES: &str = "192.0.2.0/29";
const CAPACITY: usize = 8;
const NAMES: u8 = 11;

/// The objects, and what the watches will tell of them.
#[derive(Default)]
struct ApiServer {
    objects: BTreeMap<NamespacedName, ServiceFacts>,
    version: u32,
    log: Vec<Change<ServiceFacts>>,
}

/// The controller that leads.
struct Leader {
    state: State,
    /// How much of the log its watch has delivered.
    seen: usize,
    under_way: Vec<Write>,
    now: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A user makes a Service, or deletes it, or edits its labels.
    Make(u8),
    Delete(u8),
    Edit(u8),
    /// The watch brings some news, and the leader decides.
    Deliver(u8),
    /// A write that is under way arrives and is answered.
    Land(u8),
    /// A write arrives, and its answer is lost.
    LandUnheard(u8),
    /// A write is lost.
    Lose(u8),
    /// The leader dies. Of its writes each one may still arrive before the next leader gets the lease.
    Crash(u8),
    /// The leader finishes its writes and hands over.
    HandOver,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES;
    prop_oneof![
        4 => name.clone().prop_map(Step::Make),
        2 => name.clone().prop_map(Step::Delete),
        1 => name.prop_map(Step::Edit),
        6 => (1..6_u8).prop_map(Step::Deliver),
        6 => any::<u8>().prop_map(Step::Land),
        1 => any::<u8>().prop_map(Step::LandUnheard),
        1 => any::<u8>().prop_map(Step::Lose),
        1 => any::<u8>().prop_map(Step::Crash),
        1 => Just(Step::HandOver),
    ]
}

impl ApiServer {
    fn put(&mut self, mut facts: ServiceFacts) -> ServiceFacts {
        self.version += 1;
        facts.resource_version = self.version.to_string();
        self.objects.insert(facts.key.clone(), facts.clone());
        self.log.push(Change::Apply(facts.key.clone(), facts.clone()));
        facts
    }

    /// What the API server does with the write of a leader.
    fn serve(&mut self, write: &Write) -> Written {
        let object = self.objects.get(&write.service).cloned();
        let Some(mut object) = object.filter(|object| object.resource_version == write.resource_version)
        else {
            return Written::Outdated;
        };
        object.ingress.clone_from(&write.ingress);
        object.annotations = match &write.pool {
            Some(pool) => vec![("metallb.io/ip-allocated-from-pool".into(), pool.clone())],
            None => Vec::new(),
        };
        Written::Done(Box::new(self.put(object)))
    }

    /// No address is in two statuses.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut holders: BTreeMap<IpAddr, &NamespacedName> = BTreeMap::new();
        for facts in self.objects.values() {
            for ip in &facts.ingress {
                let other = holders.insert(*ip, &facts.key);
                prop_assert!(
                    other.is_none(),
                    "{ip} is in the status of {other:?} and {}",
                    facts.key
                );
            }
        }
        Ok(())
    }
}

impl Leader {
    /// As a term begins: with an empty state and fresh lists.
    fn elected(api: &ApiServer) -> Self {
        let services = api.objects.values().cloned().collect();
        let mut leader = Self {
            state: started(ADDRESSES, services),
            seen: api.log.len(),
            under_way: Vec::new(),
            now: Duration::ZERO,
        };
        leader.act();
        leader
    }

    fn act(&mut self) {
        self.now += Duration::from_millis(50);
        self.state.advance(self.now);
        self.state.decide();
        self.under_way
            .extend(std::iter::from_fn(|| self.state.next_write()));
    }

    fn deliver(&mut self, api: &ApiServer, count: usize) {
        for change in api.log.iter().skip(self.seen).take(count) {
            self.state.observe(Input::Service(change.clone()));
        }
        self.seen = api.log.len().min(self.seen + count);
        self.act();
    }

    fn take(&mut self, which: u8) -> Option<Write> {
        let place = usize::from(which).checked_rem(self.under_way.len())?;
        Some(self.under_way.remove(place))
    }

    fn hear(&mut self, write: &Write, written: Written) {
        self.state.observe_written(write, written);
        self.act();
    }
}

/// Performs one step of users, network or leaders.
fn perform(api: &mut ApiServer, leader: &mut Leader, step: Step) {
    let named = |number: u8| key(&format!("s{number:02}"));
    match step {
        Step::Make(number) => {
            if !api.objects.contains_key(&named(number)) {
                let uid = format!("uid-{}", api.version);
                let created_s = i64::from(api.version);
                api.put(ServiceFacts {
                    uid,
                    created_s,
                    ..service(named(number).name(), 0, &[])
                });
            }
        }
        Step::Delete(number) => {
            if api.objects.remove(&named(number)).is_some() {
                api.version += 1;
                api.log.push(Change::Delete(named(number)));
            }
        }
        Step::Edit(number) => {
            if let Some(facts) = api.objects.get(&named(number)).cloned() {
                api.put(facts);
            }
        }
        Step::Deliver(count) => leader.deliver(api, count.into()),
        Step::Land(which) => {
            if let Some(write) = leader.take(which) {
                let written = api.serve(&write);
                leader.hear(&write, written);
            }
        }
        Step::LandUnheard(which) => {
            if let Some(write) = leader.take(which) {
                api.serve(&write);
                leader.hear(&write, Written::Failed { answered: false });
            }
        }
        Step::Lose(which) => {
            if let Some(write) = leader.take(which) {
                leader.hear(&write, Written::Failed { answered: false });
            }
        }
        Step::Crash(arrive) => {
            for (number, write) in leader.under_way.iter().enumerate() {
                if arrive >> (number % 8) & 1 == 1 {
                    api.serve(write);
                }
            }
            *leader = Leader::elected(api);
        }
        Step::HandOver => {
            for write in std::mem::take(&mut leader.under_way) {
                api.serve(&write);
            }
            *leader = Leader::elected(api);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_address_is_given_twice_none_is_lost_and_none_leaks(steps in prop::collection::vec(step(), 1..120)) {
        let mut api = ApiServer::default();
        let mut leader = Leader::elected(&api);
        let mut before: BTreeMap<NamespacedName, ServiceFacts> = BTreeMap::new();
        for step in steps {
            perform(&mut api, &mut leader, step);
            api.check()?;
            // An address goes only with its Service.
            for (key, was) in before.iter().filter(|(_, was)| !was.ingress.is_empty()) {
                let is = api.objects.get(key).filter(|is| is.uid == was.uid);
                prop_assert!(is.is_none_or(|is| is.ingress == was.ingress), "{key} had {:?}, has {is:?}", was.ingress);
            }
            before.clone_from(&api.objects);
        }
        // In peace everything comes to rest.
        for _ in 0..200 {
            leader.deliver(&api, usize::MAX / 2);
            leader.now += MINUTE;
            while let Some(write) = leader.take(0) {
                let written = api.serve(&write);
                leader.hear(&write, written);
            }
        }
        let given: Vec<IpAddr> = api.objects.values().flat_map(|facts| facts.ingress.clone()).collect();
        let distinct: BTreeSet<_> = given.iter().collect();
        prop_assert_eq!(distinct.len(), given.len());
        prop_assert_eq!(given.len(), api.objects.len().min(CAPACITY));
        let in_use: u64 = leader.state.allocator().usage().map(|(_, usage)| usage.in_use_v4).sum();
        prop_assert_eq!(in_use, given.len() as u64);
    }
}
