//! Everybody we know of, in the order in which they are probed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::message::{Incarnation, NodeState, Status, Versions};
use super::random::Random;
use super::suspicion::Suspicion;
use crate::Time;

/// A member as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// What it says of itself.
    pub meta: Vec<u8>,
}

/// What we know of a member.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) member: Member,
    pub(crate) incarnation: Incarnation,
    pub(crate) status: Status,
    /// Since when.
    pub(crate) changed: Time,
    pub(crate) versions: Versions,
    /// While its status is [`Status::Suspect`].
    pub(super) suspicion: Option<Suspicion>,
    /// When somebody else last claimed its name.
    pub(super) disputed: Option<Time>,
}

impl Entry {
    /// Neither dead nor gone.
    pub(crate) fn is_there(&self) -> bool {
        match self.status {
            Status::Alive | Status::Suspect => true,
            Status::Dead | Status::Left => false,
        }
    }
}

/// All of them, we included. Bounded by `most_members` of the settings.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_name: BTreeMap<String, Entry>,
    /// The same names, in the order of probing.
    order: Vec<String>,
    next: usize,
}

impl Members {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.by_name.get_mut(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.by_name.values()
    }

    /// The dead ones that are not forgotten included, as everywhere in this protocol.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// At a random place among those to be probed, so that a new member waits for half a round on average, and not
    /// every new member waits for whoever joined before it.
    pub(super) fn insert(&mut self, entry: Entry, random: &mut Random) {
        let name = entry.member.name.clone();
        let place = random.below(self.order.len());
        self.order.push(name.clone());
        let last = self.order.len() - 1;
        self.order.swap(place, last);
        self.by_name.insert(name, entry);
    }

    /// The next one to be probed, never `own`. At the end of a round the long dead are forgotten and the order is
    /// shuffled.
    pub(super) fn next_to_probe(
        &mut self,
        own: &str,
        now: Time,
        forget_after: Duration,
        random: &mut Random,
    ) -> Option<String> {
        for _ in 0..=self.order.len() {
            if self.next >= self.order.len() {
                self.forget_dead(now, forget_after);
                random.shuffle(&mut self.order);
                self.next = 0;
            }
            let name = self.order.get(self.next)?;
            self.next += 1;
            if name != own && self.by_name.get(name).is_some_and(Entry::is_there) {
                return Some(name.clone());
            }
        }
        None
    }

    fn forget_dead(&mut self, now: Time, forget_after: Duration) {
        let by_name = &mut self.by_name;
        by_name.retain(|_, entry| entry.is_there() || entry.changed + forget_after >= now);
        self.order.retain(|name| by_name.contains_key(name));
    }

    /// Up to `count` different members that are `suitable`.
    pub(super) fn random(
        &self,
        count: usize,
        random: &mut Random,
        suitable: impl Fn(&Entry) -> bool,
    ) -> Vec<&Entry> {
        let mut chosen: Vec<&Entry> = Vec::with_capacity(count);
        // Many more members than are wanted: draw. A few: go through all of them, or one may never be found.
        let draws = if self.order.len() < 3 * count {
            0
        } else {
            3 * count
        };
        for _ in 0..draws {
            let name = &self.order[random.below(self.order.len())];
            let known = chosen.iter().any(|entry| entry.member.name == *name);
            if let Some(entry) = self.by_name.get(name).filter(|entry| !known && suitable(entry)) {
                chosen.push(entry);
            }
            if chosen.len() == count {
                return chosen;
            }
        }
        let mut all: Vec<&Entry> = self.by_name.values().filter(|entry| suitable(entry)).collect();
        random.shuffle(&mut all);
        for entry in all {
            let known = chosen.iter().any(|other| other.member.name == entry.member.name);
            if chosen.len() < count && !known {
                chosen.push(entry);
            }
        }
        chosen
    }

    /// For an exchange of everything.
    pub(super) fn states(&self) -> Vec<NodeState> {
        let state = |entry: &Entry| NodeState {
            name: entry.member.name.clone(),
            address: entry.member.address,
            meta: entry.member.meta.clone(),
            incarnation: entry.incarnation,
            status: entry.status,
            versions: entry.versions,
        };
        self.by_name.values().map(state).collect()
    }
}
