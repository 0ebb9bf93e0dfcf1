//! The table of what each process may do, each line with its reason. A process that needs more, says why here.

/// Permission to do `verbs` with `resources`.
pub(super) struct Rule {
    pub(super) group: &'static str,
    pub(super) resources: &'static [&'static str],
    /// Only the objects with these names; all if empty
    pub(super) names: &'static [&'static str],
    pub(super) verbs: &'static [&'static str],
    pub(super) reason: &'static str,
}

const CORE: &str = "";
const APPS: &str = "apps";
const DISCOVERY: &str = "discovery.k8s.io";
const METALLB: &str = metallb_api::names::GROUP;

const WATCH: &[&str] = &["list", "watch"];
const PUBLISH: &[&str] = &["create", "patch"];
/// Server-side apply of an object that is not there yet needs `create` besides `patch`.
const OWN: &[&str] = &["create", "delete", "list", "patch", "watch"];

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
];

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
];

/// The speaker, in its own namespace.
pub(super) const SPEAKER_AT_HOME: &[Rule] = &[
    Rule {
        group: CORE,
        resources: &["pods"],
        names: &[],
        verbs: WATCH,
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
];

/// The operator. All of it in its own namespace: it has no permission anywhere else, and none to grant permissions.
pub(super) const OPERATOR_AT_HOME: &[Rule] = &[
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
        resources: &["configmaps", "serviceaccounts"],
        names: &[],
        verbs: OWN,
        reason: "makes, heals and prunes what their pods need",
    },
    Rule {
        group: CORE,
        resources: &["secrets"],
        names: &[metallb_api::names::object::MEMBERLIST_SECRET],
        verbs: &["create", "get", "list", "patch", "watch"],
        reason: "makes and heals the key that the speakers share; can see no other Secret",
    },
    Rule {
        group: CORE,
        resources: &["events"],
        names: &[],
        verbs: PUBLISH,
        reason: "tells on the MetalLB what is wrong with it",
    },
];
