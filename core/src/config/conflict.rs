//! What is wrong with a configuration whatever is still to come: mistakes inside one object, and objects that
//! contradict each other. Owns the rules between objects; a reference to an object that does not exist (yet) is no
//! conflict.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::NamespacedName;

use super::objects::{Kind, Objects};
use super::{BfdProfile, BgpAdvertisement, Communities, Fault, L2Advertisement, Peer, Pool, Pools};
use crate::facts::IpFamily;

/// Every fault, in the order in which MetalLB looks for them. Of two objects that contradict each other the fault is
/// that of the later one in the order of names.
pub fn faults(objects: &Objects) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, profile) in objects.bfd_profiles.values().enumerate() {
        if let Err(error) = BfdProfile::parse(profile) {
            let message = format!("parsing bfd profile #{}: {error}", number + 1);
            faults.push(fault(Kind::BfdProfile, &profile.metadata, message));
        }
    }
    for (name, peer) in &objects.peers {
        if let Err(error) = Peer::parse(peer) {
            let message = format!("parsing peer {name} {error}");
            faults.push(fault(Kind::BgpPeer, &peer.metadata, message));
        }
    }
    faults.extend(Communities::parse(objects.communities.values()).1);
    if let Err(found) = Pools::parse(objects.pools.values(), &BTreeMap::new()) {
        faults.extend(found);
    }
    for advertisement in objects.l2_advertisements.values() {
        if let Err(error) = L2Advertisement::parse(advertisement) {
            let message = error.to_string();
            faults.push(fault(Kind::L2Advertisement, &advertisement.metadata, message));
        }
    }
    faults.extend(faults_of_bgp(objects));
    faults
}

pub(super) fn fault(kind: Kind, metadata: &ObjectMeta, message: String) -> Fault {
    Fault {
        kind: kind.as_str(),
        object: NamespacedName::of(metadata),
        message,
    }
}

/// The pools that can be read, each for itself.
pub(super) fn readable_pools(objects: &Objects) -> Vec<Pool> {
    let everywhere = BTreeMap::new();
    let parse = |pool| Pool::parse(pool, &everywhere).ok();
    objects.pools.values().filter_map(parse).collect()
}

fn faults_of_bgp(objects: &Objects) -> Vec<Fault> {
    let pools = readable_pools(objects);
    let mut earlier: Vec<BgpAdvertisement> = Vec::new();
    let mut faults = Vec::new();
    for object in objects.bgp_advertisements.values() {
        match BgpAdvertisement::parse(object) {
            Err(error) => faults.push(fault(Kind::BgpAdvertisement, &object.metadata, error.to_string())),
            Ok(advertisement) => {
                let mut selected = pools
                    .iter()
                    .filter(|pool| advertisement.pools.selects(&pool.name, Some(&pool.labels)));
                let conflict = selected.find_map(|pool| {
                    too_wide(&advertisement, pool)
                        .or_else(|| other_preference(&advertisement, &earlier, pool, objects))
                });
                faults
                    .extend(conflict.map(|message| fault(Kind::BgpAdvertisement, &object.metadata, message)));
                earlier.push(advertisement);
            }
        }
    }
    faults
}

/// Nobody may advertise more addresses than the pool has. A range is a list of prefixes; it is enough that one of them
/// is as wide as what is advertised.
fn too_wide(advertisement: &BgpAdvertisement, pool: &Pool) -> Option<String> {
    pool.ranges().iter().find_map(|range| {
        let length = advertisement.aggregation_length(range.family());
        let prefixes = range.prefixes();
        let widest = prefixes.iter().map(ipnet::IpNet::prefix_len).min()?;
        let addresses = match prefixes.as_slice() {
            [prefix] => prefix.to_string(),
            _ => range.to_string(),
        };
        (widest > length).then(|| {
            format!(
                "invalid aggregation length {length}: prefix {widest} in this pool is more specific than the \
                 aggregation length for addresses {addresses}"
            )
        })
    })
}

/// A router that gets one route with two local preferences could not tell which counts. Advertisements for chosen
/// Services may never meet in one Service; the speaker looks at each of those.
fn other_preference(
    advertisement: &BgpAdvertisement,
    earlier: &[BgpAdvertisement],
    pool: &Pool,
    objects: &Objects,
) -> Option<String> {
    let meets = |other: &&BgpAdvertisement| {
        other.pools.selects(&pool.name, Some(&pool.labels))
            && !other.selects_services()
            && other.local_pref != advertisement.local_pref
            && same_route(advertisement, other, pool)
            && advertisement.shares_a_peer(other)
            && (objects.nodes.values()).any(|node| advertisement.includes(node) && other.includes(node))
    };
    if advertisement.selects_services() {
        return None;
    }
    earlier.iter().find(meets).map(|other| {
        // The spelling is MetalLB's, for those who search for it.
        format!(
            "invalid local preference {}: local preferernce {} was already set for the same type of BGP update. Check \
             existing BGP advertisements with common pools and aggregation lengths",
            advertisement.local_pref, other.local_pref
        )
    })
}

/// Whether some address of the pool is in the same prefix of both.
fn same_route(advertisement: &BgpAdvertisement, other: &BgpAdvertisement, pool: &Pool) -> bool {
    IpFamily::BOTH.into_iter().any(|family| {
        pool.ranges().iter().any(|range| range.family() == family)
            && advertisement.aggregation_length(family) == other.aggregation_length(family)
    })
}
