//! The whole conversion: which resources come out, in which order, and the rules between them. What one entry means is
//! in the modules beside it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use metallb_api::v1beta2::BGPPeer;

use super::legacy::{AddressPool, Config};
use super::place::{Findings, Place, Remark};
use super::pools::{MigratedPool, Protocol};
use super::{advertisements, bfd, peers, pools};
use crate::config;
use crate::facts::IpFamily;

#[cfg(test)]
mod tests;

/// Resources that mean what the old configuration meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// The BGP peers.
    pub peers: Vec<BGPPeer>,
    /// The pools. They have been read as the controller reads them: it will accept them.
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
        findings.mistakes = refused_pools(&resources.pools, &pools);
    }
    let Findings { mistakes, notes } = findings;
    if mistakes.is_empty() {
        Ok(Resources { notes, ..resources })
    } else {
        Err(mistakes)
    }
}

impl Resources {
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

/// The last word belongs to the parser that the controller uses.
fn refused_pools(objects: &[IPAddressPool], pools: &[MigratedPool]) -> Vec<Remark> {
    let Err(faults) = config::Pools::parse(objects, &std::collections::BTreeMap::new()) else {
        return Vec::new();
    };
    let place = |name: &str| {
        let pool = pools.iter().find(|pool| pool.name == name);
        pool.map(|pool| pool.place.clone()).unwrap_or_default()
    };
    faults
        .into_iter()
        .map(|fault| Remark {
            place: place(&fault.object.name),
            message: fault.message,
        })
        .collect()
}
