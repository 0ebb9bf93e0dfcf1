//! The kind BGPPeer in the version it is stored in.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies the struct, with its `pub`, into a function"
)]

use k8s_openapi::api::core::v1::SecretReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The router, and how to talk to it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta2",
    kind = "BGPPeer",
    plural = "bgppeers",
    namespaced,
    status = "BGPPeerStatus",
    derive = "Default",
    derive = "PartialEq",
    attr = "cfg_attr(true, serde(default))",
    doc = "A router to keep a BGP session with. What is advertised to it is chosen by BGPAdvertisements.",
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.peerAddress"),
    printcolumn(name = "ASN", type_ = "string", json_path = ".spec.peerASN"),
    printcolumn(name = "BFD Profile", type_ = "string", json_path = ".spec.bfdProfile"),
    printcolumn(name = "Multi Hops", type_ = "string", json_path = ".spec.ebgpMultiHop")
)]
#[serde(rename_all = "camelCase")]
// What one object can show is refused here, so that it holds while the webhook is down. The words are those of the
// webhook.
#[x_kube(
    validation = Rule::new("self.myASN != 0").message("missing local ASN"),
    validation = Rule::new("(has(self.peerASN) && self.peerASN != 0) || has(self.dynamicASN)")
        .message("missing peer ASN and dynamicASN"),
    validation = Rule::new("!(has(self.peerASN) && self.peerASN != 0 && has(self.dynamicASN))")
        .message("both peer ASN and dynamicASN specified"),
    validation = Rule::new(
        "!(has(self.ebgpMultiHop) && self.ebgpMultiHop && has(self.peerASN) && self.peerASN == self.myASN)"
    ).message("invalid ebgp-multihop parameter set for an ibgp peer"),
    validation = Rule::new(
        "(has(self.peerAddress) && self.peerAddress != '') || (has(self.interface) && self.interface != '')"
    ).message("peer has no Address or Interface specified"),
    validation = Rule::new(
        "!(has(self.peerAddress) && self.peerAddress != '' && has(self.interface) && self.interface != '')"
    ).message("peer has both Address and Interface specified"),
    validation = Rule::new(
        "!(has(self.password) && self.password != '' && has(self.passwordSecret) && has(self.passwordSecret.name) \
         && self.passwordSecret.name != '')"
    ).message("can not have both password and secret ref set"),
    validation = Rule::new(
        "!has(self.holdTime) || !has(self.keepaliveTime) || duration(self.keepaliveTime) <= duration(self.holdTime)"
    ).message("invalid keepaliveTime, must be lower than holdTime"),
    validation = Rule::new(
        "has(self.holdTime) || !has(self.keepaliveTime) || duration(self.keepaliveTime).getMilliseconds() * 3 < 1000 \
         || duration(self.keepaliveTime).getMilliseconds() * 3 >= 3000"
    ).message("invalid keepaliveTime: three times as much is the hold time, which must be 0 or >=3s")
)]
pub struct BGPPeerSpec {
    /// Number of the autonomous system on this side.
    #[serde(rename = "myASN")]
    #[schemars(range(min = 0, max = 4_294_967_295_u32), extend("format" = "int64"))]
    pub my_asn: u32,

    /// Number of the autonomous system of the peer. Not together with dynamicASN.
    #[serde(default, rename = "peerASN", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_u32), extend("format" = "int64"))]
    pub peer_asn: Option<u32>,

    /// Take the autonomous system of the peer as it comes, instead of peerASN: internal accepts only the own
    /// number, external only another one.
    #[serde(default, rename = "dynamicASN", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DynamicAsn")]
    pub dynamic_asn: Option<DynamicAsn>,

    /// Number of the autonomous system to present to this peer in place of myASN.
    #[serde(default, rename = "localASN", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32), extend("format" = "int64"))]
    pub local_asn: Option<u32>,

    /// Address to dial. Not together with interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(crate::schema::IS_ADDRESS).message("invalid BGPPeer address"))]
    pub peer_address: Option<String>,

    /// Network interface that leads to the peer, for a session without configured addresses. Not together with
    /// peerAddress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,

    /// Address of the node to dial from. Left out, the kernel chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(crate::schema::IS_ADDRESS).message("invalid source IP"))]
    pub source_address: Option<String>,

    /// Port to dial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16384), extend("default" = 179))]
    pub peer_port: Option<u16>,

    /// How long the session stays up without a word from the peer, for example 90s. At least 3s, or 0s for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self).getSeconds() == 0 || duration(self).getSeconds() >= 3")
        .message("invalid hold time: must be 0 or >=3s"))]
    pub hold_time: Option<String>,

    /// Time between keepalive messages, for example 30s. At most the hold time; a third of it when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<String>,

    /// Time between attempts to connect, in whole seconds from 1s to 65535s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535")
            .message("connect time should be between 1 seconds to 65535"),
        validation = Rule::new("duration(self).getMilliseconds() % 1000 == 0")
            .message("connect time should contain a whole number of seconds")
    )]
    pub connect_time: Option<String>,

    /// Router identifier to present, written as an IPv4 address. Left out, one is derived from the node.
    #[serde(default, rename = "routerID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45))]
    #[x_kube(validation = Rule::new(crate::schema::IS_ADDRESS).message("invalid router ID"))]
    pub router_id: Option<String>,

    /// Nodes that keep a session with this peer, by label; one matching selector is enough. Left out, all nodes do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selectors")]
    pub node_selectors: Option<Vec<LabelSelector>>,

    /// Password of the session (TCP MD5 signature). Everybody who may read this object reads it: passwordSecret is
    /// the better place. Not together with passwordSecret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,

    /// Secret with the password of the session: of type kubernetes.io/basic-auth, in the namespace MetalLB runs
    /// in, the password under the key password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::secret_reference")]
    pub password_secret: Option<SecretReference>,

    /// Name of the BFDProfile to watch this peer with. Left out, there is no BFD session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd_profile: Option<String>,

    /// Ask the peer to keep the routes while this side restarts. Has to be decided when the object is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("EnableGracefulRestart cannot be changed after creation"))]
    pub enable_graceful_restart: Option<bool>,

    /// The peer is in another autonomous system and more than one hop away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebgp_multi_hop: Option<bool>,

    /// Virtual routing domain of the node that the session belongs to, by the name of its network device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrf: Option<String>,

    /// Deprecated, no effect: a session carries the family of its own addresses only, unless
    /// dualStackAddressFamily is set.
    #[serde(default, rename = "disableMP", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable_mp: Option<bool>,

    /// Carry routes of both families, IPv4 and IPv6, in this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub dual_stack_address_family: Option<bool>,
}

/// Which autonomous systems a peer may belong to.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DynamicAsn {
    /// Only the own one.
    Internal,
    /// Any but the own one.
    External,
}

/// Nothing is reported here.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BGPPeerStatus {}
