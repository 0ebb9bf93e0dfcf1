//! Every name a user can see, spelt once: annotations, labels, events, conditions, objects, environment.
//!
//! Owns spelling only: when an event is sent or an annotation is honoured is decided elsewhere. What MetalLB
//! already calls something keeps that name, because dashboards, scripts and `kubectl wait` lines depend on it.

pub mod condition;
pub mod env;
pub mod legacy;
pub mod upstream;
pub mod webhook;

/// API group of all kinds.
pub const GROUP: &str = "metallb.io";
/// Version of all kinds but the stored one of BGPPeer.
pub const V1BETA1: &str = "v1beta1";
/// Stored version of BGPPeer.
pub const V1BETA2: &str = "v1beta2";

/// Annotations on a Service. The `metallb.io` key wins when both spellings are present, even if it is empty.
pub mod annotation {
    /// Pool to take the address from.
    pub const ADDRESS_POOL: &str = "metallb.io/address-pool";
    /// Addresses wanted, comma separated, at most one per family.
    pub const LOAD_BALANCER_IPS: &str = "metallb.io/loadBalancerIPs";
    /// Key that lets Services share one address.
    pub const ALLOW_SHARED_IP: &str = "metallb.io/allow-shared-ip";
    /// Written by the controller: name of the pool the address came from.
    pub const IP_ALLOCATED_FROM_POOL: &str = "metallb.io/ip-allocated-from-pool";

    /// Written by the operator on its pods: uid of the ServiceAccount whose token they were made with.
    pub const SERVICE_ACCOUNT_UID: &str = "metallb.io/service-account-uid";

    /// Written by the operator on the speakers' pods: what their files say, in short, so that they are made anew when a
    /// MetalLB changes it.
    pub const FILES: &str = "metallb.io/files";

    /// On the speakers' pods, on OpenShift: the security context constraints they are admitted by.
    pub const REQUIRED_SCC: &str = "openshift.io/required-scc";
    /// On the Services of metrics, on OpenShift: the Secret that a certificate is wanted in.
    pub const SERVING_CERTIFICATE: &str = "service.beta.openshift.io/serving-cert-secret-name";

    /// On a BGPPeer that is shown as v1beta1: the fields that version does not have, as JSON.
    pub const BEYOND_V1BETA1: &str = "metallb.io/beyond-v1beta1";

    /// Prefix of the old spelling. Any annotation that starts with it earns the Service a warning event.
    pub const DEPRECATED_PREFIX: &str = "metallb.universe.tf";
    /// Old spelling of [`ADDRESS_POOL`], still read.
    pub const DEPRECATED_ADDRESS_POOL: &str = "metallb.universe.tf/address-pool";
    /// Old spelling of [`LOAD_BALANCER_IPS`], still read.
    pub const DEPRECATED_LOAD_BALANCER_IPS: &str = "metallb.universe.tf/loadBalancerIPs";
    /// Old spelling of [`ALLOW_SHARED_IP`], still read.
    pub const DEPRECATED_ALLOW_SHARED_IP: &str = "metallb.universe.tf/allow-shared-ip";
    /// Old spelling of [`IP_ALLOCATED_FROM_POOL`]; never written, removed where found.
    pub const DEPRECATED_IP_ALLOCATED_FROM_POOL: &str = "metallb.universe.tf/ip-allocated-from-pool";
}

/// Labels written or read.
pub mod label {
    /// On a status object: node of the speaker that wrote it.
    pub const NODE: &str = "metallb.io/node";
    /// On a status object: name of the Service it is about.
    pub const SERVICE_NAME: &str = "metallb.io/service-name";
    /// On a status object: namespace of the Service it is about.
    pub const SERVICE_NAMESPACE: &str = "metallb.io/service-namespace";
    /// On a ConfigurationState: which process wrote it.
    pub const COMPONENT_TYPE: &str = "metallb.io/component-type";
    /// On a ConfigurationState of a speaker: its node.
    pub const NODE_NAME: &str = "metallb.io/node-name";

    /// On a Node, with any value: it must not announce load-balancer addresses.
    pub const EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS: &str =
        "node.kubernetes.io/exclude-from-external-load-balancers";
    /// On an EndpointSlice: name of the Service it belongs to.
    pub const ENDPOINT_SLICE_SERVICE: &str = "kubernetes.io/service-name";

