//! The whole conversion: which resources come out, in which order, and the rules between them. What one entry means is
//! in the modules beside it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use metallb_api::v1beta2::BGPPeer;

use super::legacy::{AddressPool, Config};
use super::place::{Findings, Place, Remark};
use super::pools::{MigratedPool, Protocol};
use super::{advertisements, bfd, peers, pools};
use crate::config::objects::{Kind, Object, Objects};
use crate::config::{self, Fault, standing};
use crate::facts::IpFamily;

#[cfg(test)]
mod tests;

/// Resources that mean what the old configuration meant. They have been read as the controller reads them: it will accept
/// them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// The BGP peers.
    pub peers: Vec<BGPPeer>,
    /// The pools.
    pub pools: Vec<IPAddressPool>,
    /// At least one for each pool of the protocol bgp.
    pub bgp_advertisements: Vec<BGPAdvertisement>,
    /// One for each pool of the protocol layer2.
    pub l2_advertisements: Vec<L2Advertisement>,
    /// The BFD profiles.
    pub bfd_profiles: Vec<BFDProfile>,
    /// The aliases of communities, if there are any.
    pub communities: Option<Community>,
    /// What the author of the configuration should know before these replace it.
    pub notes: Vec<Remark>,
}

/// Turns the old configuration into resources in `namespace`.
///
/// # Errors
/// Every mistake. There is no partial result: half of a configuration would take addresses away from Services.
pub fn convert(config: &Config, namespace: &str) -> Result<Resources, Vec<Remark>> {
    let Config {
        peers: old_peers,
        bgp_communities,
        address_pools,
        bfd_profiles,
    } = config;
    let mut findings = Findings::default();
    let aliases = bgp_communities.clone().unwrap_or_default();
    let old_pools: &[AddressPool] = address_pools.as_deref().unwrap_or_default();

    let profiles = bfd::convert(
        bfd_profiles.as_deref().unwrap_or_default(),
        namespace,
        &mut findings,
    );
    let peers = peers::convert(
        old_peers.as_deref().unwrap_or_default(),
        &profiles,
        namespace,
        &mut findings,
    );
    let pools = pools::convert(old_pools, &mut findings);
    let bgp_advertisements = advertisements::bgp(&pools, &aliases, namespace, &mut findings);
    let resources = Resources {
        l2_advertisements: advertisements::layer2(&pools, namespace),
        communities: advertisements::communities(&aliases, namespace, &mut findings),
        pools: pools.iter().map(|pool| pool.object(namespace)).collect(),
        peers,
        bgp_advertisements,
        bfd_profiles: profiles.into_objects(),
        notes: Vec::new(),
    };

    forbid_echo_over_ipv6(&resources, &pools, &mut findings);
    if resources.is_empty() {
        findings.mistakes.push(Remark {
            place: Place::default(),
            message: "nothing to migrate: it has no address pools, peers, BFD profiles or communities"
                .to_owned(),
        });
    }
    if findings.mistakes.is_empty() {
        findings.mistakes = refused(&resources, &pools);
    }
    let Findings { mistakes, notes } = findings;
    if mistakes.is_empty() {
        Ok(Resources { notes, ..resources })
    } else {
        Err(mistakes)
    }
}

impl Resources {
    /// All of them, as if they were applied.
    fn objects(&self) -> Objects {
        let Self {
            peers,
            pools,
            bgp_advertisements,
            l2_advertisements,
            bfd_profiles,
            communities,
            notes: _,
        } = self;
        let mut objects = Objects::default();
        wrapped(peers, Object::BgpPeer)
            .chain(wrapped(pools, Object::IpAddressPool))
            .chain(wrapped(bgp_advertisements, Object::BgpAdvertisement))
            .chain(wrapped(l2_advertisements, Object::L2Advertisement))
            .chain(wrapped(bfd_profiles, Object::BfdProfile))
            .chain(wrapped(communities.as_slice(), Object::Community))
            .for_each(|object| objects.insert(object));
        objects
    }

