//! What to tell a Service's owner when no node announces the address: what is missing, and what to do next. Owns the
//! sentences; that one speaker says them, and when, is decided elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use metallb_api::NamespacedName;
use metallb_api::names::{annotation, event, label};

use super::planning::PoolOf;
use super::{Claim, World};
use crate::layer2::{Demand, Reason};
use crate::plan::{Complaint, Patience};

/// Names in one list of a message. An Event's message has at most 1,024 characters, and three examples are as telling
/// as a thousand.
const NAMED: usize = 3;

impl World {
    /// Why no node announces the Service, if that is for a person to change.
    pub(super) fn complain(&self, service: &NamespacedName, claim: &Claim) -> Option<Complaint> {
        if !self.own.serves(claim) || claim.invalid {
            return None;
        }
        let pool = self.pool_of(claim)?;
        let mut patience = Patience::ForObjects;
        let why = match self.advertisements_for(&pool, claim) {
            Err(Reason::SharedIpWithServiceSelector) => self.sharing_and_selecting(&pool, claim),
            Err(_) => self.not_advertised(&pool),
            Ok(advertisements) => {
                let serving = self.slices_of(service).any(|slice| slice.serving);
                // Without any endpoint, that none is local says nothing.
                let local = self.local_nodes(service, claim).filter(|_| serving);
                let demand = Demand {
                    advertisements,
                    local,
                };
                match self.no_node(&demand, &pool) {
                    Some(text) => text,
                    None if serving => return None,
                    None => {
                        patience = Patience::ForPods;
                        no_endpoint(service)
                    }
                }
            }
        };
        let addresses: Vec<_> = claim.addresses.iter().map(ToString::to_string).collect();
        let message = format!(
            "nobody announces {} of pool {:?}: {why}",
            addresses.join(", "),
            pool.name
        );
        Some(Complaint {
            reason: event::NOT_ANNOUNCED,
            messages: vec![message],
            patience,
        })
    }

    fn not_advertised(&self, pool: &PoolOf<'_>) -> String {
        let by_layer2 = quoted(self.selecting(pool).map(|(name, _)| name.as_str()));
        if !by_layer2.is_empty() {
            return format!(
                "the serviceSelectors of L2Advertisement {by_layer2} do not match the labels of this Service; label it, \
                 or create an L2Advertisement without serviceSelectors"
            );
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
        if by_bgp.is_empty() {
            format!("no L2Advertisement selects the pool; {next}")
        } else {
            format!(
                "only BGPAdvertisement {by_bgp} selects the pool, and this version does not speak BGP; {next}"
            )
        }
    }

    fn sharing_and_selecting(&self, pool: &PoolOf<'_>, claim: &Claim) -> String {
        let selecting = self
            .selecting(pool)
            .filter(|(_, ad)| ad.selects_services() && ad.serves(&claim.labels));
        format!(
            "L2Advertisement {} has serviceSelectors, which cannot be combined with the annotation {}; remove one of them",
            quoted(selecting.map(|(name, _)| name.as_str())),
            annotation::ALLOW_SHARED_IP,
        )
    }

    /// Why each node is out of the question; `None` if one is not.
    fn no_node(&self, demand: &Demand<'_>, pool: &PoolOf<'_>) -> Option<String> {
        let landscape = self.landscape();
        let mut nodes: BTreeMap<Reason, Vec<&str>> = BTreeMap::new();
        for node in self.nodes.keys() {
            nodes
                .entry(landscape.assess(node, demand).err()?)
                .or_default()
                .push(node);
        }
        let mut text = String::from("no node may");
        for (reason, names) in nodes {
            let because = match reason {
                Reason::NotMember => "no speaker runs on".to_owned(),
                Reason::NodeNetworkUnavailable => "the network is unavailable on".to_owned(),
                Reason::NodeLabeledExcludeBalancers => {
                    format!("the label {} is on", label::EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS)
                }
                Reason::NoLocalEndpoints => {
                    "with externalTrafficPolicy Local, no ready endpoint is on".to_owned()
                }
                _ => {
                    let advertisements = quoted(self.selecting(pool).map(|(name, _)| name.as_str()));
                    format!("the nodeSelectors of L2Advertisement {advertisements} do not match")
                }
            };
            let _ = write!(text, "; {because} {}", quoted(names.into_iter())); // writing to a String cannot fail
        }
        Some(text)
    }
}

fn no_endpoint(service: &NamespacedName) -> String {
    format!(
        "it has no ready endpoint; see: kubectl -n {} get endpointslices -l {}={}",
        service.namespace,
        label::ENDPOINT_SLICE_SERVICE,
        service.name
    )
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
