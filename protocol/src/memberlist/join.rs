//! Finding the others: whoever is expected somewhere and is not a member is asked for everything it knows.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::Machine;
use super::contract::Transmit;
use crate::Time;

/// Peers that are not members are asked again after this long while we know nobody at all, and else twice as long each
/// time: a speaker that starts at the same time as we do is not listening yet.
const JOIN_SOON: Duration = Duration::from_secs(1);
/// But not longer: a partition that has healed is noticed soon, and a dead node costs little.
const JOIN_LATER: Duration = Duration::from_secs(10);
/// As many of them each time: whoever answers knows the others.
const JOINS: usize = 4;

/// Who is expected, and when the missing ones are asked again.
#[derive(Debug)]
pub(super) struct Joining {
    peers: BTreeSet<SocketAddr>,
    next: Option<Time>,
    wait: Duration,
}

impl Default for Joining {
    fn default() -> Self {
        Self {
            peers: BTreeSet::new(),
            next: None,
            wait: JOIN_SOON,
        }
    }
}

impl Joining {
    pub(super) fn due(&self) -> Option<Time> {
        self.next
    }
}

impl Machine {
    pub(super) fn set_peers(&mut self, peers: BTreeSet<SocketAddr>) {
        let before = std::mem::replace(&mut self.joining.peers, peers);
        while self.joining.peers.len() > self.settings.most_members {
            self.joining.peers.pop_last();
        }
        if self.joining.peers.iter().any(|peer| !before.contains(peer)) {
            self.join_soon();
        }
    }

    /// Asks the missing ones now, and soon again.
    pub(super) fn join_soon(&mut self) {
        self.joining.next = Some(self.now);
        self.joining.wait = JOIN_SOON;
    }

    /// A member went; if it is a peer, it is asked whether it is back.
    pub(super) fn miss(&mut self, address: SocketAddr) {
        if self.joining.next.is_none() && self.joining.peers.contains(&address) {
            self.joining.wait = JOIN_SOON;
            self.joining.next = Some(self.now + JOIN_SOON);
        }
    }

    /// Asks some of the peers that are not members.
    pub(super) fn join(&mut self) {
        self.joining.next = None;
        if self.leaving.is_some() {
            return;
        }
        let members: BTreeSet<SocketAddr> = self.members().map(|member| member.address).collect();
        let is_missing = |peer: &&SocketAddr| !members.contains(peer) && **peer != self.own.address;
        let mut missing: Vec<SocketAddr> = self.joining.peers.iter().filter(is_missing).copied().collect();
        if missing.is_empty() {
            return;
        }
        if members.is_empty() {
            self.joining.wait = JOIN_SOON;
        }
        self.joining.next = Some(self.now + self.joining.wait);
        self.joining.wait = (self.joining.wait * 2).min(JOIN_LATER);
        self.random.shuffle(&mut missing);
        for to in missing.into_iter().take(JOINS) {
            let state = self.side(true);
            self.transmits.push_back(Transmit::Exchange { to, state });
        }
    }
}
