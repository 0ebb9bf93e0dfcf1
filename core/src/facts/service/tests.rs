//! Services as the API server returns them, and what is read of them.

use serde_json::{Value, json};

use super::*;

fn facts(service: Value) -> ServiceFacts {
    ServiceFacts::from(serde_json::from_value::<ServiceObject>(service).unwrap())
}

fn annotated(annotations: &Value) -> ServiceFacts {
    facts(json!({ "metadata": { "name": "web", "annotations": annotations } }))
}

#[test]
fn a_full_service_is_reduced_to_what_decisions_read() {
    let got = facts(json!({
        "metadata": {
            "namespace": "default", "name": "web", "uid": "u-1", "resourceVersion": "42",
            "creationTimestamp": "2024-05-01T10:00:00Z",
            "labels": { "app": "web" },
            "annotations": { "metallb.io/address-pool": "gold", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        },
        "spec": {
            "type": "LoadBalancer", "loadBalancerClass": "example.com/lb", "loadBalancerIP": "192.0.2.9",
            "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"],
            "ipFamilyPolicy": "PreferDualStack", "externalTrafficPolicy": "Local",
            "selector": { "b": "2", "a": "1" },
            "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 80 }],
        },
        "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1", "ipMode": "VIP" }, { "ip": "2001:db8::1" }] } },
    }));
    let expected = ServiceFacts {
        key: NamespacedName::new("default", "web"),
        uid: "u-1".into(),
        resource_version: "42".into(),
        created_s: 1_714_557_600,
        load_balancer: true,
        class: Some("example.com/lb".into()),
        cluster_ips: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        ip_families: vec![IpFamily::V4, IpFamily::V6],
        family_policy: FamilyPolicy::PreferDualStack,
        load_balancer_ip: Some("192.0.2.9".into()),
        traffic_policy: TrafficPolicy::Local,
        selector: vec![("a".into(), "1".into()), ("b".into(), "2".into())],
        ports: vec![
            Port {
                protocol: Protocol::Udp,
                number: 53,
            },
            Port {
                protocol: Protocol::Tcp,
                number: 80,
            },
        ],
        labels: [("app".to_owned(), "web".to_owned())].into(),
        annotations: vec![("metallb.io/address-pool".into(), "gold".into())],
        ingress: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        ..ServiceFacts::default()
    };
    assert_eq!(got, expected);
    assert_eq!(got.backend_key(), "a=1,b=2");
}

#[test]
fn of_managed_fields_nothing_is_kept_but_a_writers_name() {
    let object: ServiceObject = serde_json::from_value(json!({
        "metadata": { "namespace": "default", "name": "web", "managedFields": [{
            "manager": "kubectl", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": { "f:metadata": { "f:labels": { ".": {} } }, "f:status": { "f:loadBalancer": {}, "f:x": [] } },
        }] },
        "spec": null,
    }))
    .unwrap();
    assert_eq!(object.metadata.managed_fields, None);
    assert_eq!(object.foreign_writer.as_deref(), Some("kubectl"));
}

#[test]
fn the_current_annotation_wins_even_when_it_is_empty() {
    for (annotations, pool) in [
        (json!({}), None),
        (json!({ "metallb.io/address-pool": "new" }), Some("new")),
        (json!({ "metallb.universe.tf/address-pool": "old" }), Some("old")),
        (
            json!({ "metallb.universe.tf/address-pool": "old", "metallb.io/address-pool": "new" }),
            Some("new"),
        ),
        (
            json!({ "metallb.universe.tf/address-pool": "old", "metallb.io/address-pool": "" }),
            None,
        ),
    ] {
        assert_eq!(annotated(&annotations).requested_pool(), pool, "{annotations}");
    }
}

#[test]
fn every_annotation_with_the_old_prefix_is_reported() {
    let got = annotated(&json!({
        "metallb.universe.tf/allow-shared-ip": "key",
        "metallb.universe.tf/misspelt": "",
        "metallb.io/loadBalancerIPs": "192.0.2.1",
        "metallb.iota/x": "",
    }));
    let deprecated: Vec<_> = got.deprecated_annotations().collect();
    assert_eq!(
        deprecated,
        [
            "metallb.universe.tf/allow-shared-ip",
            "metallb.universe.tf/misspelt"
        ]
    );
    assert_eq!(got.sharing_key(), "key");
    assert_eq!(got.annotations.len(), 3, "{:?}", got.annotations);
}

#[test]
fn status_entries_that_are_no_address_are_seen_as_foreign() {
    for (ingress, addresses, foreign) in [
        (json!([]), 0, false),
        (json!([{ "ip": "192.0.2.1" }]), 1, false),
        (json!([{ "hostname": "lb.example.com" }]), 0, true),
        (
            json!([{ "ip": "192.0.2.1", "hostname": "lb.example.com" }]),
            0,
            true,
        ),
        (
            json!([{ "ip": "not an address" }, { "ip": "192.0.2.1" }]),
            1,
            true,
        ),
    ] {
        let got = facts(
            json!({ "metadata": { "name": "web" }, "status": { "loadBalancer": { "ingress": ingress } } }),
        );
        assert_eq!(
            (got.ingress.len(), got.foreign_ingress),
            (addresses, foreign),
            "{ingress}"
        );
    }
}

#[test]
fn a_headless_service_has_no_cluster_address() {
    let got = facts(
        json!({ "metadata": { "name": "web" }, "spec": { "clusterIP": "None", "clusterIPs": ["None"] } }),
    );
    assert_eq!(got.cluster_ips, Vec::<IpAddr>::new());
    let old = facts(json!({ "metadata": { "name": "web" }, "spec": { "clusterIP": "10.0.0.1" } }));
    assert_eq!(old.cluster_ips.len(), 1);
}

#[test]
fn the_backend_matters_only_when_traffic_stays_on_the_node() {
    let with = |policy: &str| {
        facts(
            json!({ "metadata": { "name": "web" }, "spec": { "externalTrafficPolicy": policy, "selector": { "app": "web" } } }),
        )
    };
    assert_eq!(with("Cluster").backend_key(), "");
    assert_eq!(with("Local").backend_key(), "app=web");
}

#[test]
fn class_unset_and_class_set_are_told_apart() {
    let unset = facts(json!({ "metadata": { "name": "web" } }));
    let set = facts(json!({ "metadata": { "name": "web" }, "spec": { "loadBalancerClass": "metallb" } }));
    assert!(unset.has_class(None) && !unset.has_class(Some("metallb")));
    assert!(set.has_class(Some("metallb")) && !set.has_class(None) && !set.has_class(Some("other")));
}

#[test]
fn the_last_one_who_wrote_the_load_balancers_status_beside_the_controller_is_known() {
    let entry = |manager: &str, minute: u32, fields: Value| json!({ "manager": manager, "time": format!("2026-01-01T00:0{minute}:00Z"), "fieldsV1": fields });
    let status = || json!({ "f:status": { "f:loadBalancer": { "f:ingress": {} } } });
    let got = facts(json!({ "metadata": { "name": "web", "managedFields": [
        entry("older-cloud-controller", 1, status()),
        entry("other-load-balancer", 2, status()),
        entry("metallb-controller", 3, status()),
        entry("kubectl", 4, json!({ "f:spec": {} })),
    ] } }));
    assert_eq!(got.foreign_writer.as_deref(), Some("other-load-balancer"));
    assert_eq!(annotated(&json!({})).foreign_writer, None);
}
