//! The table of what each process may do, each line with its reason. A process that needs more, says why here.

use metallb_api::names::object;

use crate::platform;

mod operator;

pub(super) use operator::{AT_HOME as OPERATOR_AT_HOME, EVERYWHERE as OPERATOR_EVERYWHERE};

/// Permission to do `verbs` with `resources`.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) group: &'static str,
    pub(super) resources: &'static [&'static str],
    /// Only the objects with these names; all if empty
    pub(super) names: &'static [&'static str],
    pub(super) verbs: &'static [&'static str],
    pub(super) reason: &'static str,
}

pub(super) const CORE: &str = "";
pub(super) const APPS: &str = "apps";
pub(super) const ADMISSION: &str = "admissionregistration.k8s.io";
pub(super) const EXTENSIONS: &str = "apiextensions.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";
const DISCOVERY: &str = "discovery.k8s.io";
pub(super) const METALLB: &str = metallb_api::names::GROUP;

const WATCH: &[&str] = &["list", "watch"];
/// Keeps one named object, of which only some fields are its own, right.
const TEND: &[&str] = &["list", "patch", "watch"];
const PUBLISH: &[&str] = &["create", "patch"];
/// Server-side apply of an object that is not there yet needs `create` besides `patch`.
const OWN: &[&str] = &["create", "delete", "list", "patch", "watch"];

/// Of several controllers or operators.
const STAND: Rule = Rule {
    group: COORDINATION,
    resources: &["leases"],
    names: &[],
    verbs: &["create"],
    reason: "takes part in the election of the one that acts; a name cannot be asked for here",
};

/// The controller, in all namespaces.
pub(super) const CONTROLLER_EVERYWHERE: &[Rule] = &[
    Rule {
        group: CORE,
        resources: &["services"],
        names: &[],
        verbs: WATCH,
        reason: "which Services want an address, and which have one",
    },
    Rule {
        group: CORE,
        resources: &["services/status"],
        names: &[],
        verbs: &["patch"],
        reason: "writes the address and the pool it came from",
    },
    Rule {
        group: CORE,
        resources: &["namespaces"],
        names: &[],
        verbs: WATCH,
        reason: "pools can be restricted to namespaces with certain labels",
    },
    Rule {
        group: CORE,
        resources: &["events"],
        names: &[],
        verbs: PUBLISH,
        reason: "tells on the Service why it has an address or none",
    },
    Rule {
        group: CORE,
        resources: &["nodes"],
        names: &[],
        verbs: WATCH,
        reason: "whether two peers or advertisements meet on a node; and why none announces a Service",
    },
    Rule {
        group: DISCOVERY,
        resources: &["endpointslices"],
        names: &[],
        verbs: &["list"],
        reason: "whether a Service that nobody announces has a ready endpoint",
    },
    Rule {
        group: ADMISSION,
        resources: &["validatingwebhookconfigurations"],
        names: &[object::WEBHOOK_CONFIGURATION],
        verbs: TEND,
        reason: "tells the API server whom to trust when it asks the webhooks",
    },
    Rule {
        group: EXTENSIONS,
        resources: &["customresourcedefinitions"],
        names: &[object::BGP_PEER_DEFINITION],
        verbs: TEND,
        reason: "the same where BGPPeer is converted by a webhook",
    },
    ASK_WHO,
    ASK_WHETHER,
];

/// Part of serving metrics: finds out who wants them.
const ASK_WHO: Rule = Rule {
    group: AUTHENTICATION,
    resources: &["tokenreviews"],
    names: &[],
    verbs: &["create"],
    reason: "who asks for the metrics",
};

/// Part of serving metrics.
const ASK_WHETHER: Rule = Rule {
    group: AUTHORIZATION,
    resources: &["subjectaccessreviews"],
    names: &[],
    verbs: &["create"],
    reason: "whether they may have them",
};

/// Part of saying whether the configuration is in force. Not by name: the first one is yet to be made.
const SAY_VALID: Rule = Rule {
    group: METALLB,
    resources: &["configurationstates"],
    names: &[],
    verbs: &["create", "delete", "list", "patch", "watch"],
    reason: "makes its own, and heals it. To delete is asked for when it takes over that of the pod before it (admission \
             plugin OwnerReferencesPermissionEnforcement)",
};

