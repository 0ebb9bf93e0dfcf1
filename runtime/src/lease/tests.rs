//! Candidates with clocks of their own, and a network that delays, loses and duplicates nothing but time: never two
//! leaders, and always one again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn record(holder: &str, transitions: i32) -> Record {
    Record {
        holder: holder.into(),
        duration: Timing::DEFAULT.short,
        transitions,
        renewed: None,
    }
}

/// A candidate called `me` that has just seen this lease.
fn saw(seen: Option<Record>) -> (Elector, Instant) {
    let start = Instant::now();
    let mut elector = Elector::new("me".into(), Timing::DEFAULT);
    assert_eq!(elector.decide(start), Step::Look);
    elector.observe(seen, start);
    (elector, start)
}

/// A candidate that leads since `start`.
fn leader() -> (Elector, Instant) {
    let (mut elector, start) = saw(None);
    let Step::Claim(claim) = elector.decide(start) else {
        panic!("the lease is free")
    };
    elector.claimed(claim, start, start + 5 * MS);
    (elector, start)
}

#[test]
fn a_lease_that_nobody_holds_is_claimed_at_once() {
    for (seen, transitions) in [(None, 0), (Some(record("", 4)), 5), (Some(record("me", 4)), 4)] {
        let (mut elector, start) = saw(seen.clone());
        let Step::Claim(claim) = elector.decide(start) else {
            panic!("{seen:?} is free")
        };
        assert_eq!(
            (claim.holder.as_str(), claim.transitions),
            ("me", transitions),
            "{seen:?}"
        );
    }
}

#[test]
fn the_lease_of_another_one_is_claimed_when_it_was_seen_unchanged_for_its_duration() {
    let (mut elector, start) = saw(Some(record("other", 0)));
    let (mut now, mut looks) = (start, 0);
    let claimed = loop {
        match elector.decide(now) {
            Step::Wait(until) => now = until,
            Step::Look => {
                looks += 1;
                elector.observe(Some(record("other", 0)), now);
            }
            Step::Claim(claim) => break claim,
        }
    };
    assert_eq!(now.duration_since(start), Timing::DEFAULT.short);
    assert_eq!(
        (claimed.holder.as_str(), claimed.transitions, looks),
        ("me", 1, 5)
    );
}