    /// On what the operator makes: key of the application label.
    pub const APP: &str = "app";
    /// Value of [`APP`].
    pub const APP_METALLB: &str = "metallb";
    /// On what the operator makes: key of the component label.
    pub const COMPONENT: &str = "component";
    /// Value of [`COMPONENT`] and of [`COMPONENT_TYPE`] for the controller.
    pub const CONTROLLER: &str = "controller";
    /// Value of [`COMPONENT`] and of [`COMPONENT_TYPE`] for a speaker.
    pub const SPEAKER: &str = "speaker";
    /// On what the operator makes: key of the label that says so; only what carries it is ever pruned.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// Value of [`MANAGED_BY`].
    pub const METALLB_OPERATOR: &str = "metallb-operator";
    /// On a ConfigMap with a dashboard: by this key Grafana's sidecar finds it.
    pub const GRAFANA_DASHBOARD: &str = "grafana_dashboard";
    /// On what a Helm chart makes: key of the application label.
    pub const APP_NAME: &str = "app.kubernetes.io/name";
    /// On what a Helm chart makes: key of the component label.
    pub const APP_COMPONENT: &str = "app.kubernetes.io/component";
    /// Value of [`MANAGED_BY`] on what a Helm chart makes.
    pub const HELM: &str = "Helm";
    /// On the operator's pod: key of its label.
    pub const CONTROL_PLANE: &str = "control-plane";
    /// Value of [`CONTROL_PLANE`].
    pub const CONTROLLER_MANAGER: &str = "controller-manager";
}

/// Events: who reports them, and their reasons.
pub mod event {
    /// Component in the events of the controller.
    pub const CONTROLLER: &str = "metallb-controller";
    /// Component in the events of a speaker.
    pub const SPEAKER: &str = "metallb-speaker";
    /// Component in the events of the operator.
    pub const OPERATOR: &str = "metallb-operator";

    /// A Service got an address.
    pub const IP_ALLOCATED: &str = "IPAllocated";
    /// A Service could not get an address.
    pub const ALLOCATION_FAILED: &str = "AllocationFailed";
    /// An address a Service has is no longer allowed and is taken back.
    pub const CLEAR_ASSIGNMENT: &str = "ClearAssignment";
    /// The address a Service asks for cannot be understood.
    pub const LOAD_BALANCER_FAILED: &str = "LoadBalancerFailed";
    /// The second family of a dual-stack Service could not be added.
    pub const ADDITIONAL_ASSIGN_FAILED: &str = "AdditionalAssignFailed";
    /// A contradiction inside the controller.
    pub const INTERNAL_ERROR: &str = "InternalError";
    /// A Service uses an annotation with the old prefix.
    pub const DEPRECATED_ANNOTATION: &str = "deprecatedAnnotation";
    /// A dual-stack Service has only one cluster address. The blanks are part of the known reason.
    pub const NOT_ENOUGH_CLUSTER_IPS: &str = "not enough clusterips";
    /// The families of the addresses in a Service's status make no sense together.
    pub const NO_LB_IPS_FAMILY: &str = "nolbIPsIPFamily";
    /// The families of a Service's cluster addresses make no sense together.
    pub const NO_CLUSTER_IPS_FAMILY: &str = "noclusterIPsIPFamily";
    /// A Service names a pool that does not exist; the address came from another one.
    pub const ADDRESS_POOL_NOT_FOUND: &str = "addressPoolNotFound";
    /// The API server does not let the controller write the status of a Service.
    pub const STATUS_REFUSED: &str = "statusRefused";
    /// Something else has changed the address in the status of a Service, and it is put back.
    pub const STATUS_RESTORED: &str = "statusRestored";
    /// Something else keeps changing what the controller writes to the status of a Service.
    pub const STATUS_CONTESTED: &str = "statusContested";

    /// A MetalLB asks for a BGP implementation that is not installed.
    pub const BGP_BACKEND: &str = "BGPBackendNotInstalled";
    /// No node may run a speaker.
    pub const NO_NODES: &str = "NoNodeForSpeakers";

