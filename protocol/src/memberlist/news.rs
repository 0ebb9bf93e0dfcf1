//! What others say about members, and what becomes of it.
//!
//! A statement counts if its incarnation is newer than what is known, or if it is worse for the same incarnation: dead
//! outdoes suspect, suspect outdoes alive. Only the member itself states a new incarnation.

use std::time::Duration;

use super::Machine;
use super::contract::Event;
use super::machine::Leaving;
use super::members::{Entry, Member};
use super::message::{Alive, Dead, Incarnation, Message, NodeState, PushPull, Status, Suspect, Versions};
use super::settings::{MOST_META, MOST_NAME};
use super::suspicion::Suspicion;

/// How often one dispute about a name is told: a log line a minute does no harm.
const DISPUTE_EVERY: Duration = Duration::from_mins(1);

/// What becomes of a statement that a member is there, as far as its address goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Nobody is known by the name.
    New,
    /// The one that is known.
    Known,
    /// Another one, which may have the name.
    Moved,
    /// Another one, which may not.
    Disputed,
}

impl Machine {
    /// Takes over what another member knows.
    pub(super) fn merge(&mut self, state: PushPull) {
        for node in state.nodes {
            let own = node.name == self.own.name;
            let NodeState {
                name,
                incarnation,
                status,
                ..
            } = node;
            match status {
                Status::Alive => self.alive(Alive {
                    incarnation,
                    node: name,
                    address: node.address,
                    meta: node.meta,
                    versions: node.versions,
                }),
                Status::Left => self.dead(Dead {
                    incarnation,
                    node: name.clone(),
                    from: name,
                }),
                // It may be back by now: the other member's word is not enough. Our own word is.
                Status::Dead if own => self.accused(incarnation, true),
                Status::Dead | Status::Suspect => {
                    let from = self.own.name.clone();
                    self.suspect(Suspect {
                        incarnation,
                        node: name,
                        from,
                    });
                }
            }
        }
    }

    pub(super) fn alive(&mut self, alive: Alive) {
        if !is_well_formed(&alive) {
            self.ignored.malformed += 1;
            return;
        }
        if alive.node == self.own.name {
            return self.alive_ourselves(&alive);
        }
        let claim = self.claim(&alive);
        match claim {
            Claim::New if self.members.len() >= self.settings.most_members => {
                self.ignored.too_many_members += 1;
                return;
            }
            Claim::New => self.members.insert(unknown(&alive, self.now), &mut self.random),
            Claim::Known | Claim::Moved => {}
            Claim::Disputed => return self.dispute(&alive),
        }
        let Some(entry) = self.members.get_mut(&alive.node) else {
            return;
        };
        if claim == Claim::Known && alive.incarnation <= entry.incarnation {
            return;
        }
        if let Some(suspicion) = entry.suspicion.take() {
            self.suspicions
                .remove(&(suspicion.deadline(), alive.node.clone()));
        }
        let was_there = entry.is_there();
        let member = Member {
            name: alive.node.clone(),
            address: alive.address,
            meta: alive.meta.clone(),
        };
        let same = entry.member == member;
        if entry.status != Status::Alive {
            entry.changed = self.now;
        }
        entry.status = Status::Alive;
        entry.incarnation = alive.incarnation;
        entry.versions = alive.versions;
        entry.member = member.clone();
        self.broadcasts.put(&member.name, Message::Alive(alive));
        if !was_there {
            self.events.push_back(Event::Joined(member));
        } else if !same {
            self.events.push_back(Event::Updated(member));
        }
    }

    /// Somebody says that we are there, but not as we do: an older run of ours, or another one with our name.
    fn alive_ourselves(&mut self, alive: &Alive) {
        if self.leaving.is_some() {
            return;
        }
        if alive.address != self.own.address {
            return self.dispute(alive);
        }
        let ours = self.own_alive();
        if alive.incarnation > ours.incarnation || (alive.incarnation == ours.incarnation && *alive != ours) {
            self.refute(alive.incarnation, false);
        }
    }

    fn claim(&self, alive: &Alive) -> Claim {
        let Some(entry) = self.members.get(&alive.node) else {
            return Claim::New;
        };
        if entry.member.address == alive.address {
            return Claim::Known;
        }
        let reclaim = self.settings.dead_node_reclaim;
        let is_free = match entry.status {
            Status::Left => true,
            Status::Dead => reclaim.is_some_and(|wait| entry.changed + wait < self.now),
            Status::Alive | Status::Suspect => false,
        };
        if is_free { Claim::Moved } else { Claim::Disputed }
    }