#[test]
fn a_renewal_that_is_seen_starts_the_wait_anew() {
    let (mut elector, start) = saw(Some(record("other", 0)));
    let renewed = Record {
        renewed: Some(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        ..record("other", 0)
    };
    let seen = start + 2500 * MS;
    elector.observe(Some(renewed), seen);
    assert!(matches!(elector.decide(start + 3400 * MS), Step::Look));
    elector.observe(Some(record("other", 0)), start + 3400 * MS);
    assert!(!matches!(elector.decide(start + 5500 * MS), Step::Claim(_)));
}

#[test]
fn a_lease_that_is_handed_over_is_taken_at_the_next_look() {
    let (mut elector, start) = saw(Some(record("other", 0)));
    let next = start + Timing::DEFAULT.look;
    assert_eq!(elector.decide(start), Step::Wait(next));
    assert_eq!(elector.decide(next), Step::Look);
    elector.observe(Some(record("", 0)), next + 2 * MS);
    assert!(matches!(elector.decide(next + 2 * MS), Step::Claim(_)));
}

#[test]
fn a_leader_renews_each_second_and_may_act_until_before_others_may_take_over() {
    let (mut elector, start) = leader();
    let authority = elector.authority();
    assert!(authority.covers(start + 2500 * MS) && !authority.covers(start + 2501 * MS));
    assert_eq!(
        elector.decide(start + 5 * MS),
        Step::Wait(start + Timing::DEFAULT.renew)
    );
    let renewal = start + Timing::DEFAULT.renew;
    let Step::Claim(claim) = elector.decide(renewal) else {
        panic!("it is time")
    };
    elector.claimed(claim, renewal, renewal + 5 * MS);
    assert_eq!(
        elector.authority(),
        Authority::Until {
            term: 1,
            end: renewal + 2500 * MS
        }
    );
}

#[test]
fn a_leader_whose_renewals_get_no_answer_stops_and_goes_on_if_nobody_led_meanwhile() {
    let (mut elector, start) = leader();
    let mut now = start + Timing::DEFAULT.renew;
    let mut attempts = 0;
    while elector.authority() != Authority::None {
        match elector.decide(now) {
            Step::Wait(until) => now = until,
            Step::Look => {
                attempts += 1;
                elector.not_seen(now);
            }
            Step::Claim(_) => {
                attempts += 1;
                elector.unanswered(now);
            }
        }
    }
    assert_eq!((now.duration_since(start), attempts), (2500 * MS, 7));
    elector.observe(Some(record("me", 0)), now);
    let Step::Claim(claim) = elector.decide(now) else {
        panic!("nobody took it")
    };
    assert_eq!(
        claim.duration,
        Timing::DEFAULT.long,
        "the API server is in trouble"
    );
    elector.claimed(claim, now, now);
    assert_eq!(elector.authority().term(), Some(1));
}

#[test]
fn a_leader_that_comes_after_another_one_starts_a_new_term() {
    let (mut elector, start) = leader();
    elector.outdated();
    elector.observe(Some(record("other", 1)), start);
    elector.observe(Some(record("", 1)), start);
    let Step::Claim(claim) = elector.decide(start) else {
        panic!("it was handed over")
    };
    // The claim got through, and its answer did not.
    elector.unanswered(start);
    elector.observe(Some(claim), start);
    let Step::Claim(claim) = elector.decide(start) else {
        panic!("it is its own")
    };
    elector.claimed(claim, start, start);
    assert_eq!(elector.authority().term(), Some(2));
}

#[test]
fn a_leader_that_was_deposed_stops_at_once() {
    let (mut elector, start) = leader();
    elector.outdated();
    assert_eq!(elector.decide(start + MS), Step::Look);
    elector.observe(Some(record("other", 1)), start + 2 * MS);
    assert_eq!(elector.authority(), Authority::None);
}

#[test]
fn a_leader_with_long_actions_asks_for_a_long_lease_at_once_and_gives_it_back_before_it_is_sure() {
    let (mut elector, start) = leader();
    let now = start + 100 * MS;
    elector.set_patient(true, now);
    let Step::Claim(claim) = elector.decide(now) else {
        panic!("it needs a longer one")
    };
    elector.claimed(claim, now, now);
    assert!(elector.authority().covers(now + Duration::from_secs(15)));
    elector.set_patient(false, now);
    let renewal = now + Timing::DEFAULT.renew;
    assert!(matches!(elector.decide(renewal), Step::Claim(_)));
    elector.unanswered(renewal + MS);
    assert!(
        !elector.authority().covers(renewal + 2600 * MS),
        "the short lease may have been written"
    );
}

#[test]
fn only_a_leader_hands_over() {
    let (mut elector, _) = saw(Some(record("other", 0)));
    assert_eq!(elector.release(), None);
    let (mut elector, _) = leader();
    let released = elector.release().unwrap();
    assert_eq!(
        (released.holder.as_str(), elector.authority()),
        ("", Authority::None)
    );
}

/// What happens in the simulation, at a true time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The candidate runs.
    Wake(usize),
    /// A request arrives at the API server.
    Arrives(usize, u64, Request),
    /// An answer arrives at the candidate; `None` says that it gave up waiting.
    Answer(usize, u64, Option<Answer>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    Get,
    /// The holder, duration and transitions, and the version that they replace.
    Put(String, Duration, i32, u64),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Lease(Option<(String, Duration, i32)>, u64),
    Written(String, Duration, i32, u64),
    Conflict,
}

struct Process {
    elector: Elector,
    /// What its clock shows at the true time zero, and how fast it goes.
    clock: (Instant, f64),
    /// The request it waits for, when it was sent, and whether it is a claim; and the version that it saw.
    asked: Option<(u64, Instant, bool)>,
    version: u64,
    dead: bool,
}

impl Process {
    fn now(&self, time: Duration) -> Instant {
        self.clock.0 + time.mul_f64(self.clock.1)
    }

    /// The true time of what its clock will show.
    fn time(&self, local: Instant) -> Duration {
        local
            .saturating_duration_since(self.clock.0)
            .div_f64(self.clock.1)
    }

    fn leads(&self, time: Duration) -> bool {
        !self.dead && self.elector.authority().covers(self.now(time))
    }
}

struct Simulation {
    random: fastrand::Rng,
    time: Duration,
    agenda: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    serial: u64,
    lease: Option<(String, Duration, i32)>,
    version: u64,
    processes: Vec<Process>,
    /// Until then, everything that can go wrong does.
    trouble_until: Duration,
    leaders: Vec<(Duration, usize)>,
}

impl Simulation {
    fn new(candidates: usize, trouble_until: Duration, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let start = Instant::now() + Duration::from_secs(1000);
        let processes = (0..candidates).map(|_| Process {
            elector: Elector::new(String::new(), Timing::DEFAULT),
            clock: (start + random.u32(0..900_000) * MS, 0.95 + random.f64() * 0.1),
            asked: None,
            version: 0,
            dead: false,
        });
        let processes = processes.collect();
        let mut simulation = Self {
            random,
            time: Duration::ZERO,
            agenda: BinaryHeap::new(),
            serial: 0,
            lease: None,
            version: 0,
            processes,
            trouble_until,
            leaders: Vec::new(),
        };
        for index in 0..candidates {
            simulation.restart(index);
        }
        simulation
    }

    /// A new process with a new name; the old one's requests are still on the way.
    fn restart(&mut self, index: usize) {
        self.serial += 1;
        let process = &mut self.processes[index];
        process.elector = Elector::new(format!("{index}_{}", self.serial), Timing::DEFAULT);
        process.asked = None;
        let delay = self.delay(500);
        self.plan(delay, Happening::Wake(index));
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.serial += 1;
        self.agenda
            .push(Reverse((self.time + after, self.serial, happening)));
    }

    /// Up to `ms` as a rule, and in times of trouble sometimes much longer.
    fn delay(&mut self, ms: u64) -> Duration {
        let longest = match self.random.u8(0..10) {
            0 if self.time < self.trouble_until => 20_000,
            1 | 2 if self.time < self.trouble_until => 3_000,
            _ => ms,
        };
        Duration::from_millis(self.random.u64(0..=longest))
    }

    fn run(&mut self, end: Duration) -> Result<(), TestCaseError> {
        while self.agenda.peek().is_some_and(|Reverse((time, ..))| *time <= end) {
            let Some(Reverse((time, _, happening))) = self.agenda.pop() else {
                break;
            };
            self.time = time;
            match happening {
                Happening::Wake(index) => self.wake(index),
                Happening::Arrives(index, serial, request) => {
                    let answer = self.serve(request);
                    let delay = self.delay(20);
                    self.plan(delay, Happening::Answer(index, serial, Some(answer)));
                }
                Happening::Answer(index, serial, answer) => self.answered(index, serial, answer),
            }
            let leaders: Vec<_> = (0..self.processes.len())
                .filter(|index| self.processes[*index].leads(time))
                .collect();
            prop_assert!(leaders.len() < 2, "{leaders:?} lead at {time:?}");
            if let [leader] = leaders[..]
                && self.leaders.last().is_none_or(|(_, last)| *last != leader)
            {
                self.leaders.push((time, leader));
            }
        }
        Ok(())
    }

    fn wake(&mut self, index: usize) {
        if self.time < self.trouble_until && self.random.u8(0..50) == 0 {
            return self.restart(index);
        }
        let time = self.time;
        let process = &mut self.processes[index];
        if process.dead || process.asked.is_some() {
            return;
        }
        let now = process.now(time);
        let request = match process.elector.decide(now) {
            Step::Wait(until) => {
                let until = process.time(until).saturating_sub(time);
                let late = self.delay(5); // or paused
                return self.plan(until + late + MS, Happening::Wake(index));
            }
            Step::Look => Request::Get,
            Step::Claim(claim) => {
                Request::Put(claim.holder, claim.duration, claim.transitions, process.version)
            }
        };
        let (patience, is_claim) = match &request {
            Request::Get => (process.elector.look_timeout(), false),
            Request::Put(_, duration, ..) => (Timing::patience(*duration), true),
        };
        self.serial += 1;
        let serial = self.serial;
        self.processes[index].asked = Some((serial, now, is_claim));
        let delay = self.delay(20);
        self.plan(delay, Happening::Arrives(index, serial, request));
        self.plan(patience, Happening::Answer(index, serial, None));
    }

    fn serve(&mut self, request: Request) -> Answer {
        match request {
            Request::Get => Answer::Lease(self.lease.clone(), self.version),
            Request::Put(.., version) if version != self.version => Answer::Conflict,
            Request::Put(holder, duration, transitions, _) => {
                self.version += 1;
                self.lease = Some((holder.clone(), duration, transitions));
                Answer::Written(holder, duration, transitions, self.version)
            }
        }
    }

    fn answered(&mut self, index: usize, serial: u64, answer: Option<Answer>) {
        let time = self.time;
        let process = &mut self.processes[index];
        let Some((_, sent, is_claim)) = process.asked.filter(|(asked, ..)| *asked == serial) else {
            return; // given up, or of an earlier process
        };
        process.asked = None;
        let now = process.now(time);
        // The version stands for the time of the renewal.
        let record = |holder, duration, transitions, version: u64| Record {
            holder,
            duration,
            transitions,
            renewed: k8s_openapi::jiff::Timestamp::from_second(version.cast_signed()).ok(),
        };
        match answer {
            None if is_claim => process.elector.unanswered(now),
            None => process.elector.not_seen(now),
            Some(Answer::Conflict) => process.elector.outdated(),
            Some(Answer::Lease(lease, version)) => {
                process.version = version;
                let lease = lease
                    .map(|(holder, duration, transitions)| record(holder, duration, transitions, version));
                process.elector.observe(lease, now);
            }
            Some(Answer::Written(holder, duration, transitions, version)) => {
                process.version = version;
                process
                    .elector
                    .claimed(record(holder, duration, transitions, version), sent, now);
            }
        }
        self.plan(Duration::ZERO, Happening::Wake(index));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is delayed, paused or restarted, and however the clocks differ.
    #[test]
    fn never_two_and_always_one_again(candidates in 1_usize..=4, seed in any::<u64>()) {
        let trouble = Duration::from_mins(3);
        let mut simulation = Simulation::new(candidates, trouble, seed);
        simulation.run(trouble)?;
        // The last trouble: a request and an answer of 20 s each, a pause, and a long lease that has to pass.
        let calm = trouble + Duration::from_secs(90);
        simulation.run(calm)?;
        simulation.time = calm;
        let before = simulation.leaders.len();
        let leads = (0..candidates).filter(|index| simulation.processes[*index].leads(calm)).count();
        prop_assert_eq!(leads, 1);
        simulation.run(calm + Duration::from_mins(1))?;
        prop_assert_eq!(simulation.leaders.len(), before, "nothing happened, and the leader changed");
    }

    /// The leader dies while everything else is well.
    #[test]
    fn a_leader_that_dies_is_replaced_within_four_seconds(candidates in 2_usize..=4, seed in any::<u64>()) {
        let mut simulation = Simulation::new(candidates, Duration::ZERO, seed);
        simulation.run(Duration::from_secs(10))?;
        let (_, leader) = *simulation.leaders.last().expect("somebody leads after ten seconds");
        let died = simulation.time;
        simulation.processes[leader].dead = true;
        simulation.leaders.clear();
        simulation.run(died + Duration::from_secs(10))?;
        let (replaced, _) = simulation.leaders[0];
        let gap = replaced.saturating_sub(died);
        prop_assert!(gap < Duration::from_secs(4), "{gap:?}");
    }
}
