//! What a MetalLB can say that upstream's cannot.

use super::*;

fn arguments(resources: &Resources<Prepared>, component: &str) -> Vec<String> {
    container(resources, component).args.unwrap()
}

#[test]
fn an_extra_argument_comes_in_place_of_the_operators() {
    let resources = built(
        "{logLevel: warn, loadBalancerClass: a, speakerConfig: {extraArgs: [--ignore-exclude-lb, -log-level=debug]}}",
    );
    let expected = [
        "--health-probe-port=17472",
        "--port=9120",
        "--lb-class=a",
        "--ignore-exclude-lb",
        "-log-level=debug",
    ];
    assert_eq!(arguments(&resources, "speaker"), expected);
    // The other component has its own.
    let of_controller = arguments(&resources, "controller");
    assert!(
        of_controller.contains(&"--log-level=warn".to_owned()),
        "{of_controller:?}"
    );
    let resources = built("{controllerConfig: {extraArgs: [--tls-min-version=VersionTLS12]}}");
    assert_eq!(
        arguments(&resources, "controller").last().map(String::as_str),
        Some("--tls-min-version=VersionTLS12")
    );
}

#[test]
fn speakers_tolerate_every_taint_if_told_so() {
    let spec = "{speakerTolerations: [{key: a}], speakerConfig: {tolerateAll: true}}";
    let tolerations = pod(&built(spec), "speaker").tolerations.unwrap();
    let last = tolerations.last().unwrap();
    assert_eq!(
        (last.key.as_deref(), last.operator.as_deref()),
        (None, Some("Exists"))
    );
    let spec = "{speakerTolerations: [{key: a}], speakerConfig: {tolerateAll: false}}";
    let tolerations = pod(&built(spec), "speaker").tolerations.unwrap();
    assert_eq!(tolerations.last().unwrap().key.as_deref(), Some("a"));
}

#[test]
fn speakers_are_replaced_as_they_are_told_to_be() {
    let rolling = |unavailable| json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": unavailable, "maxSurge": 0 } });
    for (given, expected) in [
        ("{}", rolling(json!(1))),
        ("{maxUnavailable: 2}", rolling(json!(2))),
        (
            "{type: RollingUpdate, maxUnavailable: 10%}",
            rolling(json!("10%")),
        ),
        ("{type: OnDelete}", json!({ "type": "OnDelete" })),
    ] {
        let resources = built(&format!("{{speakerConfig: {{updateStrategy: {given}}}}}"));
        let strategy = resources.speaker.spec.unwrap().update_strategy;
        assert_eq!(serde_json::to_value(strategy).unwrap(), expected, "{given}");
    }
}

#[test]
fn excluded_interfaces_take_the_place_of_the_usual_ones() {
    for (given, expected) in [
        ("[]", Vec::new()),
        (r"['^eth\d$', it's]", vec![r"^eth\d$", "it's"]),
    ] {
        let spec = format!("{{speakerConfig: {{excludedInterfaces: {given}}}}}");
        let file = built(&spec)
            .exclude_l2
            .data
            .unwrap()
            .remove("excludel2.yaml")
            .unwrap();
        let parsed: BTreeMap<String, Vec<String>> = serde_saphyr::from_str(&file).unwrap();
        assert_eq!(parsed["announcedInterfacesToExclude"], expected, "{file}");
    }
}

#[test]
fn numbers_of_the_membership_are_a_file_with_their_own_names_and_nothing_else() {
    assert!(
        built("{}").memberlist_config.is_none(),
        "somebody else's may be there"
    );
    for (given, expected) in [
        ("{}", json!({})),
        (
            "{probeInterval: 2s, probeTimeout: 1s, indirectChecks: 4, suspicionMult: 6, suspicionMaxTimeoutMult: 8, \
             gossipInterval: 100ms, gossipNodes: 5, pushPullInterval: 1m}",
            json!({ "ProbeInterval": "2s", "ProbeTimeout": "1s", "IndirectChecks": 4, "SuspicionMult": 6,
                "SuspicionMaxTimeoutMult": 8, "GossipInterval": "100ms", "GossipNodes": 5, "PushPullInterval": "1m" }),
        ),
    ] {
        let resources = built(&format!("{{speakerConfig: {{memberlist: {given}}}}}"));
        let mut files = resources.memberlist_config.unwrap().data.unwrap();
        let file: serde_json::Value = serde_json::from_str(&files.remove("config.json").unwrap()).unwrap();
        assert_eq!(file, expected, "{given}");
    }
}

/// A speaker reads them when it starts.
#[test]
fn speakers_start_again_when_their_files_change() {
    let mark = |spec: &str| {
        let annotations = template(&built(spec), "speaker").metadata.unwrap().annotations;
        annotations.unwrap_or_default().remove("metallb.io/files")
    };
    let specs = [
        "{}",
        "{speakerConfig: {excludedInterfaces: []}}",
        "{speakerConfig: {excludedInterfaces: [a]}}",
        "{speakerConfig: {memberlist: {}}}",
        "{speakerConfig: {memberlist: {gossipNodes: 4}}}",
    ];
    let marks: BTreeSet<Option<String>> = specs.into_iter().map(mark).collect();
    assert_eq!(marks.len(), specs.len(), "{marks:?}");
    assert_eq!(mark(specs[0]), None);
    assert_eq!(mark(specs[2]).as_deref(), mark(specs[2]).as_deref());
}

#[test]
fn the_controller_is_reached_on_its_own_ports_only_unless_somebody_else_sees_to_that() {
    let resources = built("{}");
    let policy = resources.network_policy.unwrap().spec.unwrap();
    let declared: BTreeSet<i32> = container(&built("{}"), "controller")
        .ports
        .unwrap()
        .iter()
        .map(|port| port.container_port)
        .collect();
    let open: BTreeSet<i32> = policy.ingress.unwrap()[0]
        .ports
        .iter()
        .flatten()
        .filter_map(|port| match port.port {
            Some(IntOrString::Int(number)) => Some(number),
            _ => None,
        })
        .collect();
    assert_eq!(open, declared);
    assert_eq!(
        policy.pod_selector.unwrap(),
        resources.controller.spec.unwrap().selector
    );
    assert_eq!(policy.policy_types.unwrap(), ["Ingress"]);

    let metallb = validated("{}");
    let settings = Settings {
        network_policies: false,
        ..settings()
    };
    assert!(
        build(&metallb, &settings, &FreshKey(KEY))
            .network_policy
            .is_none()
    );
}
