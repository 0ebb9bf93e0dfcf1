//! What the operator may do.

use metallb_api::names::object;

use super::{ADMISSION, APPS, COORDINATION, CORE, EXTENSIONS, METALLB, OWN, Rule, STAND, TEND, WATCH};
use crate::platform;

const POLICY: &str = "policy";
const NETWORKING: &str = "networking.k8s.io";

/// The operator, outside its namespace.
pub(in super::super) const EVERYWHERE: &[Rule] = &[
    Rule {
        group: APPS,
        resources: &["deployments", "daemonsets"],
        names: &[],
        verbs: WATCH,
        reason: "whether another MetalLB is installed, in whatever namespace: two would give out the same addresses",
    },
    Rule {
        group: ADMISSION,
        resources: &["validatingwebhookconfigurations"],
        names: &[object::WEBHOOK_CONFIGURATION],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        reason: "registers the webhooks of the controller, and ends that with the MetalLB; they are in no namespace",
    },
    Rule {
        group: ADMISSION,
        resources: &["validatingwebhookconfigurations"],
        names: &[object::OPERATOR_WEBHOOK_CONFIGURATION],
        verbs: TEND,
        reason: "tells the API server whom to trust when it asks the operator about a MetalLB",
    },
    Rule {
        group: EXTENSIONS,
        resources: &["customresourcedefinitions"],
        names: &[object::BGP_PEER_DEFINITION],
        verbs: &["get", "list", "patch", "watch"],
        reason: "has BGPPeer converted by the controller, and ends that with the MetalLB",
    },
    Rule {
        group: platform::CONSTRAINTS.group,
        resources: &[platform::CONSTRAINTS.plural],
        names: &[object::SPEAKER_SCC],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        reason: "on OpenShift: makes and heals what admits the speakers, and removes it with the MetalLB",
    },
    Rule {
        group: platform::API_SERVERS.group,
        resources: &[platform::API_SERVERS.plural],
        names: &[platform::CONFIG_NAME],
        verbs: &["get", "list", "watch"],
        reason: "on OpenShift: which versions of TLS and which suites the servers of the cluster are to offer",
    },
];

/// The operator, in its own namespace. It has no permission to grant permissions.
pub(in super::super) const AT_HOME: &[Rule] = &[
    Rule {
        group: METALLB,
        resources: &["metallbs"],
        names: &[],
        verbs: &["get", "list", "watch"],
        reason: "the resource it acts on",
    },
    Rule {
        group: METALLB,
        resources: &["metallbs/status"],
        names: &[],
        verbs: &["patch"],
        reason: "tells there what became of it",
    },
    Rule {
        group: METALLB,
        resources: &["metallbs/finalizers"],
        names: &[],
        verbs: &["update"],
        reason: "may be asked for to own objects (admission plugin OwnerReferencesPermissionEnforcement)",
    },
    Rule {
        group: APPS,
        resources: &["deployments", "daemonsets"],
        names: &[],
        verbs: OWN,
        reason: "makes, heals and prunes the controller and the speakers",
    },
    Rule {
        group: CORE,
        resources: &["configmaps", "serviceaccounts", "services"],
        names: &[],
        verbs: OWN,
        reason: "makes, heals and prunes what their pods need",
    },
    Rule {
        group: POLICY,
        resources: &["poddisruptionbudgets"],
        names: &[],
        verbs: OWN,
        reason: "keeps a drain from taking all controllers at once",
    },
    Rule {
        group: NETWORKING,
        resources: &["networkpolicies"],
        names: &[],
        verbs: OWN,
        reason: "lets the controller be reached where it has to be, and nowhere else",
    },
    Rule {
        group: CORE,
        resources: &["secrets"],
        names: &[object::MEMBERLIST_SECRET, object::WEBHOOK_CERTIFICATE_SECRET],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        reason: "makes and heals the key that the speakers share, and the empty Secret for the certificate of the \
                 webhooks; can see no other Secret. To delete is asked for when it takes over one that is there \
                 (admission plugin OwnerReferencesPermissionEnforcement)",
    },
    Rule {
        group: CORE,
        resources: &["secrets"],
        names: &[object::OPERATOR_CERTIFICATE_SECRET],
        verbs: &["create", "list", "patch", "watch"],
        reason: "the certificate of its own webhook",
    },
    Rule {
        group: CORE,
        resources: &["namespaces"],
        names: &[],
        verbs: &["get"],
        reason: "its own one (a Role of a namespace allows no other), with which the registration of the webhooks goes",
    },
    Rule {
        group: CORE,
        resources: &["pods"],
        names: &[],
        verbs: &["get"],
        reason: "whether the operator that leads still runs",
    },
    STAND,
    Rule {
        group: COORDINATION,
        resources: &["leases"],
        names: &[object::OPERATOR_LEASE],
        verbs: &["delete", "get"],
        reason: "sees which operator acts, and hands over; can see no other Lease",
    },
    Rule {
        group: platform::SERVICE_MONITORS.group,
        resources: &[platform::SERVICE_MONITORS.plural],
        names: &[object::CONTROLLER_MONITOR, object::SPEAKER_MONITOR],
        verbs: &["create", "list", "patch", "watch"],
        reason: "has Prometheus collect the metrics, where there is an operator of it; they go with the MetalLB",
    },
    Rule {
        group: platform::PROMETHEUS_RULES.group,
        resources: &[platform::PROMETHEUS_RULES.plural],
        names: &[object::ALERTS],
        verbs: &["create", "list", "patch", "watch"],
        reason: "has Prometheus warn of faulty configurations and full pools; goes with the MetalLB",
    },
    Rule {
        group: CORE,
        resources: &["pods"],
        names: &[],
        verbs: &["list"],
        reason: "what keeps those of the controller and the speakers from running, to tell it on the MetalLB",
    },
    Rule {
        group: CORE,
        resources: &["events"],
        names: &[],
        verbs: &["create", "list", "patch"],
        reason: "tells on the MetalLB what is wrong with it; and what is told on the speakers that cannot be made",
    },
];
