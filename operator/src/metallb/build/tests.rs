mod openshift;
mod pods;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::v1beta1::MetalLB;
use serde_json::json;

use super::*;
use crate::metallb::dereference::Dereferenced;
use crate::metallb::validate::validate;
use crate::platform::Platform;

const KEY: [u8; 16] = [7; 16];

fn settings() -> Settings {
    Settings {
        namespace: "metallb-system".into(),
        controller_image: "example.com:5000/controller@sha256:0f0f".into(),
        speaker_image: "example.com/speaker:v1".into(),
        memberlist_port: 7946,
        health_port: 17472,
        metrics_port: 9120,
        network_policies: true,
    }
}

/// What a MetalLB with this `spec` is made of, through the real validation.
fn built_with(spec: &str, memberlist_key: Option<ByteString>) -> Resources<Prepared> {
    built_on(&Platform::default(), spec, memberlist_key)
}

/// The same on another platform.
fn built_on(platform: &Platform, spec: &str, memberlist_key: Option<ByteString>) -> Resources<Prepared> {
    let metallb = ValidatedMetalLB {
        memberlist_key,
        platform: platform.clone(),
        ..validated(spec)
    };
    build(&metallb, &settings(), &FreshKey(KEY))
}

fn validated(spec: &str) -> ValidatedMetalLB {
    let yaml = format!(
        "apiVersion: metallb.io/v1beta1\nkind: MetalLB\n\
         metadata: {{name: metallb, namespace: metallb-system, uid: 1-2-3}}\nspec: {spec}\n"
    );
    let metallb: MetalLB = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    validate(Dereferenced {
        metallb,
        memberlist_key: None,
        platform: Platform::default(),
        workloads: Vec::new(),
    })
    .unwrap()
}

fn built(spec: &str) -> Resources<Prepared> {
    built_with(spec, None)
}

fn template<State>(resources: &Resources<State>, component: &str) -> PodTemplateSpec {
    match component {
        "controller" => resources.controller.spec.as_ref().unwrap().template.clone(),
        _ => resources.speaker.spec.as_ref().unwrap().template.clone(),
    }
}

fn pod<State>(resources: &Resources<State>, component: &str) -> PodSpec {
    template(resources, component).spec.unwrap()
}

