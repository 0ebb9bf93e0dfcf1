//! From facts to plans. Owns the order of the questions about a Service; the answers about nodes are
//! [`crate::layer2`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_api::names::{event, protocol};

use super::group::Group;
use super::{Claim, Company, World};
use crate::config::L2Advertisement;
use crate::facts::{EndpointFacts, TrafficPolicy};
use crate::layer2::{Demand, Interfaces, Landscape, Reach, Reason, elect};
use crate::plan::{Complaint, Decision, Patience, Plan};

type Labels = BTreeMap<String, String>;

impl World {
    /// Plans every Service that something new is known about; `None` for those that are gone.
    pub fn take_plans(&mut self) -> BTreeMap<NamespacedName, Option<Plan>> {
        self.refresh();
        self.recent.clear();
        let mut plans = BTreeMap::new();
        for service in std::mem::take(&mut self.dirty) {
            if plans.contains_key(&service) {
                continue; // planned with one it shares an address with
            }
            match self.claims.get(&service) {
                None => {
                    plans.insert(service, None);
                }
                Some(claim) => {
                    let group = self.group_of(&service, claim);
                    plans.extend(
                        self.plan(&group)
                            .into_iter()
                            .map(|(service, plan)| (service, Some(plan))),
                    );
                }
            }
        }
        plans
    }

    /// For each node that cannot announce the Service, why not. Empty if the Service is unknown; all nodes have the
    /// same reason if it is the Service's own.
    pub fn explain(&self, service: &NamespacedName) -> BTreeMap<String, Reason> {
        let Some(claim) = self.claims.get(service) else {
            return BTreeMap::new();
        };
        let demand = self.demand(service, claim);
        let landscape = self.landscape();
        let assess = |node: &String| match &demand {
            Ok(demand) => landscape.assess(node, demand).err(),
            Err(reason) => Some(*reason),
        };
        self.nodes
            .keys()
            .filter_map(|node| Some((node.clone(), assess(node)?)))
            .collect()
    }

    /// The plans of all Services of a group.
    fn plan(&self, group: &Group) -> Vec<(NamespacedName, Plan)> {
        let members: Vec<_> = group
            .services
            .iter()
            .filter_map(|service| self.claims.get_key_value(service))
            .map(|(service, claim)| (service, claim, self.demand(service, claim)))
            .collect();
        let demands: Vec<&Demand<'_>> = members
            .iter()
            .filter_map(|(_, _, demand)| demand.as_ref().ok())
            .collect();
        let landscape = self.landscape();
        let elected = group
            .address
            .and_then(|address| elect(landscape, &demands, address));
        let mut plans = Vec::new();
        for (service, claim, demand) in &members {
            let served = demand
                .as_ref()
                .ok()
                .filter(|demand| elected.is_some_and(|elected| landscape.assess(elected, demand).is_ok()));
            let plan = match (demand, served) {
                (_, Some(demand)) if elected == Some(self.own.node.as_str()) => self.announce(claim, demand),
                (Ok(demand), _) => {
                    let reason = landscape
                        .assess(&self.own.node, demand)
                        .err()
                        .unwrap_or(Reason::NotOwner);
                    Plan::withhold(claim.addresses.clone(), reason)
                }
                (Err(reason), _) => Plan::withhold(claim.addresses.clone(), *reason),
            };
            let elsewhere = served.is_some() && elected != Some(self.own.node.as_str());
            let plan = Plan { elsewhere, ..plan };
            plans.push(((*service).clone(), plan));
        }
        plans
    }

    /// This node is elected.
    fn announce(&self, claim: &Claim, demand: &Demand<'_>) -> Plan {
        let node = self.own.node.as_str();
        let interfaces = demand.interfaces(node).unwrap_or(Interfaces::All);
        let addresses = claim.addresses.clone();
        if interfaces.any_of(&self.interfaces) {
            return Plan {
                addresses,
                decision: Decision::Announce(interfaces),
                elsewhere: false,
                complaint: None,
            };
        }
        let message = |address: &IpAddr| {
            format!(
                "the interfaces specified by LB IP \"{address}\" doesn't exist in assigned node {node:?} with protocol {:?}",
                protocol::LAYER2
            )
        };
        let messages = addresses.iter().map(message).collect();
        let complaint = Some(Box::new(Complaint {
            reason: event::ANNOUNCE_FAILED,
            messages,
            patience: Patience::ForObjects,
        }));
        Plan {
            complaint,
            ..Plan::withhold(addresses, Reason::NoSuchInterface)
        }
    }