/// Part of saying whether the configuration is in force.
const SAY_VALID_STATUS: Rule = Rule {
    group: METALLB,
    resources: &["configurationstates/status"],
    names: &[],
    verbs: &["patch"],
    reason: "tells there whether it understands the configuration",
};

/// The controller, in its own namespace.
pub(super) const CONTROLLER_AT_HOME: &[Rule] = &[
    Rule {
        group: METALLB,
        resources: &["ipaddresspools"],
        names: &[],
        verbs: WATCH,
        reason: "the addresses there are",
    },
    Rule {
        group: METALLB,
        resources: &["ipaddresspools/status"],
        names: &[],
        verbs: &["patch"],
        reason: "counts how many of them are free",
    },
    Rule {
        group: METALLB,
        resources: &[
            "l2advertisements",
            "bgpadvertisements",
            "bgppeers",
            "bfdprofiles",
            "communities",
        ],
        names: &[],
        verbs: WATCH,
        reason: "what a new one has to agree with",
    },
    Rule {
        group: CORE,
        resources: &["secrets"],
        names: &[object::WEBHOOK_CERTIFICATE_SECRET],
        verbs: TEND,
        reason: "keeps the certificate of the webhooks in it; can see no other Secret",
    },
    Rule {
        group: CORE,
        resources: &["pods"],
        names: &[],
        verbs: &["get", "list", "watch"],
        reason: "its own, which its ConfigurationState is deleted with; and which nodes have a speaker",
    },
    Rule {
        group: METALLB,
        resources: &["servicel2statuses"],
        names: &[],
        verbs: WATCH,
        reason: "which Services are announced",
    },
    SAY_VALID,
    SAY_VALID_STATUS,
    STAND,
    Rule {
        group: COORDINATION,
        resources: &["leases"],
        names: &[object::CONTROLLER_LEASE],
        verbs: &["get", "update"],
        reason: "sees who was elected, and renews that; can see no other Lease",
    },
];

/// The controller, in its own namespace, in addition where no operator is: it makes the key of the speakers.
pub(super) const CONTROLLER_WITHOUT_OPERATOR: &[Rule] = &[
    Rule {
        group: CORE,
        resources: &["secrets"],
        names: &[],
        verbs: &["create"],
        reason: "makes the key that the speakers share; a name cannot be asked for here, and no Secret can be seen",
    },
    Rule {
        group: APPS,
        resources: &["deployments"],
        names: &[object::CONTROLLER],
        verbs: &["get"],
        reason: "its own, which that key is deleted with",
    },
];

/// The speaker, in all namespaces.
pub(super) const SPEAKER_EVERYWHERE: &[Rule] = &[
    Rule {
        group: CORE,
        resources: &["services", "nodes"],
        names: &[],
        verbs: WATCH,
        reason: "what there is to announce, and which nodes may do it",
    },
    Rule {
        group: DISCOVERY,
        resources: &["endpointslices"],
        names: &[],
        verbs: WATCH,
        reason: "only a Service with a ready endpoint is announced",
    },
    Rule {
        group: CORE,
        resources: &["events"],
        names: &[],
        verbs: PUBLISH,
        reason: "tells on the Service which node announces it",
    },
    ASK_WHO,
    ASK_WHETHER,
];

/// The speaker, in its own namespace.
pub(super) const SPEAKER_AT_HOME: &[Rule] = &[
    Rule {
        group: CORE,
        resources: &["pods"],
        names: &[],
        verbs: &["get", "list", "watch"],
        reason: "which nodes have a speaker",
    },
    Rule {
        group: METALLB,
        resources: &["ipaddresspools", "l2advertisements", "bgpadvertisements"],
        names: &[],
        verbs: WATCH,
        reason: "which addresses are announced, how and from where",
    },
    Rule {
        group: METALLB,
        resources: &["servicel2statuses"],
        names: &[],
        verbs: OWN,
        reason: "makes and cleans one for each Service that its node announces",
    },
    Rule {
        group: METALLB,
        resources: &["servicel2statuses/status"],
        names: &[],
        verbs: &["patch"],
        reason: "tells there which node announces the Service, and on which interfaces",
    },
    SAY_VALID,
    SAY_VALID_STATUS,
    Rule {
        group: platform::CONSTRAINTS.group,
        resources: &[platform::CONSTRAINTS.plural],
        names: &[object::SPEAKER_SCC],
        verbs: &["use"],
        reason: "on OpenShift: is admitted with the network of its node and raw sockets",
    },
];