fn container<State>(resources: &Resources<State>, component: &str) -> Container {
    let mut containers = pod(resources, component).containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_object_is_found_by_its_labels_and_goes_with_its_owner() {
    let Resources {
        controller_account,
        speaker_account,
        memberlist,
        exclude_l2,
        memberlist_config,
        disruption_budget,
        controller,
        speaker,
        webhook_service,
        webhook_secret,
        // In no namespace, so that their MetalLB cannot own them.
        constraints: _,
        webhooks: _,
        // A part of what is in no namespace.
        conversion: _,
        controller_metrics,
        speaker_metrics,
        dashboard,
        network_policy,
        monitoring: _,
        state: PhantomData,
    } = built("{controllerConfig: {replicas: 2}, speakerConfig: {memberlist: {}}}");
    let rows: [(&ObjectMeta, &str, &str); 13] = [
        (&controller_account.metadata, "controller", "controller"),
        (&speaker_account.metadata, "speaker", "speaker"),
        (&memberlist.metadata, "metallb-memberlist", "speaker"),
        (&exclude_l2.metadata, "metallb-excludel2", "speaker"),
        (
            &memberlist_config.unwrap().metadata,
            "metallb-memberlist-config",
            "speaker",
        ),
        (&controller.metadata, "controller", "controller"),
        (&speaker.metadata, "speaker", "speaker"),
        (&disruption_budget.unwrap().metadata, "controller", "controller"),
        (&webhook_service.metadata, "metallb-webhook-service", "controller"),
        (&webhook_secret.metadata, "metallb-webhook-cert", "controller"),
        (
            &controller_metrics.metadata,
            "controller-monitor-service",
            "controller",
        ),
        (&speaker_metrics.metadata, "speaker-monitor-service", "speaker"),
        (&network_policy.unwrap().metadata, "controller", "controller"),
    ];
    let found = dashboard.metadata.labels.unwrap();
    assert_eq!(found["grafana_dashboard"], "1");
    assert_eq!(found["app.kubernetes.io/managed-by"], "metallb-operator");
    for (metadata, name, component) in rows {
        assert_eq!(metadata.name.as_deref(), Some(name));
        assert_eq!(metadata.namespace.as_deref(), Some("metallb-system"));
        let labels = [
            ("app", "metallb"),
            ("component", component),
            ("app.kubernetes.io/managed-by", "metallb-operator"),
        ];
        assert_eq!(metadata.labels, Some(map(&labels)), "{name}");
        let owners = metadata.owner_references.as_deref().unwrap();
        assert!(
            matches!(owners, [owner] if owner.uid == "1-2-3" && owner.controller == Some(true)),
            "{name}"
        );
    }
}

#[test]
fn selectors_never_change_and_match_the_pods() {
    let resources = built("{controllerConfig: {annotations: {a: b}}, nodeSelector: {zone: edge}}");
    let selectors = [
        ("controller", resources.controller.spec.clone().unwrap().selector),
        ("speaker", resources.speaker.spec.clone().unwrap().selector),
    ];
    for (component, selector) in selectors {
        assert_eq!(
            selector.match_labels,
            Some(map(&[("app", "metallb"), ("component", component)]))
        );
        let labels = template(&resources, component).metadata.unwrap().labels.unwrap();
        assert!(
            selector
                .match_labels
                .unwrap()
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        );
    }
}

#[test]
fn a_single_controller_never_overlaps_with_the_next_and_speakers_change_one_by_one() {
    let resources = built("{}");
    let deployment = resources.controller.spec.clone().unwrap();
    assert_eq!(deployment.replicas, Some(1));
    let strategy = deployment.strategy.unwrap();
    assert_eq!(
        (strategy.type_.as_deref(), strategy.rolling_update),
        (Some("Recreate"), None)
    );
    let controller = pod(&resources, "controller");
    assert!(controller.termination_grace_period_seconds.unwrap() > 0);
    assert_eq!(controller.topology_spread_constraints, None);
    assert_eq!(
        resources.disruption_budget, None,
        "it would only keep its node from being drained"
    );
    let strategy = resources.speaker.spec.clone().unwrap().update_strategy.unwrap();
    assert_eq!(strategy.type_.as_deref(), Some("RollingUpdate"));
}

#[test]
fn several_controllers_are_spread_and_never_all_away() {
    let resources = built("{controllerConfig: {replicas: 3}}");
    let deployment = resources.controller.spec.clone().unwrap();
    assert_eq!(deployment.replicas, Some(3));
    assert_eq!(
        deployment.strategy.unwrap().type_.as_deref(),
        Some("RollingUpdate")
    );
    let constraints = pod(&resources, "controller").topology_spread_constraints.unwrap();
    let [constraint] = constraints.as_slice() else {
        panic!("{constraints:?}");
    };
    assert_eq!(constraint.topology_key, "kubernetes.io/hostname");
    assert_eq!(constraint.label_selector.as_ref(), Some(&deployment.selector));
    let budget = resources.disruption_budget.unwrap().spec.unwrap();
    assert_eq!(budget.selector, Some(deployment.selector));
    assert_eq!(budget.max_unavailable, Some(IntOrString::Int(1)));
}

#[test]
fn every_kind_that_is_configured_is_asked_about_and_nobody_is_told_whom_to_trust() {
    let resources = built("{}");
    let webhooks = resources.webhooks.unwrap().webhooks.unwrap();
    let rows: Vec<String> = webhooks
        .iter()
        .map(|webhook| {
            let service = webhook.client_config.service.as_ref().unwrap();
            assert_eq!(
                (service.name.as_str(), service.namespace.as_str()),
                ("metallb-webhook-service", "metallb-system")
            );
            assert_eq!(webhook.client_config.ca_bundle, None, "it is the controller's");
            assert_eq!(webhook.failure_policy, None, "it is decided when it is applied");
            assert_eq!(webhook.side_effects, "None");
            let [rule] = webhook.rules.as_deref().unwrap() else {
                panic!("{webhook:?}");
            };
            let words = |words: &Option<Vec<String>>| words.as_ref().unwrap().join(",");
            let path = service.path.as_deref().unwrap();
            format!(
                "{} {} {} {} {path}",
                webhook.name,
                words(&rule.resources),
                words(&rule.api_versions),
                words(&rule.operations)
            )
        })
        .collect();
    let expected = [
        "bgppeersvalidationwebhook.metallb.io bgppeers v1beta2 CREATE,UPDATE /validate-metallb-io-v1beta2-bgppeer",
        "bfdprofilevalidationwebhook.metallb.io bfdprofiles v1beta1 CREATE,DELETE \
         /validate-metallb-io-v1beta1-bfdprofile",
        "bgpadvertisementvalidationwebhook.metallb.io bgpadvertisements v1beta1 CREATE,UPDATE \
         /validate-metallb-io-v1beta1-bgpadvertisement",
        "communityvalidationwebhook.metallb.io communities v1beta1 CREATE,UPDATE \
         /validate-metallb-io-v1beta1-community",
        "ipaddresspoolvalidationwebhook.metallb.io ipaddresspools v1beta1 CREATE,UPDATE \
         /validate-metallb-io-v1beta1-ipaddresspool",
        "l2advertisementvalidationwebhook.metallb.io l2advertisements v1beta1 CREATE,UPDATE \
         /validate-metallb-io-v1beta1-l2advertisement",
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        serde_json::to_value(&resources.conversion).unwrap(),
        json!({ "strategy": "Webhook", "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": { "service": {
                "name": "metallb-webhook-service", "namespace": "metallb-system", "path": "/convert", "port": 443,
            } },
        } }),
    );
    assert_eq!(
        resources.webhook_secret.data, None,
        "what is in it is the controller's"
    );
}

