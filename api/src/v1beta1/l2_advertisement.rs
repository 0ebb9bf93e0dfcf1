//! The kind L2Advertisement.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which addresses to announce, for which Services, from which nodes and interfaces. Every list that is left out
/// means all.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "L2Advertisement",
    plural = "l2advertisements",
    namespaced,
    status = "L2AdvertisementStatus",
    derive = "Default",
    derive = "PartialEq",
    attr = "cfg_attr(true, serde(default))",
    doc = "Makes addresses of pools reachable on the local network: for each Service one node answers ARP (IPv4) \
           and neighbour discovery (IPv6) for its address. Without a spec it covers all pools from all nodes.",
    printcolumn(name = "IPAddressPools", type_ = "string", json_path = ".spec.ipAddressPools"),
    printcolumn(
        name = "IPAddressPool Selectors",
        type_ = "string",
        json_path = ".spec.ipAddressPoolSelectors"
    ),
    printcolumn(name = "Interfaces", type_ = "string", json_path = ".spec.interfaces"),
    printcolumn(
        name = "Node Selectors",
        type_ = "string",
        json_path = ".spec.nodeSelectors",
        priority = 10
    )
)]
#[serde(rename_all = "camelCase")]
pub struct L2AdvertisementSpec {
    /// Pools to announce, by name.
    #[serde(default, rename = "ipAddressPools", skip_serializing_if = "Option::is_none")]
    pub ip_address_pools: Option<Vec<String>>,

    /// Pools to announce, by label. A pool that any of the selectors matches is added to those listed by name;
    /// with neither, all pools are announced.
    #[serde(
        default,
        rename = "ipAddressPoolSelectors",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub ip_address_pool_selectors: Option<Vec<LabelSelector>>,

    /// Nodes that may announce, by label; one matching selector is enough. Left out, all nodes may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub node_selectors: Option<Vec<LabelSelector>>,

    /// Network interfaces to announce on, by exact name. Left out, all interfaces are used. A node without any of
    /// them can be chosen all the same, so select nodes too where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<String>>,

    /// Services to announce, by label; one matching selector is enough. Left out, all Services with an address of
    /// the selected pools are announced. Cannot be combined with Services that share an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub service_selectors: Option<Vec<LabelSelector>>,

    /// Nodes to prefer among those that may announce. The weights of all selectors that match a node are added
    /// up, and the node with the highest sum announces; other nodes take over when it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_node_selectors: Option<Vec<PreferredNodeSelector>>,
}

/// A preference for some nodes.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreferredNodeSelector {
    /// How much a matching node is preferred, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,

    /// The nodes, by label. An empty selector matches every node.
    #[schemars(schema_with = "crate::schema::label_selector")]
    pub preference: LabelSelector,
}

/// Nothing is reported here. A ServiceL2Status says which node announces a Service.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct L2AdvertisementStatus {}
