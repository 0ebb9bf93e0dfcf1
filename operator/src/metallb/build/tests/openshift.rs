//! What is different on OpenShift, and that nothing is elsewhere.

use super::*;
use crate::platform::{API_SERVERS, CONSTRAINTS, Kind, Kinds, PROMETHEUS_RULES, Profile, SERVICE_MONITORS};

fn on_openshift(tls: Option<Profile>) -> Resources<Prepared> {
    let kinds = Kinds::of(&[CONSTRAINTS, API_SERVERS, SERVICE_MONITORS, PROMETHEUS_RULES]);
    let platform = Platform { kinds, tls };
    built_on(&platform, "{speakerConfig: {annotations: {a: b}}}", None)
}

/// Name and value of the annotations of the pods.
fn annotations(resources: &Resources<Prepared>, component: &str) -> BTreeMap<String, String> {
    let metadata = template(resources, component).metadata.unwrap();
    metadata.annotations.unwrap_or_default()
}

#[test]
fn the_speakers_are_admitted_by_constraints_that_allow_what_their_pods_ask_for_and_no_more() {
    let resources = on_openshift(None);
    let constraints = resources.constraints.as_ref().unwrap();
    let allowed = &constraints.data;
    let speaker = pod(&resources, "speaker");
    let security = container(&resources, "speaker").security_context.unwrap();
    let capabilities = security.capabilities.unwrap();
    assert_eq!(allowed["allowHostNetwork"], speaker.host_network.unwrap());
    assert_eq!(
        allowed["allowedCapabilities"],
        serde_json::json!(capabilities.add.unwrap())
    );
    assert_eq!(
        allowed["requiredDropCapabilities"],
        serde_json::json!(capabilities.drop.unwrap())
    );
    assert_eq!(
        allowed["readOnlyRootFilesystem"],
        security.read_only_root_filesystem.unwrap()
    );
    let seccomp = security.seccomp_profile.unwrap();
    assert_eq!(seccomp.type_, "RuntimeDefault");
    assert_eq!(allowed["seccompProfiles"], serde_json::json!(["runtime/default"]));
    for never in [
        "allowHostDirVolumePlugin",
        "allowHostIPC",
        "allowHostPID",
        "allowPrivilegeEscalation",
        "allowPrivilegedContainer",
    ] {
        assert_eq!(allowed[never], false, "{never}");
    }
    for volume in speaker.volumes.unwrap() {
        assert!(
            volume.secret.is_some() || volume.config_map.is_some(),
            "{}",
            volume.name
        );
    }
    let annotations = annotations(&resources, "speaker");
    let expected = map(&[("a", "b"), ("openshift.io/required-scc", "metallb-speaker")]);
    assert_eq!(annotations, expected);
    assert_eq!(constraints.metadata.name.as_deref(), Some("metallb-speaker"));
}

#[test]
fn metrics_are_served_with_a_certificate_of_the_cluster_as_soon_as_there_is_one() {
    let resources = on_openshift(None);
    for (component, service, secret) in [
        (
            "controller",
            &resources.controller_metrics,
            "controller-certs-secret",
        ),
        ("speaker", &resources.speaker_metrics, "speaker-certs-secret"),
    ] {
        let asked = map(&[("service.beta.openshift.io/serving-cert-secret-name", secret)]);
        assert_eq!(service.metadata.annotations, Some(asked));
        let volumes = pod(&resources, component).volumes.unwrap();
        let of_secret = |volume: &k8s_openapi::api::core::v1::Volume| {
            let source = volume.secret.clone()?;
            (source.secret_name.as_deref() == Some(secret)).then_some((volume.name.clone(), source.optional))
        };
        let (name, optional) = volumes.iter().find_map(of_secret).unwrap();
        assert_eq!(optional, Some(true), "pods start before the certificate is there");
        let container = container(&resources, component);
        let mounts = container.volume_mounts.unwrap();
        let mount = mounts.iter().find(|mount| mount.name == name).unwrap();
        let flag = format!("--metrics-cert-dir={}", mount.mount_path);
        assert!(container.args.unwrap().contains(&flag), "{component}");
    }
}

