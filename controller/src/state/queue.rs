//! Writes that are decided and not yet done. Holds one per Service, the latest, and knows which Services have one under
//! way. Bounded by the number of Services.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use metallb_api::NamespacedName;
use metallb_runtime::backoff::Backoff;

use crate::write::Write;

#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    waiting: BTreeMap<NamespacedName, Write>,
    /// The order in which Services asked first. Keys that are no longer waiting are passed over.
    order: VecDeque<NamespacedName>,
    under_way: BTreeSet<NamespacedName>,
    /// Only of Services whose last write failed.
    failing: BTreeMap<NamespacedName, Backoff>,
}

impl WriteQueue {
    /// Queues `write` in place of the one that waits for the same Service.
    pub(super) fn put(&mut self, write: Write) {
        let key = write.service.clone();
        if self.waiting.insert(key.clone(), write).is_none() {
            self.order.push_back(key);
        }
    }

    /// Forgets the write that waits for the Service. One that is under way goes on.
    pub(super) fn cancel(&mut self, service: &NamespacedName) {
        if self.waiting.remove(service).is_some() {
            self.order.retain(|key| key != service);
        }
    }

    /// Takes the first write whose Service has none under way, and how often it has failed.
    pub(super) fn start(&mut self) -> Option<(Write, Backoff)> {
        let place = self.order.iter().position(|key| !self.under_way.contains(key))?;
        let write = self.waiting.remove(&self.order.remove(place)?)?;
        self.under_way.insert(write.service.clone());
        let backoff = self.failing.remove(&write.service).unwrap_or_default();
        Some((write, backoff))
    }

    /// The write of the Service is over, and if it failed, `backoff` says how long the next one may have to wait.
    pub(super) fn finished(&mut self, service: &NamespacedName, failed: Option<Backoff>) {
        self.under_way.remove(service);
        if let Some(backoff) = failed {
            self.failing.insert(service.clone(), backoff);
        }
    }

    /// The Service is gone.
    pub(super) fn forget(&mut self, service: &NamespacedName) {
        self.cancel(service);
        self.failing.remove(service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, version: &str) -> Write {
        Write {
            service: NamespacedName::new("shop", name),
            resource_version: version.into(),
            ingress: vec![],
            pool: None,
            drop_deprecated_note: false,
        }
    }

    fn started(queue: &mut WriteQueue) -> Option<Write> {
        queue.start().map(|(write, _)| write)
    }

    #[test]
    fn services_are_served_in_turn_and_the_latest_write_wins() {
        let mut queue = WriteQueue::default();
        queue.put(write("a", "1"));
        queue.put(write("b", "1"));
        queue.put(write("a", "2"));
        assert_eq!(started(&mut queue), Some(write("a", "2")));
        assert_eq!(started(&mut queue), Some(write("b", "1")));
        assert_eq!(started(&mut queue), None);
    }

    #[test]
    fn one_write_of_a_service_is_under_way_at_a_time() {
        let mut queue = WriteQueue::default();
        queue.put(write("a", "1"));
        assert!(queue.start().is_some());
        queue.put(write("a", "2"));
        queue.put(write("b", "1"));
        assert_eq!(
            started(&mut queue),
            Some(write("b", "1")),
            "the other one does not wait for it"
        );
        assert_eq!(started(&mut queue), None);
        queue.finished(&NamespacedName::new("shop", "a"), None);
        assert_eq!(started(&mut queue), Some(write("a", "2")));
    }

    #[test]
    fn a_cancelled_write_is_not_started() {
        let mut queue = WriteQueue::default();
        queue.put(write("a", "1"));
        queue.cancel(&NamespacedName::new("shop", "a"));
        assert_eq!(started(&mut queue), None);
    }
}
