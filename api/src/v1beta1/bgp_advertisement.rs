//! The kind BGPAdvertisement.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies the struct, with its `pub`, into a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Which addresses to advertise, to which peers, from which nodes and with which attributes. Every list that is
/// left out means all.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "BGPAdvertisement",
    plural = "bgpadvertisements",
    namespaced,
    status = "BGPAdvertisementStatus",
    derive = "Default",
    derive = "PartialEq",
    attr = "cfg_attr(true, serde(default))",
    doc = "Makes addresses of pools reachable through routers: nodes advertise a route for them to their BGP \
           peers. Without a spec it covers all pools, to all peers.",
    printcolumn(name = "IPAddressPools", type_ = "string", json_path = ".spec.ipAddressPools"),
    printcolumn(
        name = "IPAddressPool Selectors",
        type_ = "string",
        json_path = ".spec.ipAddressPoolSelectors"
    ),
    printcolumn(name = "Peers", type_ = "string", json_path = ".spec.peers"),
    printcolumn(
        name = "Node Selectors",
        type_ = "string",
        json_path = ".spec.nodeSelectors",
        priority = 10
    )
)]
#[serde(rename_all = "camelCase")]
// A route that covers several addresses cannot be advertised for some of their Services only.
#[x_kube(validation = Rule::new(
    "!has(self.serviceSelectors) || self.serviceSelectors.size() == 0 || \
     ((!has(self.aggregationLength) || self.aggregationLength == 32) && \
     (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))"
).message(
    "serviceSelectors and aggregationLength are mutually exclusive, can only be used together with default \
     aggregationLength (32) and aggregationLengthV6 (128)"
))]
pub struct BGPAdvertisementSpec {
    /// Length of the IPv4 prefix to advertise. 32 advertises each address alone; a smaller number advertises the
    /// whole prefix of that length around it. It cannot be wider than the pool's own entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32), extend("default" = 32))]
    pub aggregation_length: Option<i32>,

    /// Length of the IPv6 prefix to advertise, up to 128 for each address alone.
    #[serde(
        default,
        rename = "aggregationLengthV6",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 0, max = 128), extend("default" = 128))]
    pub aggregation_length_v6: Option<i32>,

    /// Local preference of the routes: the highest wins. Only peers in the same autonomous system receive it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,

    /// Communities to attach to the routes: 64500:100, large:64500:1:2, or the name that a Community object gives
    /// to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::communities")]
    pub communities: Option<Vec<String>>,

    /// Pools to advertise, by name.
    #[serde(default, rename = "ipAddressPools", skip_serializing_if = "Option::is_none")]
    pub ip_address_pools: Option<Vec<String>>,

    /// Pools to advertise, by label. A pool that any of the selectors matches is added to those listed by name;
    /// with neither, all pools are advertised.
    #[serde(
        default,
        rename = "ipAddressPoolSelectors",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub ip_address_pool_selectors: Option<Vec<LabelSelector>>,

    /// Nodes that advertise, and so receive the traffic, by label; one matching selector is enough. Left out, all
    /// nodes do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub node_selectors: Option<Vec<LabelSelector>>,

    /// Peers to advertise to, by the name of their BGPPeer. Left out, all peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<String>>,

    /// Services to advertise, by label; one matching selector is enough. Left out, all Services with an address of
    /// the selected pools are advertised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub service_selectors: Option<Vec<LabelSelector>>,
}

/// Nothing is reported here. A ServiceBGPStatus says to which peers a node advertises a Service.
#[derive(schemars::JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BGPAdvertisementStatus {}
