//! Clusters as they are met, and what is said about them.
#![expect(clippy::needless_pass_by_value, reason = "JSON is written where it is passed")]

mod addresses;
mod installations;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::facts::{self, Facts};
use super::report::{Report, Weight, report};
use super::{look, print};

/// A cluster with the namespaces `metallb-system` and `default`, and nothing of MetalLB.
pub(super) fn empty() -> Facts {
    Facts {
        namespace: "metallb-system".to_owned(),
        namespaces: ["metallb-system", "default"]
            .map(|name| (name.to_owned(), [("name".to_owned(), name.to_owned())].into()))
            .into(),
        ..Facts::default()
    }
}

pub(super) fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl Facts {
    pub(super) fn pool(mut self, name: &str, spec: Value) -> Self {
        self.pools.push(of(json!({
            "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec,
        })));
        self
    }

    fn l2(mut self, name: &str, spec: Value) -> Self {
        self.l2_advertisements.push(of(json!({
            "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec,
        })));
        self
    }

    fn bgp(mut self, name: &str, spec: Value) -> Self {
        self.bgp_advertisements.push(of(json!({
            "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec,
        })));
        self
    }

    /// A Service of type LoadBalancer with these addresses.
    pub(super) fn service(self, name: &str, addresses: &[&str]) -> Self {
        self.service_with(name, addresses, json!({}), json!({}))
    }

    fn service_with(mut self, name: &str, addresses: &[&str], spec: Value, annotations: Value) -> Self {
        let ingress: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let mut service = json!({
            "metadata": {"name": name, "namespace": "default", "uid": name, "annotations": annotations,
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": ingress}},
        });
        for (field, value) in spec.as_object().unwrap() {
            service["spec"][field] = value.clone();
        }
        let service: metallb_core::facts::ServiceObject = of(service);
        self.services.push(service.into());
        self
    }

    fn deployment(self, name: &str, metadata: Value) -> Self {
        self.workload(
            "Deployment",
            name,
            metadata,
            json!([{"name": "controller", "image": "example.org/c:1"}]),
        )
    }

    fn workload(mut self, kind: &str, name: &str, metadata: Value, containers: Value) -> Self {
        let mut object = json!({
            "metadata": {"name": name, "namespace": "metallb-system"},
            "spec": {"selector": {}, "template": {"spec": {"containers": containers}}},
        });
        for (field, value) in metadata.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        let workload = match kind {
            "Deployment" => facts::deployment(of(object)),
            _ => facts::daemon_set(of(object)),
        };
        self.workloads.extend(workload);
        self
    }

    fn metallb(mut self, name: &str, spec: Value) -> Self {
        self.metallbs.push(of(json!({
            "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec,
        })));
        self
    }

    fn definition(mut self, name: &str, service: Option<&str>, stored: &[&str]) -> Self {
        let conversion = service.map(|service| {
            json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": "metallb-system", "name": service}}}})
        });
        self.definitions.push(facts::definition(of(json!({
            "metadata": {"name": name},
            "spec": {"group": "metallb.io", "scope": "Namespaced", "names": {"kind": "K", "plural": "k"},
                "versions": [], "conversion": conversion},
            "status": {"storedVersions": stored},
        }))));
        self
    }

    fn webhooks(mut self, name: &str, group: &str, service: &str) -> Self {
        self.webhooks.extend(facts::webhooks(of(json!({
            "metadata": {"name": name},
            "webhooks": [{"name": "a.metallb.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": "metallb-system", "name": service}},
                "rules": [{"apiGroups": [group], "resources": ["*"]}]}],
        }))));
        self
    }
}

/// Labels and annotations of what `kubectl apply` of upstream's manifests made.
fn manifests(component: &str) -> Value {
    json!({"labels": {"app": "metallb", "component": component}})
}

/// Those of its chart.
fn helm(component: &str) -> Value {
    json!({
        "labels": {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": component,
            "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "lb"},
    })
}

/// The findings, each as one line.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let line = |finding: &super::report::Finding| {
        let sign = match finding.weight {
            Weight::Todo => '!',
            Weight::Note => ' ',
        };
        format!("{sign} {}: {}", finding.subject, finding.message)
    };
    report.findings.iter().map(line).collect()
}

#[test]
fn a_cluster_without_metallb_needs_nothing() {
    let report = report(&empty());
    assert!(report.is_clear());
    assert_eq!(
        print::text(&report),
        "Runs already\n  nothing\n\nAddresses: 0 Services kept, 0 moved\n\nNothing has to be done.\n"
    );
}

#[test]
fn the_class_that_is_served_stays_the_class() {
    let containers = json!([{"name": "controller", "image": "c", "args": ["--port=7472", "--lb-class=a/b"]}]);
    let facts = || {
        empty()
            .pool("a", json!({"addresses": ["192.0.2.0/29"]}))
            .workload(
                "Deployment",
                "controller",
                manifests("controller"),
                containers.clone(),
            )
            .service_with(
                "s",
                &["192.0.2.1"],
                json!({"loadBalancerClass": "a/b"}),
                json!({}),
            )
    };
    let told = report(&facts());
    assert_eq!(told.services.as_ref().map(|services| services.kept), Some(1));
    let step = told.findings.iter().find_map(|finding| finding.step.clone());
    assert_eq!(step.as_deref(), Some("spec.loadBalancerClass: a/b"));
    let asked = facts().metallb("metallb", json!({"loadBalancerClass": "a/b"}));
    assert!(report(&asked).is_clear());
}

