//! The table behind [`super`]: how a console should call each field, and how it should ask for it.

/// A kind.
pub(super) struct Kind {
    /// As in the CRD
    pub(super) name: &'static str,
    /// As people call it
    pub(super) display_name: &'static str,
    /// Nobody but MetalLB makes one
    pub(super) written_by_metallb: bool,
    /// Kinds and versions of objects that belong to one, or that it is about
    pub(super) resources: &'static [(&'static str, &'static str)],
    /// The fields of `spec`
    pub(super) spec: &'static [Field],
    /// The fields of `status`
    pub(super) status: &'static [Field],
}

/// A field.
pub(super) struct Field {
    /// Below `spec` or `status`, with `[0]` for any entry of a list
    pub(super) path: &'static str,
    /// As people call it
    pub(super) label: &'static str,
    /// How a form asks for it, or a page shows it
    pub(super) input: &'static [&'static str],
}

const fn field(path: &'static str, label: &'static str, input: &'static [&'static str]) -> Field {
    Field { path, label, input }
}

const PLAIN: &[&str] = &[];
const TEXT: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:text"];
const NUMBER: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:number"];
const SWITCH: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:booleanSwitch"];
const PASSWORD: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:password"];
const PODS: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:podCount"];
const RESOURCES: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:resourceRequirements"];
const NODES: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:selector:core:v1:Node"];
const SERVICES: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:selector:core:v1:Service"];
const NAMESPACES: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:selector:core:v1:Namespace"];
const ADVANCED: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:advanced"];
const ADVANCED_SWITCH: &[&str] = &[SWITCH[0], ADVANCED[0]];
const ADVANCED_NUMBER: &[&str] = &[NUMBER[0], ADVANCED[0]];
const ADVANCED_TEXT: &[&str] = &[TEXT[0], ADVANCED[0]];
const HIDDEN: &[&str] = &["urn:alm:descriptor:com.tectonic.ui:hidden"];
const SECRET: &[&str] = &["urn:alm:descriptor:io.kubernetes:Secret"];
const CONDITIONS: &[&str] = &["urn:alm:descriptor:io.kubernetes.conditions"];
const LOG_LEVELS: &[&str] = &[
    "urn:alm:descriptor:com.tectonic.ui:select:all",
    "urn:alm:descriptor:com.tectonic.ui:select:debug",
    "urn:alm:descriptor:com.tectonic.ui:select:info",
    "urn:alm:descriptor:com.tectonic.ui:select:warn",
    "urn:alm:descriptor:com.tectonic.ui:select:error",
    "urn:alm:descriptor:com.tectonic.ui:select:none",
    ADVANCED[0],
];

/// What a pool or an announcement is about.
const SERVICE: &[(&str, &str)] = &[("Service", "v1")];

