//! A cluster in a few lines: the facts that all its speakers have in common.

use std::collections::BTreeMap;

use metallb_api::{Change, NamespacedName, v1beta1};
use serde_json::{Value, json};

use crate::config::{BgpAdvertisement, L2Advertisement, Pool};
use crate::facts::{EndpointFacts, NodeFacts, NodeNames, SpeakerFacts};
use crate::plan::Plan;
use crate::world::{Claim, Company, Input, Own, Unannounced, World};

#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) nodes: BTreeMap<String, NodeFacts>,
    pub(super) speakers: BTreeMap<String, SpeakerFacts>,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) l2_advertisements: BTreeMap<String, L2Advertisement>,
    pub(super) bgp_advertisements: BTreeMap<String, BgpAdvertisement>,
    pub(super) claims: BTreeMap<String, Claim>,
    pub(super) slices: BTreeMap<String, EndpointFacts>,
    pub(super) ignore_exclude_label: bool,
    /// The speakers hear of one another, and all are ours.
    pub(super) ours_only: bool,
}

impl Scene {
    pub(super) const EXCLUDE: &str = metallb_api::names::label::EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS;

    /// Three nodes with ready speakers, one pool that is advertised without conditions, and the Service `shop/web`
    /// at 192.0.2.1 with an endpoint on each node.
    pub(super) fn well() -> Self {
        let mut scene = Self::default();
        for node in ["node1", "node2", "node3"] {
            scene.nodes.insert(
                node.into(),
                NodeFacts {
                    ready: true,
                    ..NodeFacts::default()
                },
            );
            scene.speakers.insert(
                node.into(),
                SpeakerFacts {
                    node: Some(node.into()),
                    ready: true,
                    ..SpeakerFacts::default()
                },
            );
        }
        scene.pool("pool", &["192.0.2.0/24", "2001:db8::/64"]);
        scene.advertise("{}");
        scene.serve("web", &["192.0.2.1"]);
        scene
    }

    pub(super) fn key(service: &str) -> NamespacedName {
        NamespacedName::new("shop", service)
    }

    pub(super) fn node(&mut self, name: &str) -> &mut NodeFacts {
        self.nodes.get_mut(name).unwrap()
    }

    pub(super) fn speaker(&mut self, node: &str) -> &mut SpeakerFacts {
        self.speakers.get_mut(node).unwrap()
    }

    pub(super) fn claim(&mut self, service: &str) -> &mut Claim {
        self.claims.get_mut(service).unwrap()
    }

    /// Gives the Service one more address.
    pub(super) fn add_address(&mut self, service: &str, address: &str) {
        let claim = self.claim(service);
        let address = std::iter::once(address.parse().unwrap());
        claim.addresses = claim.addresses.iter().copied().chain(address).collect();
    }

    pub(super) fn label(&mut self, node: &str, key: &str, value: &str) {
        self.node(node).labels.insert(key.into(), value.into());
    }

    pub(super) fn pool(&mut self, name: &str, addresses: &[&str]) {
        let object = json!({ "metadata": { "name": name }, "spec": { "addresses": addresses } });
        let object: v1beta1::IPAddressPool = serde_json::from_value(object).unwrap();
        self.pools
            .insert(name.into(), Pool::parse(&object, &BTreeMap::new()).unwrap());
    }

    /// Replaces the one advertisement of [`Scene::well`].
    pub(super) fn advertise(&mut self, spec: &str) {
        self.advertise_as("ad", spec);
    }

    pub(super) fn advertise_as(&mut self, name: &str, spec: &str) {
        let spec: Value = serde_json::from_str(spec).unwrap();
        let object = serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap();
        self.l2_advertisements
            .insert(name.into(), L2Advertisement::parse(&object).unwrap());
    }

    pub(super) fn advertise_by_bgp(&mut self, name: &str, spec: &str) {
        let spec: Value = serde_json::from_str(spec).unwrap();
        let object = serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap();
        self.bgp_advertisements
            .insert(name.into(), BgpAdvertisement::parse(&object).unwrap());
    }

    /// A Service with these addresses and an endpoint on each node.
    pub(super) fn serve(&mut self, service: &str, addresses: &[&str]) {
        let claim = Claim {
            load_balancer: true,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Claim::default()
        };
        self.claims.insert(service.into(), claim);
        self.serve_on(service, &["node1", "node2", "node3"]);
    }

    /// The nodes of the Service's endpoints; none means one that is on no node.
    pub(super) fn serve_on(&mut self, service: &str, nodes: &[&str]) {
        let facts = EndpointFacts {
            service: Some(Self::key(service)),
            serving: true,
            nodes: NodeNames::all(nodes),
        };
        self.slices.insert(format!("{service}-1"), facts);
    }

    /// All endpoints of the Service on these nodes are told to end.
    pub(super) fn leave(&mut self, service: &str, nodes: &[&str]) {
        let slice = self.slices.get_mut(&format!("{service}-1")).unwrap();
        slice.nodes.leave(nodes);
    }