#[test]
fn every_service_leads_to_a_port_of_its_pods() {
    let resources = built("{}");
    for (service, component, port, target) in [
        (&resources.webhook_service, "controller", 443, 9443),
        (&resources.controller_metrics, "controller", 9120, 9120),
        (&resources.speaker_metrics, "speaker", 9120, 9120),
    ] {
        let spec = service.spec.clone().unwrap();
        let labels = template(&resources, component).metadata.unwrap().labels.unwrap();
        let selector = spec.selector.unwrap();
        assert!(
            selector.iter().all(|(key, value)| labels.get(key) == Some(value)),
            "{selector:?}"
        );
        let [served] = spec.ports.as_deref().unwrap() else {
            panic!("{:?}", spec.ports);
        };
        assert_eq!(served.port, port);
        let Some(IntOrString::String(name)) = &served.target_port else {
            panic!("{served:?}");
        };
        let ports = container(&resources, component).ports.unwrap();
        let found = ports
            .iter()
            .find(|port| port.name.as_ref() == Some(name))
            .unwrap();
        assert_eq!(found.container_port, target);
    }
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_object() {
    let resources = built("{}");
    let mounts = container(&resources, "speaker").volume_mounts.unwrap();
    let volumes = pod(&resources, "speaker").volumes.unwrap();
    let mounted: BTreeSet<&str> = mounts.iter().map(|mount| mount.name.as_str()).collect();
    let there: BTreeSet<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(mounted, there);
    let secrets: Vec<String> = volumes
        .iter()
        .filter_map(|volume| volume.secret.as_ref()?.secret_name.clone())
        .collect();
    assert_eq!(secrets, [resources.memberlist.metadata.name.clone().unwrap()]);
    let maps = volumes.iter().filter_map(|volume| volume.config_map.as_ref());
    let maps: Vec<(&str, Option<bool>)> = maps.map(|map| (map.name.as_str(), map.optional)).collect();
    let exclude_l2 = resources.exclude_l2.metadata.name.as_deref().unwrap();
    // The administrator's, if there is one.
    let numbers = ("metallb-memberlist-config", Some(true));
    assert_eq!(maps, [(exclude_l2, None), numbers]);
    assert_eq!(pod(&resources, "controller").volumes, None);
}

#[test]
fn a_memberlist_key_is_made_once_and_then_kept() {
    let key = |resources: Resources<Prepared>| {
        let ByteString(bytes) = resources.memberlist.data.unwrap().remove("secretkey").unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(
        key(built("{}")),
        "BwcHBwcHBwcHBwcHBwcHBw",
        "16 bytes as 22 letters, without padding"
    );
    assert_eq!(
        key(built_with("{}", Some(ByteString(b"in use".to_vec())))),
        "in use"
    );
}

#[test]
fn a_secret_without_a_usable_key_counts_as_none() {
    let secret = |yaml: &str| serde_saphyr::from_str::<Secret>(yaml).unwrap();
    for (yaml, expected) in [
        ("{data: {secretkey: a2V5}}", Some(ByteString(b"key".to_vec()))),
        ("{data: {secretkey: ''}}", None),
        ("{data: {other: a2V5}}", None),
        ("{}", None),
    ] {
        assert_eq!(memberlist_key(secret(yaml)), expected, "{yaml}");
    }
}

#[test]
fn the_excluded_interfaces_are_a_file_that_the_speaker_reads() {
    let file = built("{}")
        .exclude_l2
        .data
        .unwrap()
        .remove("excludel2.yaml")
        .unwrap();
    let parsed: BTreeMap<String, Vec<String>> = serde_saphyr::from_str(&file).unwrap();
    let expressions = &parsed["announcedInterfacesToExclude"];
    assert_eq!(expressions.len(), 14);
    assert!(
        ["^veth.*", "^lo$", "^lxc.*"]
            .iter()
            .all(|one| expressions.iter().any(|other| other == one))
    );
}
