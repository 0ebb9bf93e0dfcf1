//! The BGPPeer: which router to keep a session with, and how. Owns what can be wrong with one such object; what it
//! refers to (a BFDProfile, a Secret) may come later and is looked at elsewhere.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use metallb_api::v1beta2;

use super::selector::{Selector, SelectorListError, one_of};

mod password;
#[cfg(test)]
mod tests;
mod timers;

pub use password::{PasswordError, PasswordSource, secret_password};
pub use timers::{Timers, TimersError};

/// The port of BGP (RFC 4271 §4).
const BGP_PORT: u16 = 179;

/// One BGPPeer without contradictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The name of the object.
    pub name: String,
    /// The autonomous system on this side.
    pub my_asn: NonZeroU32,
    /// The autonomous system to present in its place.
    pub local_asn: Option<NonZeroU32>,
    /// The autonomous system of the router.
    pub remote: RemoteAs,
    /// Where the router is.
    pub endpoint: Endpoint,
    /// The port to dial.
    pub port: u16,
    /// The address to dial from.
    pub source: Option<IpAddr>,
    /// Hold time and keepalive time.
    pub timers: Timers,
    /// Seconds between attempts to connect.
    pub connect_time_s: Option<u64>,
    /// The identifier to present. Only an IPv4 address is one (RFC 4271 §4.2), though MetalLB takes any.
    pub router_id: Option<IpAddr>,
    /// Where the password is.
    pub password: PasswordSource,
    /// Name of the BFDProfile.
    pub bfd_profile: Option<String>,
    /// The virtual routing domain.
    pub vrf: Option<String>,
    /// Options that are on or off.
    pub options: PeerOptions,
    nodes: Vec<Selector>,
}

/// What is on or off in a BGPPeer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerOptions {
    /// The router may be more than one hop away.
    pub ebgp_multi_hop: bool,
    /// Ask the router to keep routes over a restart.
    pub graceful_restart: bool,
    /// Both families in one session.
    pub dual_stack: bool,
}

/// The autonomous system of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteAs {
    /// This one.
    Number(NonZeroU32),
    /// The own one.
    Internal,
    /// Any but the own one.
    External,
}

/// How a router is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// At this address.
    Address(IpAddr),
    /// As the neighbour on this interface.
    Interface(String),
}

