//! The reasons for missing addresses that Services do not show yet. Owns which are outstanding; bounded by the number of
//! Services.

use metallb_api::NamespacedName;
use metallb_core::facts::ServiceFacts;
use metallb_core::service::Lack;

use super::State;
use crate::reasons::{Outstanding, Reason};

#[derive(Debug, Default)]
pub(super) struct Reasons {
    outstanding: Outstanding,
    changed: bool,
}

impl Reasons {
    /// The Service was decided about, and has no address because of `lack`, or has one, or wants none.
    pub(super) fn update(&mut self, facts: &ServiceFacts, lack: Option<&Lack>) {
        match Reason::new(facts, lack) {
            None => self.forget(&facts.key),
            Some(reason) if self.outstanding.get(&facts.key) == Some(&reason) => {}
            Some(reason) => {
                self.outstanding.insert(facts.key.clone(), reason);
                self.changed = true;
            }
        }
    }

    /// The Service is gone.
    pub(super) fn forget(&mut self, service: &NamespacedName) {
        self.changed |= self.outstanding.remove(service).is_some();
    }
}

impl State {
    /// What the conditions of Services should say and do not, if that has changed since the last call.
    pub(crate) fn take_reasons(&mut self) -> Option<Outstanding> {
        let changed = std::mem::take(&mut self.reasons.changed);
        changed.then(|| self.reasons.outstanding.clone())
    }
}