#[test]
fn both_programs_speak_what_the_cluster_wants_its_servers_to_speak() {
    let profile = Profile::FromTls12(vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    for (profile, flags) in [
        (Profile::Newest, vec!["--tls-min-version=VersionTLS13"]),
        (
            profile,
            vec![
                "--tls-min-version=VersionTLS12",
                "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ],
        ),
    ] {
        let resources = on_openshift(Some(profile));
        for component in ["controller", "speaker"] {
            let arguments = container(&resources, component).args.unwrap();
            let tls: Vec<&String> = arguments
                .iter()
                .filter(|flag| flag.starts_with("--tls-"))
                .collect();
            assert_eq!(tls, flags, "{component}");
        }
    }
}

#[test]
fn elsewhere_nothing_of_it_is_there() {
    let resources = built("{}");
    assert!(resources.constraints.is_none() && resources.monitoring.is_empty());
    for component in ["controller", "speaker"] {
        assert!(annotations(&resources, component).is_empty());
        let arguments = container(&resources, component).args.unwrap();
        let special = |flag: &&String| flag.starts_with("--tls-") || flag.starts_with("--metrics-cert-dir");
        assert_eq!(arguments.iter().find(special), None);
    }
    assert_eq!(resources.controller_metrics.metadata.annotations, None);
}

/// The names of the objects of a kind, and what they say.
fn monitoring(resources: &Resources<Prepared>, wanted: Kind) -> BTreeMap<String, serde_json::Value> {
    let of_kind = resources.monitoring.iter().filter(|(kind, _)| *kind == wanted);
    of_kind
        .map(|(_, object)| (object.metadata.name.clone().unwrap(), object.data["spec"].clone()))
        .collect()
}

#[test]
fn prometheus_finds_the_port_of_the_metrics_and_can_verify_who_serves_it() {
    let resources = on_openshift(None);
    let monitors = monitoring(&resources, SERVICE_MONITORS);
    for (name, service) in [
        ("controller-monitor", &resources.controller_metrics),
        ("speaker-monitor", &resources.speaker_metrics),
    ] {
        let endpoint = &monitors[name]["endpoints"][0];
        let service_name = service.metadata.name.as_deref().unwrap();
        let ports = service.spec.as_ref().unwrap().ports.as_ref().unwrap();
        assert_eq!(endpoint["port"], ports[0].name.clone().unwrap());
        assert_eq!(endpoint["scheme"], "https");
        assert_eq!(
            endpoint["tlsConfig"]["serverName"],
            format!("{service_name}.metallb-system.svc")
        );
        let labels = service.metadata.labels.as_ref().unwrap();
        let selected = monitors[name]["selector"]["matchLabels"].as_object().unwrap();
        assert!(
            selected
                .iter()
                .all(|(key, value)| labels[key] == value.as_str().unwrap())
        );
    }
    assert_eq!(monitors.len(), 2);
}

#[test]
fn alerts_speak_of_metrics_that_there_are() {
    let resources = on_openshift(None);
    let rules = &monitoring(&resources, PROMETHEUS_RULES)["metallb-alerts"]["groups"][0]["rules"];
    let rules = rules.as_array().unwrap();
    let names: Vec<&str> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "MetalLBStaleConfig",
            "MetalLBConfigNotLoaded",
            "MetalLBAddressPoolExhausted",
            "MetalLBAddressPoolUsage75Percent",
            "MetalLBAddressPoolUsage85Percent",
            "MetalLBAddressPoolUsage95Percent",
        ]
    );
    let share = "100 * metallb_allocator_addresses_in_use_total{namespace=\"metallb-system\"} / on (pod, pool) \
                 (metallb_allocator_addresses_total{namespace=\"metallb-system\"} > 0)";
    assert_eq!(rules[2]["expr"], format!("{share} >= 100"));
    assert_eq!(rules[3]["expr"], format!("{share} > 75"));
    assert_eq!(
        rules[3]["annotations"]["description"],
        "More than 75 % of the addresses of the pool {{ $labels.pool }} are in use."
    );
    assert_eq!(
        rules[0]["expr"],
        "metallb_k8s_client_config_stale_bool{namespace=\"metallb-system\"} == 1"
    );
}

#[test]
fn without_openshift_monitors_do_not_name_its_authority() {
    let kinds = Kinds::of(&[SERVICE_MONITORS]);
    let resources = built_on(&Platform { kinds, tls: None }, "{}", None);
    let monitors = monitoring(&resources, SERVICE_MONITORS);
    assert_eq!(
        monitors["speaker-monitor"]["endpoints"][0]["tlsConfig"],
        serde_json::json!({ "insecureSkipVerify": true })
    );
    assert!(monitoring(&resources, PROMETHEUS_RULES).is_empty());
}