    fn dispute(&mut self, alive: &Alive) {
        let Some(entry) = self.members.get_mut(&alive.node) else {
            return;
        };
        if entry.disputed.is_none_or(|told| told + DISPUTE_EVERY <= self.now) {
            entry.disputed = Some(self.now);
            let known = entry.member.clone();
            let other = alive.address;
            self.events.push_back(Event::Disputed { known, other });
        }
    }

    pub(super) fn suspect(&mut self, suspect: Suspect) {
        if suspect.node == self.own.name {
            return self.accused(suspect.incarnation, false);
        }
        let members = self.members.len();
        let Some(entry) = self.members.get_mut(&suspect.node) else {
            return;
        };
        if suspect.incarnation < entry.incarnation {
            return;
        }
        if let Some(suspicion) = &mut entry.suspicion {
            let before = suspicion.deadline();
            if suspicion.confirm(&suspect.from) {
                self.suspicions.remove(&(before, suspect.node.clone()));
                self.suspicions
                    .insert((suspicion.deadline(), suspect.node.clone()));
                self.broadcasts
                    .put(&suspect.node.clone(), Message::Suspect(suspect));
            }
            return;
        }
        if entry.status != Status::Alive {
            return;
        }
        entry.status = Status::Suspect;
        entry.incarnation = suspect.incarnation;
        entry.changed = self.now;
        let suspicion = Suspicion::new(&self.settings, members, suspect.from.clone(), self.now);
        self.suspicions
            .insert((suspicion.deadline(), suspect.node.clone()));
        entry.suspicion = Some(suspicion);
        self.broadcasts
            .put(&suspect.node.clone(), Message::Suspect(suspect));
    }

    pub(super) fn dead(&mut self, dead: Dead) {
        if dead.node == self.own.name {
            return self.accused(dead.incarnation, true);
        }
        let Some(entry) = self.members.get_mut(&dead.node) else {
            return;
        };
        if dead.incarnation < entry.incarnation {
            return;
        }
        if let Some(suspicion) = entry.suspicion.take() {
            self.suspicions.remove(&(suspicion.deadline(), dead.node.clone()));
        }
        if !entry.is_there() {
            return;
        }
        let on_purpose = dead.node == dead.from;
        entry.incarnation = dead.incarnation;
        entry.status = if on_purpose { Status::Left } else { Status::Dead };
        entry.changed = self.now;
        let member = entry.member.clone();
        self.miss(member.address);
        self.broadcasts.put(&member.name, Message::Dead(dead));
        self.events.push_back(if on_purpose {
            Event::Left(member)
        } else {
            Event::Failed(member)
        });
    }

    /// Somebody suspects us, or takes us for dead.
    fn accused(&mut self, incarnation: Incarnation, dead: bool) {
        match self.leaving {
            None if incarnation >= self.incarnation => self.refute(incarnation, dead),
            None | Some(Leaving::Telling | Leaving::Told) => {}
        }
    }

    /// Declares dead who had its time to object.
    pub(super) fn bury(&mut self) {
        while let Some((deadline, node)) = self.suspicions.first().cloned() {
            if deadline > self.now {
                return;
            }
            self.suspicions.remove(&(deadline, node.clone()));
            self.declare_dead(&node);
        }
    }

    /// Declares `node` dead as it is known now. What it is told, so that others can be told the same.
    pub(crate) fn declare_dead(&mut self, node: &str) -> Option<Dead> {
        let entry = self.members.get(node).filter(|entry| entry.is_there())?;
        let dead = Dead {
            incarnation: entry.incarnation,
            node: node.to_owned(),
            from: self.own.name.clone(),
        };
        self.dead(dead.clone());
        Some(dead)
    }
}

fn unknown(alive: &Alive, now: crate::Time) -> Entry {
    Entry {
        member: Member {
            name: alive.node.clone(),
            address: alive.address,
            meta: alive.meta.clone(),
        },
        incarnation: 0,
        status: Status::Dead,
        changed: now,
        versions: alive.versions,
        suspicion: None,
        disputed: None,
    }
}

/// Whether the statement is one that the protocol allows, from somebody whom we understand.
fn is_well_formed(alive: &Alive) -> bool {
    let Versions {
        protocol_min,
        protocol_max,
        ..
    } = alive.versions;
    let understood = protocol_min <= Versions::OURS.protocol && Versions::OURS.protocol <= protocol_max;
    let length = alive.node.len();
    (1..=MOST_NAME).contains(&length) && alive.meta.len() <= MOST_META && protocol_min > 0 && understood
}
