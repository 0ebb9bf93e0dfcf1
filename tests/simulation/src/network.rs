//! The network: carries what the machines send, late or never, and calls them at their deadlines.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use metallb_protocol::Time;
use metallb_protocol::memberlist::{Input, Message, Ping, PushPull, Settings, Transmit, at_most};

use crate::{Conditions, Party, Place, address};

/// On its way, or waiting in the socket of a stopped process.
#[derive(Clone, Debug)]
enum Item {
    Datagram {
        from: Place,
        messages: Vec<Message>,
    },
    Request {
        from: Place,
        state: PushPull,
    },
    Reply {
        state: PushPull,
    },
    StreamPing {
        from: Place,
        ping: Ping,
    },
    StreamAck {
        sequence: u32,
    },
    /// The machine's own deadline.
    Wake,
}

#[derive(Debug)]
struct Node<P> {
    machine: P,
    process: Process,
    /// By how much its clock is ahead.
    ahead: Duration,
    wake: Time,
    datagrams: u64,
    received: u64,
    busiest: (u64, u64),
    called: Time,
    wakes: u64,
}

#[derive(Debug)]
enum Process {
    Running,
    /// What came meanwhile waits.
    Stopped(Vec<Item>),
    Dead,
}

/// The network and its members.
#[derive(Debug)]
pub struct Network<P: Party> {
    now: Time,
    nodes: Vec<Node<P>>,
    queue: BinaryHeap<Reverse<(Time, usize, Place)>>,
    items: Slots,
    sent: u64,
    conditions: Conditions,
    /// From one to the other nothing arrives.
    cut: BTreeSet<(Place, Place)>,
    random: fastrand::Rng,
    events: Vec<(Time, Place, P::Event)>,
}

/// The items by their place in the queue, so that the queue itself is small and fast.
#[derive(Debug, Default)]
struct Slots {
    items: Vec<Option<Item>>,
    free: Vec<usize>,
}

impl Slots {
    fn put(&mut self, item: Item) -> usize {
        if let Some(slot) = self.free.pop() {
            self.items[slot] = Some(item);
            return slot;
        }
        self.items.push(Some(item));
        self.items.len() - 1
    }

    fn take(&mut self, slot: usize) -> Option<Item> {
        self.free.push(slot);
        self.items[slot].take()
    }
}

