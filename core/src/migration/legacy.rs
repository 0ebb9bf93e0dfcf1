//! The old configuration as it was written. Owns the names of its keys; a key that MetalLB did not know is refused, as
//! MetalLB did. Nothing here is checked beyond its type, and nothing is required: the conversion says what is
//! missing, and where.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole text under the key `config` of the ConfigMap.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    pub(super) peers: Option<Vec<Peer>>,
    /// Communities by alias.
    pub(super) bgp_communities: Option<BTreeMap<String, String>>,
    pub(super) address_pools: Option<Vec<AddressPool>>,
    pub(super) bfd_profiles: Option<Vec<BfdProfile>>,
}

/// One BGP router. There is no `Debug` for it, because of the password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_field_names, reason = "they are named after the keys")]
pub(super) struct Peer {
    pub(super) my_asn: Option<u32>,
    pub(super) peer_asn: Option<u32>,
    pub(super) peer_address: Option<String>,
    pub(super) source_address: Option<String>,
    pub(super) peer_port: Option<u16>,
    pub(super) hold_time: Option<String>,
    pub(super) keepalive_time: Option<String>,
    pub(super) router_id: Option<String>,
    pub(super) node_selectors: Option<Vec<NodeSelector>>,
    pub(super) password: Option<String>,
    pub(super) bfd_profile: Option<String>,
    pub(super) ebgp_multihop: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NodeSelector {
    pub(super) match_labels: Option<BTreeMap<String, String>>,
    pub(super) match_expressions: Option<Vec<MatchExpression>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MatchExpression {
    pub(super) key: Option<String>,
    pub(super) operator: Option<String>,
    pub(super) values: Option<Vec<String>>,
}

/// A pool and how it is announced. Distributions wrote some of its keys in their own way: `manualAssign` is the
/// opposite of `auto-assign`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AddressPool {
    pub(super) protocol: Option<String>,
    pub(super) name: Option<String>,
    pub(super) addresses: Option<Vec<String>>,
    #[serde(alias = "autoAssign")]
    pub(super) auto_assign: Option<bool>,
    #[serde(alias = "manualAssign")]
    pub(super) manual_assign: Option<bool>,
    #[serde(alias = "avoidBuggyIPs")]
    pub(super) avoid_buggy_ips: Option<bool>,
    pub(super) bgp_advertisements: Option<Vec<BgpAdvertisement>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BgpAdvertisement {
    pub(super) aggregation_length: Option<i32>,
    pub(super) aggregation_length_v6: Option<i32>,
    pub(super) localpref: Option<u32>,
    pub(super) communities: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BfdProfile {
    pub(super) name: Option<String>,
    pub(super) receive_interval: Option<u32>,
    pub(super) transmit_interval: Option<u32>,
    pub(super) detect_multiplier: Option<u32>,
    pub(super) echo_interval: Option<u32>,
    pub(super) echo_mode: Option<bool>,
    pub(super) passive_mode: Option<bool>,
    pub(super) minimum_ttl: Option<u32>,
}
