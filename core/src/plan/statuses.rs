//! Which ServiceL2Status objects there must be of this node: one for each Service that it announces. Owns the step from
//! what is announced and what objects there are to the writes that are missing. It is made anew each time, so that a
//! write that was lost, or an object that somebody edited, is put right like any other difference.

use std::collections::BTreeMap;

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

/// What is known of one object that carries this node's label. A node may have thousands, so that what its labels say
/// is not kept twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusFacts {
    /// The Service in its labels. Without one it is none of ours.
    pub service: Option<NamespacedName>,
    /// The uid of its owner, if it has one and no other.
    pub owner: Option<Box<str>>,
    /// What it says.
    pub says: Says,
    /// Grows with every change of it.
    pub version: u64,
}

/// What an object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Not all that it should, yet.
    Nothing,
    /// That the node in its labels announces the Service in its labels, on these interfaces; none means all.
    Announced(Vec<String>),
    /// Something else. Who announces what is written once, so it cannot be corrected.
    SomethingElse,
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
        let version = object.metadata.resource_version.as_deref();
        let owner = match object.metadata.owner_references.as_deref() {
            Some([owner]) => Some(owner.uid.as_str().into()),
            _ => None,
        };
        Self {
            service: reported_service(&object.metadata),
            owner,
            // A number in every API server there is. Otherwise whatever came last counts.
            version: version
                .and_then(|version| version.parse().ok())
                .unwrap_or_default(),
            says: said(&object.metadata, object.status.unwrap_or_default()),
        }
    }
}

