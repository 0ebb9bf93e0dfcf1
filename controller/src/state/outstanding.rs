//! The reasons for missing addresses that Services do not show yet. Owns which are outstanding; bounded by the number of
//! Services.

use std::collections::BTreeSet;

use metallb_api::NamespacedName;
use metallb_core::facts::ServiceFacts;
use metallb_core::service::Lack;

use super::State;
use crate::reasons::{Outstanding, Reason};

#[derive(Debug, Default)]
pub(super) struct Reasons {
    outstanding: Outstanding,
    /// Those whose reason is another one since they were taken last, or is none any more.
    changed: BTreeSet<NamespacedName>,
}

impl Reasons {
    /// The Service was decided about, and has no address because of `lack`, or has one, or wants none.
    pub(super) fn update(&mut self, facts: &ServiceFacts, lack: Option<&Lack>) {
        match Reason::new(facts, lack) {
            None => self.forget(&facts.key),
            Some(reason) if self.outstanding.get(&facts.key) == Some(&reason) => {}
            Some(reason) => {
                self.outstanding.insert(facts.key.clone(), reason);
                self.changed.insert(facts.key.clone());
            }
        }
    }

    /// The Service is gone.
    pub(super) fn forget(&mut self, service: &NamespacedName) {
        if self.outstanding.remove(service).is_some() {
            self.changed.insert(service.clone());
        }
    }
}

impl State {
    /// Whether the conditions of Services should say something else than at the last [`Self::take_reasons`].
    pub(crate) fn has_reasons(&self) -> bool {
        !self.reasons.changed.is_empty()
    }

    /// Brings `outstanding`, which had every change until the last call, up to date: thousands may be waiting, and each
    /// condition that was written is news about one.
    pub(crate) fn take_reasons(&mut self, outstanding: &mut Outstanding) {
        for service in std::mem::take(&mut self.reasons.changed) {
            match self.reasons.outstanding.get(&service) {
                Some(reason) => outstanding.insert(service, reason.clone()),
                None => outstanding.remove(&service),
            };
        }
    }
}
