//! The machine: memberlist's with a faster judgement on top.
//!
//! Owns the order of things: what is heard reaches memberlist first, then the words of failover, then whatever is due.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::contract::{Counters, Event};
use super::look::Look;
use super::lost::Lost;
use super::ring::Ring;
use super::settings::{Settings, beat_interval};
use super::spread::Spreading;
use super::standing::{Company, Review, Standing};
use super::watch::Watched;
use crate::Time;
use crate::memberlist::random::Random;
use crate::memberlist::steady::Steady;
use crate::memberlist::{self, Dead, Identity, Input, Message, Transmit};

/// The machine. It takes and gives what [`memberlist::Machine`] does; its events tell more.
#[derive(Debug)]
pub struct Machine {
    pub(super) settings: Settings,
    pub(super) own: Identity,
    pub(super) swim: memberlist::Machine,
    clock: Steady,
    pub(super) now: Time,
    pub(super) random: Random,
    /// The capable members that are there, we included.
    pub(super) ring: Ring,
    pub(super) next_beat: Time,
    /// How many there were.
    pub(super) beats: usize,
    /// Whose beats ours fall in with.
    pub(super) pacemaker: Option<String>,
    /// When we last told that we are there, by the clock that does not stand still while we do.
    pub(super) last_beat: Option<Time>,
    /// The same moment by the clock that does.
    pub(super) steady_beat: Time,
    pub(super) outside_now: Time,
    /// Who watches us. At most as many as the settings say.
    pub(super) watchers: Vec<String>,
    /// Whom we watch. As many.
    pub(super) watched: BTreeMap<String, Watched>,
    /// Since when the circle is as it is.
    pub(super) ring_since: Time,
    pub(super) looks: BTreeMap<String, Look>,
    pub(super) lost: Lost,
    pub(super) spreading: Spreading,
    pub(super) review: Review,
    told: Standing,
    /// We have objected to being dead, and everybody is to hear of it.
    is_back: bool,
    /// When anybody capable was last heard.
    pub(super) heard_anybody: Time,
    /// When a word of anybody capable, or that it joined, was last heard. That others died does not count.
    pub(super) heard_word: Time,
    /// Until when we take ourselves for cut off, as far as we know now.
    cut_off_until: Time,
    pub(super) transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    pub(super) counters: Counters,
}

impl Machine {
    /// A machine that knows nobody but itself, and may not announce yet. The meta of `own` is replaced by what tells
    /// others that we can do this. `seed` decides everything that is random.
    pub fn new(settings: Settings, membership: memberlist::Settings, mut own: Identity, seed: u64) -> Self {
        own.meta = super::meta(&settings);
        let mut ring = Ring::default();
        ring.insert(&own.name);
        let mut random = Random::new(seed.rotate_left(32));
        let next_beat = Time::START + random.part_of(settings.beat_interval);
        Self {
            swim: memberlist::Machine::new(membership, own.clone(), seed),
            review: Review::new(&settings),
            settings,
            own,
            clock: Steady::default(),
            now: Time::START,
            random,
            ring,
            next_beat,
            beats: 0,
            pacemaker: None,
            last_beat: None,
            steady_beat: Time::START,
            outside_now: Time::START,
            watchers: Vec::new(),
            watched: BTreeMap::new(),
            ring_since: Time::START,
            looks: BTreeMap::new(),
            lost: Lost::default(),
            spreading: Spreading::default(),
            told: Standing::Doubtful,
            is_back: false,
            heard_anybody: Time::START,
            heard_word: Time::START,
            cut_off_until: Time::START,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes notice of `input`, which happened `now`. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        let silent = self
            .last_beat
            .is_some_and(|last| last + self.settings.declare_after <= now);
        self.outside_now = now;
        (self.now, _) = self.clock.read(now, Some(self.due()), self.settings.late_tick);
        if silent && !self.watchers.is_empty() {
            // Our watchers may have come to the end of their patience. Those whose turn it is not will ask.
            self.next_beat = self.now;
            self.counters.paused += 1;
            self.review.doubt(&self.settings, self.now);
        }
        match input {
            Input::Datagram { from, messages } => self.datagram(from, messages),
            Input::Peers(peers) => {
                self.set_peers(&peers);
                self.follow(Input::Peers(peers));
            }
            Input::Leave => {
                self.follow(Input::Leave);
                self.spread(&Message::Dead(Dead {
                    incarnation: self.swim.own_incarnation(),
                    node: self.own.name.clone(),
                    from: self.own.name.clone(),
                }));
            }
            other @ (Input::Exchanged(_) | Input::Contacted(_)) => {
                self.follow(other);
            }
            Input::Timeout => {}
        }
        self.tick();
    }

    /// The next thing to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transmits.pop_front().or_else(|| self.swim.poll_transmit())?;
        Some(match transmit {
            Transmit::StreamPing { to, ping, deadline } => Transmit::StreamPing {
                to,
                ping,
                deadline: self.clock.outside(deadline),
            },
            other @ (Transmit::Datagram { .. } | Transmit::Exchange { .. }) => other,
        })
    }

    /// The next thing that was found out.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`]. There is always such a moment.
    pub fn next_deadline(&self) -> Time {
        self.clock.outside(self.due())
    }

    /// The memberlist below: its members, its side of an exchange, its answers to pings over streams.
    pub fn membership(&self) -> &memberlist::Machine {
        &self.swim
    }

    /// Whether each member that is there can do what we can: none is upstream's.
    pub fn is_among_equals(&self) -> bool {
        self.swim
            .members()
            .all(|member| beat_interval(&member.meta).is_some())
    }