impl<P: Party> Network<P> {
    /// A network without members. `seed` decides what is lost and how long everything takes.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            now: Time::START,
            nodes: Vec::new(),
            queue: BinaryHeap::new(),
            items: Slots::default(),
            sent: 0,
            conditions,
            cut: BTreeSet::new(),
            random: fastrand::Rng::with_seed(seed),
            events: Vec::new(),
        }
    }

    /// Adds a member and starts it. Its address must be that of the place it gets: the next.
    pub fn add(&mut self, machine: P) -> Place {
        self.nodes.push(Node {
            machine,
            process: Process::Running,
            ahead: Duration::ZERO,
            wake: Time::START,
            datagrams: 0,
            received: 0,
            busiest: (0, 0),
            called: Time::START,
            wakes: 0,
        });
        let place = self.nodes.len() - 1;
        self.handle(place, Input::Timeout);
        place
    }

    /// Starts another process in the place of a dead one.
    pub fn restart(&mut self, place: Place, machine: P) {
        self.nodes[place].machine = machine;
        self.nodes[place].process = Process::Running;
        self.nodes[place].wake = Time::START;
        self.handle(place, Input::Timeout);
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many members there are, the dead included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The machine at `place`.
    pub fn machine(&self, place: Place) -> &P {
        &self.nodes[place].machine
    }

    /// Whether the process at `place` runs now.
    pub fn is_running(&self, place: Place) -> bool {
        matches!(self.nodes[place].process, Process::Running)
    }

    /// Whether those two can hear each other.
    pub fn is_connected(&self, one: Place, other: Place) -> bool {
        !self.cut.contains(&(one, other)) && !self.cut.contains(&(other, one))
    }

    /// How many datagrams the member at `place` has sent.
    pub fn datagrams(&self, place: Place) -> u64 {
        self.nodes[place].datagrams
    }

    /// How many it has received.
    pub fn received(&self, place: Place) -> u64 {
        self.nodes[place].received
    }

    /// How often the member at `place` had something to do after a millisecond without.
    pub fn wakes(&self, place: Place) -> u64 {
        self.nodes[place].wakes
    }

    /// The most datagrams that the member at `place` has sent within one millisecond.
    pub fn burst(&self, place: Place) -> u64 {
        self.nodes[place].busiest.1
    }

    /// Takes what was found out since the last time, in order.
    pub fn take_events(&mut self) -> Vec<(Time, Place, P::Event)> {
        std::mem::take(&mut self.events)
    }

    /// Changes what happens to datagrams sent from now on.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// From now on nothing arrives from `from` at `to`.
    pub fn cut(&mut self, from: Place, to: Place) {
        self.cut.insert((from, to));
    }

    /// Everything arrives again.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// From now on those in `group` and the others do not hear each other.
    pub fn part(&mut self, group: &[Place]) {
        for inside in group {
            for outside in (0..self.nodes.len()).filter(|place| !group.contains(place)) {
                self.cut(*inside, outside);
                self.cut(outside, *inside);
            }
        }
    }

    /// Ends the process at `place` without a word.
    pub fn kill(&mut self, place: Place) {
        self.nodes[place].process = Process::Dead;
    }

    /// Stops the process at `place`: it neither sends nor reads until it goes on.
    pub fn stop(&mut self, place: Place) {
        self.nodes[place].process = Process::Stopped(Vec::new());
    }

    /// Lets a stopped process go on. It looks at its clock before it reads.
    pub fn go_on(&mut self, place: Place) {
        if let Process::Stopped(waiting) = std::mem::replace(&mut self.nodes[place].process, Process::Running)
        {
            self.handle(place, Input::Timeout);
            for item in waiting {
                self.arrive(place, item);
            }
        }
    }

    /// The clock of the member at `place` leaps forward by `length`. The member sees it when it is called next.
    pub fn leap(&mut self, place: Place, length: Duration) {
        self.nodes[place].ahead += length;
    }

    /// What the clock of the member at `place` shows.
    pub fn clock(&self, place: Place) -> Time {
        self.now + self.nodes[place].ahead
    }

    /// Gives `input` to the member at `place`, if it runs.
    pub fn handle(&mut self, place: Place, input: Input) {
        let clock = self.clock(place);
        let node = &mut self.nodes[place];
        if !matches!(node.process, Process::Running) {
            return;
        }
        node.wakes += u64::from(node.called + Duration::from_millis(1) <= self.now);
        node.called = self.now;
        node.machine.handle(input, clock);
        while let Some(event) = self.nodes[place].machine.poll_event() {
            self.events.push((self.now, place, event));
        }
        while let Some(transmit) = self.nodes[place].machine.poll_transmit() {
            self.transmit(place, transmit);
        }
        let node = &mut self.nodes[place];
        let deadline = node.machine.next_deadline().elapsed().saturating_sub(node.ahead);
        let deadline = Time::since_start(deadline).max(self.now);
        if deadline != node.wake {
            node.wake = deadline;
            self.schedule(deadline, place, Item::Wake);
        }
    }

    /// Lets `length` pass.
    pub fn run(&mut self, length: Duration) {
        self.run_until(self.now + length);
    }

    /// Lets time pass until `end`.
    pub fn run_until(&mut self, end: Time) {
        while let Some(Reverse((time, slot, place))) = self.queue.peek().copied()
            && time <= end
        {
            self.queue.pop();
            self.now = time;
            if let Some(item) = self.items.take(slot) {
                self.arrive(place, item);
            }
        }
        self.now = end;
    }

    /// Lets time pass until `done`, but not longer than `most`. How long it took.
    pub fn run_while(
        &mut self,
        most: Duration,
        mut pending: impl FnMut(&mut Self) -> bool,
    ) -> Option<Duration> {
        let (start, step) = (self.now, Duration::from_millis(1));
        while pending(self) {
            if self.now >= start + most {
                return None;
            }
            self.run(step);
        }
        Some(self.now.elapsed().saturating_sub(start.elapsed()))
    }

    fn schedule(&mut self, time: Time, place: Place, item: Item) {
        let slot = self.items.put(item);
        self.queue.push(Reverse((time, slot, place)));
    }

    fn arrive(&mut self, place: Place, item: Item) {
        let node = &mut self.nodes[place];
        match &mut node.process {
            Process::Running => {}
            Process::Stopped(_) if matches!(item, Item::Wake) => return,
            Process::Stopped(waiting) => return waiting.push(item),
            Process::Dead => return,
        }
        match item {
            Item::Wake if node.wake == self.now => self.handle(place, Input::Timeout),
            Item::Wake => {} // there is a newer one
            Item::Datagram { from, messages } => {
                node.received += 1;
                let from = address::of(from);
                self.handle(place, Input::Datagram { from, messages });
            }
            Item::Request { from, state } => {
                let reply = Item::Reply {
                    state: node.machine.state(),
                };
                self.carry(place, from, reply);
                self.handle(place, Input::Exchanged(state));
            }
            Item::Reply { state } => self.handle(place, Input::Exchanged(state)),
            Item::StreamPing { from, ping } => {
                if let Some(ack) = node.machine.answer(&ping) {
                    let sequence = ack.sequence;
                    self.carry(place, from, Item::StreamAck { sequence });
                }
            }
            Item::StreamAck { sequence } => self.handle(place, Input::Contacted(sequence)),
        }
    }

    fn transmit(&mut self, from: Place, transmit: Transmit) {
        let (to, item) = match transmit {
            Transmit::Datagram { to, messages } => {
                let size: usize = messages.iter().map(|message| at_most(message) + 2).sum();
                assert!(
                    size <= Settings::default().datagram_budget,
                    "too large: {messages:?}"
                );
                self.count(from);
                if self.random.f64() < self.conditions.loss {
                    return;
                }
                (to, Item::Datagram { from, messages })
            }
            Transmit::Exchange { to, state } => (to, Item::Request { from, state }),
            Transmit::StreamPing { to, ping, .. } => (to, Item::StreamPing { from, ping }),
        };
        if let Some(to) = address::place(to).filter(|to| *to < self.nodes.len()) {
            self.carry(from, to, item);
        }
    }

    fn count(&mut self, place: Place) {
        self.sent += 1;
        let node = &mut self.nodes[place];
        node.datagrams += 1;
        let millisecond = u64::try_from(self.now.elapsed().as_millis()).unwrap_or(u64::MAX);
        // The upper half counts, the lower half is the record.
        let (current, most) = node.busiest;
        let (when, count) = (current >> 24, current & 0xff_ffff);
        let count = if when == millisecond & 0xff_ffff_ffff {
            count + 1
        } else {
            1
        };
        node.busiest = (((millisecond & 0xff_ffff_ffff) << 24) | count, most.max(count));
    }

    fn carry(&mut self, from: Place, to: Place, item: Item) {
        if self.cut.contains(&(from, to)) {
            return;
        }
        let jitter = u64::try_from(self.conditions.jitter.as_nanos()).unwrap_or(u64::MAX);
        let extra = Duration::from_nanos(self.random.u64(0..=jitter));
        let time = self.now + self.conditions.delay + extra;
        self.schedule(time, to, item);
    }
}
