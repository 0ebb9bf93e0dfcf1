//! The writes of the state: which may start now, and what is learned from what came of them.

use std::time::Duration;

use super::State;
use super::known::doubt_status;
use crate::write::{Patience, Write, Written};

impl State {
    /// Learns what came of a write.
    pub(crate) fn observe_written(&mut self, write: &Write, written: Written) {
        let service = &write.service;
        if self.writes.take_postponed(service) && !matches!(written, Written::Outdated) {
            self.dirty.insert(service.clone());
        }
        match written {
            Written::Done(facts) => {
                tracing::info!(%service, ips = ?write.ingress, pool = write.pool, "address written");
                self.writes.finished(service);
                // The watch may have told, while the write was under way, that the Service was deleted, and perhaps made
                // anew under the same name.
                let known = self.services.get(service);
                if known.is_some_and(|known| known.uid == facts.uid) {
                    self.observe_service(service.clone(), *facts);
                }
            }
            Written::Refused(_) | Written::Failed { .. } if !self.services.contains_key(service) => {
                self.writes.finished(service); // deleted meanwhile
            }
            Written::Outdated => {
                self.writes.finished(service);
                self.decide_if_newer(write);
            }
            Written::Refused(reason) => {
                self.writes.refused(service);
                if let Some(known) = self.services.get(service) {
                    self.tells.refused(known, write, &reason);
                }
                self.decide_if_newer(write);
            }
            Written::Failed { answered } => {
                self.writes.failed(service, answered);
                let known = self.services.get_mut(service);
                if let Some(known) = known.filter(|known| known.resource_version == write.resource_version) {
                    doubt_status(known, write);
                }
            }
        }
    }

    /// It is `now`, counted from the start of the process: writes that had to wait may be tried again.
    pub(crate) fn advance(&mut self, now: Duration) {
        let over = self.writes.advance(now);
        self.dirty.extend(over);
        self.silent.advance(now);
    }

    /// When [`State::advance`] has something to do.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let due = self.writes.next_due().into_iter();
        due.chain(self.silent.next_due()).min()
    }

    /// A write came to nothing. If nothing newer was seen yet, the watch will bring it and cause the next decision.
    fn decide_if_newer(&mut self, write: &Write) {
        let known = self.services.get(&write.service);
        if known.is_some_and(|known| known.resource_version != write.resource_version) {
            self.dirty.insert(write.service.clone());
        }
    }

    /// The next write, if one may start and there is time for it: at most one is under way for each Service.
    pub(crate) fn start_write(&mut self, may: impl Fn(Patience) -> bool) -> Option<(Write, Patience)> {
        let started = self.writes.start(may);
        if started.is_some() {
            self.silent.wait_for_calm();
        }
        started
    }

    /// Whether some writes need more time than usual.
    pub(crate) fn is_patient(&self) -> bool {
        self.writes.is_patient()
    }
}
