//! What is known of the objects, by Service: a change of one is then compared with one. Owns the index, decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use metallb_api::{Change, NamespacedName};
use metallb_core::plan::StatusFacts;

/// The objects that carry this node's label, by Service and name. Those without a Service are not kept.
#[derive(Debug, Default)]
pub(super) struct Objects {
    by_service: BTreeMap<(NamespacedName, Arc<str>), StatusFacts>,
    /// Whose each is: a name says nothing about the Service.
    services: BTreeMap<Arc<str>, NamespacedName>,
}

impl Objects {
    /// Those of one Service, by name.
    pub(super) fn of(&self, service: &NamespacedName) -> impl Iterator<Item = (&str, &StatusFacts)> {
        let first = (service.clone(), Arc::default());
        let objects = self.by_service.range(first..);
        let of_this = objects.take_while(move |((of, _), _)| of == service);
        of_this.map(|((_, name), facts)| (&**name, facts))
    }

    /// Takes notice of a change; the Services concerned.
    pub(super) fn observe(&mut self, change: Change<StatusFacts>) -> Vec<NamespacedName> {
        match change {
            Change::Apply(key, facts) => self.learn(key.name(), facts),
            Change::Delete(key) => self.forget(key.name()),
            Change::Reset(all) => {
                self.services.clear();
                let before = std::mem::take(&mut self.by_service).into_keys();
                let mut concerned: Vec<_> = before.map(|(service, _)| service).collect();
                for (key, mut facts) in all {
                    if let Some(service) = facts.service.take() {
                        self.keep(service.clone(), key.name(), facts);
                        concerned.push(service);
                    }
                }
                concerned
            }
        }
    }

    /// One object as it was at some time: the watch may be behind the answers to writes.
    pub(super) fn learn(&mut self, name: &str, mut facts: StatusFacts) -> Vec<NamespacedName> {
        let service = facts.service.take();
        if let Some((name, of)) = self.services.get_key_value(name)
            && service.as_ref() == Some(of)
            && let Some(known) = self.by_service.get_mut(&(of.clone(), Arc::clone(name)))
        {
            if known.version > facts.version {
                return Vec::new();
            }
            *known = facts;
            return vec![of.clone()];
        }
        // Where it is new, somebody may have edited its labels.
        let mut concerned = self.forget(name);
        if let Some(service) = service {
            self.keep(service.clone(), name, facts);
            concerned.push(service);
        }
        concerned
    }

    fn keep(&mut self, service: NamespacedName, name: &str, facts: StatusFacts) {
        let name: Arc<str> = name.into();
        self.services.insert(Arc::clone(&name), service.clone());
        self.by_service.insert((service, name), facts);
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, name: &str) -> Vec<NamespacedName> {
        let Some((name, service)) = self.services.remove_entry(name) else {
            return Vec::new();
        };
        self.by_service.remove(&(service.clone(), name));
        vec![service]
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
        for ((service, name), facts) in &objects.by_service {
            lines.push(format!("{}/{name}@{}", service.name(), facts.version));
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