/// Why a BGPPeer cannot be used; its author has to correct it. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// `myASN` is 0.
    #[error("missing local ASN")]
    NoLocalAsn,
    /// Nothing says which autonomous system the router belongs to.
    #[error("missing peer ASN and dynamicASN")]
    NoPeerAsn,
    /// Two things say it.
    #[error("both peer ASN and dynamicASN specified")]
    TwoPeerAsns,
    /// Multi-hop is an option of sessions with other autonomous systems.
    #[error("invalid ebgp-multihop parameter set for an ibgp peer")]
    MultiHopInside,
    /// Nothing says where the router is.
    #[error("peer has no Address or Interface specified")]
    NoEndpoint,
    /// Two things say it.
    #[error("peer has both Address and Interface specified")]
    TwoEndpoints,
    /// The times do not fit together.
    #[error("invalid BGPPeer timers: {0}")]
    Timers(#[from] TimersError),
    /// `peerAddress` is no address.
    #[error("invalid BGPPeer address {0:?}")]
    Address(String),
    /// `routerID` is no address.
    #[error("invalid router ID {0:?}")]
    RouterId(String),
    /// `sourceAddress` is no address.
    #[error("invalid source IP {0:?}")]
    Source(String),
    /// A node selector is listed twice.
    #[error(transparent)]
    DuplicateSelector(SelectorListError),
    /// A node selector is not valid.
    #[error("failed to convert peer {peer} node selector: {error}")]
    Selector {
        /// The peer.
        peer: String,
        /// What is wrong with the selector. It is part of the text, because that is what users have been reading.
        error: SelectorListError,
    },
    /// The password is in two places.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Peer {
    /// Reads the object.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub fn parse(object: &v1beta2::BGPPeer) -> Result<Self, PeerError> {
        let spec = &object.spec;
        let name = object.metadata.name.clone().unwrap_or_default();
        let my_asn = NonZeroU32::new(spec.my_asn).ok_or(PeerError::NoLocalAsn)?;
        let remote = remote(spec)?;
        let ebgp_multi_hop = spec.ebgp_multi_hop.unwrap_or(false);
        if ebgp_multi_hop && remote == RemoteAs::Number(my_asn) {
            return Err(PeerError::MultiHopInside);
        }
        let interface = given(spec.interface.as_deref());
        let place = match (given(spec.peer_address.as_deref()), interface) {
            (None, None) => return Err(PeerError::NoEndpoint),
            (Some(_), Some(_)) => return Err(PeerError::TwoEndpoints),
            (address, interface) => address.ok_or(interface),
        };
        let timers = Timers::parse(spec.hold_time.as_deref(), spec.keepalive_time.as_deref())?;
        let endpoint = match place {
            Ok(text) => {
                Endpoint::Address(address(Some(text), PeerError::Address)?.ok_or(PeerError::NoEndpoint)?)
            }
            Err(interface) => Endpoint::Interface(interface.unwrap_or_default().to_owned()),
        };
        let router_id = address(spec.router_id.as_deref(), PeerError::RouterId)?;
        let source = address(spec.source_address.as_deref(), PeerError::Source)?;
        let nodes = node_selectors(&name, spec)?;
        Ok(Self {
            my_asn,
            local_asn: spec.local_asn.and_then(NonZeroU32::new),
            remote,
            endpoint,
            port: spec.peer_port.filter(|port| *port != 0).unwrap_or(BGP_PORT),
            source,
            timers,
            connect_time_s: spec.connect_time.as_deref().and_then(timers::seconds),
            router_id,
            password: PasswordSource::parse(object)?,
            bfd_profile: given(spec.bfd_profile.as_deref()).map(str::to_owned),
            vrf: given(spec.vrf.as_deref()).map(str::to_owned),
            options: PeerOptions {
                ebgp_multi_hop,
                graceful_restart: spec.enable_graceful_restart.unwrap_or(false),
                dual_stack: spec.dual_stack_address_family.unwrap_or(false),
            },
            nodes,
            name,
        })
    }

    /// Whether a node with these labels keeps the session.
    pub fn includes(&self, node: &BTreeMap<String, String>) -> bool {
        one_of(&self.nodes, node)
    }
}

/// Text that says something: an empty value counts as one that is not there.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn remote(spec: &v1beta2::BGPPeerSpec) -> Result<RemoteAs, PeerError> {
    let number = spec.peer_asn.and_then(NonZeroU32::new);
    match (number, spec.dynamic_asn) {
        (None, None) => Err(PeerError::NoPeerAsn),
        (Some(_), Some(_)) => Err(PeerError::TwoPeerAsns),
        (Some(number), None) => Ok(RemoteAs::Number(number)),
        (None, Some(v1beta2::DynamicAsn::Internal)) => Ok(RemoteAs::Internal),
        (None, Some(v1beta2::DynamicAsn::External)) => Ok(RemoteAs::External),
    }
}

fn address(text: Option<&str>, bad: fn(String) -> PeerError) -> Result<Option<IpAddr>, PeerError> {
    let parse = |text: &str| text.parse().map_err(|_| bad(text.to_owned()));
    given(text).map(parse).transpose()
}

fn node_selectors(peer: &str, spec: &v1beta2::BGPPeerSpec) -> Result<Vec<Selector>, PeerError> {
    let listed = spec.node_selectors.as_deref().unwrap_or_default();
    Selector::compile_list("nodeSelectors", listed).map_err(|error| match error {
        SelectorListError::Duplicate { .. } => PeerError::DuplicateSelector(error),
        SelectorListError::Invalid(_) => PeerError::Selector {
            peer: peer.to_owned(),
            error,
        },
    })
}
