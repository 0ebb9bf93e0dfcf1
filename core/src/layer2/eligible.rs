//! Which nodes may announce a Service, and for each other node the reason why not. Owns every rule that excludes a
//! node or a whole Service; which of the remaining nodes does it is [`super::election`].

use std::collections::{BTreeMap, BTreeSet};

use super::interfaces::Interfaces;
use super::members::Standing;
use crate::config::L2Advertisement;
use crate::facts::NodeFacts;

/// Why a Service is not announced, on one node or on all. The words are those of MetalLB's logs where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The Service has another type, or is deleted.
    NotLoadBalancer,
    /// Its load balancer class is for another implementation.
    OtherLoadBalancerClass,
    /// It has no address yet.
    NoIpAllocated,
    /// Its status holds something that is no address.
    InvalidIp,
    /// Its addresses are in no pool, or not all in one.
    IpNotAllowed,
    /// No endpoint of it can serve.
    NoEndpoints,
    /// No advertisement selects its pool and itself.
    NoMatchingAdvertisement,
    /// It shares its address, and an advertisement selects by Service: the sharers could part.
    SharedIpWithServiceSelector,
    /// No speaker is known to run on the node.
    NotMember,
    /// The node's network is not set up.
    NodeNetworkUnavailable,
    /// The node has the label that keeps it out of load balancing.
    NodeLabeledExcludeBalancers,
    /// Traffic stays on the node, and the node has no endpoint that can serve.
    NoLocalEndpoints,
    /// Another node was elected.
    NotOwner,
    /// The elected node has none of the interfaces that the advertisements name.
    NoSuchInterface,
}

impl Reason {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotLoadBalancer => "notLoadBalancer",
            Self::OtherLoadBalancerClass => "otherLoadBalancerClass",
            Self::NoIpAllocated => "noIPAllocated",
            Self::InvalidIp => "invalidIP",
            Self::IpNotAllowed => "ipNotAllowed",
            Self::NoEndpoints => "noEndpoints",
            Self::NoMatchingAdvertisement => "noMatchingAdvertisement",
            Self::SharedIpWithServiceSelector => "sharedIPWithServiceSelector",
            Self::NotMember => "notMember",
            Self::NodeNetworkUnavailable => "nodeNetworkUnavailable",
            Self::NodeLabeledExcludeBalancers => "nodeLabeledExcludeBalancers",
            Self::NoLocalEndpoints => "noLocalEndpoints",
            Self::NotOwner => "notOwner",
            Self::NoSuchInterface => "noSuchInterface",
        }
    }

    /// Whether a node that has announced until now still could for a moment, and so may go on until another node has
    /// begun. Otherwise it stops at once: what comes to it would be lost, or the address may be somebody else's by now.
    pub fn can_linger(self) -> bool {
        match self {
            // Somebody decided that another node does it. This one is as able as before.
            Self::NoMatchingAdvertisement
            | Self::NotMember
            | Self::NodeLabeledExcludeBalancers
            | Self::NotOwner => true,
            // The Service gave the address up or has nothing behind it; or the node drops what it gets.
            Self::NotLoadBalancer
            | Self::OtherLoadBalancerClass
            | Self::NoIpAllocated
            | Self::InvalidIp
            | Self::IpNotAllowed
            | Self::NoEndpoints
            | Self::SharedIpWithServiceSelector
            | Self::NodeNetworkUnavailable
            | Self::NoLocalEndpoints
            | Self::NoSuchInterface => false,
        }
    }
}

/// An advertisement applied to the nodes there are.
///
/// MetalLB drops an advertisement that equals another one and weighs nothing. That is not needed here: whether it is
/// there once or twice, it includes the same nodes, names the same interfaces and adds zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The nodes it includes, with the preference it gives each.
    nodes: BTreeMap<String, u32>,
    interfaces: Interfaces,
}

impl Reach {
    /// Where `advertisement` reaches among `nodes`.
    pub fn of(advertisement: &L2Advertisement, nodes: &BTreeMap<String, NodeFacts>) -> Self {
        let included = nodes
            .iter()
            .filter(|(_, node)| advertisement.includes(&node.labels));
        Self {
            nodes: included
                .map(|(name, node)| (name.clone(), advertisement.preference(&node.labels)))
                .collect(),
            interfaces: Interfaces::of(&advertisement.interfaces),
        }
    }
}

/// What one Service demands of a node that announces it.
#[derive(Debug)]
pub struct Demand<'a> {
    /// The advertisements for it; the node must be in the reach of at least one.
    pub advertisements: Vec<&'a Reach>,
    /// With `externalTrafficPolicy: Local`, the nodes with an endpoint that can serve.
    pub local: Option<BTreeSet<&'a str>>,
    /// Those of them on which every such endpoint is about to end, if the election asks for it.
    pub leaving: BTreeSet<&'a str>,
}

impl Demand<'_> {
    /// The interfaces of `node` on which the Service is announced there; `None` if no advertisement includes it.
    pub fn interfaces(&self, node: &str) -> Option<Interfaces> {
        let there = self
            .advertisements
            .iter()
            .filter(|reach| reach.nodes.contains_key(node));
        there.map(|reach| reach.interfaces.clone()).reduce(Interfaces::or)
    }

    /// The summed preference of the advertisements that include `node`; `None` if none does.
    fn preference(&self, node: &str) -> Option<u32> {
        let weights = self
            .advertisements
            .iter()
            .filter_map(|reach| reach.nodes.get(node));
        weights.copied().reduce(u32::saturating_add)
    }
}

/// The nodes as one speaker knows them.
#[derive(Debug, Clone, Copy)]
pub struct Landscape<'a> {
    /// Every node.
    pub nodes: &'a BTreeMap<String, NodeFacts>,
    /// Those that run a speaker.
    pub members: &'a BTreeMap<String, Standing>,
    /// Take nodes that are labelled for exclusion all the same.
    pub ignore_exclude_label: bool,
}

impl Landscape<'_> {
    /// The node's preference if it may announce the Service, else why not.
    pub fn assess(&self, node: &str, demand: &Demand<'_>) -> Result<u32, Reason> {
        let Some(facts) = self.nodes.get(node).filter(|_| self.members.contains_key(node)) else {
            return Err(Reason::NotMember);
        };
        let preference = demand.preference(node).ok_or(Reason::NoMatchingAdvertisement)?;
        if facts.network_unavailable {
            return Err(Reason::NodeNetworkUnavailable);
        }
        if facts.excluded() && !self.ignore_exclude_label {
            return Err(Reason::NodeLabeledExcludeBalancers);
        }
        if demand.local.as_ref().is_some_and(|nodes| !nodes.contains(node)) {
            return Err(Reason::NoLocalEndpoints);
        }
        Ok(preference)
    }
}