    /// A node announces the address of a Service.
    pub const NODE_ASSIGNED: &str = "nodeAssigned";
    /// The chosen node lacks the interfaces that the advertisement asks for.
    pub const ANNOUNCE_FAILED: &str = "announceFailed";
    /// A Service has an address that nobody announces.
    pub const NOT_ANNOUNCED: &str = "notAnnounced";
}

/// The protocol word in `nodeAssigned` events and in the speaker's metrics.
pub mod protocol {
    /// ARP and neighbour discovery.
    pub const LAYER2: &str = "layer2";
    /// BGP.
    pub const BGP: &str = "bgp";
}

/// Metrics, as dashboards and alerts know them.
pub mod metric {
    /// Where they are, and what a scraper must be allowed to `get`.
    pub const PATH: &str = "/metrics";
    /// The version that runs.
    pub const BUILD_INFO: &str = "metallb_build_info";

    /// Requests to the API server, under the name that every Go program has for them.
    pub const REQUESTS: &str = "rest_client_requests_total";
    /// Objects seen.
    pub const K8S_UPDATES: &str = "metallb_k8s_client_updates_total";
    /// Objects with which something was wrong.
    pub const K8S_UPDATE_ERRORS: &str = "metallb_k8s_client_update_errors_total";
    /// Whether there is a configuration in force.
    pub const CONFIG_LOADED: &str = "metallb_k8s_client_config_loaded_bool";
    /// Whether the last configuration written is not in force.
    pub const CONFIG_STALE: &str = "metallb_k8s_client_config_stale_bool";

    /// Label of everything about a pool.
    pub const POOL: &str = "pool";
    /// Addresses of a pool.
    pub const ADDRESSES: &str = "metallb_allocator_addresses_total";
    /// Those of IPv4.
    pub const IPV4_ADDRESSES: &str = "metallb_allocator_ipv4_addresses_total";
    /// Those of IPv6.
    pub const IPV6_ADDRESSES: &str = "metallb_allocator_ipv6_addresses_total";
    /// Addresses of a pool that Services have.
    pub const ADDRESSES_IN_USE: &str = "metallb_allocator_addresses_in_use_total";
    /// Those of IPv4.
    pub const IPV4_ADDRESSES_IN_USE: &str = "metallb_allocator_ipv4_addresses_in_use_total";
    /// Those of IPv6.
    pub const IPV6_ADDRESSES_IN_USE: &str = "metallb_allocator_ipv6_addresses_in_use_total";
    /// Services that have an address of a pool.
    pub const SERVICES_ALLOCATED: &str = "metallb_allocator_services_allocated_total";

    /// Label of everything about an address.
    pub const IP: &str = "ip";
    /// Requests for an address that is served here.
    pub const LAYER2_REQUESTS: &str = "metallb_layer2_requests_received";
    /// Answers to them.
    pub const LAYER2_RESPONSES: &str = "metallb_layer2_responses_sent";
    /// What is said without being asked.
    pub const LAYER2_GRATUITOUS: &str = "metallb_layer2_gratuitous_sent";
    /// Times that another station turned out to use an address that is served here.
    pub const LAYER2_CONTESTED: &str = "metallb_layer2_contested_total";
    /// Services that say that nobody announces their address.
    pub const UNANNOUNCED: &str = "metallb_controller_unannounced";
    /// Services that are announced by this node.
    pub const ANNOUNCED: &str = "metallb_speaker_announced";
    /// Speakers that hear of one another, this one included.
    pub const MEMBERS: &str = "metallb_speaker_members";
    /// What was received on the port of the membership protocol and not followed, and what could not be sent.
    pub const MEMBERSHIP_DROPPED: &str = "metallb_speaker_membership_dropped_total";
    /// Whether this node answers for an address that it is chosen for: 1 at one node for each address, and 0 at one that
    /// is silent because the others may have taken it for dead.
    pub const ADDRESS_OWNED: &str = "metallb_speaker_address_owned";
    /// Whether this node may answer at all.
    pub const MAY_ANNOUNCE: &str = "metallb_speaker_may_announce";
    /// What speakers found out about one another, by [`EVENT`].
    pub const FAILOVER_EVENTS: &str = "metallb_speaker_failover_events_total";
    /// Label: what was found out.
    pub const EVENT: &str = "event";
    /// Label: why.
    pub const REASON: &str = "reason";
    /// Label: the Service, with its namespace.
    pub const SERVICE: &str = "service";
    /// Label: how it is announced, one of [`super::protocol`].
    pub const PROTOCOL: &str = "protocol";
    /// Label: from where.
    pub const NODE: &str = "node";
}

