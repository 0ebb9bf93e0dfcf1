//! What is probably not meant as it is written, though MetalLB has always accepted it. Owns the words of these
//! warnings; none of them is ever a reason to refuse.

use metallb_api::v1beta2::BGPPeer;

use crate::config::objects::{Object, Objects};
use crate::config::peer::Peer;
use crate::config::{BgpAdvertisement, L2Advertisement, PoolChoice};

/// The longest hold time that the message has room for (RFC 4271 §4.2).
const MOST_HOLD_TIME_S: u64 = 65_535;

/// Warnings about `object`, which is among `all`.
pub(super) fn about(object: &Object, all: &Objects) -> Vec<String> {
    match object {
        Object::BgpPeer(peer) => about_peer(peer, all),
        Object::BgpAdvertisement(advertisement) => {
            BgpAdvertisement::parse(advertisement).map_or_else(
                |_| Vec::new(), // refused already
                |parsed| about_bgp_advertisement(object.name(), &parsed, all),
            )
        }
        Object::L2Advertisement(advertisement) => L2Advertisement::parse(advertisement)
            .map_or_else(|_| Vec::new(), |parsed| missing_pools(&parsed.pools, all)),
        Object::BfdProfile(_) | Object::Community(_) | Object::IpAddressPool(_) => Vec::new(),
    }
}

fn missing_pools(choice: &PoolChoice, all: &Objects) -> Vec<String> {
    let missing = choice.names().filter(|name| !all.pools.contains_key(*name));
    let warning = |name| format!("ipAddressPools names {name:?}, and there is no IPAddressPool of that name");
    missing.map(warning).collect()
}

fn about_bgp_advertisement(name: &str, parsed: &BgpAdvertisement, all: &Objects) -> Vec<String> {
    let mut warnings = missing_pools(&parsed.pools, all);
    let missing = parsed.peers.iter().filter(|peer| !all.peers.contains_key(*peer));
    warnings
        .extend(missing.map(|peer| format!("peers names {peer:?}, and there is no BGPPeer of that name")));
    let equal = (all.bgp_advertisements.iter())
        .find(|(other, object)| *other != name && BgpAdvertisement::parse(object).as_ref() == Ok(parsed));
    warnings.extend(equal.map(|(other, _)| {
        format!("duplicate definition of bgpadvertisements. advertisement {other} and {name} are equal")
    }));
    warnings
}

fn about_peer(object: &BGPPeer, all: &Objects) -> Vec<String> {
    let mut warnings = Vec::new();
    if object.spec.disable_mp == Some(true) {
        warnings.push(
            "disable mp is deprecated and has no effect since it's the default behavior now".to_owned(),
        );
    }
    // The reference to a Secret beside a password is reported elsewhere.
    let mut readable = object.clone();
    readable.spec.password_secret = None;
    let Ok(peer) = Peer::parse(&readable) else {
        return warnings;
    };
    if peer
        .timers
        .hold
        .is_some_and(|hold| hold.as_secs() > MOST_HOLD_TIME_S)
    {
        warnings.push(format!(
            "the hold time is more than BGP can say: {MOST_HOLD_TIME_S}s will be used"
        ));
    }
    if peer.router_id.is_some_and(|id| !id.is_ipv4()) {
        warnings.push("routerID is no IPv4 address, and BGP knows no other identifiers".to_owned());
    }
    let others = all.peers.values().filter_map(|other| Peer::parse(other).ok());
    for other in others.filter(|other| other.name != peer.name && share_a_node(&peer, other, all)) {
        if same_session(&peer, &other) {
            warnings.push(format!(
                "BGPPeer {:?} dials the same router from the same nodes, and a router keeps one session with each",
                other.name
            ));
        } else if peer.router_id != other.router_id && peer.vrf == other.vrf {
            warnings.push(format!(
                "BGPPeer {:?} has another routerID on the same nodes; a router should have one (RFC 4271 section 4.2)",
                other.name
            ));
        }
    }
    warnings
}

/// Where no node is known, all of them may be.
fn share_a_node(peer: &Peer, other: &Peer, all: &Objects) -> bool {
    all.nodes.is_empty()
        || all
            .nodes
            .values()
            .any(|node| peer.includes(node) && other.includes(node))
}

fn same_session(peer: &Peer, other: &Peer) -> bool {
    let session = |peer: &Peer| (peer.endpoint.clone(), peer.port, peer.source, peer.vrf.clone());
    session(peer) == session(other)
}