/// All kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "MetalLB",
        display_name: "MetalLB",
        written_by_metallb: false,
        resources: &[
            ("Deployment", "v1"),
            ("DaemonSet", "v1"),
            ("Pod", "v1"),
            ("Service", "v1"),
            ("ConfigMap", "v1"),
            ("Secret", "v1"),
            ("ServiceAccount", "v1"),
            ("PodDisruptionBudget", "v1"),
            ("NetworkPolicy", "v1"),
        ],
        spec: METALLB,
        status: &[
            field("conditions", "Conditions", CONDITIONS),
            field("speakers.ready", "Speakers that are ready", PLAIN),
            field("speakers.wanted", "Speakers that there should be", PLAIN),
            field("version", "Version", PLAIN),
        ],
    },
    Kind {
        name: "IPAddressPool",
        display_name: "Address Pool",
        written_by_metallb: false,
        resources: SERVICE,
        spec: POOL,
        status: &[
            field("assignedIPv4", "IPv4 addresses in use", PLAIN),
            field("availableIPv4", "Free IPv4 addresses", PLAIN),
            field("assignedIPv6", "IPv6 addresses in use", PLAIN),
            field("availableIPv6", "Free IPv6 addresses", PLAIN),
        ],
    },
    Kind {
        name: "L2Advertisement",
        display_name: "Layer 2 Advertisement",
        written_by_metallb: false,
        resources: SERVICE,
        spec: LAYER2,
        status: &[],
    },
    Kind {
        name: "BGPAdvertisement",
        display_name: "BGP Advertisement",
        written_by_metallb: false,
        resources: SERVICE,
        spec: BGP,
        status: &[],
    },
    Kind {
        name: "BGPPeer",
        display_name: "BGP Peer",
        written_by_metallb: false,
        resources: &[("Secret", "v1"), ("Node", "v1")],
        spec: PEER,
        status: &[],
    },
    Kind {
        name: "BFDProfile",
        display_name: "BFD Profile",
        written_by_metallb: false,
        resources: &[("BGPPeer", "v1beta2")],
        spec: BFD,
        status: &[],
    },
    Kind {
        name: "Community",
        display_name: "BGP Communities",
        written_by_metallb: false,
        resources: &[("BGPAdvertisement", "v1beta1")],
        spec: &[
            field("communities", "Names", PLAIN),
            field("communities[0].name", "Name", TEXT),
            field("communities[0].value", "Community", TEXT),
        ],
        status: &[],
    },
    Kind {
        name: "ServiceL2Status",
        display_name: "Layer 2 Status of a Service",
        written_by_metallb: true,
        resources: SERVICE,
        spec: &[],
        status: &[
            field("serviceName", "Service", TEXT),
            field("serviceNamespace", "Namespace of the Service", TEXT),
            field("node", "Node that announces it", TEXT),
            field("interfaces", "Interfaces", PLAIN),
            field("interfaces[0].name", "Interface", TEXT),
        ],
    },
    Kind {
        name: "ServiceBGPStatus",
        display_name: "BGP Status of a Service",
        written_by_metallb: true,
        resources: SERVICE,
        spec: &[],
        status: &[
            field("serviceName", "Service", TEXT),
            field("serviceNamespace", "Namespace of the Service", TEXT),
            field("node", "Node that advertises it", TEXT),
            field("peers", "Peers", PLAIN),
        ],
    },
    Kind {
        name: "ConfigurationState",
        display_name: "State of the Configuration",
        written_by_metallb: true,
        resources: &[("Pod", "v1")],
        spec: &[],
        status: &[
            field("result", "Result", TEXT),
            field("errorSummary", "What is wrong", TEXT),
            field("conditions", "Conditions", CONDITIONS),
        ],
    },
];

const METALLB: &[Field] = &[
    field("nodeSelector", "Nodes with a speaker", NODES),
    field("speakerTolerations", "Taints the speakers tolerate", PLAIN),
    field("loadBalancerClass", "Load balancer class", TEXT),
    field("logLevel", "Log level", LOG_LEVELS),
    field("controllerNodeSelector", "Nodes for the controller", NODES),
    field(
        "controllerTolerations",
        "Taints the controller tolerates",
        ADVANCED,
    ),
    field("controllerConfig", "Controller", ADVANCED),
    field("controllerConfig.replicas", "Number of controllers", PODS),
    field(
        "controllerConfig.resources",
        "Resources of the controller",
        RESOURCES,
    ),
    field(
        "controllerConfig.affinity",
        "Affinity of the controller",
        ADVANCED,
    ),
    field(
        "controllerConfig.annotations",
        "Annotations of the controller's pods",
        ADVANCED,
    ),
    field(
        "controllerConfig.priorityClassName",
        "Priority class of the controller",
        ADVANCED_TEXT,
    ),
    field(
        "controllerConfig.runtimeClassName",
        "Runtime class of the controller",
        ADVANCED_TEXT,
    ),
    field(
        "controllerConfig.extraArgs",
        "Further arguments of the controller",
        ADVANCED,
    ),
    field("speakerConfig", "Speakers", ADVANCED),
    field(
        "speakerConfig.tolerateAll",
        "Tolerate every taint",
        ADVANCED_SWITCH,
    ),
    field(
        "speakerConfig.updateStrategy",
        "How the speakers are replaced",
        ADVANCED,
    ),
    field(
        "speakerConfig.excludedInterfaces",
        "Interfaces to stay silent on",
        ADVANCED,
    ),
    field("speakerConfig.memberlist", "Membership of the speakers", ADVANCED),
    field(
        "speakerConfig.extraArgs",
        "Further arguments of the speakers",
        ADVANCED,
    ),
    field("speakerConfig.resources", "Resources of each speaker", RESOURCES),
    field("speakerConfig.affinity", "Affinity of the speakers", ADVANCED),
    field(
        "speakerConfig.annotations",
        "Annotations of the speakers' pods",
        ADVANCED,
    ),
    field(
        "speakerConfig.priorityClassName",
        "Priority class of the speakers",
        ADVANCED_TEXT,
    ),
    field(
        "speakerConfig.runtimeClassName",
        "Runtime class of the speakers",
        ADVANCED_TEXT,
    ),
    field("bgpBackend", "BGP implementation", ADVANCED_TEXT),
    field("frrk8sConfig", "frr-k8s", HIDDEN),
    field("image", "Image", HIDDEN),
];

