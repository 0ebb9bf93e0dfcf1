//! Which ServiceL2Status objects there must be of this node: one for each Service that it announces. Owns the step from
//! what is announced and what objects there are to the writes that are missing. It is made anew each time, so that a
//! write that was lost, or an object that somebody edited, is put right like any other difference.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use metallb_api::NamespacedName;
use metallb_api::names::{label, object};
use metallb_api::v1beta1::{InterfaceInfo, ServiceL2Status, ServiceL2StatusStatus};

use crate::layer2::Interfaces;

/// The pod that the objects belong to: Kubernetes deletes them after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// What tells it from an earlier one of that name.
    pub uid: String,
}

/// What this node reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// This node.
    pub node: String,
    /// The pod of its speaker; `None` if it is not known.
    pub pod: Option<Pod>,
    /// The Services it announces, and where.
    pub services: BTreeMap<NamespacedName, Interfaces>,
}

/// What is known of one object that carries this node's label.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusFacts {
    /// The Service in its labels. Without one it is none of ours.
    pub service: Option<NamespacedName>,
    /// The uids of its owners.
    pub owners: BTreeSet<String>,
    /// What it says.
    pub status: Option<ServiceL2StatusStatus>,
    /// Grows with every change of it.
    pub version: u64,
}

/// The Service in the labels of an object.
pub fn reported_service(metadata: &ObjectMeta) -> Option<NamespacedName> {
    let labels = metadata.labels.as_ref()?;
    let (namespace, name) = (
        labels.get(label::SERVICE_NAMESPACE)?,
        labels.get(label::SERVICE_NAME)?,
    );
    Some(NamespacedName::new(namespace, name))
}

impl From<ServiceL2Status> for StatusFacts {
    fn from(object: ServiceL2Status) -> Self {
        let service = reported_service(&object.metadata);
        let version = object.metadata.resource_version.as_deref();
        let owners = object.metadata.owner_references.unwrap_or_default();
        let status = object.status.map(|status| ServiceL2StatusStatus {
            interfaces: status.interfaces.filter(|interfaces| !interfaces.is_empty()),
            ..status
        });
        Self {
            service,
            owners: owners.into_iter().map(|owner| owner.uid).collect(),
            status,
            // A number in every API server there is. Otherwise whatever came last counts.
            version: version
                .and_then(|version| version.parse().ok())
                .unwrap_or_default(),
        }
    }
}

/// One thing to do with one object.
#[derive(Debug, Clone, PartialEq)]
pub enum StatusWrite {
    /// Make this object. What it says is dropped by the API server and written next.
    Create(Box<ServiceL2Status>),
    /// Let the object of this name say this.
    Say(String, ServiceL2StatusStatus),
    /// Let the object of this name be deleted after our pod.
    Adopt(String, OwnerReference),
    /// Delete the object of this name.
    Delete(String),
}

impl Report {
    /// What is to be done, if `objects` are all that carry this node's label, by name.
    pub fn writes(&self, objects: &BTreeMap<String, StatusFacts>) -> Vec<StatusWrite> {
        let mut writes = Vec::new();
        let mut found: BTreeSet<&NamespacedName> = BTreeSet::new();
        for (name, facts) in objects {
            let Some(service) = &facts.service else { continue };
            let wanted = self.services.get(service);
            // Of several for one Service the first is kept.
            let Some(interfaces) = wanted.filter(|_| !found.contains(service)) else {
                writes.push(StatusWrite::Delete(name.clone()));
                continue;
            };
            let says = self.status(service, interfaces);
            if facts
                .status
                .as_ref()
                .is_some_and(|status| !can_become(status, &says))
            {
                // A new one is made in the next round.
                writes.push(StatusWrite::Delete(name.clone()));
                found.insert(service);
                continue;
            }
            found.insert(service);
            if let Some(pod) = self.pod.as_ref().filter(|pod| !facts.owners.contains(&pod.uid)) {
                writes.push(StatusWrite::Adopt(name.clone(), owner(pod)));
            }
            if facts.status.as_ref() != Some(&says) {
                writes.push(StatusWrite::Say(name.clone(), says));
            }
        }
        let missing = self.services.keys().filter(|service| !found.contains(service));
        writes.extend(missing.map(|service| StatusWrite::Create(Box::new(self.object(service)))));
        writes
    }

    /// The object for one Service, as MetalLB makes it.
    fn object(&self, service: &NamespacedName) -> ServiceL2Status {
        let labels = [
            (label::NODE, &self.node),
            (label::SERVICE_NAME, &service.name),
            (label::SERVICE_NAMESPACE, &service.namespace),
        ];
        let mut object = ServiceL2Status::default();
        object.metadata = ObjectMeta {
            generate_name: Some(object::SERVICE_L2_STATUS_PREFIX.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.clone())).into()),
            owner_references: self.pod.as_ref().map(|pod| vec![owner(pod)]),
            ..ObjectMeta::default()
        };
        object
    }

    fn status(&self, service: &NamespacedName, interfaces: &Interfaces) -> ServiceL2StatusStatus {
        let interfaces = match interfaces {
            Interfaces::All => None,
            Interfaces::Named(names) => Some(
                names
                    .iter()
                    .map(|name| InterfaceInfo {
                        name: Some(name.clone()),
                    })
                    .collect(),
            ),
        };
        ServiceL2StatusStatus {
            node: Some(self.node.clone()),
            service_name: Some(service.name.clone()),
            service_namespace: Some(service.namespace.clone()),
            interfaces,
        }
    }
}

