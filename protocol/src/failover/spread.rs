//! News that everybody has to know at once: that a member is dead, or that it is back.
//!
//! Along a tree on the circle: whoever sets it off tells the first 64, each of them the next 64 of its own, so that 4,000
//! members know after two steps and nobody sends more than 64 datagrams at one moment. What is lost on the way is caught
//! by echoes to a few members by chance, and by memberlist's own gossip.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::Machine;
use super::words::Words;
use crate::Time;
use crate::memberlist::{Incarnation, Message};

/// How often each who learns of it repeats it, to how many, and after how long each time: one in 8,000 is missed by all
/// of them where everybody else knows.
const ECHOES: u32 = 3;
const ECHO_TO: usize = 3;
const ECHO_EVERY: Duration = Duration::from_millis(20);
/// Pieces of news under way at once; more have no echo, only gossip.
const MOST_ECHOES: usize = 64;
/// What was passed on is remembered, so that it is passed on once for each root. Where so much happens at once that
/// something is forgotten it is passed on twice.
const MOST_SEEN: usize = 256;

/// One piece of news: from whom, about whom, and what.
type News = (String, String, Incarnation, bool);

/// What is being spread.
#[derive(Clone, Debug, Default)]
pub(super) struct Spreading {
    echoes: VecDeque<Echo>,
    seen: VecDeque<News>,
}

#[derive(Clone, Debug)]
struct Echo {
    message: Message,
    left: u32,
    next: Time,
}

impl Spreading {
    pub(super) fn due(&self) -> Option<Time> {
        self.echoes.iter().map(|echo| echo.next).min()
    }

    /// Whether this is new; from now on it is not.
    fn notice(&mut self, news: News) -> bool {
        if self.seen.contains(&news) {
            return false;
        }
        if self.seen.len() >= MOST_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(news);
        true
    }

    fn repeat(&mut self, message: &Message, now: Time) {
        if self.echoes.len() < MOST_ECHOES && !self.echoes.iter().any(|echo| echo.message == *message) {
            self.echoes.push_back(Echo {
                message: message.clone(),
                left: ECHOES,
                next: now + ECHO_EVERY,
            });
        }
    }
}

/// What is spread is of one of two kinds.
fn news(root: &str, message: &Message) -> Option<News> {
    match message {
        Message::Dead(dead) => Some((root.to_owned(), dead.node.clone(), dead.incarnation, true)),
        Message::Alive(alive) => Some((root.to_owned(), alive.node.clone(), alive.incarnation, false)),
        Message::Ping(_)
        | Message::IndirectPing(_)
        | Message::Ack(_)
        | Message::Nack(_)
        | Message::Suspect(_)
        | Message::User(_) => None,
    }
}

impl Machine {
    /// Tells everybody, as the first who knows.
    pub(super) fn spread(&mut self, message: &Message) {
        let root = self.own.name.clone();
        self.pass_on(&root, message);
        // Upstream's members do not pass it on, but they gossip.
        let ring = &self.ring;
        let upstream = self.swim.members().filter(|member| !ring.contains(&member.name));
        let addresses: Vec<SocketAddr> = upstream
            .take(self.settings.burst)
            .map(|member| member.address)
            .collect();
        for to in addresses {
            self.tell(to, vec![message.clone()]);
        }
    }

    /// Tells everybody that `name` is there, as it is known here.
    pub(super) fn spread_alive(&mut self, name: &str) {
        if let Some(alive) = self.swim.alive_of(name) {
            self.spread(&Message::Alive(alive));
        }
    }

    /// Tells those whose turn it is after us, once.
    pub(super) fn pass_on(&mut self, root: &str, message: &Message) {
        if !news(root, message).is_some_and(|news| self.spreading.notice(news)) {
            return;
        }
        let burst = self.settings.burst;
        let place = self.ring.steps(root, &self.own.name);
        let first = place.map_or(usize::MAX, |place| place.saturating_mul(burst));
        let next: Vec<SocketAddr> = self
            .ring
            .after(root)
            .skip(first)
            .take(burst)
            .filter_map(|name| self.address(name))
            .collect();
        let words = Words::Spread {
            root: root.to_owned(),
        };
        for to in next {
            self.tell(to, vec![Message::User(words.encode()), message.clone()]);
        }
        self.spreading.repeat(message, self.now);
    }

    /// Repeats what has been spread lately to some by chance.
    pub(super) fn echo(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for echo in &mut self.spreading.echoes {
            if echo.next <= now {
                echo.next = now + ECHO_EVERY;
                echo.left -= 1;
                due.push(echo.message.clone());
            }
        }
        self.spreading.echoes.retain(|echo| echo.left > 0);
        for message in due {
            for to in self.swim.some_others(ECHO_TO, &mut self.random) {
                self.tell(to, vec![message.clone()]);
            }
        }
    }
}
