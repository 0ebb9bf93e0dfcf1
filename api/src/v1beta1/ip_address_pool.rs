//! The kind IPAddressPool. Addresses are text here; they are parsed where the configuration is read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the pool holds and who may use it.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "IPAddressPool",
    plural = "ipaddresspools",
    namespaced,
    status = "IPAddressPoolStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A set of addresses that Services of type LoadBalancer get theirs from. It has to be in the namespace \
           MetalLB runs in. A pool alone makes addresses available; an L2Advertisement or a BGPAdvertisement makes \
           them reachable.",
    printcolumn(name = "Auto Assign", type_ = "boolean", json_path = ".spec.autoAssign"),
    printcolumn(
        name = "Avoid Buggy IPs",
        type_ = "boolean",
        json_path = ".spec.avoidBuggyIPs"
    ),
    printcolumn(name = "Addresses", type_ = "string", json_path = ".spec.addresses")
)]
#[serde(rename_all = "camelCase")]
pub struct IPAddressPoolSpec {
    /// The addresses, IPv4 and IPv6 in any mix. An entry is a prefix (192.0.2.0/24, 2001:db8::/120) or a range of
    /// the first and the last address (192.0.2.10-192.0.2.20). No address may be in two entries or two pools.
    #[schemars(schema_with = "crate::schema::pool_addresses")]
    pub addresses: Vec<String>,

    /// Whether a Service that does not ask for this pool may get an address of it. When false, only a Service that
    /// names the pool, or one of its addresses, is served from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub auto_assign: Option<bool>,

    /// Never hand out IPv4 addresses that end in .0 or .255: some old network equipment drops traffic to them.
    #[serde(default, rename = "avoidBuggyIPs", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub avoid_buggy_ips: Option<bool>,

    /// Limits the pool to some Services, and ranks it among the pools that serve them. Without it the pool serves
    /// every Service, after the pools that were set aside for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_allocation: Option<ServiceAllocation>,
}

/// The Services that a pool is set aside for. With none of the three lists set these are all Services.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAllocation {
    /// Rank among the pools that are set aside for the same Service: the lowest number is tried first. 0, like no
    /// value, comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,

    /// Namespaces whose Services may use the pool, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,

    /// Namespaces whose Services may use the pool, by label. A namespace that any of the selectors matches is
    /// added to those listed by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub namespace_selectors: Option<Vec<LabelSelector>>,

    /// Services that may use the pool, by label; one matching selector is enough. Together with namespaces, both
    /// have to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub service_selectors: Option<Vec<LabelSelector>>,
}

/// How full the pool is. An address that several Services share counts once.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IPAddressPoolStatus {
    /// IPv4 addresses in use.
    #[serde(rename = "assignedIPv4")]
    pub assigned_ipv4: i64,
    /// IPv6 addresses in use.
    #[serde(rename = "assignedIPv6")]
    pub assigned_ipv6: i64,
    /// IPv4 addresses that are still free.
    #[serde(rename = "availableIPv4")]
    pub available_ipv4: i64,
    /// IPv6 addresses that are still free. A number too large for a 64 bit integer reads as the largest one.
    #[serde(rename = "availableIPv6")]
    pub available_ipv6: i64,
}
