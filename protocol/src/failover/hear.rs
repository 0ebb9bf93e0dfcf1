//! What others say, and what it means.

use std::net::SocketAddr;

use super::Machine;
use super::words::{Beat, Words};
use crate::memberlist::{Dead, Incarnation, Input, Message, Status};

impl Machine {
    pub(super) fn datagram(&mut self, from: SocketAddr, messages: Vec<Message>) {
        let (mut words, mut others) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                Message::User(payload) => match Words::decode(&payload) {
                    Some(said) => words.push(said),
                    None => others.push(Message::User(payload)),
                },
                other => others.push(other),
            }
        }
        let news = others.first().cloned();
        let about_us =
            |message: &Message| matches!(message, Message::Dead(dead) if dead.node == self.own.name);
        let taken_for_dead = others.iter().any(about_us);
        let back = if others.is_empty() {
            Vec::new()
        } else {
            let messages = others;
            self.follow(Input::Datagram { from, messages })
        };
        if taken_for_dead && !self.swim.is_leaving() {
            // Whoever says so may not have heard what we said against it, and so may others.
            self.review
                .doubted(&self.settings, self.ring.len() == 1, self.now);
            self.object(from);
        }
        for member in back {
            // It was cut off, and we are among the first whom it reaches.
            if member.address == from {
                self.spread_alive(&member.name);
            }
        }
        for said in words {
            (self.heard_anybody, self.heard_word) = (self.now, self.now);
            self.hear(from, said, news.as_ref());
        }
    }

    fn hear(&mut self, from: SocketAddr, words: Words, news: Option<&Message>) {
        match words {
            Words::Beat(beat) => self.beat(from, beat),
            Words::Nudge { from: name } => {
                let beat = self.own_beat_for(&name);
                self.say(from, &Words::Beat(beat));
            }
            Words::Ask {
                from: asker,
                about,
                incarnation,
            } => self.look(from, asker, about, incarnation),
            Words::Answer {
                from: name,
                about,
                incarnation,
                silent,
            } => {
                self.answered(&name, &about, incarnation, silent);
            }
            Words::Spread { root } => {
                if let Some(news) = news {
                    self.pass_on(&root, news);
                }
            }
        }
    }

    fn beat(&mut self, from: SocketAddr, beat: Beat) {
        let Beat {
            from: name,
            incarnation,
            deaf,
            about_you,
        } = beat;
        let Some(entry) = self.swim.entry(&name) else {
            return;
        };
        if matches!(entry.status, Status::Dead) && entry.incarnation >= incarnation {
            // It may not have heard yet that it is dead.
            let dead = Dead {
                incarnation: entry.incarnation,
                node: name,
                from: self.own.name.clone(),
            };
            self.tell(from, vec![Message::Dead(dead)]);
            return;
        }
        if !deaf {
            self.is_alive(&name);
        }
        if about_you.is_none() {
            self.fall_in(&name);
        }
        if let Some((known, status)) = about_you {
            let ours = self.swim.own_incarnation();
            match status {
                Status::Alive | Status::Suspect if known == ours => self.review.confirm(&name),
                Status::Dead | Status::Left if known >= ours => {
                    let dead = Dead {
                        incarnation: known,
                        node: self.own.name.clone(),
                        from: name,
                    };
                    let messages = vec![Message::Dead(dead)];
                    self.follow(Input::Datagram { from, messages });
                }
                Status::Alive | Status::Suspect | Status::Dead | Status::Left => {}
            }
        }
    }

    pub(super) fn own_beat_for(&self, name: &str) -> Beat {
        self.own_beat(
            self.swim
                .entry(name)
                .map(|entry| (entry.incarnation, entry.status)),
        )
    }

    pub(super) fn own_beat(&self, about_you: Option<(Incarnation, Status)>) -> Beat {
        // Among two, deaf and alone are the same.
        let deaf = self.ring.len() > 2 && self.heard_anybody + self.settings.deaf_after() <= self.now;
        Beat {
            from: self.own.name.clone(),
            incarnation: self.swim.own_incarnation(),
            deaf,
            about_you,
        }
    }
}