const POOL: &[Field] = &[
    field("addresses", "Addresses", PLAIN),
    field("autoAssign", "For Services that do not ask for it", SWITCH),
    field("avoidBuggyIPs", "Leave out .0 and .255", SWITCH),
    field("serviceAllocation", "Who may use it", ADVANCED),
    field("serviceAllocation.priority", "Priority", ADVANCED_NUMBER),
    field("serviceAllocation.namespaces", "Namespaces", ADVANCED),
    field(
        "serviceAllocation.namespaceSelectors",
        "Namespaces, by label",
        NAMESPACES,
    ),
    field(
        "serviceAllocation.serviceSelectors",
        "Services, by label",
        SERVICES,
    ),
];

const LAYER2: &[Field] = &[
    field("ipAddressPools", "Pools", PLAIN),
    field("ipAddressPoolSelectors", "Pools, by label", ADVANCED),
    field("nodeSelectors", "Nodes", NODES),
    field("preferredNodeSelectors", "Preferred nodes", ADVANCED),
    field("preferredNodeSelectors[0].weight", "Weight", ADVANCED_NUMBER),
    field("interfaces", "Interfaces", PLAIN),
    field("serviceSelectors", "Services, by label", SERVICES),
];

const BGP: &[Field] = &[
    field("ipAddressPools", "Pools", PLAIN),
    field("ipAddressPoolSelectors", "Pools, by label", ADVANCED),
    field("peers", "Peers", PLAIN),
    field("communities", "Communities", PLAIN),
    field("localPref", "Local preference", NUMBER),
    field("aggregationLength", "IPv4 prefix length", ADVANCED_NUMBER),
    field("aggregationLengthV6", "IPv6 prefix length", ADVANCED_NUMBER),
    field("nodeSelectors", "Nodes", NODES),
    field("serviceSelectors", "Services, by label", SERVICES),
];

const PEER: &[Field] = &[
    field("myASN", "Own AS number", NUMBER),
    field("peerASN", "AS number of the peer", NUMBER),
    field("dynamicASN", "AS number of the peer, as it comes", ADVANCED_TEXT),
    field("localASN", "AS number to present", ADVANCED_NUMBER),
    field("peerAddress", "Address of the peer", TEXT),
    field("interface", "Interface that leads to the peer", ADVANCED_TEXT),
    field("peerPort", "Port of the peer", ADVANCED_NUMBER),
    field("sourceAddress", "Address to dial from", ADVANCED_TEXT),
    field("routerID", "Router identifier", ADVANCED_TEXT),
    field("nodeSelectors", "Nodes", NODES),
    field("holdTime", "Hold time", ADVANCED_TEXT),
    field("keepaliveTime", "Time between keepalives", ADVANCED_TEXT),
    field("connectTime", "Time between attempts to connect", ADVANCED_TEXT),
    field("passwordSecret", "Secret with the password", ADVANCED),
    field("passwordSecret.name", "Name of the Secret", SECRET),
    field("password", "Password", PASSWORD),
    field("bfdProfile", "BFD profile", TEXT),
    field("ebgpMultiHop", "More than one hop away", SWITCH),
    field("enableGracefulRestart", "Graceful restart", ADVANCED_SWITCH),
    field(
        "dualStackAddressFamily",
        "Routes of both families",
        ADVANCED_SWITCH,
    ),
    field("vrf", "VRF", ADVANCED_TEXT),
    field("disableMP", "Disable MP-BGP", HIDDEN),
];

const BFD: &[Field] = &[
    field("receiveInterval", "Receive interval (ms)", NUMBER),
    field("transmitInterval", "Transmit interval (ms)", NUMBER),
    field("detectMultiplier", "Detection multiplier", NUMBER),
    field("echoMode", "Echo mode", ADVANCED_SWITCH),
    field("echoInterval", "Echo interval (ms)", ADVANCED_NUMBER),
    field("passiveMode", "Passive", ADVANCED_SWITCH),
    field("minimumTtl", "Minimum TTL", ADVANCED_NUMBER),
];
