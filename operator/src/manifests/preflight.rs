//! `operator preflight` as a pod: who has no image tool at hand lets the cluster run it.
//!
//! Owns what that pod may do, which is to list, and that everything of it is in a namespace that goes with it.

use k8s_openapi::api::core::v1::{Container, Namespace, Pod, PodSpec, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::names::{legacy, upstream};

use super::rbac::{self, namespaced};
use super::rules::{ADMISSION, APPS, CORE, EXTENSIONS, METALLB, Rule};
use super::yaml::Documents;
use super::{GENERATED, Options, manager};

const LIST: &[&str] = &["list"];

/// All that the command asks of the API server.
const RULES: &[Rule] = &[
    Rule {
        group: CORE,
        resources: &["services", "namespaces"],
        names: &[],
        verbs: LIST,
        reason: "which Services have which addresses, and which pools they may take them from",
    },
    Rule {
        group: APPS,
        resources: &["deployments", "daemonsets"],
        names: &[],
        verbs: LIST,
        reason: "which MetalLB runs already",
    },
    Rule {
        group: METALLB,
        resources: &[
            "metallbs",
            "ipaddresspools",
            "l2advertisements",
            "bgpadvertisements",
            "bgppeers",
            "bfdprofiles",
        ],
        names: &[],
        verbs: LIST,
        reason: "how it is configured",
    },
    Rule {
        group: CORE,
        resources: &["configmaps"],
        names: &legacy::CONFIG_MAPS,
        verbs: LIST,
        reason: "how MetalLB up to 0.12 is configured",
    },
    Rule {
        group: EXTENSIONS,
        resources: &["customresourcedefinitions"],
        names: &[],
        verbs: LIST,
        reason: "which versions are stored, and who converts them",
    },
    Rule {
        group: ADMISSION,
        resources: &["validatingwebhookconfigurations"],
        names: &[],
        verbs: LIST,
        reason: "who is asked about changes of the configuration",
    },
];

/// The file.
pub(super) fn file(options: &Options) -> String {
    let options = &Options {
        namespace: upstream::PREFLIGHT_NAMESPACE.to_owned(),
        ..options.clone()
    };
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(options.namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let account = ServiceAccount {
        metadata: namespaced(options, upstream::PREFLIGHT),
        ..ServiceAccount::default()
    };
    let pod = Pod {
        metadata: namespaced(options, upstream::PREFLIGHT),
        spec: Some(PodSpec {
            service_account_name: Some(upstream::PREFLIGHT.to_owned()),
            // Its exit code is its answer, and it is asked once.
            restart_policy: Some("Never".to_owned()),
            enable_service_links: Some(false),
            containers: vec![Container {
                name: upstream::PREFLIGHT.to_owned(),
                image: Some(options.image("operator")),
                command: Some(["/operator", upstream::PREFLIGHT].map(str::to_owned).into()),
                security_context: Some(manager::unprivileged()),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
        ..Pod::default()
    };
    let documents = Documents::default().add([], &namespace).add([], &account);
    let documents = rbac::everywhere(documents, options, upstream::PREFLIGHT, RULES);
    format!("{GENERATED}{}", documents.add([], &pod).finish())
}
