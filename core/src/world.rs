//! What one speaker knows of the cluster, and for which Services that may mean something new. Who is no speaker asks
//! it why none announces.
//!
//! [`World::observe`] takes facts in and marks Services dirty; [`World::take_plans`] plans those. A plan is a function
//! of the facts alone: in whatever order they came, and after a restart, the same facts give the same plans. A change
//! of one Service or its endpoints is planned for that Service and those that share its address; a change of a node,
//! a pool or an advertisement is planned for all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_api::{Change, NamespacedName};

use crate::config::{BgpAdvertisement, Fault, L2Advertisement, Pool};
use crate::facts::{EndpointFacts, NodeFacts, SpeakerFacts};
use crate::layer2::{Reach, Standing, members};

mod change;
mod claim;
mod configuration;
mod group;
mod planning;
pub mod read;
mod recent;
#[cfg(test)]
mod tests;
mod unannounced;

pub use claim::Claim;
pub use unannounced::{Cause, Unannounced};

use change::merge;
use recent::Recent;

/// Something that a speaker learns.
#[derive(Debug, Clone)]
pub enum Input {
    /// Services.
    Service(Change<Claim>),
    /// EndpointSlices.
    Endpoints(Change<EndpointFacts>),
    /// Nodes.
    Node(Change<NodeFacts>),
    /// The speakers' own Pods.
    Speaker(Change<SpeakerFacts>),
    /// IPAddressPools, or what is wrong with them.
    Pool(Change<Result<Pool, String>>),
    /// L2Advertisements, or what is wrong with them.
    L2Advertisement(Change<Result<L2Advertisement, String>>),
    /// BGPAdvertisements, or what is wrong with them.
    BgpAdvertisement(Change<Result<BgpAdvertisement, String>>),
    /// The interfaces of this node that may be used.
    Interfaces(BTreeSet<String>),
    /// The nodes whose speakers hear of one another.
    Members {
        /// Their names, this node's included.
        alive: BTreeSet<String>,
        /// Who they are.
        company: Company,
        /// How often the others took this speaker for dead until it objected.
        declared_dead: u64,
    },
}

/// Who the speakers are that hear of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Company {
    /// Of this project, each: they elect as this one does.
    OursOnly,
    /// Upstream's are among them; or it is not known.
    #[default]
    Mixed,
}

/// The kinds of input. A speaker acts once it has heard of all but the last: without members, Pods tell who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the input of the same name")]
pub enum Kind {
    Service,
    Endpoints,
    Node,
    Speaker,
    Pool,
    L2Advertisement,
    BgpAdvertisement,
    Interfaces,
    Members,
}

impl Kind {
    const NEEDED: [Self; 8] = [
        Self::Service,
        Self::Endpoints,
        Self::Node,
        Self::Speaker,
        Self::Pool,
        Self::L2Advertisement,
        Self::BgpAdvertisement,
        Self::Interfaces,
    ];
}

/// Who this speaker is, and what it was told to do.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// The node it runs on.
    pub node: String,
    /// The load balancer class it serves; `None` means Services without one.
    pub class: Option<String>,
    /// Take nodes that are labelled for exclusion all the same.
    pub ignore_exclude_label: bool,
}

/// The facts that one speaker has.
#[derive(Debug)]
pub struct World {
    own: Own,
    /// This is the world of a speaker.
    speaks: bool,
    listed: BTreeSet<Kind>,
    claims: BTreeMap<NamespacedName, Claim>,
    slices: BTreeMap<NamespacedName, EndpointFacts>,
    nodes: BTreeMap<String, NodeFacts>,
    speakers: BTreeMap<String, SpeakerFacts>,
    pools: BTreeMap<String, Pool>,
    l2_advertisements: BTreeMap<String, L2Advertisement>,
    bgp_advertisements: BTreeMap<String, BgpAdvertisement>,
    /// Of the last version of each object that is not in force because of it.
    faults: BTreeSet<Fault>,
    /// A pool or an advertisement says something else since that was last asked.
    configured: bool,
    interfaces: BTreeSet<String>,
    /// The nodes whose speakers hear of one another, once they do.
    alive: Option<BTreeSet<String>>,
    company: Company,
    declared_dead: u64,
    /// Where the speakers are.
    peers: BTreeSet<IpAddr>,
    /// That was not asked for since it changed.
    peers_are_news: bool,
    /// The Services of each address.
    by_address: BTreeSet<(IpAddr, NamespacedName)>,
    /// The EndpointSlices of each Service.
    slices_of: BTreeSet<(NamespacedName, NamespacedName)>,
    members: BTreeMap<String, Standing>,
    reaches: BTreeMap<String, Reach>,
    stale: Stale,
    dirty: BTreeSet<NamespacedName>,
    recent: Recent,
}

