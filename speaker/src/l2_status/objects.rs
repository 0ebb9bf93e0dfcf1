//! What is known of the objects, by Service: a change of one is then compared with one. Owns the index, decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use metallb_api::{Change, NamespacedName};
use metallb_core::plan::StatusFacts;

/// The objects that carry this node's label, by Service and name. Those without a Service are not kept.
#[derive(Debug, Default)]
pub(super) struct Objects {
    by_service: BTreeMap<Arc<NamespacedName>, BTreeMap<String, StatusFacts>>,
    /// Whose each is: a name says nothing about the Service.
    services: BTreeMap<String, Arc<NamespacedName>>,
}

impl Objects {
    /// Those of one Service.
    pub(super) fn of(&self, service: &NamespacedName) -> Option<&BTreeMap<String, StatusFacts>> {
        self.by_service.get(service)
    }

    /// Takes notice of a change; the Services concerned.
    pub(super) fn observe(&mut self, change: Change<StatusFacts>) -> Vec<NamespacedName> {
        match change {
            Change::Apply(key, facts) => self.learn(key.name().to_owned(), facts),
            Change::Delete(key) => self.forget(key.name()),
            Change::Reset(all) => {
                self.services.clear();
                let before = std::mem::take(&mut self.by_service).into_keys();
                let mut concerned: Vec<_> = before.map(Arc::unwrap_or_clone).collect();
                for (key, mut facts) in all {
                    if let Some(service) = facts.service.take() {
                        self.keep(&service, key.name().to_owned(), facts);
                        concerned.push(service);
                    }
                }
                concerned
            }
        }
    }

    /// One object as it was at some time: the watch may be behind the answers to writes.
    pub(super) fn learn(&mut self, name: String, mut facts: StatusFacts) -> Vec<NamespacedName> {
        let service = facts.service.take();
        let known = service
            .as_ref()
            .and_then(|service| self.by_service.get(service)?.get(&name));
        if known.is_some_and(|known| known.version > facts.version) {
            return Vec::new();
        }
        // Where it is new, somebody may have edited its labels.
        let mut concerned = if known.is_none() {
            self.forget(&name)
        } else {
            Vec::new()
        };
        if let Some(service) = service {
            self.keep(&service, name, facts);
            concerned.push(service);
        }
        concerned
    }

    fn keep(&mut self, service: &NamespacedName, name: String, facts: StatusFacts) {
        let known = self.by_service.get_key_value(service);
        let service = known.map_or_else(|| Arc::new(service.clone()), |(known, _)| Arc::clone(known));
        self.services.insert(name.clone(), Arc::clone(&service));
        self.by_service.entry(service).or_default().insert(name, facts);
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, name: &str) -> Vec<NamespacedName> {
        let Some(service) = self.services.remove(name) else {
            return Vec::new();
        };
        if let Some(objects) = self.by_service.get_mut(&service) {
            objects.remove(name);
            if objects.is_empty() {
                self.by_service.remove(&service);
            }
        }
        vec![Arc::unwrap_or_clone(service)]
    }
}

#[cfg(test)]
mod tests {
    use metallb_core::plan::Says;

    use super::*;

    fn facts(service: &str, version: u64) -> StatusFacts {
        StatusFacts {
            service: Some(NamespacedName::new("shop", service)),
            owner: None,
            says: Says::Nothing,
            version,
        }
    }

    fn key(name: &str) -> NamespacedName {
        NamespacedName::new("metallb-system", name)
    }

    /// The objects as `service/name@version`.
    fn lines(objects: &Objects) -> Vec<String> {
        let mut lines = Vec::new();
        for (service, objects) in &objects.by_service {
            for (name, facts) in objects {
                lines.push(format!("{}/{name}@{}", service.name(), facts.version));
            }
        }
        lines
    }

    #[test]
    fn the_newest_is_known_of_each_and_the_services_concerned_are_told() {
        let mut objects = Objects::default();
        let mut after = |change, concerned: &[&str], expected: &[&str]| {
            let names: Vec<_> = objects
                .observe(change)
                .into_iter()
                .map(|service| service.name().to_owned())
                .collect();
            assert_eq!(names, concerned);
            assert_eq!(lines(&objects), expected);
        };
        after(
            Change::Apply(key("l2-a"), facts("web", 5)),
            &["web"],
            &["web/l2-a@5"],
        );
        after(Change::Apply(key("l2-a"), facts("web", 4)), &[], &["web/l2-a@5"]);
        after(
            Change::Apply(key("l2-a"), facts("web", 6)),
            &["web"],
            &["web/l2-a@6"],
        );
        after(
            Change::Apply(key("l2-a"), facts("api", 7)),
            &["web", "api"],
            &["api/l2-a@7"],
        );
        let all = [(key("l2-b"), facts("web", 8))];
        after(Change::Reset(all.into()), &["api", "web"], &["web/l2-b@8"]);
        after(Change::Delete(key("l2-x")), &[], &["web/l2-b@8"]);
        after(Change::Delete(key("l2-b")), &["web"], &[]);
        let foreign = StatusFacts {
            service: None,
            ..facts("", 9)
        };
        after(Change::Apply(key("mine"), foreign), &[], &[]);
    }
}
