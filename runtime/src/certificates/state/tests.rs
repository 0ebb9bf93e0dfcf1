//! Several replicas, one API server and a virtual clock. At every moment the API server, which trusts what it was told
//! last, must take what every replica shows.

use std::collections::VecDeque;

use metallb_api::NamespacedName;

use super::super::held;
use super::*;

const HOST: &str = "metallb-webhook-service.metallb-system.svc";
const START: Time = Time::from_hours(500_000);
const DAY: Duration = Duration::from_hours(24);

/// The API server: three objects with versions, and what each replica has not seen yet.
struct World {
    now: Time,
    versions: u64,
    tellers: Vec<Teller>,
    secret: Option<(String, Contents)>,
    told: BTreeMap<Teller, Told>,
    replicas: Vec<Replica>,
    writes: usize,
    /// What was checked last: once a month, and after every write.
    checked: (usize, u64),
}

struct Replica {
    state: State,
    unseen: VecDeque<Input>,
    shows: Option<Shown>,
}

impl World {
    fn new(replicas: usize) -> Self {
        Self::with(&[Teller::Webhooks, Teller::Conversion], replicas)
    }

    fn with(tellers: &[Teller], replicas: usize) -> Self {
        let mut world = Self {
            now: START,
            versions: 0,
            tellers: tellers.to_vec(),
            secret: None,
            told: BTreeMap::new(),
            replicas: Vec::new(),
            writes: 0,
            checked: (0, 0),
        };
        world.tell(Teller::Webhooks, &["one.metallb.io", "two.metallb.io"], b"");
        if tellers.contains(&Teller::Conversion) {
            world.tell(Teller::Conversion, &[""], b"");
        }
        for _ in 0..replicas {
            world.add_replica();
        }
        world
    }

    /// A replica starts and lists what there is.
    fn add_replica(&mut self) {
        let told = |teller| {
            Change::Reset(
                self.told
                    .get(&teller)
                    .map(|told| (name(), told.clone()))
                    .into_iter()
                    .collect(),
            )
        };
        let secret = self.stored().map(|stored| (name(), stored));
        let mut unseen = VecDeque::from([
            Input::Secret(Change::Reset(secret.into_iter().collect())),
            Input::Webhooks(told(Teller::Webhooks)),
        ]);
        if self.tellers.contains(&Teller::Conversion) {
            unseen.push_front(Input::Conversion(told(Teller::Conversion)));
        }
        self.replicas.push(Replica {
            state: State::new(HOST.into(), self.tellers.clone()),
            unseen,
            shows: None,
        });
    }

    fn stored(&self) -> Option<Stored> {
        let (resource_version, contents) = self.secret.clone()?;
        Some(Stored {
            resource_version,
            contents,
        })
    }

    fn version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    fn put(&mut self, contents: Option<Contents>) {
        self.writes += 1;
        let version = self.version();
        self.secret = contents.map(|contents| (version, contents));
        for at in 0..self.replicas.len() {
            let change = self
                .stored()
                .map_or(Change::Delete(name()), |stored| Change::Apply(name(), stored));
            self.replicas[at].unseen.push_back(Input::Secret(change));
        }
    }

    fn tell(&mut self, teller: Teller, names: &[&str], bundle: &[u8]) {
        self.writes += 1;
        let told = Told {
            resource_version: self.version(),
            bundles: names
                .iter()
                .map(|name| ((*name).to_owned(), bundle.to_vec()))
                .collect(),
        };
        self.told.insert(teller, told.clone());
        for replica in &mut self.replicas {
            let change = Change::Apply(name(), told.clone());
            replica.unseen.push_back(match teller {
                Teller::Webhooks => Input::Webhooks(change),
                Teller::Conversion => Input::Conversion(change),
            });
        }
    }

    /// One replica sees one thing, if there is one, and does all it wants to. Returns when it wants to look again.
    fn step(&mut self, at: usize) -> Time {
        let now = self.now;
        if let Some(input) = self.replicas[at].unseen.pop_front() {
            self.replicas[at].state.observe(input, now);
        }
        loop {
            let replica = &mut self.replicas[at];
            replica.shows = replica.state.shown(now).cloned().or(replica.shows.take());
            match replica.state.next(now).unwrap() {
                Action::Wait(until) => return until,
                Action::Create(contents) if self.secret.is_none() => self.put(Some(contents)),
                Action::Update(version, contents) if self.is_current(&version) => self.put(Some(contents)),
                Action::Create(_) | Action::Update(..) => {} // a conflict
                Action::Tell(teller, told, bundle) => {
                    if self.told[&teller].resource_version == told.resource_version {
                        let names: Vec<&str> = told.bundles.iter().map(|(name, _)| name.as_str()).collect();
                        self.tell(teller, &names, &bundle);
                    }
                }
            }
        }
    }

    fn is_current(&self, version: &str) -> bool {
        self.secret
            .as_ref()
            .is_some_and(|(current, _)| current == version)
    }

    /// Lets everybody see and act until nobody has anything to do now; then it is as it should be.
    fn settle(&mut self) -> Time {
        loop {
            let next = (0..self.replicas.len())
                .map(|at| self.step(at))
                .min()
                .unwrap_or(Time::MAX);
            self.check_trust();
            let seen = self.replicas.iter().all(|replica| replica.unseen.is_empty());
            if seen && next > self.now {
                return next;
            }
        }
    }