    /// The nodes whose speakers are asked: those with a Pod, or all if no Pod is visible.
    pub(super) fn viewpoints(&self) -> Vec<String> {
        let from = if self.speakers.is_empty() {
            self.nodes.keys().collect()
        } else {
            self.speakers.keys().collect::<Vec<_>>()
        };
        from.into_iter().cloned().collect()
    }

    /// Everything, as the first lists bring it.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let members = self.ours_only.then(|| Input::Members {
            alive: self.nodes.keys().cloned().collect(),
            company: Company::OursOnly,
            declared_dead: 0,
        });
        let mut inputs = vec![
            Input::Service(list("shop", &self.claims)),
            Input::Endpoints(list("shop", &self.slices)),
            Input::Node(list("", &self.nodes)),
            Input::Speaker(list("metallb-system", &self.speakers)),
            Input::Pool(list("metallb-system", &ok(&self.pools))),
            Input::L2Advertisement(list("metallb-system", &ok(&self.l2_advertisements))),
            Input::BgpAdvertisement(list("metallb-system", &ok(&self.bgp_advertisements))),
            Input::Interfaces(["eth0".to_owned(), "eth1".to_owned()].into()),
        ];
        inputs.extend(members);
        inputs
    }

    /// Everything object by object, after empty lists.
    pub(super) fn single_inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        inputs.extend(single("shop", &self.claims).map(Input::Service));
        inputs.extend(single("shop", &self.slices).map(Input::Endpoints));
        inputs.extend(single("", &self.nodes).map(Input::Node));
        inputs.extend(single("metallb-system", &self.speakers).map(Input::Speaker));
        inputs.extend(single("metallb-system", &ok(&self.pools)).map(Input::Pool));
        inputs.extend(single("metallb-system", &ok(&self.l2_advertisements)).map(Input::L2Advertisement));
        inputs.extend(single("metallb-system", &ok(&self.bgp_advertisements)).map(Input::BgpAdvertisement));
        inputs
    }

    /// The changes of single Services and EndpointSlices that lead to another scene.
    pub(super) fn steps_to(&self, other: &Self) -> Vec<Input> {
        let mut steps = Vec::new();
        steps.extend(gone(&self.slices, &other.slices).map(Input::Endpoints));
        steps.extend(single("shop", &other.claims).map(Input::Service));
        steps.extend(gone(&self.claims, &other.claims).map(Input::Service));
        steps.extend(single("shop", &other.slices).map(Input::Endpoints));
        steps
    }

    /// What the speaker on `node` knows.
    pub(super) fn world(&self, node: &str) -> World {
        let mut world = self.blank(node);
        for input in self.inputs() {
            assert_eq!(world.observe(input), []);
        }
        world.refresh();
        world
    }

    /// Why nobody announces the Service, as who is no speaker sees it.
    pub(super) fn unannounced(&self, service: &str) -> Option<Unannounced> {
        let mut world = World::from_outside(None);
        for input in self.inputs() {
            world.observe(input);
        }
        let claim = self.claims.get(service)?;
        let of = |slice: &&EndpointFacts| slice.service == Some(Self::key(service));
        let slices: Vec<_> = self.slices.values().filter(of).cloned().collect();
        let told = world.unannounced(&Self::key(service), claim, &slices);
        if !world.asks_for_endpoints(claim) {
            assert_eq!(
                told,
                world.unannounced(&Self::key(service), claim, &[]),
                "without endpoints"
            );
        }
        told
    }

    /// The speaker on `node` before it knows anything.
    pub(super) fn blank(&self, node: &str) -> World {
        World::new(Own {
            node: node.into(),
            class: None,
            ignore_exclude_label: self.ignore_exclude_label,
        })
    }

    pub(super) fn plan_on(&self, node: &str, service: &str) -> Plan {
        self.world(node)
            .take_plans()
            .remove(&Self::key(service))
            .flatten()
            .unwrap()
    }
}

fn ok<F: Clone>(facts: &BTreeMap<String, F>) -> BTreeMap<String, Result<F, String>> {
    facts
        .iter()
        .map(|(name, facts)| (name.clone(), Ok(facts.clone())))
        .collect()
}

fn list<F: Clone>(namespace: &str, facts: &BTreeMap<String, F>) -> Change<F> {
    let key = |name: &String| NamespacedName::new(namespace, name);
    Change::Reset(
        facts
            .iter()
            .map(|(name, facts)| (key(name), facts.clone()))
            .collect(),
    )
}

fn single<'a, F: Clone>(
    namespace: &'a str,
    facts: &'a BTreeMap<String, F>,
) -> impl Iterator<Item = Change<F>> + use<'a, F> {
    facts
        .iter()
        .map(move |(name, facts)| Change::Apply(NamespacedName::new(namespace, name), facts.clone()))
}

/// Those that the other has not.
fn gone<'a, F>(
    ours: &'a BTreeMap<String, F>,
    other: &'a BTreeMap<String, F>,
) -> impl Iterator<Item = Change<F>> + use<'a, F> {
    let names = ours.keys().filter(|name| !other.contains_key(*name));
    names.map(|name| Change::Delete(NamespacedName::new("shop", name)))
}
