//! The machine: joins, watches over the others, spreads news, and leaves.
//!
//! ```text
//!   datagrams, exchanges ─┐             ┌─► poll_transmit(): datagrams, and streams to open
//!   peers, leave ─────────┼─► handle() ─┼─► poll_event():    who joined, changed, left, failed
//!   timeout ──────────────┘             └─► next_deadline(): when to call handle() again
//! ```
//!
//! Owns the timers and what is done at each. What others say about members is judged in `news`, who answers in `probe`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::broadcast::Broadcasts;
use super::contract::{Event, Ignored, Input, Transmit};
use super::join::Joining;
use super::members::{Entry, Member, Members};
use super::message::{Ack, Alive, Dead, Incarnation, Message, Ping, PushPull, Status, Versions};
use super::probe::{Awareness, Probe, Relay};
use super::random::Random;
use super::settings::{Identity, MOST_META, Settings};
use super::size::{self, LENGTH_PREFIX};
use super::steady::Steady;
use crate::Time;

/// So many are told directly, at one moment, that we go or that we are not dead: a burst that no socket's queue loses.
/// The others hear of it from these.
const BURST: usize = 64;

/// The machine. Drain [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) after every
/// [`handle`](Self::handle).
#[derive(Debug)]
pub struct Machine {
    pub(super) settings: Settings,
    pub(super) own: Identity,
    pub(super) now: Time,
    clock: Steady,
    pub(super) random: Random,
    pub(super) members: Members,
    pub(super) incarnation: Incarnation,
    pub(super) leaving: Option<Leaving>,
    pub(super) broadcasts: Broadcasts,
    pub(super) awareness: Awareness,
    pub(super) probe: Option<Probe>,
    /// Questions that we ask for others, by our sequence number.
    pub(super) relays: BTreeMap<u32, Relay>,
    pub(super) sequence: u32,
    /// When a suspected member is declared dead. Bounded by the members.
    pub(super) suspicions: BTreeSet<(Time, String)>,
    pub(super) joining: Joining,
    pub(super) next_probe: Time,
    next_gossip: Time,
    next_push_pull: Time,
    /// Drained before the next input.
    pub(super) transmits: VecDeque<Transmit>,
    /// Drained before the next input.
    pub(super) events: VecDeque<Event>,
    pub(super) ignored: Ignored,
}

/// How far our leaving has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Telling,
    Told,
}

impl Machine {
    /// A machine that knows nobody but itself. `seed` decides everything that is random; no two members of a cluster
    /// should have the same.
    pub fn new(settings: Settings, mut own: Identity, seed: u64) -> Self {
        own.meta.truncate(MOST_META);
        let mut random = Random::new(seed);
        let mut members = Members::default();
        members.insert(
            Entry {
                member: Member {
                    name: own.name.clone(),
                    address: own.address,
                    meta: own.meta.clone(),
                },
                incarnation: 1,
                status: Status::Alive,
                changed: Time::START,
                versions: Versions::OURS,
                suspicion: None,
                disputed: None,
            },
            &mut random,
        );
        let mut start = |interval| Time::START + random.part_of(interval);
        // Members that start together do not act together.
        let (next_probe, next_gossip) = (start(settings.probe_interval), start(settings.gossip_interval));
        let next_push_pull = start(settings.push_pull_interval);
        Self {
            settings,
            own,
            now: Time::START,
            clock: Steady::default(),
            random,
            members,
            incarnation: 1,
            leaving: None,
            broadcasts: Broadcasts::default(),
            awareness: Awareness::default(),
            probe: None,
            relays: BTreeMap::new(),
            sequence: 0,
            suspicions: BTreeSet::new(),
            joining: Joining::default(),
            next_probe,
            next_gossip,
            next_push_pull,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            ignored: Ignored::default(),
        }
    }

    /// Takes notice of `input`, which happened `now`. `now` never goes back.
    pub fn handle(&mut self, input: Input, now: Time) {
        let (now, _) = self.clock.read(now, Some(self.due()), self.settings.late_tick);
        self.now = now;
        self.skip_gossip();
        match input {
            Input::Datagram { from, messages } => {
                for message in messages {
                    self.message(from, message);
                }
            }
            Input::Exchanged(state) => self.merge(state),
            Input::Contacted(sequence) => self.contacted(sequence),
            Input::Peers(peers) => self.set_peers(peers),
            Input::Leave => self.leave(),
            Input::Timeout => {}
        }
        self.tick();
    }

