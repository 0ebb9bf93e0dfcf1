//! Which Services a speaker says to announce. Owns the table of what their status objects say; decides nothing.
//!
//! Ten thousand Services have ten thousand such objects. Of each three digests are kept, of its own name, its Service's and
//! its node's. That one of ten thousand Services is taken for another one has a chance of one in 10^11.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use kube::core::PartialObjectMeta;
use metallb_api::names::label;
use metallb_api::v1beta1::ServiceL2Status;
use metallb_api::{Change, NamespacedName};
use metallb_core::facts::SpeakerFacts;

/// The Services that a speaker at work says to announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    services: Arc<BTreeSet<u64>>,
    /// Grows with each change of a pool or an advertisement, which may be what somebody waits to have an effect.
    pub(crate) revision: u64,
}

impl Heard {
    #[cfg(test)]
    pub(crate) fn of(services: &[NamespacedName]) -> Self {
        Self::default().with(services.iter().map(digest))
    }

    /// Whether the Service with this digest of its name is among them.
    pub(crate) fn contains(&self, service: u64) -> bool {
        self.services.contains(&service)
    }

    fn with(self, services: impl Iterator<Item = u64>) -> Self {
        let services = Arc::new(services.collect());
        Self { services, ..self }
    }
}

/// One status object: which Service is announced on which node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announcement {
    service: u64,
    node: u64,
}

impl From<PartialObjectMeta<ServiceL2Status>> for Announcement {
    fn from(object: PartialObjectMeta<ServiceL2Status>) -> Self {
        // Nothing by any of these names is announced where one is missing.
        let mut labels = object.metadata.labels.unwrap_or_default();
        let mut take = |name| labels.remove(name).unwrap_or_default();
        let service = NamespacedName::new(take(label::SERVICE_NAMESPACE), take(label::SERVICE_NAME));
        Self {
            service: digest(&service),
            node: digest(take(label::NODE).as_str()),
        }
    }
}

/// What is known of who announces.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// By the digest of the object's name; `None` before they were listed.
    announcements: Option<BTreeMap<u64, Announcement>>,
    /// The node of each speaker that is at work, by its Pod; `None` before they were listed.
    speakers: Option<BTreeMap<String, u64>>,
    revision: u64,
    /// Something changed since it was last summed up.
    changed: bool,
}

impl Hearing {
    /// Learns of status objects.
    pub(super) fn observe(&mut self, change: Change<Announcement>) {
        let digested = |name: &NamespacedName| digest(name.name());
        let known = self.announcements.get_or_insert_default();
        self.changed |= match change {
            Change::Apply(name, announcement) => {
                known.insert(digested(&name), announcement) != Some(announcement)
            }
            Change::Delete(name) => known.remove(&digested(&name)).is_some(),
            Change::Reset(all) => {
                *known = all.iter().map(|(name, said)| (digested(name), *said)).collect();
                true
            }
        };
    }

    /// Learns of speakers. One that is not ready may say so of the time before.
    pub(super) fn observe_speakers(&mut self, change: &Change<SpeakerFacts>) {
        let node = |facts: &SpeakerFacts| {
            let node = facts.node.as_deref().filter(|_| facts.ready);
            node.map(digest)
        };
        let mut speakers = self.speakers.take().unwrap_or_default();
        let before = speakers.clone();
        match change {
            Change::Apply(name, facts) => match node(facts) {
                Some(node) => drop(speakers.insert(name.name().to_owned(), node)),
                None => drop(speakers.remove(name.name())),
            },
            Change::Delete(name) => drop(speakers.remove(name.name())),
            Change::Reset(all) => {
                let at_work = all
                    .iter()
                    .filter_map(|(name, facts)| Some((name.name().to_owned(), node(facts)?)));
                speakers = at_work.collect();
                self.changed = true;
            }
        }
        self.changed |= speakers != before;
        self.speakers = Some(speakers);
    }

