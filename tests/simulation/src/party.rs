//! What the network needs of a machine.

use metallb_protocol::Time;
use metallb_protocol::memberlist::{Ack, Event, Input, Machine, Ping, PushPull, Transmit};

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
