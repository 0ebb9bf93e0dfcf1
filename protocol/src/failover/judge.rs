//! The judgement on whoever we watch: who is asked, and what is done with the answers.

use super::Machine;
use super::watch::Act;
use super::words::Words;
use crate::Time;
use crate::memberlist::{Incarnation, Input, Message};

impl Machine {
    /// Follows the silence of everybody we watch.
    pub(super) fn watch(&mut self) {
        let names: Vec<String> = self.watched.keys().cloned().collect();
        for name in names {
            let Some(watched) = self.watched.get_mut(&name) else {
                continue;
            };
            for act in watched.step(&self.settings, self.now) {
                match act {
                    Act::Nudge => self.say_to(&name, &self.nudge()),
                    Act::Ask => self.ask(&name),
                    Act::Judge => self.judge(&name),
                }
            }
        }
    }

    /// Its other watchers and some third nodes: of up to five others everybody, so that a majority of those concerned is a
    /// majority of the cluster; and of more always the same five.
    fn others_to_ask(&self, about: &str) -> Vec<String> {
        let others = self
            .ring
            .after(about)
            .filter(|name| *name != self.own.name && *name != about);
        // We are one of its watchers.
        let count = self.settings.watchers + self.settings.third_nodes - 1;
        others.take(count).map(str::to_owned).collect()
    }

    fn ask(&mut self, about: &str) {
        let others = self.others_to_ask(about);
        let Some(incarnation) = self.swim.entry(about).map(|entry| entry.incarnation) else {
            return;
        };
        let Some(watched) = self.watched.get_mut(about) else {
            return;
        };
        let ask = Words::Ask {
            from: self.own.name.clone(),
            about: about.to_owned(),
            incarnation,
        };
        for other in watched.ask(others) {
            self.say_to(&other, &ask);
        }
    }

    /// `from` was asked and has answered.
    pub(super) fn answered(&mut self, from: &str, about: &str, incarnation: Incarnation, silent: bool) {
        let is_current = self
            .swim
            .entry(about)
            .is_some_and(|entry| entry.incarnation == incarnation);
        let Some(watched) = self.watched.get_mut(about).filter(|_| is_current) else {
            return;
        };
        if silent {
            watched.agree(from);
        } else {
            watched.vouch(self.now);
            self.counters.vouched += 1;
        }
    }

    fn judge(&mut self, about: &str) {
        let Some(watched) = self.watched.get(about) else {
            return;
        };
        let among_two = self.unconfirmed_at(about).is_some_and(|at| at <= self.now);
        if watched.is_confirmed() || among_two {
            self.declare(about);
        }
    }

    /// When the only other member is declared dead without asking anybody. Its silence, or that there are only two, has
    /// to be that old: of those who are cut off from two others at once, none takes over from the second because
    /// memberlist has buried the first. With members of upstream beside them it is left to memberlist, which can ask those.
    fn unconfirmed_at(&self, about: &str) -> Option<Time> {
        let only_two = self.ring.len() == 2 && self.swim.members().count() == 1;
        let watched = self.watched.get(about).filter(|_| only_two)?;
        let since_heard = watched.at(self.settings.declare_unconfirmed_after);
        (watched.silent_since() >= self.ring_since).then_some(since_heard)
    }

    /// Declares `about` dead, and tells everybody, itself included.
    fn declare(&mut self, about: &str) {
        let address = self.address(about);
        // It may not have been called for a second.
        self.follow(Input::Timeout);
        let Some(dead) = self.swim.declare_dead(about) else {
            return;
        };
        self.counters.declared += 1;
        self.follow_events();
        let dead = Message::Dead(dead);
        if let Some(address) = address {
            self.tell(address, vec![dead.clone()]);
        }
        self.spread(&dead);
    }
}
