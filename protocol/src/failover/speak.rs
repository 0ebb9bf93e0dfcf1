//! Saying something to somebody.

use std::net::SocketAddr;

use super::Machine;
use super::words::Words;
use crate::memberlist::{Message, Transmit};

impl Machine {
    /// Where a member is.
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.swim.entry(name).map(|entry| entry.member.address)
    }

    pub(super) fn tell(&mut self, to: SocketAddr, messages: Vec<Message>) {
        self.transmits.push_back(Transmit::Datagram { to, messages });
    }

    pub(super) fn say(&mut self, to: SocketAddr, words: &Words) {
        self.tell(to, vec![Message::User(words.encode())]);
    }

    pub(super) fn say_to(&mut self, name: &str, words: &Words) {
        if let Some(to) = self.address(name) {
            self.say(to, words);
        }
    }

    pub(super) fn nudge(&self) -> Words {
        Words::Nudge {
            from: self.own.name.clone(),
        }
    }

    /// Tells that we are there.
    pub(super) fn object(&mut self, to: SocketAddr) {
        let alive = self.swim.own_alive();
        self.tell(to, vec![Message::Alive(alive)]);
    }

    /// Tells that we are there, and asks whether it is known now.
    pub(super) fn object_and_nudge(&mut self, to: SocketAddr) {
        let (alive, nudge) = (self.swim.own_alive(), self.nudge());
        self.tell(to, vec![Message::Alive(alive), Message::User(nudge.encode())]);
    }
}