/// Names of objects and of keys inside them.
pub mod object {
    /// Namespace of everything, unless installed elsewhere.
    pub const NAMESPACE: &str = "metallb-system";
    /// The one MetalLB the operator acts on.
    pub const METALLB: &str = "metallb";
    /// Deployment, ServiceAccount and container of the controller; also its ConfigurationState.
    pub const CONTROLLER: &str = "controller";
    /// Lease of the one controller that acts, if there are several.
    pub const CONTROLLER_LEASE: &str = "metallb-controller";
    /// Lease of the one operator that acts, if there are several.
    pub const OPERATOR_LEASE: &str = "metallb-operator";
    /// DaemonSet, ServiceAccount and container of the speakers.
    pub const SPEAKER: &str = "speaker";
    /// Prefix of the name of a speaker's ConfigurationState; the node's name follows.
    pub const SPEAKER_STATE_PREFIX: &str = "speaker-";
    /// Deployment of the operator.
    pub const OPERATOR: &str = "metallb-operator-controller-manager";
    /// NetworkPolicy of the operator.
    pub const OPERATOR_POLICY: &str = "operator";
    /// ServiceAccount and Role of the operator.
    pub const OPERATOR_ACCOUNT: &str = "metallb-operator";
    /// SecurityContextConstraints of the speakers, on OpenShift.
    pub const SPEAKER_SCC: &str = "metallb-speaker";
    /// Secret with the key that the speakers share.
    pub const MEMBERLIST_SECRET: &str = "metallb-memberlist";
    /// The same where the plain manifests installed MetalLB, as its own manifests call it.
    pub const PLAIN_MEMBERLIST_SECRET: &str = "memberlist";
    /// Key inside [`MEMBERLIST_SECRET`], and name of the file it is mounted as.
    pub const MEMBERLIST_SECRET_KEY: &str = "secretkey";
    /// Name of the port that the speakers hear of one another on, over UDP.
    pub const MEMBERLIST_UDP_PORT: &str = "memberlist-udp";
    /// The same over TCP.
    pub const MEMBERLIST_TCP_PORT: &str = "memberlist-tcp";
    /// ConfigMap with the numbers of the membership protocol; there need not be one.
    pub const MEMBERLIST_CONFIG: &str = "metallb-memberlist-config";
    /// Key inside [`MEMBERLIST_CONFIG`], and name of the file it is mounted as.
    pub const MEMBERLIST_CONFIG_FILE: &str = "config.json";
    /// Directory the speaker reads [`MEMBERLIST_CONFIG_FILE`] from.
    pub const MEMBERLIST_CONFIG_DIRECTORY: &str = "/etc/metallb/memberlist";
    /// ConfigMap with the interfaces that never announce.
    pub const EXCLUDE_L2: &str = "metallb-excludel2";
    /// Key inside [`EXCLUDE_L2`], and name of the file it is mounted as.
    pub const EXCLUDE_L2_FILE: &str = "excludel2.yaml";
    /// Field inside [`EXCLUDE_L2_FILE`]: a list of regular expressions.
    pub const EXCLUDE_L2_FIELD: &str = "announcedInterfacesToExclude";
    /// Directory the speaker reads [`EXCLUDE_L2_FILE`] from.
    pub const EXCLUDE_L2_DIRECTORY: &str = "/etc/metallb";
    /// Start of the generated name of a ServiceL2Status.
    pub const SERVICE_L2_STATUS_PREFIX: &str = "l2-";
    /// Start of the generated name of a ServiceBGPStatus.
    pub const SERVICE_BGP_STATUS_PREFIX: &str = "bgp-";
    /// Name of the port of the metrics, in pods and Services.
    pub const METRICS_PORT: &str = "metricshttps";
    /// Name of the port of the webhooks in the controller's pods.
    pub const WEBHOOK_PORT: &str = "webhook-server";
    /// Service without an address that lists the metrics endpoints of the controller.
    pub const CONTROLLER_METRICS: &str = "controller-monitor-service";
    /// Service without an address that lists the metrics endpoints of the speakers.
    pub const SPEAKER_METRICS: &str = "speaker-monitor-service";
    /// ServiceMonitor of the controller.
    pub const CONTROLLER_MONITOR: &str = "controller-monitor";
    /// ServiceMonitor of the speakers.
    pub const SPEAKER_MONITOR: &str = "speaker-monitor";
    /// ConfigMap with the dashboard of the metrics.
    pub const DASHBOARD: &str = "metallb-dashboard";
    /// Key inside [`DASHBOARD`].
    pub const DASHBOARD_FILE: &str = "metallb.json";
    /// PrometheusRule, and the group of alerts in it.
    pub const ALERTS: &str = "metallb-alerts";
    /// Secret with the certificate of the controller's metrics, on OpenShift.
    pub const CONTROLLER_METRICS_CERTIFICATE: &str = "controller-certs-secret";
    /// Secret with the certificate of the speakers' metrics, on OpenShift.
    pub const SPEAKER_METRICS_CERTIFICATE: &str = "speaker-certs-secret";
    /// Directory the pods read it from.
    pub const METRICS_CERTIFICATE_DIRECTORY: &str = "/etc/metallb-metrics-cert";
    /// Service of the admission and conversion webhooks.
    pub const WEBHOOK_SERVICE: &str = "metallb-webhook-service";
    /// Secret with the certificate of the webhooks.
    pub const WEBHOOK_CERTIFICATE_SECRET: &str = "metallb-webhook-cert";
    /// The ValidatingWebhookConfiguration.
    pub const WEBHOOK_CONFIGURATION: &str = "metallb-webhook-configuration";
    /// Service of the operator's own webhook.
    pub const OPERATOR_WEBHOOK_SERVICE: &str = "metallb-operator-webhook-service";
    /// Secret with its certificate.
    pub const OPERATOR_CERTIFICATE_SECRET: &str = "metallb-operator-webhook-server-cert";
    /// ValidatingWebhookConfiguration of it.
    pub const OPERATOR_WEBHOOK_CONFIGURATION: &str = "metallb-operator-webhook-configuration";
    /// The CustomResourceDefinition of BGPPeer, which a webhook converts.
    pub const BGP_PEER_DEFINITION: &str = "bgppeers.metallb.io";
}