/// What has to be derived anew before the next plan.
#[derive(Debug, Default)]
struct Stale {
    members: bool,
    reaches: bool,
    every_plan: bool,
}

impl World {
    /// What somebody knows who is no speaker, which is nothing yet. It makes no plans. `class` is that of the speakers.
    pub fn from_outside(class: Option<String>) -> Self {
        Self {
            speaks: false,
            ..Self::new(Own {
                class,
                ..Own::default()
            })
        }
    }

    /// What a speaker knows, which is nothing yet.
    pub fn new(own: Own) -> Self {
        Self {
            own,
            speaks: true,
            listed: BTreeSet::new(),
            claims: BTreeMap::new(),
            slices: BTreeMap::new(),
            nodes: BTreeMap::new(),
            speakers: BTreeMap::new(),
            pools: BTreeMap::new(),
            l2_advertisements: BTreeMap::new(),
            bgp_advertisements: BTreeMap::new(),
            faults: BTreeSet::new(),
            configured: false,
            interfaces: BTreeSet::new(),
            alive: None,
            company: Company::default(),
            declared_dead: 0,
            peers: BTreeSet::new(),
            peers_are_news: false,
            by_address: BTreeSet::new(),
            slices_of: BTreeSet::new(),
            members: BTreeMap::new(),
            reaches: BTreeMap::new(),
            stale: Stale::default(),
            dirty: BTreeSet::new(),
            recent: Recent::default(),
        }
    }

    /// Learns something. Configuration objects that cannot be used are returned; for each, what it said before stays
    /// in force.
    pub fn observe(&mut self, input: Input) -> Vec<Fault> {
        if self.speaks {
            self.recent.note(&input, &self.listed);
        }
        match input {
            Input::Service(change) => self.observe_services(change),
            Input::Endpoints(change) => self.observe_slices(change),
            Input::Node(change) => {
                self.note_list(Kind::Node, &change);
                if !merge(&mut self.nodes, change.by_name()).is_empty() {
                    self.stale = Stale {
                        members: true,
                        reaches: true,
                        every_plan: true,
                    };
                }
            }
            Input::Speaker(change) => {
                self.note_list(Kind::Speaker, &change);
                if !merge(&mut self.speakers, change.by_name()).is_empty() {
                    self.stale.members = true;
                    let peers = self.speakers.values().filter_map(|speaker| speaker.address);
                    let peers = peers.collect();
                    self.peers_are_news |= self.peers != peers;
                    self.peers = peers;
                }
            }
            Input::Pool(change) => {
                self.note_list(Kind::Pool, &change);
                return self.configure("IPAddressPool", change, |world| &mut world.pools);
            }
            Input::L2Advertisement(change) => {
                self.note_list(Kind::L2Advertisement, &change);
                self.stale.reaches = true;
                return self.configure("L2Advertisement", change, |world| &mut world.l2_advertisements);
            }
            Input::BgpAdvertisement(change) => {
                self.note_list(Kind::BgpAdvertisement, &change);
                return self.configure("BGPAdvertisement", change, |world| &mut world.bgp_advertisements);
            }
            Input::Interfaces(present) => {
                self.listed.insert(Kind::Interfaces);
                self.stale.every_plan |= self.interfaces != present;
                self.interfaces = present;
            }
            Input::Members {
                alive,
                company,
                declared_dead,
            } => {
                self.stale.members |= self.alive.as_ref() != Some(&alive);
                self.stale.every_plan |= self.company != company;
                (self.alive, self.company) = (Some(alive), company);
                // Another node may have told the neighbours that it has our addresses.
                if declared_dead > self.declared_dead {
                    self.recent.note_gap();
                }
                self.declared_dead = declared_dead;
            }
        }
        Vec::new()
    }

