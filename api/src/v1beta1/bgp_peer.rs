//! The kind BGPPeer in its old version. Objects are stored in the newer one; every field here has the same name
//! and meaning there.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies the struct, with its `pub`, into a function"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The router, and how to talk to it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "BGPPeer",
    plural = "bgppeers",
    namespaced,
    status = "BGPPeerStatus",
    storage = false,
    deprecated = "v1beta1 is deprecated, please use v1beta2",
    derive = "Default",
    derive = "PartialEq",
    attr = "cfg_attr(true, serde(default))",
    doc = "A router to keep a BGP session with. This version knows fewer fields than v1beta2; use that one.",
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.peerAddress"),
    printcolumn(name = "ASN", type_ = "string", json_path = ".spec.peerASN"),
    printcolumn(name = "BFD Profile", type_ = "string", json_path = ".spec.bfdProfile"),
    printcolumn(name = "Multi Hops", type_ = "string", json_path = ".spec.ebgpMultiHop")
)]
#[serde(rename_all = "camelCase")]
// The same as in v1beta2: an API server looks at the rules of the version that it is asked in.
#[x_kube(
    validation = Rule::new("self.myASN != 0").message("missing local ASN"),
    validation = Rule::new("self.peerASN != 0").message("missing peer ASN and dynamicASN"),
    validation = Rule::new("!(has(self.ebgpMultiHop) && self.ebgpMultiHop && self.peerASN == self.myASN)")
        .message("invalid ebgp-multihop parameter set for an ibgp peer"),
    validation = Rule::new("self.peerAddress != ''").message("peer has no Address or Interface specified"),
    validation = Rule::new(
        "!has(self.holdTime) || !has(self.keepaliveTime) || duration(self.keepaliveTime) <= duration(self.holdTime)"
    ).message("invalid keepaliveTime, must be lower than holdTime")
)]
pub struct BGPPeerSpec {
    /// Number of the autonomous system on this side.
    #[serde(rename = "myASN")]
    #[schemars(range(min = 0, max = 4_294_967_295_u32), extend("format" = "int64"))]
    pub my_asn: u32,

    /// Number of the autonomous system of the peer.
    #[serde(rename = "peerASN")]
    #[schemars(range(min = 0, max = 4_294_967_295_u32), extend("format" = "int64"))]
    pub peer_asn: u32,

    /// Address to dial.
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(crate::schema::IS_ADDRESS).message("invalid BGPPeer address"))]
    pub peer_address: String,

    /// Address of the node to dial from. Left out, the kernel chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(crate::schema::IS_ADDRESS).message("invalid source IP"))]
    pub source_address: Option<String>,

    /// Port to dial, 179 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16384))]
    pub peer_port: Option<u16>,

    /// How long the session stays up without a word from the peer, for example 90s. At least 3s, or 0 for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self).getSeconds() == 0 || duration(self).getSeconds() >= 3")
        .message("invalid hold time: must be 0 or >=3s"))]
    pub hold_time: Option<String>,

    /// Time between keepalive messages, for example 30s. A third of the hold time when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,

    /// Router identifier to present, written as an IPv4 address. Left out, one is derived from the node.
    #[serde(default, rename = "routerID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(crate::schema::IS_ADDRESS).message("invalid router ID"))]
    pub router_id: Option<String>,

    /// Nodes that keep a session with this peer, by label; one matching selector is enough. Left out, all nodes do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selectors: Option<Vec<NodeSelector>>,

    /// Password of the session (TCP MD5 signature).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,

    /// Name of the BFDProfile to watch this peer with. Left out, there is no BFD session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd_profile: Option<String>,

    /// The peer is in another autonomous system and more than one hop away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebgp_multi_hop: Option<bool>,
}

/// Nodes, by label. All parts have to match.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// Labels that the node must have with exactly these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,

    /// Further requirements on the labels of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_expressions: Option<Vec<MatchExpression>>,
}

/// One requirement on a label.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchExpression {
    /// The label.
    pub key: String,

    /// How the label is compared with the values: In, NotIn, Exists or DoesNotExist.
    #[schemars(extend("enum" = ["In", "NotIn", "Exists", "DoesNotExist"]))]
    pub operator: String,

    /// The values to compare with.
    #[schemars(length(min = 1))]
    pub values: Vec<String>,
}

/// Nothing is reported here.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BGPPeerStatus {}