fn said(metadata: &ObjectMeta, status: ServiceL2StatusStatus) -> Says {
    let labels = metadata.labels.as_ref();
    let label = |key| labels.and_then(|labels| labels.get(key));
    let pairs = [
        (status.node.as_ref(), label(label::NODE)),
        (status.service_name.as_ref(), label(label::SERVICE_NAME)),
        (status.service_namespace.as_ref(), label(label::SERVICE_NAMESPACE)),
    ];
    if pairs.iter().any(|(said, label)| said.is_some() && said != label) {
        Says::SomethingElse
    } else if pairs.iter().any(|(said, _)| said.is_none()) {
        Says::Nothing
    } else {
        let interfaces = status.interfaces.into_iter().flatten();
        Says::Announced(interfaces.filter_map(|interface| interface.name).collect())
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
    /// What is to be done about `service`, if `objects` are those of this node about it, in the order of their names.
    pub fn writes<'a>(
        &self,
        service: &NamespacedName,
        mut objects: impl Iterator<Item = (&'a str, &'a StatusFacts)>,
    ) -> Vec<StatusWrite> {
        let delete = |name: &str| StatusWrite::Delete(name.to_owned());
        let Some(interfaces) = self.services.get(service) else {
            return objects.map(|(name, _)| delete(name)).collect();
        };
        let Some((name, facts)) = objects.next() else {
            return vec![StatusWrite::Create(Box::new(self.object(service)))];
        };
        // Of several the first is kept.
        let mut writes: Vec<_> = objects.map(|(name, _)| delete(name)).collect();
        let says = match &facts.says {
            Says::SomethingElse => {
                // Then there is none, and a new one is made.
                writes.push(delete(name));
                return writes;
            }
            Says::Nothing => None,
            Says::Announced(names) => Some(names),
        };
        if let Some(pod) = &self.pod
            && facts.owner.as_deref() != Some(pod.uid.as_str())
        {
            writes.push(StatusWrite::Adopt(name.to_owned(), owner(pod)));
        }
        if !says.is_some_and(|says| says.iter().eq(names(interfaces))) {
            writes.push(StatusWrite::Say(
                name.to_owned(),
                self.status(service, interfaces),
            ));
        }
        writes
    }

    /// The object for one Service, as MetalLB makes it.
    fn object(&self, service: &NamespacedName) -> ServiceL2Status {
        let labels = [
            (label::NODE, self.node.as_str()),
            (label::SERVICE_NAME, service.name()),
            (label::SERVICE_NAMESPACE, service.namespace()),
        ];
        let mut object = ServiceL2Status::default();
        object.metadata = ObjectMeta {
            generate_name: Some(object::SERVICE_L2_STATUS_PREFIX.to_owned()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            owner_references: self.pod.as_ref().map(|pod| vec![owner(pod)]),
            ..ObjectMeta::default()
        };
        object
    }

    fn status(&self, service: &NamespacedName, interfaces: &Interfaces) -> ServiceL2StatusStatus {
        let info = |name: &String| InterfaceInfo {
            name: Some(name.clone()),
        };
        let interfaces: Vec<_> = names(interfaces).map(info).collect();
        ServiceL2StatusStatus {
            node: Some(self.node.clone()),
            service_name: Some(service.name().to_owned()),
            service_namespace: Some(service.namespace().to_owned()),
            interfaces: Some(interfaces).filter(|interfaces| !interfaces.is_empty()),
        }
    }
}

/// The interfaces that are named in an object: none if all are meant.
fn names(interfaces: &Interfaces) -> impl Iterator<Item = &String> {
    match interfaces {
        Interfaces::All => None,
        Interfaces::Named(names) => Some(names.iter()),
    }
    .into_iter()
    .flatten()
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
    fn object(text: &str) -> ServiceL2Status {
        let (name, names) = text
            .trim_end_matches('!')
            .split_once('@')
            .unwrap_or((text.trim_end_matches('!'), ""));
        let report = report(&[]);
        let mut object = report.object(&service(name));
        object.status = (!text.ends_with('!')).then(|| report.status(&service(name), &interfaces(names)));
        object
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
                format!("create {}", reported_service(&object.metadata).unwrap().name())
            }
            StatusWrite::Say(name, status) => format!("{name} says {}", on(status)),
            StatusWrite::Adopt(name, owner) => format!("{name} to {}", owner.uid),
            StatusWrite::Delete(name) => format!("delete {name}"),
        }
    }

    /// What is done about every Service that is announced or that an object is about.
    fn lines(report: &Report, objects: &[(&str, ServiceL2Status)]) -> Vec<String> {
        let mut by_service: BTreeMap<_, BTreeMap<_, _>> = report
            .services
            .keys()
            .map(|service| (service.clone(), BTreeMap::new()))
            .collect();
        for (name, object) in objects {
            let facts = StatusFacts::from(object.clone());
            if let Some(service) = &facts.service {
                by_service
                    .entry(service.clone())
                    .or_default()
                    .insert((*name).to_owned(), facts);
            }
        }
        let writes = by_service.iter().flat_map(|(service, objects)| {
            let objects = objects.iter().map(|(name, facts)| (name.as_str(), facts));
            report.writes(service, objects)
        });
        writes.map(line).collect()
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
                &["delete l2-b", "l2-a says eth1"],
            ),
            (&["web"], &[("l2-a", "gone"), ("l2-b", "web")], &["delete l2-a"]),
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

    fn status(object: &mut ServiceL2Status) -> &mut ServiceL2StatusStatus {
        object.status.as_mut().expect("it has one")
    }

    #[test]
    fn what_another_hand_wrote_is_put_right_or_left_alone() {
        let edited = |edit: fn(&mut ServiceL2Status)| {
            let mut object = object("web");
            edit(&mut object);
            lines(&report(&["web"]), &[("l2-a", object)])
        };
        assert_eq!(
            edited(|object| status(object).node = Some("node2".into())),
            ["delete l2-a"]
        );
        assert_eq!(edited(|object| status(object).node = None), ["l2-a says "]);
        assert_eq!(edited(|object| status(object).interfaces = Some(vec![])), [""; 0]);
        assert_eq!(
            edited(|object| object.metadata.owner_references = None),
            ["l2-a to u-1"]
        );
        assert_eq!(edited(|object| object.metadata.labels = None), ["create web"]);
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