    /// What the Service demands of a node, or why none will do. The questions are asked in MetalLB's order.
    fn demand<'a>(&'a self, service: &NamespacedName, claim: &Claim) -> Result<Demand<'a>, Reason> {
        self.precondition(claim)?;
        let pool = self.pool_of(claim).ok_or(Reason::IpNotAllowed)?;
        if !self.slices_of(service).any(|slice| slice.serving) {
            return Err(Reason::NoEndpoints);
        }
        let advertisements = self.advertisements_for(&pool, claim)?;
        Ok(Demand {
            advertisements,
            local: self.local_nodes(service, claim),
            leaving: self.leaving_nodes(service, claim),
        })
    }

    fn precondition(&self, claim: &Claim) -> Result<(), Reason> {
        if !claim.load_balancer {
            Err(Reason::NotLoadBalancer)
        } else if !self.own.serves(claim) {
            Err(Reason::OtherLoadBalancerClass)
        } else if claim.invalid {
            Err(Reason::InvalidIp)
        } else if claim.addresses.is_empty() {
            Err(Reason::NoIpAllocated)
        } else {
            Ok(())
        }
    }

    /// The advertisements meant for the Service.
    pub(super) fn advertisements_for(&self, pool: &PoolOf, claim: &Claim) -> Result<Vec<&Reach>, Reason> {
        let (names, advertisements): (Vec<_>, Vec<_>) = self
            .selecting(pool)
            .filter(|(_, advertisement)| advertisement.serves(&claim.labels))
            .unzip();
        if claim.may_share
            && advertisements
                .iter()
                .any(|advertisement| advertisement.selects_services())
        {
            return Err(Reason::SharedIpWithServiceSelector);
        }
        let reaches: Vec<_> = names
            .into_iter()
            .filter_map(|name| self.reaches.get(name))
            .collect();
        if reaches.is_empty() {
            Err(Reason::NoMatchingAdvertisement)
        } else {
            Ok(reaches)
        }
    }

    /// The L2Advertisements that select a pool.
    pub(super) fn selecting(&self, pool: &PoolOf) -> impl Iterator<Item = (&String, &L2Advertisement)> {
        let selects = |ad: &L2Advertisement| ad.pools.selects(pool.name, pool.labels);
        self.l2_advertisements
            .iter()
            .filter(move |(_, advertisement)| selects(advertisement))
    }

    /// The pool that all addresses of a Service are in. An address that is in none any more, because the pool was
    /// changed or deleted, still counts for the pool that the controller noted on the Service: the controller will
    /// move the Service, and until then it is better reachable than not.
    pub(super) fn pool_of<'a>(&'a self, claim: &'a Claim) -> Option<PoolOf<'a>> {
        let noted = claim.pool.as_deref();
        let containing = |address: &IpAddr| {
            // During a move between pools two of them may hold the address for a moment: the noted one goes first.
            let first = noted
                .and_then(|name| self.pools.get(name))
                .filter(|pool| pool.contains(*address));
            let pool = first.or_else(|| self.pools.values().find(|pool| pool.contains(*address)));
            pool.map(|pool| pool.name.as_str()).or(noted)
        };
        let mut pools: BTreeSet<Option<&str>> = claim.addresses.iter().map(containing).collect();
        let name = pools.pop_first()??;
        let labels = self.pools.get(name).map(|pool| &pool.labels);
        pools.is_empty().then_some(PoolOf { name, labels })
    }

    /// With the policy `Local`, the nodes that have an endpoint of the Service.
    fn local_nodes<'a>(&'a self, service: &NamespacedName, claim: &Claim) -> Option<BTreeSet<&'a str>> {
        let nodes = || self.slices_of(service).flat_map(|slice| slice.nodes.iter());
        (claim.traffic == TrafficPolicy::Local).then(|| nodes().collect())
    }

    /// Those of them that have none which is not about to end. Upstream's speakers do not ask, so that with them it is left out.
    fn leaving_nodes<'a>(&'a self, service: &NamespacedName, claim: &Claim) -> BTreeSet<&'a str> {
        if self.company == Company::Mixed || claim.traffic != TrafficPolicy::Local {
            return BTreeSet::new();
        }
        let all = || self.slices_of(service);
        let mut nodes: BTreeSet<&str> = all().flat_map(|slice| slice.nodes.leaving()).collect();
        if !nodes.is_empty() {
            // Each slice tells of its own endpoints only.
            for node in all().flat_map(|slice| slice.nodes.staying()) {
                nodes.remove(node);
            }
        }
        nodes
    }

    fn slices_of(&self, service: &NamespacedName) -> impl Iterator<Item = &EndpointFacts> {
        let first = (service.clone(), NamespacedName::default());
        let of = service.clone();
        let entries = self
            .slices_of
            .range(first..)
            .take_while(move |(owner, _)| *owner == of);
        entries.filter_map(|(_, slice)| self.slices.get(slice))
    }

    pub(super) fn landscape(&self) -> Landscape<'_> {
        Landscape {
            nodes: &self.nodes,
            members: &self.members,
            ignore_exclude_label: self.own.ignore_exclude_label,
        }
    }
}

/// The pool of a Service's addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolOf<'a> {
    pub(super) name: &'a str,
    /// `None` if the pool is gone.
    pub(super) labels: Option<&'a Labels>,
}