    /// Whether we may announce what we are chosen for.
    pub fn may_announce(&self) -> bool {
        self.standing() == Standing::Certain
    }

    /// Until when we may, if the machine is not called before: nobody takes us for dead sooner, who hears of us as often
    /// as we tell. None if we may not now. Without anybody who watches us there is no end.
    pub fn may_announce_until(&self) -> Option<Time> {
        let last_beat = self.last_beat.unwrap_or(self.outside_now);
        self.may_announce().then(|| {
            if self.watchers.is_empty() {
                Time::END
            } else {
                last_beat + self.settings.declare_after
            }
        })
    }

    /// Whether we hear nobody, though there should be somebody, or miss at least as many as are here. If those took us for
    /// dead they could not tell: whoever else has an address of ours has replaced us. It lasts until those who are heard
    /// again have had the time to tell.
    pub fn is_cut_off(&self) -> bool {
        self.now < self.cut_off_until
    }

    /// Why, or why not.
    pub fn standing(&self) -> Standing {
        self.review.standing()
    }

    /// How many capable members there are, we included.
    pub fn capable(&self) -> usize {
        self.ring.len()
    }

    /// What happened how often.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn due(&self) -> Time {
        let watched = self
            .watched
            .values()
            .map(|watched| watched.due(&self.settings, self.now));
        let looks = self.looks.values().map(Look::due);
        let others = [self.review.due(), self.lost.due(), self.spreading.due()];
        let fixed = [self.next_beat, self.swim.next_deadline()];
        let all = watched
            .chain(looks)
            .chain(others.into_iter().flatten())
            .chain(fixed);
        all.min().unwrap_or(self.now)
    }

    fn hears_nobody(&self) -> bool {
        let deaf = self.heard_word + self.settings.deaf_after() <= self.now;
        let known = self.ring.len() > 1;
        let expected =
            || self.swim.members().next().is_none() && self.lost.expects_other_than(self.own.address);
        deaf && (known || expected())
    }

    /// Whether those whom we miss are at least as many as we are: they may be together, and have buried us.
    fn misses_half(&self) -> bool {
        let silence = self.settings.deaf_after();
        let mut watched = self.watched.values();
        watched.any(|watched| watched.misses_half(silence, self.now)) || self.lost.count() >= self.ring.len()
    }

    fn set_peers(&mut self, peers: &BTreeSet<SocketAddr>) {
        self.lost.set_peers(peers);
        if peers.iter().all(|peer| *peer == self.own.address) {
            self.review.only_us();
        }
    }

    /// Lets memberlist take notice, and follows what it finds out. Who is back of those who were lost.
    pub(super) fn follow(&mut self, input: Input) -> Vec<memberlist::Member> {
        self.swim.handle(input, self.now);
        self.follow_events()
    }

    pub(super) fn follow_events(&mut self) -> Vec<memberlist::Member> {
        let (mut back, mut changed) = (Vec::new(), false);
        while let Some(event) = self.swim.poll_event() {
            match &event {
                memberlist::Event::Joined(member) | memberlist::Event::Updated(member) => {
                    changed |= if beat_interval(&member.meta).is_some() {
                        self.heard_word = self.now;
                        self.ring.insert(&member.name)
                    } else {
                        self.ring.remove(&member.name)
                    };
                    if self.lost.forget(&member.name) {
                        changed = true;
                        back.push(member.clone());
                    }
                }
                memberlist::Event::Left(member) => {
                    changed |= self.ring.remove(&member.name);
                    changed |= self.lost.forget(&member.name);
                }
                memberlist::Event::Failed(member) => {
                    if self.ring.remove(&member.name) {
                        changed = true;
                        let incarnation = self.swim.entry(&member.name).map_or(0, |entry| entry.incarnation);
                        self.lost.insert(member, incarnation);
                    }
                }
                memberlist::Event::Refuted { dead: true } => {
                    self.counters.deposed += 1;
                    self.review.depose(self.now);
                    self.is_back = true;
                }
                memberlist::Event::Refuted { dead: false }
                | memberlist::Event::Disputed { .. }
                | memberlist::Event::User { .. }
                | memberlist::Event::Departed => {}
            }
            self.events.push_back(Event::Member(event));
        }
        if changed {
            // Whoever starts tells everybody, as soon as it knows them.
            self.is_back |= self.review.standing() == Standing::Doubtful;
            self.turn();
        }
        back
    }

    /// Does what is due.
    fn tick(&mut self) {
        if self.swim.next_deadline() <= self.now {
            self.follow(Input::Timeout);
        }
        if std::mem::take(&mut self.is_back) {
            let name = self.own.name.clone();
            self.spread_alive(&name);
        }
        if self.next_beat <= self.now {
            self.tell_watchers();
        }
        self.watch();
        self.search();
        self.knock();
        self.echo();
        if self.review.is_to_ask(&self.settings, self.now) {
            for name in self.watchers.clone() {
                if let Some(to) = self.address(&name) {
                    self.object_and_nudge(to);
                }
            }
        }
        let company = Company {
            watchers: &self.watchers,
            others: self.swim.members().next().is_some(),
        };
        self.review.conclude(company, self.now);
        if self.hears_nobody() || self.misses_half() {
            self.cut_off_until = self.now + self.settings.knock_every * 2;
        }
        if self.review.standing() != self.told {
            self.told = self.review.standing();
            self.events.push_back(Event::Standing(self.told));
        }
    }
}
