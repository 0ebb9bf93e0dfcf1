//! How the pods are started, where, and with which rights.

use super::*;

#[test]
fn programs_are_started_with_what_the_resource_says() {
    for (spec, args) in [
        (
            "{}",
            vec!["--health-probe-port=17472", "--port=9120", "--log-level=info"],
        ),
        (
            "{logLevel: all, loadBalancerClass: example.com/lb}",
            vec![
                "--health-probe-port=17472",
                "--port=9120",
                "--log-level=all",
                "--lb-class=example.com/lb",
            ],
        ),
    ] {
        let resources = built(spec);
        for (component, image) in [
            ("controller", "example.com:5000/controller@sha256:0f0f"),
            ("speaker", "example.com/speaker:v1"),
        ] {
            let container = container(&resources, component);
            assert_eq!(container.name, component);
            assert_eq!(container.image.as_deref(), Some(image));
            assert_eq!(container.command, Some(vec![format!("/{component}")]));
            let mut args = args.clone();
            if component == "controller" {
                args.extend([
                    "--webhook-secret=metallb-webhook-cert",
                    "--cert-service-name=metallb-webhook-service",
                ]);
            }
            assert_eq!(container.args.unwrap(), args);
            assert_eq!(
                pod(&resources, component).service_account_name.as_deref(),
                Some(component)
            );
        }
    }
}

#[test]
fn the_speaker_knows_its_node_and_its_peers() {
    let environment = container(&built("{}"), "speaker").env.unwrap();
    let values: Vec<(String, String)> = environment
        .into_iter()
        .map(|variable| {
            let field = variable
                .value_from
                .and_then(|source| source.field_ref)
                .map(|field| field.field_path);
            (variable.name, variable.value.or(field).unwrap())
        })
        .collect();
    let expected = [
        ("METALLB_NODE_NAME", "spec.nodeName"),
        ("METALLB_NAMESPACE", "metadata.namespace"),
        ("METALLB_POD_NAME", "metadata.name"),
        ("METALLB_ML_BIND_ADDR", "status.podIP"),
        ("METALLB_ML_BIND_PORT", "7946"),
        ("METALLB_ML_LABELS", "app=metallb,component=speaker"),
        ("METALLB_ML_SECRET_KEY_PATH", "/etc/ml_secret_key"),
    ];
    assert_eq!(
        values,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn placement_comes_from_the_resource_and_pods_stay_on_linux() {
    let resources = built(
        "{nodeSelector: {zone: edge}, controllerNodeSelector: {zone: core}, \
          speakerTolerations: [{key: edge, operator: Exists}], controllerTolerations: [{key: core, operator: Exists}], \
          speakerConfig: {priorityClassName: high, runtimeClassName: kata, annotations: {who: speaker}, \
          resources: {requests: {memory: 10Mi}}}, \
          controllerConfig: {affinity: {podAntiAffinity: {}}}}",
    );
    let (controller, speaker) = (pod(&resources, "controller"), pod(&resources, "speaker"));
    assert_eq!(
        controller.node_selector,
        Some(map(&[("kubernetes.io/os", "linux"), ("zone", "core")]))
    );
    assert_eq!(
        speaker.node_selector,
        Some(map(&[("kubernetes.io/os", "linux"), ("zone", "edge")]))
    );
    let keys = |tolerations: Option<Vec<Toleration>>| -> Vec<String> {
        tolerations
            .into_iter()
            .flatten()
            .filter_map(|toleration| toleration.key)
            .collect()
    };
    assert_eq!(keys(controller.tolerations), ["core"]);
    assert_eq!(
        keys(speaker.tolerations),
        [
            "node-role.kubernetes.io/master",
            "node-role.kubernetes.io/control-plane",
            "edge"
        ]
    );
    assert!(controller.affinity.is_some() && speaker.affinity.is_none());
    assert_eq!(speaker.priority_class_name.as_deref(), Some("high"));
    assert_eq!(speaker.runtime_class_name.as_deref(), Some("kata"));
    assert_eq!(
        speaker.containers[0]
            .resources
            .as_ref()
            .unwrap()
            .requests
            .as_ref()
            .unwrap()["memory"]
            .0,
        "10Mi"
    );
    assert_eq!(
        template(&resources, "speaker").metadata.unwrap().annotations,
        Some(map(&[("who", "speaker")]))
    );
    assert_eq!(
        template(&resources, "controller").metadata.unwrap().annotations,
        None
    );
}

#[test]
fn a_speaker_asks_for_its_share_of_a_busy_processor_unless_the_resource_says_otherwise() {
    let requests = |spec: &str, component: &str| {
        let found = container(&built(spec), component).resources?.requests?;
        Some(
            found
                .into_iter()
                .map(|(what, much)| format!("{what} {}", much.0))
                .collect::<Vec<_>>(),
        )
    };
    let usual = requests("{}", "speaker").unwrap();
    assert_eq!(usual, ["cpu 100m", "memory 20Mi"]);
    assert_eq!(requests("{}", "controller"), None);
    let own = "{speakerConfig: {resources: {requests: {cpu: 1m}}}}";
    assert_eq!(requests(own, "speaker").unwrap(), ["cpu 1m"]);
    assert_eq!(requests("{speakerConfig: {resources: {}}}", "speaker"), None);
}

#[test]
fn no_program_may_more_than_it_needs() {
    let resources = built("{}");
    for (component, non_root, user, added) in [
        ("controller", Some(true), None, None),
        ("speaker", None, Some(0), Some(vec!["NET_RAW".to_owned()])),
    ] {
        let context = container(&resources, component).security_context.unwrap();
        assert_eq!(context.run_as_non_root, non_root);
        assert_eq!(context.run_as_user, user);
        assert_eq!(context.allow_privilege_escalation, Some(false));
        assert_eq!(context.read_only_root_filesystem, Some(true));
        assert_eq!(context.privileged, None);
        assert_eq!(context.seccomp_profile.unwrap().type_, "RuntimeDefault");
        let capabilities = context.capabilities.unwrap();
        assert_eq!(capabilities.drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(capabilities.add, added);
        let pod = pod(&resources, component);
        assert_eq!(pod.host_network, (component == "speaker").then_some(true));
        assert_eq!((pod.host_pid, pod.host_ipc), (None, None));
    }
}

#[test]
fn only_ports_that_are_served_are_declared_and_probed() {
    let resources = built("{}");
    for (component, host) in [("controller", None), ("speaker", Some("127.0.0.1"))] {
        let container = container(&resources, component);
        let ports: Vec<i32> = container
            .ports
            .iter()
            .flatten()
            .map(|port| port.container_port)
            .collect();
        let expected: &[i32] = if component == "controller" {
            &[17472, 9120, 9443]
        } else {
            &[17472, 9120, 7946, 7946]
        };
        assert_eq!(ports, expected);
        for (probe, path) in [
            (container.liveness_probe.unwrap(), "/healthz"),
            (container.readiness_probe.unwrap(), "/readyz"),
        ] {
            let get = probe.http_get.unwrap();
            assert_eq!((get.path.as_deref(), get.host.as_deref()), (Some(path), host));
            assert_eq!(get.port, IntOrString::Int(17472));
        }
    }
}