    /// Learns that a pool or an advertisement has changed.
    pub(super) fn observe_configuration(&mut self) {
        self.revision += 1;
        self.changed = true;
    }

    /// Whether [`Self::heard`] may have another answer than last time.
    pub(super) fn is_news(&self) -> bool {
        self.changed && self.announcements.is_some() && self.speakers.is_some()
    }

    /// Sums it up, as soon as both was listed.
    pub(super) fn heard(&mut self) -> Option<Heard> {
        let at_work: BTreeSet<u64> = self.speakers.as_ref()?.values().copied().collect();
        let announcements = self.announcements.as_ref()?.values();
        self.changed = false;
        let heard = announcements.filter(|said| at_work.contains(&said.node));
        let revision = self.revision;
        let blank = Heard {
            revision,
            ..Heard::default()
        };
        Some(blank.with(heard.map(|said| said.service)))
    }
}

/// What is kept of a name.
pub(crate) fn digest<T: Hash + ?Sized>(of: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(name: &str) -> NamespacedName {
        NamespacedName::new("metallb-system", name)
    }

    /// What the speaker on `node` writes about `shop/service`.
    fn said(service: &str, node: &str) -> Announcement {
        let labels = json!({ "metallb.io/service-name": service, "metallb.io/service-namespace": "shop",
            "metallb.io/node": node });
        let object = json!({ "metadata": { "name": "l2-x", "labels": labels } });
        serde_json::from_value::<PartialObjectMeta<ServiceL2Status>>(object)
            .unwrap()
            .into()
    }

    fn speaker(node: &str, ready: bool) -> SpeakerFacts {
        SpeakerFacts {
            node: Some(node.to_owned()),
            ready,
            ..SpeakerFacts::default()
        }
    }

    #[test]
    fn a_service_is_announced_while_a_speaker_at_work_says_so() {
        let mut hearing = Hearing::default();
        assert_eq!(hearing.heard(), None);
        hearing.observe(Change::Reset([(name("l2-a"), said("web", "node1"))].into()));
        assert!(!hearing.is_news(), "the speakers are not known");
        let speakers = [
            (name("s1"), speaker("node1", true)),
            (name("s2"), speaker("node2", false)),
        ];
        hearing.observe_speakers(&Change::Reset(speakers.into()));

        let heard = |hearing: &mut Hearing| {
            assert!(hearing.is_news());
            let heard = hearing.heard().unwrap();
            assert!(!hearing.is_news());
            ["web", "api"].map(|service| heard.contains(digest(&NamespacedName::new("shop", service))))
        };
        assert_eq!(heard(&mut hearing), [true, false]);
        hearing.observe(Change::Apply(name("l2-b"), said("api", "node2")));
        assert_eq!(heard(&mut hearing), [true, false]);
        hearing.observe_speakers(&Change::Apply(name("s2"), speaker("node2", true)));
        assert_eq!(heard(&mut hearing), [true, true]);
        // The other node has taken it before this one lets go.
        hearing.observe(Change::Apply(name("l2-c"), said("web", "node2")));
        hearing.observe(Change::Delete(name("l2-a")));
        assert_eq!(heard(&mut hearing), [true, true]);
        hearing.observe_speakers(&Change::Delete(name("s2")));
        assert_eq!(heard(&mut hearing), [false, false]);
    }

    #[test]
    fn what_says_the_same_again_is_no_news() {
        let mut hearing = Hearing::default();
        hearing.observe(Change::Reset([(name("l2-a"), said("web", "node1"))].into()));
        hearing.observe_speakers(&Change::Reset([(name("s1"), speaker("node1", true))].into()));
        hearing.heard();
        hearing.observe(Change::Apply(name("l2-a"), said("web", "node1")));
        hearing.observe(Change::Delete(name("l2-x")));
        hearing.observe_speakers(&Change::Apply(name("s1"), speaker("node1", true)));
        assert!(!hearing.is_news());
    }
}