    /// The next thing to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that was found out.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`]. There is always such a moment.
    pub fn next_deadline(&self) -> Time {
        self.outside(self.due())
    }

    /// The others that are there, by name; those under suspicion included.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.entries()
            .filter(|entry| entry.is_there())
            .map(|entry| &entry.member)
    }

    /// Our side of an exchange that another member has begun, to be sent before its side is handled as
    /// [`Input::Exchanged`].
    pub fn state(&self) -> PushPull {
        self.side(false)
    }

    /// The answer to a ping that came over a stream; to be sent over it. None if somebody else is meant.
    pub fn answer(&self, ping: &Ping) -> Option<Ack> {
        (ping.node.is_empty() || ping.node == self.own.name).then(|| Ack {
            sequence: ping.sequence,
            payload: Vec::new(),
        })
    }

    /// How unwell this member believes itself to be: zero is well, and each point slows its probes by one interval.
    pub fn health(&self) -> u32 {
        self.awareness.score()
    }

    /// What was not followed, by reason.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// The others, whatever their status.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.members
            .iter()
            .filter(|entry| entry.member.name != self.own.name)
    }

    pub(super) fn side(&self, join: bool) -> PushPull {
        PushPull {
            join,
            nodes: self.members.states(),
            user_state: Vec::new(),
        }
    }

    /// What is known of one member.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.members.get(name)
    }

    /// What is to be told of a member that is there.
    pub(crate) fn alive_of(&self, name: &str) -> Option<Alive> {
        let entry = self.entry(name).filter(|entry| entry.is_there())?;
        Some(Alive {
            incarnation: entry.incarnation,
            node: entry.member.name.clone(),
            address: entry.member.address,
            meta: entry.member.meta.clone(),
            versions: entry.versions,
        })
    }

    /// Where up to `count` others are, by chance.
    pub(crate) fn some_others(&self, count: usize, random: &mut Random) -> Vec<SocketAddr> {
        let own = &self.own.name;
        let suitable = |entry: &Entry| entry.member.name != *own && entry.is_there();
        let chosen = self.members.random(count, random, suitable);
        chosen.iter().map(|entry| entry.member.address).collect()
    }

    /// Our own, which others must have to know us as we are.
    pub(crate) fn own_incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Whether we have told the others that we go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// A moment of this machine as its caller knows it.
    pub(super) fn outside(&self, moment: Time) -> Time {
        self.clock.outside(moment)
    }

    fn due(&self) -> Time {
        let fixed = [self.next_probe, self.next_push_pull];
        let gossip = (!self.broadcasts.is_empty()).then_some(self.next_gossip);
        let probe = self.probe.as_ref().map(Probe::due);
        let suspicion = self.suspicions.first().map(|(time, _)| *time);
        // All relays wait equally long, so that the oldest is due first. Few are open at any time.
        let relay = self.relays.values().map(|relay| relay.deadline).min();
        let moments = [gossip, probe, suspicion, relay, self.joining.due()]
            .into_iter()
            .flatten();
        moments.chain(fixed).min().unwrap_or(self.now)
    }

    /// Without news the rounds pass, and nobody is woken for them. News waits for the next one, so that members that hear
    /// of it at the same time do not tell it at the same time.
    fn skip_gossip(&mut self) {
        if self.broadcasts.is_empty() && self.next_gossip <= self.now {
            let interval = self.settings.gossip_interval;
            let passed = self.now.elapsed().saturating_sub(self.next_gossip.elapsed());
            let rounds = passed.as_nanos() / interval.as_nanos().max(1) + 1;
            let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
            self.next_gossip = self.next_gossip + interval * rounds;
        }
    }

    /// Does what is due. What was just heard has been taken into account: an answer at the last moment counts.
    fn tick(&mut self) {
        self.watch();
        self.bury();
        if self.next_gossip <= self.now {
            self.next_gossip = self.now + self.settings.gossip_interval;
            self.gossip();
        }
        if self.next_push_pull <= self.now {
            self.next_push_pull = self.now + self.settings.push_pull_every(self.members.len());
            self.push_pull();
        }
        if self.joining.due().is_some_and(|due| due <= self.now) {
            self.join();
        }
        if self.leaving == Some(Leaving::Telling) && !self.broadcasts.contains(&self.own.name) {
            self.leaving = Some(Leaving::Told);
            self.events.push_back(Event::Departed);
        }
    }

    /// Sends `message`, and as much news with it as fits.
    pub(super) fn send(&mut self, to: SocketAddr, message: Message) {
        let taken = size::at_most(&message) + LENGTH_PREFIX;
        let mut messages = vec![message];
        self.add_news(&mut messages, taken);
        self.transmits.push_back(Transmit::Datagram { to, messages });
    }

    fn add_news(&mut self, messages: &mut Vec<Message>, taken: usize) {
        let free = self.settings.datagram_budget.saturating_sub(taken);
        let limit = self.settings.retransmit_limit(self.members.len());
        self.broadcasts.fill(messages, free, limit);
    }

    fn gossip(&mut self) {
        let (now, to_the_dead) = (self.now, self.settings.gossip_to_the_dead);
        let own = &self.own.name;
        let suitable = |entry: &Entry| match entry.status {
            Status::Alive | Status::Suspect => entry.member.name != *own,
            Status::Dead => entry.changed + to_the_dead >= now,
            Status::Left => false,
        };
        let count = self.settings.gossip_nodes;
        let chosen = self.members.random(count, &mut self.random, suitable);
        let addresses: Vec<SocketAddr> = chosen.iter().map(|entry| entry.member.address).collect();
        for to in addresses {
            let mut messages = Vec::new();
            self.add_news(&mut messages, 0);
            if messages.is_empty() {
                return;
            }
            self.transmits.push_back(Transmit::Datagram { to, messages });
        }
    }

    fn push_pull(&mut self) {
        let own = &self.own.name;
        let suitable = |entry: &Entry| entry.status == Status::Alive && entry.member.name != *own;
        let chosen = self.members.random(1, &mut self.random, suitable);
        if let Some(to) = chosen.first().map(|entry| entry.member.address) {
            let state = self.side(false);
            self.transmits.push_back(Transmit::Exchange { to, state });
        }
    }

    fn leave(&mut self) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(Leaving::Telling);
        let name = self.own.name.clone();
        let dead = Dead {
            incarnation: self.incarnation,
            node: name.clone(),
            from: name.clone(),
        };
        if let Some(entry) = self.members.get_mut(&name) {
            entry.status = Status::Left;
            entry.changed = self.now;
        }
        let dead = Message::Dead(dead);
        if self.tell_directly(&dead, Entry::is_there) {
            self.broadcasts.put(&name, dead);
        }
    }

    /// Sends `message` to others that are `suitable`. False if there are none.
    fn tell_directly(&mut self, message: &Message, suitable: impl Fn(&Entry) -> bool) -> bool {
        let own = &self.own.name;
        let suitable = |entry: &Entry| entry.member.name != *own && suitable(entry);
        let others = self.members.random(BURST, &mut self.random, suitable);
        for entry in &others {
            let (to, messages) = (entry.member.address, vec![message.clone()]);
            self.transmits.push_back(Transmit::Datagram { to, messages });
        }
        !others.is_empty()
    }

    /// Says anew that we are there, so that it outdoes what was said with `accused`.
    pub(super) fn refute(&mut self, accused: Incarnation, dead: bool) {
        self.incarnation = self.incarnation.max(accused).saturating_add(1);
        self.awareness.worse(1, &self.settings);
        let name = self.own.name.clone();
        if let Some(entry) = self.members.get_mut(&name) {
            entry.incarnation = self.incarnation;
        }
        let alive = Message::Alive(self.own_alive());
        if dead {
            // They no longer exchange anything with us, so that news by chance would not reach them.
            self.tell_directly(&alive, |entry| entry.status != Status::Left);
            self.join_soon();
        }
        self.broadcasts.put(&name, alive);
        self.events.push_back(Event::Refuted { dead });
    }

    /// What we say of ourselves.
    pub(crate) fn own_alive(&self) -> Alive {
        Alive {
            incarnation: self.incarnation,
            node: self.own.name.clone(),
            address: self.own.address,
            meta: self.own.meta.clone(),
            versions: Versions::OURS,
        }
    }
}