    /// Time passes, and everybody acts when they want to.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = self.settle();
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
        }
    }

    /// Whether every replica's certificate is taken by a client that trusts what is told.
    fn is_trusted(&self) -> bool {
        let mut shown = self.replicas.iter().filter_map(|replica| replica.shows.as_ref());
        shown.all(|shown| {
            let mut bundles = self.told.values().flat_map(|told| &told.bundles);
            bundles.all(|(_, bundle)| held::is_trusted(bundle, shown, HOST, self.now))
        })
    }

    /// From the first time that all is well, it stays so.
    fn check_trust(&mut self) {
        let check = (self.writes, self.now.as_secs() / (30 * DAY).as_secs());
        if std::mem::replace(&mut self.checked, check) == check {
            return;
        }
        let told = self.told.values().flat_map(|told| &told.bundles);
        if told.clone().all(|(_, bundle)| !bundle.is_empty()) {
            assert!(
                self.is_trusted(),
                "after {} days",
                self.now.saturating_sub(START).as_secs() / DAY.as_secs()
            );
        }
    }

    /// All show the same, and everything tells of it.
    fn assert_well(&self) {
        let shown: Vec<_> = self
            .replicas
            .iter()
            .map(|replica| replica.shows.as_ref().unwrap().cert.clone())
            .collect();
        assert!(
            shown.windows(2).all(|pair| pair[0] == pair[1]),
            "the replicas show different certificates"
        );
        let (_, contents) = self.secret.as_ref().unwrap();
        for told in self.told.values() {
            assert!(
                told.bundles
                    .iter()
                    .all(|(_, bundle)| *bundle == contents.authorities)
            );
        }
        assert!(self.is_trusted());
    }
}

fn name() -> NamespacedName {
    NamespacedName::new("metallb-system", "one")
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn replicas_agree_on_one_certificate_and_tell_of_it_at_once() {
    let mut world = World::new(3);
    world.settle();
    world.assert_well();
    assert_eq!(
        world.writes,
        2 + 1 + 2,
        "two objects as installed, the Secret, and what is told"
    );
    world.pass(DAY);
    assert_eq!(world.writes, 5);
}

#[test]
fn for_twelve_years_every_certificate_shown_is_trusted() {
    let mut world = World::new(2);
    for year in 0..12 {
        world.pass(DAY * 365);
        world.assert_well();
        assert!(
            world.writes <= 12 + 4 * year,
            "{} writes in {year} years",
            world.writes
        );
    }
    let authorities = &world.secret.as_ref().unwrap().1.authorities;
    assert_eq!(String::from_utf8_lossy(authorities).matches("BEGIN").count(), 1);
}

/// A new authority is known as soon as the webhooks tell of it: nobody waits for a definition that there is not.
#[test]
fn without_a_conversion_the_webhooks_are_all_that_tells() {
    let mut world = World::with(&[Teller::Webhooks], 2);
    world.settle();
    world.assert_well();
    assert_eq!(world.writes, 3);
    let old = world.secret.clone().unwrap().1.chain;
    world.put(None);
    world.pass(Duration::from_mins(1));
    world.assert_well();
    assert_ne!(
        world.secret.clone().unwrap().1.chain,
        old,
        "the certificate is still the old one"
    );
    world.pass(DAY * 365 * 11);
    world.assert_well();
}

#[test]
fn what_somebody_removes_is_put_back_at_once() {
    let mut world = World::new(2);
    world.pass(DAY);
    world.tell(Teller::Webhooks, &["one.metallb.io", "two.metallb.io"], b"");
    world.tell(Teller::Conversion, &[""], b"");
    world.settle();
    world.assert_well();
}

#[test]
fn somebody_who_removes_it_again_and_again_is_met_ever_more_slowly() {
    let mut world = World::new(1);
    world.pass(DAY);
    let before = world.writes;
    for _ in 0..600 {
        world.tell(Teller::Conversion, &[""], b"");
        world.pass(Duration::from_secs(1));
    }
    let ours = world.writes - before - 600;
    assert!((5..25).contains(&ours), "{ours} writes in ten minutes");
    world.pass(Duration::from_mins(1));
    world.assert_well();
}

#[test]
fn a_deleted_or_broken_secret_is_replaced_and_nobody_is_cut_off() {
    let mut world = World::new(2);
    world.pass(DAY);
    let old = world.secret.clone().unwrap().1;
    for broken in [
        None,
        Some(Contents::default()),
        Some(Contents {
            chain: b"x".to_vec(),
            authorities: b"y".to_vec(),
            ..old.clone()
        }),
    ] {
        world.put(broken);
        world.pass(SOON);
        world.assert_well();
        world.pass(DAY * 3);
        world.assert_well();
        let held = Held::examine(world.secret.clone().unwrap().1, HOST);
        assert!(
            held.facts.can_sign && held.facts.authorities.len() == 1,
            "{:?}",
            held.facts
        );
    }
}

#[test]
fn a_replica_that_starts_takes_what_there_is() {
    let mut world = World::new(1);
    world.pass(DAY * 30);
    let writes = world.writes;
    world.add_replica();
    world.pass(DAY);
    world.assert_well();
    assert_eq!(world.writes, writes);
}

#[test]
fn without_webhooks_and_definition_there_is_a_certificate_all_the_same() {
    let mut world = World::new(2);
    world.replicas.clear();
    world.told.clear();
    world.add_replica();
    world.add_replica();
    world.pass(DAY * 365 * 11);
    world.assert_well();
    world.tell(Teller::Webhooks, &["one.metallb.io"], b"");
    world.settle();
    world.assert_well();
}
