//! What the network needs of a machine.

use metallb_protocol::memberlist::{Ack, Event, Input, Machine, Ping, PushPull, Transmit};
use metallb_protocol::{Time, failover};

/// A machine that is a member.
pub trait Party {
    /// What it finds out.
    type Event;
    /// Takes notice of `input`.
    fn handle(&mut self, input: Input, now: Time);
    /// The next thing to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// The next thing found out.
    fn poll_event(&mut self) -> Option<Self::Event>;
    /// When to call it again.
    fn next_deadline(&self) -> Time;
    /// Its side of an exchange.
    fn state(&self) -> PushPull;
    /// Its answer to a ping over a stream.
    fn answer(&self, ping: &Ping) -> Option<Ack>;
}

impl Party for Machine {
    type Event = Event;

    fn handle(&mut self, input: Input, now: Time) {
        self.handle(input, now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.poll_event()
    }

    fn next_deadline(&self) -> Time {
        self.next_deadline()
    }

    fn state(&self) -> PushPull {
        self.state()
    }

    fn answer(&self, ping: &Ping) -> Option<Ack> {
        self.answer(ping)
    }
}

/// A speaker: ours, or one that speaks only what upstream's do.
#[derive(Debug)]
pub enum Speaker {
    /// With failover.
    Ours(Box<failover::Machine>),
    /// Without.
    Upstream(Box<Machine>),
}

impl Speaker {
    /// What it knows of the members.
    pub fn membership(&self) -> &Machine {
        match self {
            Self::Ours(machine) => machine.membership(),
            Self::Upstream(machine) => machine,
        }
    }

    /// Whether it may announce. Upstream's always may.
    pub fn may_announce(&self) -> bool {
        match self {
            Self::Ours(machine) => machine.may_announce(),
            Self::Upstream(_) => true,
        }
    }
}

impl Party for Speaker {
    type Event = failover::Event;

    fn handle(&mut self, input: Input, now: Time) {
        match self {
            Self::Ours(machine) => machine.handle(input, now),
            Self::Upstream(machine) => machine.handle(input, now),
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        match self {
            Self::Ours(machine) => machine.poll_transmit(),
            Self::Upstream(machine) => machine.poll_transmit(),
        }
    }

    fn poll_event(&mut self) -> Option<failover::Event> {
        match self {
            Self::Ours(machine) => machine.poll_event(),
            Self::Upstream(machine) => machine.poll_event().map(failover::Event::Member),
        }
    }

    fn next_deadline(&self) -> Time {
        match self {
            Self::Ours(machine) => machine.next_deadline(),
            Self::Upstream(machine) => machine.next_deadline(),
        }
    }

    fn state(&self) -> PushPull {
        self.membership().state()
    }

    fn answer(&self, ping: &Ping) -> Option<Ack> {
        self.membership().answer(ping)
    }
}
