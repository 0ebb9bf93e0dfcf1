//! References between objects that lead nowhere (yet), and what two objects must not say together once they are all
//! there. Objects may be created in any order: such a fault keeps nobody from creating one, it tells what is missing.

use super::conflict::{fault, readable_pools};
use super::objects::{Kind, Objects};
use super::{
    BfdProfile, BgpAdvertisement, Communities, CommunityError, CommunityValue, Fault, NamedCommunity, Peer,
    Pool,
};
use crate::facts::IpFamily;

/// Every fault. Objects that cannot be read are left out: `conflict` names them.
pub fn faults(objects: &Objects) -> Vec<Fault> {
    let mut faults = missing_profiles(objects);
    faults.extend(missing_aliases(objects));
    faults.extend(echo_over_ipv6(objects));
    faults
}

fn missing_profiles(objects: &Objects) -> Vec<Fault> {
    let fault = |(name, peer): (&String, &metallb_api::v1beta2::BGPPeer)| {
        let profile = Peer::parse(peer).ok()?.bfd_profile?;
        let message = format!("peer {name} referencing non existing bfd profile {profile}");
        (!objects.bfd_profiles.contains_key(&profile)).then(|| fault(Kind::BgpPeer, &peer.metadata, message))
    };
    objects.peers.iter().filter_map(fault).collect()
}

fn missing_aliases(objects: &Objects) -> Vec<Fault> {
    let (communities, _) = Communities::parse(objects.communities.values());
    let mut faults = Vec::new();
    for object in objects.bgp_advertisements.values() {
        let Ok(advertisement) = BgpAdvertisement::parse(object) else {
            continue;
        };
        let unknown = advertisement
            .communities
            .iter()
            .find_map(|community| match community {
                NamedCommunity::Alias(alias) if communities.get(alias).is_none() => Some(alias),
                NamedCommunity::Alias(_) | NamedCommunity::Value(_) => None,
            });
        if let Some(alias) = unknown {
            let error = CommunityError::Format(alias.clone());
            let message = format!("invalid community {alias:?} in BGP advertisement: {error}");
            faults.push(fault(Kind::BgpAdvertisement, &object.metadata, message));
        }
    }
    faults
}

/// The value of a community as an advertisement names it; `None` for an unknown alias.
pub fn resolve(community: &NamedCommunity, communities: &Communities) -> Option<CommunityValue> {
    match community {
        NamedCommunity::Value(value) => Some(*value),
        NamedCommunity::Alias(alias) => communities.get(alias),
    }
}

/// BFD has no echo over IPv6 (RFC 5881 §4 leaves it out).
fn echo_over_ipv6(objects: &Objects) -> Vec<Fault> {
    let echoes = |name: &String| {
        let profile = objects.bfd_profiles.get(name).map(BfdProfile::parse);
        matches!(profile, Some(Ok(BfdProfile { echo_mode: true, .. })))
    };
    let peers: Vec<Peer> = objects
        .peers
        .values()
        .filter_map(|peer| Peer::parse(peer).ok())
        .filter(|peer| peer.bfd_profile.as_ref().is_some_and(echoes))
        .collect();
    let has_ipv6 = |pool: &Pool| pool.ranges().iter().any(|range| range.family() == IpFamily::V6);
    let mut faults = Vec::new();
    for pool in readable_pools(objects).iter().filter(|pool| has_ipv6(pool)) {
        for (name, object) in &objects.bgp_advertisements {
            let Ok(advertisement) = BgpAdvertisement::parse(object) else {
                continue;
            };
            if !advertisement.pools.selects(&pool.name, Some(&pool.labels)) {
                continue;
            }
            if let Some(peer) = peers.iter().find(|peer| advertisement.goes_to(&peer.name)) {
                let message = format!(
                    "pool {} has bgpadvertisement {name} which references peer {} which has bfd echo enabled, which is \
                     not possible",
                    pool.name, peer.name
                );
                faults.push(fault(Kind::BgpAdvertisement, &object.metadata, message));
            }
        }
    }
    faults
}
