use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::v1beta1::{MetalLB, SpeakerUpdateStrategy};

use super::*;

/// A MetalLB as the API server returns it, with the given `spec`.
fn dereferenced(name: &str, spec: &str) -> Dereferenced {
    let yaml = format!(
        "apiVersion: metallb.io/v1beta1\nkind: MetalLB\n\
         metadata: {{name: {name}, namespace: metallb-system, uid: 1-2-3, generation: 7}}\n\
         spec: {spec}\n"
    );
    let metallb: MetalLB = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    Dereferenced {
        metallb,
        memberlist_key: None,
        platform: Platform::default(),
        workloads: Vec::new(),
    }
}

fn validated(spec: &str) -> ValidatedMetalLB {
    validate(dereferenced("metallb", spec)).unwrap_or_else(|error| panic!("{spec}: {error}"))
}

#[test]
fn an_empty_resource_gets_every_default() {
    let expected = ValidatedMetalLB {
        owner: OwnerReference {
            api_version: "metallb.io/v1beta1".into(),
            kind: "MetalLB".into(),
            name: "metallb".into(),
            uid: "1-2-3".into(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        },
        log_level: "info",
        load_balancer_class: None,
        foreign_bgp: None,
        replicas: 1,
        controller: PodSettings::default(),
        speaker: PodSettings::default(),
        update_strategy: SpeakerUpdateStrategy::default(),
        excluded_interfaces: None,
        memberlist: None,
        memberlist_key: None,
        platform: Platform::default(),
        rivals: None,
    };
    assert_eq!(validated("{}"), expected);
    // What templates leave behind when nothing is chosen.
    let empty = "{image: '', loadBalancerClass: '', bgpBackend: '', speakerConfig: {priorityClassName: '', \
                 runtimeClassName: ''}, controllerTolerations: [], nodeSelector: {}, frrk8sConfig: {}}";
    assert_eq!(validated(empty), expected);
}

#[test]
fn every_field_arrives_where_it_belongs() {
    let spec = r"
      image: ignored
      nodeSelector: {zone: edge}
      speakerTolerations: [{key: edge, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]
      logLevel: debug
      loadBalancerClass: example.com/metallb
      controllerNodeSelector: {zone: core}
      controllerTolerations: [{key: core, operator: Exists}]
      controllerConfig:
        replicas: 3
        priorityClassName: high
        runtimeClassName: kata
        annotations: {who: controller}
        resources: {limits: {cpu: 200m}}
      speakerConfig:
        annotations: {who: speaker}
        affinity:
          nodeAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference: {matchExpressions: [{key: a, operator: Exists}]}
      bgpBackend: frr-k8s
      frrk8sConfig: {alwaysBlock: [10.0.0.0/8, 'fd00::/8'], namespace: frr, secretPassthrough: true}
    ";
    let ValidatedMetalLB {
        log_level,
        load_balancer_class,
        foreign_bgp,
        replicas,
        controller,
        speaker,
        ..
    } = validated(spec);
    assert_eq!(log_level, "debug");
    assert_eq!(load_balancer_class.as_deref(), Some("example.com/metallb"));
    assert_eq!(foreign_bgp, Some(ForeignBgp::FrrK8s));
    assert_eq!(replicas, 3);

    assert_eq!(
        controller.node_selector,
        BTreeMap::from([("zone".into(), "core".into())])
    );
    assert_eq!(controller.tolerations[0].key.as_deref(), Some("core"));
    assert_eq!(controller.priority_class_name.as_deref(), Some("high"));
    assert_eq!(controller.runtime_class_name.as_deref(), Some("kata"));
    assert_eq!(controller.annotations["who"], "controller");
    assert_eq!(controller.resources.unwrap().limits.unwrap()["cpu"].0, "200m");
    assert_eq!(controller.affinity, None);

    assert_eq!(
        speaker.node_selector,
        BTreeMap::from([("zone".into(), "edge".into())])
    );
    let toleration = Toleration {
        key: Some("edge".into()),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        toleration_seconds: Some(5),
        value: None,
    };
    assert_eq!(speaker.tolerations, [toleration]);
    assert_eq!(speaker.annotations["who"], "speaker");
    assert!(
        speaker
            .affinity
            .is_some_and(|affinity| affinity.node_affinity.is_some())
    );
    assert_eq!((speaker.priority_class_name, speaker.resources), (None, None));
}

#[test]
fn what_cannot_be_is_refused_with_the_field_to_change() {
    let weight = |kind: &str, weight: i32| {
        let field = format!("{}{}", kind[..1].to_lowercase(), &kind[1..]);
        let term = match kind {
            "NodeAffinity" => "preference: {}".to_owned(),
            _ => "podAffinityTerm: {topologyKey: zone}".to_owned(),
        };
        format!(
            "{{{field}: {{preferredDuringSchedulingIgnoredDuringExecution: [{{weight: {weight}, {term}}}]}}}}"
        )
    };
    let rows = [
        (
            "{controllerTolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 3}]}".to_owned(),
            "ControllerToleration effect must be NoExecute when tolerationSeconds is set",
        ),
        (
            "{speakerTolerations: [{key: a, tolerationSeconds: 3}]}".to_owned(),
            "SpeakerToleration effect must be NoExecute when tolerationSeconds is set",
        ),
        (
            format!("{{speakerConfig: {{affinity: {}}}}}", weight("NodeAffinity", 0)),
            "SpeakerConfig NodeAffinity set with invalid weight 0 for preferred scheduling term, use 1 to 100",
        ),
        (
            format!(
                "{{controllerConfig: {{affinity: {}}}}}",
                weight("PodAffinity", 101)
            ),
            "ControllerConfig PodAffinity set with invalid weight 101 for preferred scheduling term, use 1 to 100",
        ),
        (
            format!(
                "{{controllerConfig: {{affinity: {}}}}}",
                weight("PodAntiAffinity", -1)
            ),
            "ControllerConfig PodAntiAffinity set with invalid weight -1 for preferred scheduling term, use 1 to 100",
        ),
        (
            "{bgpBackend: bird}".to_owned(),
            "invalid BGP Backend \"bird\", must be one of native, frr, frr-k8s, frr-k8s-external",
        ),
        (
            "{frrk8sConfig: {alwaysBlock: [10.0.0.0/8, 10.0.0.0/33]}}".to_owned(),
            "invalid CIDR 10.0.0.0/33 in AlwaysBlock",
        ),
    ];
    for (spec, message) in rows {
        assert_eq!(
            validate(dereferenced("metallb", &spec)).unwrap_err().to_string(),
            message,
            "{spec}"
        );
    }
    assert_eq!(
        validate(dereferenced("other", "{}")).unwrap_err().to_string(),
        "Incorrect MetalLB resource name: other"
    );
}

#[test]
fn every_bgp_backend_of_old_resources_is_accepted() {
    for (word, foreign) in [
        ("native", None),
        ("frr", Some(ForeignBgp::Frr)),
        ("frr-k8s", Some(ForeignBgp::FrrK8s)),
        ("frr-k8s-external", Some(ForeignBgp::FrrK8sExternal)),
    ] {
        let got = validated(&format!("{{bgpBackend: {word}}}")).foreign_bgp;
        assert_eq!(got, foreign);
        assert_eq!(got.map_or("native", ForeignBgp::as_str), word);
    }
}

#[test]
fn nothing_is_built_beside_another_metallb() {
    let dereferenced = Dereferenced {
        workloads: vec![Workload {
            kind: "DaemonSet",
            metadata: ObjectMeta {
                name: Some("metallb-speaker".into()),
                namespace: Some("elsewhere".into()),
                ..ObjectMeta::default()
            },
        }],
        ..dereferenced("metallb", "{bgpBackend: bird}")
    };
    let error = validate(dereferenced).unwrap_err();
    assert!(
        matches!(&error, Error::Rivals(message) if message.contains("DaemonSet elsewhere/metallb-speaker")),
        "{error}"
    );
}