    /// Whether `input` is about something that changed since the last plans. Then those plans must be made first: what
    /// was so for a moment was so for the other speakers too, and they acted upon it.
    pub fn supersedes(&self, input: &Input) -> bool {
        self.recent.covers(input)
    }

    /// Whether a list came, since this was last asked, in place of changes that nobody here saw.
    pub fn take_gap(&mut self) -> bool {
        self.recent.take_gap()
    }

    /// Where the speakers are, if that has changed since this was last asked.
    pub fn take_peers(&mut self) -> Option<BTreeSet<IpAddr>> {
        std::mem::take(&mut self.peers_are_news).then(|| self.peers.clone())
    }

    /// The kinds that nothing is known about yet. Planning before this is empty would withdraw what others rely on.
    pub fn missing(&self) -> BTreeSet<Kind> {
        Kind::NEEDED
            .into_iter()
            .filter(|kind| !self.listed.contains(kind))
            .collect()
    }

    /// What is known of a Service.
    pub fn claim(&self, service: &NamespacedName) -> Option<&Claim> {
        self.claims.get(service)
    }

    /// The uid of the speakers' Pod called `name`, if it is known.
    pub fn speaker_uid(&self, name: &str) -> Option<&str> {
        Some(self.speakers.get(name)?.uid.as_str())
    }

    fn note_list<F>(&mut self, kind: Kind, change: &Change<F>) {
        if matches!(change, Change::Reset(_)) {
            self.listed.insert(kind);
        }
    }

    fn observe_services(&mut self, change: Change<Claim>) {
        self.note_list(Kind::Service, &change);
        for touched in merge(&mut self.claims, change) {
            if let Some(before) = touched.before {
                // Those it shared an address with may now be free to move elsewhere.
                self.dirty.extend(self.group_of(&touched.key, &before).services);
                for address in before.addresses.iter() {
                    self.by_address.remove(&(*address, touched.key.clone()));
                }
            }
            if let Some(claim) = self
                .claims
                .get(&touched.key)
                .filter(|claim| self.own.serves(claim))
            {
                let of = |address: &IpAddr| (*address, touched.key.clone());
                self.by_address.extend(claim.addresses.iter().map(of));
            }
            self.dirty.insert(touched.key);
        }
    }

    fn observe_slices(&mut self, change: Change<EndpointFacts>) {
        self.note_list(Kind::Endpoints, &change);
        for touched in merge(&mut self.slices, change) {
            if let Some(service) = touched.before.and_then(|before| before.service) {
                self.dirty.insert(service.clone());
                self.slices_of.remove(&(service, touched.key.clone()));
            }
            let now = self.slices.get_mut(&touched.key);
            if let Some(service) = now.and_then(|slice| slice.service.as_mut()) {
                if let Some((known, _)) = self.claims.get_key_value(service) {
                    service.clone_from(known); // one name in memory and not two
                }
                self.dirty.insert(service.clone());
                self.slices_of.insert((service.clone(), touched.key));
            }
        }
    }

    /// Derives what all plans have in common.
    fn refresh(&mut self) {
        let stale = std::mem::take(&mut self.stale);
        let mut every_plan = stale.every_plan;
        if stale.members {
            let speakers = self.speakers.values();
            let own = self.speaks.then_some(self.own.node.as_str());
            let members = members(&self.nodes, speakers, own, self.alive.as_ref());
            every_plan |= members != self.members;
            self.members = members;
            if !self.speaks {
                let ignores = |speaker: &SpeakerFacts| speaker.ignores_exclude_label;
                self.own.ignore_exclude_label = self.speakers.values().any(ignores);
            }
        }
        if stale.reaches {
            let advertisements = self.l2_advertisements.iter();
            self.reaches = advertisements
                .map(|(name, ad)| (name.clone(), Reach::of(ad, &self.nodes)))
                .collect();
        }
        if every_plan {
            self.dirty.extend(self.claims.keys().cloned());
        }
    }
}

impl Own {
    /// Whether the Service is for this load balancer.
    fn serves(&self, claim: &Claim) -> bool {
        claim.load_balancer && claim.class.as_deref() == self.class.as_deref()
    }
}
