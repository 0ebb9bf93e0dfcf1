//! The pools and advertisements that are known. Owns what becomes of one that cannot be used: what it said before stays in
//! force, and its fault is kept.

use std::collections::BTreeMap;

use metallb_api::{Change, NamespacedName};

use super::World;
use super::change::{good, merge};
use crate::config::Fault;

impl World {
    /// A change of the configuration. A pool that no longer holds an address in use is applied like any other: the
    /// Service goes on under the pool that the controller noted on it until the controller has given it another
    /// address (see `planning`). Refusing the whole configuration until then, as MetalLB's speaker does, would hold
    /// up unrelated changes.
    pub(super) fn configure<F: Clone + PartialEq>(
        &mut self,
        kind: &'static str,
        change: Change<Result<F, String>>,
        table: fn(&mut Self) -> &mut BTreeMap<String, F>,
    ) -> Vec<Fault> {
        let namespace = change.namespace();
        let only = match &change {
            Change::Apply(key, _) | Change::Delete(key) => Some(key.name().to_owned()),
            Change::Reset(_) => None,
        };
        let (change, faults) = good(change.by_name(), table(self));
        if let Some(change) = change {
            let changed = !merge(table(self), change).is_empty();
            self.stale.every_plan |= changed;
            self.configured |= changed;
        }
        let fault = |(name, message)| {
            let object = NamespacedName::new(namespace.clone(), name);
            Fault {
                kind,
                object,
                message,
            }
        };
        let faults: Vec<Fault> = faults.into_iter().map(fault).collect();
        let looked_at = |known: &Fault| {
            known.kind == kind && only.as_ref().is_none_or(|name| name == known.object.name())
        };
        self.faults.retain(|known| !looked_at(known));
        self.faults.extend(faults.iter().cloned());
        faults
    }

    /// What is wrong with the configuration now.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }

    /// Whether a pool or an advertisement has changed since this was last asked. What a status counts is no change.
    pub fn take_configured(&mut self) -> bool {
        std::mem::take(&mut self.configured)
    }
}