    /// The part of the old configuration that the object at fault was made of.
    fn place(&self, fault: &Fault, pools: &[MigratedPool]) -> Place {
        let name = Some(fault.object.name());
        let is_named = |metadata: &ObjectMeta| metadata.name.as_deref() == name;
        let entry = |list: &str, number: Option<usize>| {
            number.map_or_else(Place::default, |number| Place::default().key(list).entry(number))
        };
        let of_pool = |pool: Option<&str>| {
            let made = pools.iter().find(|made| Some(made.name.as_str()) == pool);
            made.map(|made| made.place.clone()).unwrap_or_default()
        };
        let of_first =
            |named: Option<&Vec<String>>| of_pool(named.into_iter().flatten().next().map(String::as_str));
        match Kind::ALL.into_iter().find(|kind| kind.as_str() == fault.kind) {
            Some(Kind::IpAddressPool) => of_pool(name),
            Some(Kind::BgpAdvertisement) => {
                let mut all = self.bgp_advertisements.iter();
                let found = all.find(|object| is_named(&object.metadata));
                of_first(found.and_then(|object| object.spec.ip_address_pools.as_ref()))
            }
            Some(Kind::L2Advertisement) => {
                let mut all = self.l2_advertisements.iter();
                let found = all.find(|object| is_named(&object.metadata));
                of_first(found.and_then(|object| object.spec.ip_address_pools.as_ref()))
            }
            Some(Kind::BgpPeer) => {
                let mut all = self.peers.iter();
                entry("peers", all.position(|object| is_named(&object.metadata)))
            }
            Some(Kind::BfdProfile) => {
                let mut all = self.bfd_profiles.iter();
                entry("bfd-profiles", all.position(|object| is_named(&object.metadata)))
            }
            Some(Kind::Community) => Place::default().key("bgp-communities"),
            None => Place::default(),
        }
    }

    fn is_empty(&self) -> bool {
        let Self {
            peers,
            pools,
            bgp_advertisements,
            l2_advertisements,
            bfd_profiles,
            communities,
            notes: _,
        } = self;
        peers.is_empty()
            && pools.is_empty()
            && bgp_advertisements.is_empty()
            && l2_advertisements.is_empty()
            && bfd_profiles.is_empty()
            && communities.is_none()
    }
}

/// Name and namespace of a new object.
pub(super) fn metadata(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    }
}

/// BFD has no echo over IPv6 (RFC 5881 leaves it out), and every peer of the old configuration got every BGP pool.
fn forbid_echo_over_ipv6(resources: &Resources, pools: &[MigratedPool], findings: &mut Findings) {
    let by_bgp = |pool: &&MigratedPool| pool.protocol == Some(Protocol::Bgp) && pool.has(IpFamily::V6);
    let Some(pool) = pools.iter().find(by_bgp) else {
        return;
    };
    let echoes = |name: &str| {
        let mut profiles = resources.bfd_profiles.iter();
        profiles.any(|profile| {
            profile.metadata.name.as_deref() == Some(name) && profile.spec.echo_mode == Some(true)
        })
    };
    for (number, peer) in resources.peers.iter().enumerate() {
        if let Some(profile) = peer.spec.bfd_profile.as_deref().filter(|name| echoes(name)) {
            let address = peer.spec.peer_address.as_deref();
            let place = Place::default().key("peers").entry(number).key("bfd-profile");
            findings.about(peers::subject(address, number)).mistake(
                place,
                format!(
                    "bfd profile {profile:?} has echo-mode, which is not possible with pool {:?}: it has IPv6 \
                     addresses",
                    pool.name
                ),
            );
        }
    }
}

/// Each of the objects of one kind, as one of any kind.
fn wrapped<K: Clone>(objects: &[K], wrap: fn(Box<K>) -> Object) -> impl Iterator<Item = Object> {
    objects.iter().cloned().map(Box::new).map(wrap)
}

/// The last word belongs to the parsers that the controller uses.
fn refused(resources: &Resources, pools: &[MigratedPool]) -> Vec<Remark> {
    let unreadable = config::Pools::parse(&resources.pools, &BTreeMap::new()).err();
    let mut faults = unreadable.unwrap_or_default();
    faults.extend(standing::faults_beside_pools(&resources.objects()));
    faults
        .into_iter()
        .map(|fault| Remark {
            place: resources.place(&fault, pools),
            message: if fault.kind == Kind::IpAddressPool.as_str() {
                fault.message
            } else {
                fault.to_string()
            },
        })
        .collect()
}
