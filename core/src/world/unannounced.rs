//! Why no node announces a Service: what is missing, and what to do next. Owns the sentences; when they are told is
//! decided by who asks, and that is not a speaker: none of them may be there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use metallb_api::NamespacedName;
use metallb_api::names::{annotation, condition, label};

use super::planning::PoolOf;
use super::{Claim, World};
use crate::facts::{EndpointFacts, TrafficPolicy};
use crate::layer2::{Demand, Interfaces, Reason, Standing, elect};
use crate::plan::Patience;

/// Names in one list of a message. An Event's message has at most 1,024 characters, and three examples are as telling
/// as a thousand.
const NAMED: usize = 3;

/// That no node announces a Service, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unannounced {
    /// In one word.
    pub cause: Cause,
    /// For people: what is wrong, and what to do next.
    pub message: String,
    /// How long it must last before it is told.
    pub patience: Patience,
}

/// Why no node announces a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No advertisement selects its pool.
    NotAdvertised,
    /// The advertisements of its pool do not select the Service.
    NotSelected,
    /// It may share its address, and an advertisement selects by Service.
    SharesAndSelects,
    /// Each node is out of the question.
    NoNode,
    /// No speaker that might announce it is ready. It may announce all the same: this is the kubelet's word.
    NoReadySpeaker,
    /// None of its endpoints is ready.
    NoEndpoint,
    /// The node that should announce it lacks the interfaces.
    NoInterface,
}

impl Cause {
    /// The reason of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAdvertised => condition::NOT_ADVERTISED,
            Self::NotSelected => condition::NOT_SELECTED,
            Self::SharesAndSelects => condition::SHARES_AND_SELECTS,
            Self::NoNode => condition::NO_NODE,
            Self::NoReadySpeaker => condition::NO_READY_SPEAKER,
            Self::NoEndpoint => condition::NO_ENDPOINT,
            Self::NoInterface => condition::NO_INTERFACE,
        }
    }

    /// Whether it follows that nobody announces the Service.
    pub fn is_certain(self) -> bool {
        self != Self::NoReadySpeaker
    }
}

impl World {
    /// Whether the endpoints of the Service are part of the answer to [`Self::unannounced`].
    pub fn asks_for_endpoints(&mut self, claim: &Claim) -> bool {
        self.refresh();
        let advertisements = self
            .pool_of(claim)
            .map(|pool| self.advertisements_for(&pool, claim));
        matches!(advertisements, Some(Ok(_)))
    }

    /// Why no node announces a Service which none is heard to announce, if that is for a person to change. `slices` are
    /// all of its endpoints.
    pub fn unannounced(
        &mut self,
        service: &NamespacedName,
        claim: &Claim,
        slices: &[EndpointFacts],
    ) -> Option<Unannounced> {
        self.refresh();
        if !self.own.serves(claim) || claim.invalid || claim.addresses.is_empty() {
            return None;
        }
        let pool = self.pool_of(claim)?;
        let (cause, patience, why) = match self.advertisements_for(&pool, claim) {
            Err(Reason::SharedIpWithServiceSelector) => self.sharing_and_selecting(&pool, claim),
            Err(_) => self.not_advertised(&pool),
            Ok(advertisements) => {
                let serving = slices.iter().any(|slice| slice.serving);
                let nodes = slices.iter().flat_map(|slice| slice.nodes.iter());
                // Without any endpoint, that none is local says nothing.
                let local = claim.traffic == TrafficPolicy::Local && serving;
                let demand = Demand {
                    advertisements,
                    local: local.then(|| nodes.collect()),
                    leaving: BTreeSet::new(),
                };
                match self.no_node(&demand, &pool) {
                    Some(answer) => answer,
                    None if serving => self.no_interface(&demand, &pool, claim)?,
                    None => no_endpoint(service),
                }
            }
        };
        let addresses: Vec<_> = claim.addresses.iter().map(ToString::to_string).collect();
        let begin = if cause.is_certain() {
            "nobody announces"
        } else {
            "it is not known whether anybody announces"
        };
        let (addresses, pool) = (addresses.join(", "), pool.name);
        Some(Unannounced {
            cause,
            message: format!("{begin} {addresses} of pool {pool:?}: {why}"),
            patience,
        })
    }