/// Field managers of server-side apply: who owns which field.
pub mod field_manager {
    /// The operator, on everything it makes and on the status of MetalLB.
    pub const OPERATOR: &str = "metallb-operator";
    /// The controller, on Services and pools.
    pub const CONTROLLER: &str = "metallb-controller";
    /// A speaker, on its status objects.
    pub const SPEAKER: &str = "metallb-speaker";
    /// The controller and the operator, on their webhooks' certificates and on what tells the API server whom to trust.
    pub const CERTIFICATES: &str = "MetalLB";
    /// The controller, on its condition in ConfigurationState.
    pub const POOL_RECONCILER: &str = "poolReconciler";
    /// A speaker, on its condition in ConfigurationState.
    pub const CONFIG_RECONCILER: &str = "configReconciler";
}

/// Flags of which one process has to know what another one was given.
pub mod flag {
    /// Speaker: take nodes that are labelled for exclusion all the same.
    pub const IGNORE_EXCLUDE_LABEL: &str = "ignore-exclude-lb";
}

/// Interfaces that never announce.
pub mod interface {
    /// Regular expressions, matched anywhere in an interface's name, of those that are left alone unless the
    /// administrator says otherwise: the interfaces of container networks and virtual machines, where an answer would
    /// reach only the own node and could take an address away from a pod.
    pub const EXCLUDED: [&str; 14] = [
        "^docker.*",
        "^cbr.*",
        "^dummy.*",
        "^virbr.*",
        "^lxcbr.*",
        "^veth.*",
        "^lo$",
        "^cali.*",
        "^tunl.*",
        "^flannel.*",
        "^kube-ipvs.*",
        "^cni.*",
        "^nodelocaldns.*",
        "^lxc.*",
    ];
}
