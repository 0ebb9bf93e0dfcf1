//! Looking for a member because somebody asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::Machine;
use super::settings::Settings;
use super::words::Words;
use crate::Time;
use crate::memberlist::{Dead, Incarnation, Message, Status};

/// So many members are looked for at one time. A member is asked about those that its neighbours on the circle watch, a
/// dozen at most, unless circles differ; for more no answer is given, and none of them is confirmed by us.
const MOST_LOOKS: usize = 64;
/// Its watchers ask, and watchers are few.
const MOST_ASKERS: usize = 16;
/// For so long the answer stays true that there is no sign of life, for those who ask again or late.
const ANSWER_LASTS: Duration = Duration::from_millis(300);

/// Somebody is looked for.
#[derive(Clone, Debug)]
pub(super) struct Look {
    askers: BTreeMap<String, SocketAddr>,
    incarnation: Incarnation,
    next_nudge: Time,
    /// Until then a sign of life is waited for.
    until: Time,
    /// There was none.
    silent: bool,
}

impl Look {
    pub(super) fn due(&self) -> Time {
        if self.silent {
            self.until + ANSWER_LASTS
        } else {
            self.next_nudge.min(self.until)
        }
    }

    /// Whether it is to be nudged now.
    fn is_to_nudge(&mut self, settings: &Settings, now: Time) -> bool {
        let is_due = !self.silent && self.next_nudge <= now;
        if is_due {
            self.next_nudge = now + settings.nudge_every;
        }
        is_due
    }
}

impl Machine {
    /// `asker` hears nothing from `about`.
    pub(super) fn look(&mut self, from: SocketAddr, asker: String, about: String, incarnation: Incarnation) {
        if about == self.own.name {
            let beat = self.own_beat_for(&asker);
            return self.say(from, &Words::Beat(beat));
        }
        let Some(entry) = self.swim.entry(&about) else {
            return;
        };
        if entry.status == Status::Dead && entry.incarnation >= incarnation {
            // Others have agreed on that already.
            let dead = Dead {
                incarnation: entry.incarnation,
                node: about,
                from: self.own.name.clone(),
            };
            return self.tell(from, vec![Message::Dead(dead)]);
        }
        if !entry.is_there() || entry.incarnation != incarnation {
            return;
        }
        if let Some(look) = self
            .looks
            .get_mut(&about)
            .filter(|look| look.incarnation == incarnation)
        {
            if look.silent {
                self.answer(from, &about, incarnation, true);
            } else if look.askers.len() < MOST_ASKERS {
                look.askers.insert(asker, from);
            }
            return;
        }
        if self.looks.len() >= MOST_LOOKS {
            self.counters.too_many_looks += 1;
            return;
        }
        let until = match self.watched.get(&about) {
            Some(watched) => watched.look_until(&self.settings, self.now),
            None => self.now + self.settings.look_for,
        };
        let look = Look {
            askers: BTreeMap::from([(asker, from)]),
            incarnation,
            next_nudge: self.now,
            until,
            silent: false,
        };
        self.looks.insert(about, look);
    }

    /// A sign of life from `name`.
    pub(super) fn is_alive(&mut self, name: &str) {
        if let Some(watched) = self.watched.get_mut(name) {
            watched.hear(self.now);
        }
        if let Some(look) = self.looks.remove(name) {
            for to in look.askers.into_values() {
                self.answer(to, name, look.incarnation, false);
            }
        }
    }

    fn answer(&mut self, to: SocketAddr, about: &str, incarnation: Incarnation, silent: bool) {
        let answer = Words::Answer {
            from: self.own.name.clone(),
            about: about.to_owned(),
            incarnation,
            silent,
        };
        self.say(to, &answer);
    }

    /// Goes on looking for everybody we were asked about.
    pub(super) fn search(&mut self) {
        let names: Vec<String> = self.looks.keys().cloned().collect();
        for name in names {
            let Some(look) = self.looks.get_mut(&name) else {
                continue;
            };
            if look.is_to_nudge(&self.settings, self.now) {
                let nudge = self.nudge();
                self.say_to(&name, &nudge);
            }
            let Some(look) = self.looks.get_mut(&name) else {
                continue;
            };
            if !look.silent && look.until <= self.now {
                look.silent = true;
                let (askers, incarnation) = (look.askers.clone(), look.incarnation);
                for to in askers.into_values() {
                    self.answer(to, &name, incarnation, true);
                }
            } else if look.silent && look.due() <= self.now {
                self.looks.remove(&name);
            }
        }
    }

    /// The circle has changed: of those who are not there any more nothing is to be told.
    pub(super) fn drop_foreign_looks(&mut self) {
        let ring = &self.ring;
        self.looks.retain(|name, _| ring.contains(name));
    }
}