    fn not_advertised(&self, pool: &PoolOf<'_>) -> Answer {
        let by_layer2 = self.advertisements_of(pool);
        if !by_layer2.is_empty() {
            let why = format!(
                "the serviceSelectors of L2Advertisement {by_layer2} do not match the labels of this Service; label it, \
                 or create an L2Advertisement without serviceSelectors"
            );
            return (Cause::NotSelected, Patience::ForObjects, why);
        }
        let next = format!(
            "create an L2Advertisement with spec.ipAddressPools: [{:?}]",
            pool.name
        );
        let bgp = self
            .bgp_advertisements
            .iter()
            .filter(|(_, ad)| ad.pools.selects(pool.name, pool.labels));
        let by_bgp = quoted(bgp.map(|(name, _)| name.as_str()));
        let why = if by_bgp.is_empty() {
            format!("no L2Advertisement selects the pool; {next}")
        } else {
            format!(
                "only BGPAdvertisement {by_bgp} selects the pool, and this version does not speak BGP; {next}"
            )
        };
        (Cause::NotAdvertised, Patience::ForObjects, why)
    }

    fn sharing_and_selecting(&self, pool: &PoolOf<'_>, claim: &Claim) -> Answer {
        let selecting = self
            .selecting(pool)
            .filter(|(_, ad)| ad.selects_services() && ad.serves(&claim.labels));
        let why = format!(
            "L2Advertisement {} has serviceSelectors, which cannot be combined with the annotation {}; remove one of them",
            quoted(selecting.map(|(name, _)| name.as_str())),
            annotation::ALLOW_SHARED_IP,
        );
        (Cause::SharesAndSelects, Patience::ForObjects, why)
    }

    /// Why each node is out of the question; `None` if one is not.
    fn no_node(&self, demand: &Demand<'_>, pool: &PoolOf<'_>) -> Option<Answer> {
        let landscape = self.landscape();
        // By what keeps them from it; `None` is a speaker that is not ready.
        let mut nodes: BTreeMap<Option<Reason>, Vec<&str>> = BTreeMap::new();
        let (mut cause, mut patience) = (Cause::NoNode, Patience::ForObjects);
        for node in self.nodes.keys() {
            let reason = landscape.assess(node, demand).err();
            if reason.is_none() {
                if self.members.get(node) == Some(&Standing::Serving) {
                    return None;
                }
                cause = Cause::NoReadySpeaker;
            }
            if matches!(reason, None | Some(Reason::NotMember)) && demand.interfaces(node).is_some() {
                patience = Patience::ForPods; // the speakers may be about to start
            }
            nodes.entry(reason).or_default().push(node);
        }
        let mut why = String::from("no node may");
        for (reason, names) in nodes {
            let because = match reason {
                None => "the speaker is not ready on".to_owned(),
                Some(Reason::NotMember) => "no speaker runs on".to_owned(),
                Some(Reason::NodeNetworkUnavailable) => "the network is unavailable on".to_owned(),
                Some(Reason::NodeLabeledExcludeBalancers) => {
                    format!("the label {} is on", label::EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS)
                }
                Some(Reason::NoLocalEndpoints) => {
                    "with externalTrafficPolicy Local, no ready endpoint is on".to_owned()
                }
                Some(_) => {
                    let advertisements = self.advertisements_of(pool);
                    format!("the nodeSelectors of L2Advertisement {advertisements} do not match")
                }
            };
            let _ = write!(why, "; {because} {}", quoted(names.into_iter())); // writing to a String cannot fail
        }
        Some((cause, patience, why))
    }

    /// A node should announce it, and none is heard to: for the lack of an interface, if interfaces are asked for.
    fn no_interface(&self, demand: &Demand<'_>, pool: &PoolOf<'_>, claim: &Claim) -> Option<Answer> {
        let node = elect(self.landscape(), &[demand], *claim.addresses.first()?)?;
        let Interfaces::Named(names) = demand.interfaces(node)? else {
            return None;
        };
        let why = format!(
            "node {node:?} was chosen, and seems to have none of the interfaces {} that L2Advertisement {} names; correct \
             spec.interfaces, or keep such nodes out with spec.nodeSelectors",
            quoted(names.iter().map(String::as_str)),
            self.advertisements_of(pool)
        );
        Some((Cause::NoInterface, Patience::ForPods, why))
    }

    /// The names of the L2Advertisements that select a pool.
    fn advertisements_of(&self, pool: &PoolOf<'_>) -> String {
        quoted(self.selecting(pool).map(|(name, _)| name.as_str()))
    }
}

type Answer = (Cause, Patience, String);

fn no_endpoint(service: &NamespacedName) -> Answer {
    let why = format!(
        "it has no ready endpoint; see: kubectl -n {} get endpointslices -l {}={}",
        service.namespace(),
        label::ENDPOINT_SLICE_SERVICE,
        service.name()
    );
    (Cause::NoEndpoint, Patience::ForPods, why)
}

/// The first few names, quoted, and how many more there are; empty if there is none.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let first: Vec<_> = names.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