fn owner(pod: &Pod) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        ..OwnerReference::default()
    }
}

/// Whether the API server accepts `after` instead of `before`: who announces what is written once.
fn can_become(before: &ServiceL2StatusStatus, after: &ServiceL2StatusStatus) -> bool {
    [
        (&before.node, &after.node),
        (&before.service_name, &after.service_name),
        (&before.service_namespace, &after.service_namespace),
    ]
    .into_iter()
    .all(|(before, after)| before.is_none() || before == after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> NamespacedName {
        NamespacedName::new("shop", name)
    }

    fn interfaces(names: &str) -> Interfaces {
        Interfaces::of(
            &names
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    fn pod(uid: &str) -> Pod {
        Pod {
            name: "speaker-x".into(),
            uid: uid.into(),
        }
    }

    /// What node1 reports, as `web` (on all interfaces) or `web@eth0,eth1`.
    fn report(services: &[&str]) -> Report {
        let entry = |text: &&str| {
            let (name, names) = text.split_once('@').unwrap_or((text, ""));
            (service(name), interfaces(names))
        };
        Report {
            node: "node1".into(),
            pod: Some(pod("u-1")),
            services: services.iter().map(entry).collect(),
        }
    }

    /// An object for a Service as written by node1: `web` or `web@eth0`; `web!` has no status yet.
    fn object(text: &str) -> StatusFacts {
        let (name, names) = text
            .trim_end_matches('!')
            .split_once('@')
            .unwrap_or((text.trim_end_matches('!'), ""));
        StatusFacts {
            service: Some(service(name)),
            owners: ["u-1".to_owned()].into(),
            version: 1,
            status: (!text.ends_with('!')).then(|| report(&[]).status(&service(name), &interfaces(names))),
        }
    }

    fn line(write: StatusWrite) -> String {
        let on = |status: ServiceL2StatusStatus| {
            let names = status
                .interfaces
                .into_iter()
                .flatten()
                .filter_map(|interface| interface.name);
            names.collect::<Vec<_>>().join(",")
        };
        match write {
            StatusWrite::Create(object) => {
                format!("create {}", reported_service(&object.metadata).unwrap().name)
            }
            StatusWrite::Say(name, status) => format!("{name} says {}", on(status)),
            StatusWrite::Adopt(name, owner) => format!("{name} to {}", owner.uid),
            StatusWrite::Delete(name) => format!("delete {name}"),
        }
    }

    fn lines(report: &Report, objects: &[(&str, StatusFacts)]) -> Vec<String> {
        let objects = objects
            .iter()
            .map(|(name, facts)| ((*name).to_owned(), facts.clone()))
            .collect();
        report.writes(&objects).into_iter().map(line).collect()
    }

    type Row = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );

    #[test]
    fn there_is_one_object_for_each_announced_service() {
        // What is announced, the objects there are, and what is done.
        let table: [Row; 8] = [
            (&[], &[], &[]),
            (&["web"], &[], &["create web"]),
            (&["web@eth0,eth1"], &[], &["create web"]),
            (&["web"], &[("l2-a", "web")], &[]),
            (&["web"], &[("l2-a", "web!")], &["l2-a says "]),
            (&["web"], &[("l2-a", "web@eth0")], &["l2-a says "]),
            (
                &["web@eth1"],
                &[("l2-a", "web@eth0"), ("l2-b", "web@eth1")],
                &["l2-a says eth1", "delete l2-b"],
            ),
            (&["web"], &[("l2-a", "web"), ("l2-b", "gone")], &["delete l2-b"]),
        ];
        for (services, objects, expected) in table {
            let objects: Vec<_> = objects.iter().map(|(name, text)| (*name, object(text))).collect();
            assert_eq!(
                lines(&report(services), &objects),
                expected,
                "{services:?} {objects:?}"
            );
        }
    }

    #[test]
    fn what_another_hand_wrote_is_put_right_or_left_alone() {
        let mut elsewhere = object("web");
        elsewhere.status = elsewhere.status.map(|status| ServiceL2StatusStatus {
            node: Some("node2".into()),
            ..status
        });
        assert_eq!(lines(&report(&["web"]), &[("l2-a", elsewhere)]), ["delete l2-a"]);
        let mut foreign = object("web");
        foreign.service = None;
        assert_eq!(lines(&report(&[]), &[("mine", foreign)]), [""; 0]);
    }

    #[test]
    fn objects_of_an_earlier_pod_go_over_to_the_present_one() {
        let mut report = report(&["web"]);
        report.pod = Some(pod("u-2"));
        assert_eq!(lines(&report, &[("l2-a", object("web"))]), ["l2-a to u-2"]);
        report.pod = None;
        assert_eq!(lines(&report, &[("l2-a", object("web"))]), [""; 0]);
    }

    #[test]
    fn an_object_is_made_as_metallb_makes_it() {
        let made = serde_json::to_value(report(&["web"]).object(&service("web"))).unwrap();
        let expected = serde_json::json!({
            "generateName": "l2-",
            "labels": {
                "metallb.io/node": "node1",
                "metallb.io/service-name": "web",
                "metallb.io/service-namespace": "shop",
            },
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "speaker-x", "uid": "u-1" }],
        });
        assert_eq!(
            (&made["metadata"], &made["spec"]),
            (&expected, &serde_json::json!({}))
        );
    }
}
