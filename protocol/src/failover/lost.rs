//! Members that were declared dead and may only be cut off.
//!
//! As soon as they can be heard again they must know that they were deposed, or two announce one address. Memberlist
//! forgets them after half a minute; here they are remembered as long as they are expected, and those beside them on the
//! circle go on telling them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Machine;
use super::ring::Ring;
use crate::Time;
use crate::memberlist::{Dead, Incarnation, Member, Message};

/// So many places back on the circle somebody lost is knocked for: where half of all are lost, one of 4,096 has nobody
/// left among them, and where one is lost, no more than these knock for it.
const REACH: usize = 12;
/// As many as there may be members. A lost one more is left to memberlist.
const MOST_LOST: usize = 5_000;

/// All that we know to be lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    members: BTreeMap<String, (SocketAddr, Incarnation)>,
    /// Those of them that we knock for: as many as we watch, at most.
    ours: Vec<String>,
    next_knock: Time,
    /// Where members are expected. Empty if nobody told.
    peers: BTreeSet<SocketAddr>,
}

impl Lost {
    pub(super) fn due(&self) -> Option<Time> {
        (!self.ours.is_empty()).then_some(self.next_knock)
    }

    /// Whoever is not expected anywhere is not waited for.
    pub(super) fn set_peers(&mut self, peers: &BTreeSet<SocketAddr>) {
        self.peers.clone_from(peers);
        if !peers.is_empty() {
            self.members.retain(|_, (address, _)| peers.contains(address));
            let members = &self.members;
            self.ours.retain(|name| members.contains_key(name));
        }
    }

    pub(super) fn insert(&mut self, member: &Member, incarnation: Incarnation) {
        let is_expected = self.peers.is_empty() || self.peers.contains(&member.address);
        if is_expected && self.members.len() < MOST_LOST {
            self.members
                .insert(member.name.clone(), (member.address, incarnation));
        }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Whether members are expected elsewhere.
    pub(super) fn expects_other_than(&self, own: SocketAddr) -> bool {
        self.peers.iter().any(|peer| *peer != own)
    }

    /// It is back, or left. Whether it was lost.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        self.members.remove(name).is_some()
    }

    /// Chooses whom we knock for, `count` at most.
    pub(super) fn choose(&mut self, own: &str, ring: &Ring, count: usize, now: Time) {
        let were_none = self.ours.is_empty();
        self.ours.clear();
        if self.members.is_empty() {
            return;
        }
        // The nearest of all are among the nearest of those that are there and the nearest of the lost.
        let lost: Ring = self.members.keys().map(String::as_str).collect();
        let nearest: Ring = ring
            .before(own)
            .take(REACH)
            .chain(lost.before(own).take(REACH))
            .collect();
        let before = nearest.before(own).take(REACH);
        let lost = before.filter(|name| self.members.contains_key(*name));
        self.ours = lost.take(count).map(str::to_owned).collect();
        if were_none {
            self.next_knock = now;
        }
    }
}

impl Machine {
    /// Tells those who are lost that they are.
    pub(super) fn knock(&mut self) {
        if self.lost.due().is_none_or(|due| due > self.now) {
            return;
        }
        self.lost.next_knock = self.now + self.settings.knock_every;
        for name in self.lost.ours.clone() {
            let Some((to, incarnation)) = self.lost.members.get(&name).copied() else {
                continue;
            };
            let dead = Dead {
                incarnation,
                node: name,
                from: self.own.name.clone(),
            };
            self.tell(to, vec![Message::Dead(dead)]);
        }
    }
}