#[test]
fn a_resource_says_what_of_it_means_nothing_here() {
    let facts = empty()
        .metallb(
            "metallb",
            json!({"bgpBackend": "frr-k8s", "frrk8sConfig": {"alwaysBlock": []}}),
        )
        .metallb("other", json!({}));
    assert_eq!(
        lines(&report(&facts)),
        [
            "! MetalLB metallb-system/other: is not acted upon: the one resource is metallb-system/metallb",
            "  MetalLB metallb-system/metallb: spec.bgpBackend: frr-k8s is accepted, and no such program is installed",
            "  MetalLB metallb-system/metallb: spec.frrk8sConfig has no effect",
        ]
    );
}

#[test]
fn what_only_bgp_announces_is_named() {
    let facts = |l2: Value| {
        empty()
            .pool("routed", json!({"addresses": ["192.0.2.0/29"]}))
            .pool("local", json!({"addresses": ["198.51.100.0/29"]}))
            .l2("l2", l2)
            .bgp("core", json!({}))
            .service("a", &["192.0.2.1"])
            .service("b", &["198.51.100.1"])
    };
    let only_local = report(&facts(json!({"ipAddressPools": ["local"]})));
    assert_eq!(
        lines(&only_local),
        [
            "! IPAddressPool metallb-system/routed: only BGPAdvertisement core selects it, and this version does not speak \
          BGP: nobody announces default/a"
        ]
    );
    assert!(report(&facts(json!({}))).is_clear());
}

#[test]
fn definitions_and_webhooks_that_lead_nowhere_are_named() {
    for (facts, expected) in [
        (
            empty().definition(
                "bgppeers.metallb.io",
                Some("their-service"),
                &["v1beta1", "v1beta2"],
            ),
            vec![
                "  CustomResourceDefinition bgppeers.metallb.io: has peers that were stored as v1beta1; our controller \
                 converts them",
                "  CustomResourceDefinition bgppeers.metallb.io: is converted by Service metallb-system/their-service, and \
                 from then on by our controller",
            ],
        ),
        (
            empty().definition(
                "bgppeers.metallb.io",
                Some("metallb-webhook-service"),
                &["v1beta2"],
            ),
            vec![],
        ),
        (
            empty().definition("ipaddresspools.metallb.io", None, &["v1beta1"]),
            vec![],
        ),
        (
            empty().definition("addresspools.metallb.io", Some("their-service"), &["v1alpha1"]),
            vec![
                "! CustomResourceDefinition addresspools.metallb.io: AddressPools are not read: each has to become an \
                  IPAddressPool and an advertisement",
            ],
        ),
        (
            empty().definition("communities.metallb.io", Some("gone"), &["v1beta1"]),
            vec![
                "! CustomResourceDefinition communities.metallb.io: is converted by Service metallb-system/gone, which \
                  nobody needs and which goes with that installation",
            ],
        ),
        (
            empty().webhooks(
                "metallb-webhook-configuration",
                "metallb.io",
                "metallb-webhook-service",
            ),
            vec![
                "  ValidatingWebhookConfiguration metallb-webhook-configuration: is taken over, and lets everything pass \
                  until our controller answers",
            ],
        ),
        (
            empty().webhooks("frr-k8s", "frrk8s.metallb.io", "gone"),
            vec![
                "! ValidatingWebhookConfiguration frr-k8s: asks Service metallb-system/gone, which is not there: whatever \
                  it is asked about is refused",
            ],
        ),
    ] {
        assert_eq!(lines(&report(&facts)), expected);
    }
}

#[test]
fn configuration_elsewhere_and_what_cannot_be_read_are_named() {
    let mut facts = empty().pool("a", json!({"addresses": ["192.0.2.0/29"]}));
    facts.pools[0].metadata.namespace = Some("lb".to_owned());
    facts
        .unreadable
        .push(("BGPPeer metallb-system/x".to_owned(), "invalid type".to_owned()));
    assert_eq!(
        lines(&report(&facts)),
        [
            "! BGPPeer metallb-system/x: cannot be read: invalid type",
            "! IPAddressPool lb/a: is not read: configuration is read in metallb-system only",
        ]
    );
}

#[test]
fn programs_get_the_same_as_people() {
    let facts = empty()
        .pool("a", json!({"addresses": ["192.0.2.0/29"]}))
        .service("s", &["203.0.113.9"])
        .deployment("lb-metallb-controller", helm("controller"));
    let report = report(&facts);
    let printed = serde_json::to_value(&report).unwrap();
    assert_eq!(printed["services"]["moving"][0]["service"], "default/s");
    assert_eq!(printed["findings"][0]["weight"], "todo");
    assert!(
        printed["findings"][0]["step"]
            .as_str()
            .unwrap()
            .contains("helm -n metallb-system upgrade lb"),
        "{printed}"
    );
    let text = print::text(&report);
    for line in [
        "metallb-system, by Helm release lb",
        "Addresses: 0 Services kept, 1 moved",
        "To do",
        "-> helm",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn an_error_names_what_could_not_be_listed() {
    let status = kube::core::Status {
        message: "services is forbidden".to_owned(),
        code: 403,
        ..Default::default()
    };
    let error = look::Error {
        kind: "services".to_owned(),
        source: kube::Error::Api(Box::new(status)),
    };
    assert_eq!(
        crate::metallb::explain(&error),
        "cannot list services: services is forbidden"
    );
}
