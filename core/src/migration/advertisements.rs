//! How pools are announced: once a part of each pool, now resources of their own. Owns the names they get, and the
//! rules for prefix lengths, local preferences and communities.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::names::legacy;
use metallb_api::v1beta1::{
    BGPAdvertisement, BGPAdvertisementSpec, Community, CommunityAlias, CommunitySpec, L2Advertisement,
    L2AdvertisementSpec,
};

use super::convert::metadata;
use super::legacy::BgpAdvertisement;
use super::place::{About, Findings, Place};
use super::pools::{MigratedPool, Protocol};
use crate::config::CommunityValue;
use crate::facts::IpFamily;

/// Communities by alias.
type Aliases = BTreeMap<String, String>;

/// One L2Advertisement for each pool of the protocol layer2.
pub(super) fn layer2(pools: &[MigratedPool<'_>], namespace: &str) -> Vec<L2Advertisement> {
    let of_layer2 = pools
        .iter()
        .filter(|pool| pool.protocol == Some(Protocol::Layer2));
    let advertise = |(number, pool): (usize, &MigratedPool<'_>)| L2Advertisement {
        metadata: metadata(
            &format!("{}{}", legacy::L2_ADVERTISEMENT_PREFIX, number + 1),
            namespace,
        ),
        spec: L2AdvertisementSpec {
            ip_address_pools: Some(vec![pool.name.clone()]),
            ..L2AdvertisementSpec::default()
        },
        status: None,
    };
    of_layer2.enumerate().map(advertise).collect()
}

/// The advertisements of every pool of the protocol bgp; the default one for a pool that listed none.
pub(super) fn bgp(
    pools: &[MigratedPool<'_>],
    aliases: &Aliases,
    namespace: &str,
    findings: &mut Findings,
) -> Vec<BGPAdvertisement> {
    let mut specs = Vec::new();
    for pool in pools.iter().filter(|pool| pool.protocol == Some(Protocol::Bgp)) {
        let default = [BgpAdvertisement::default()];
        let listed = match pool.bgp_advertisements() {
            [] => &default,
            listed => listed,
        };
        let place = pool.place.key("bgp-advertisements");
        let mut about = findings.about(pool.subject.clone());
        for (number, advertisement) in listed.iter().enumerate() {
            let place = place.entry(number);
            check_lengths(advertisement, pool, &place, &mut about);
            check_communities(advertisement, aliases, &place, &mut about);
            check_earlier(&listed[..=number], pool, &place, &mut about);
            specs.push(spec(advertisement, pool));
        }
    }
    let object = |(number, spec)| BGPAdvertisement {
        metadata: metadata(
            &format!("{}{}", legacy::BGP_ADVERTISEMENT_PREFIX, number + 1),
            namespace,
        ),
        spec,
        status: None,
    };
    specs.into_iter().enumerate().map(object).collect()
}

fn spec(advertisement: &BgpAdvertisement, pool: &MigratedPool<'_>) -> BGPAdvertisementSpec {
    let BgpAdvertisement {
        aggregation_length,
        aggregation_length_v6,
        localpref,
        communities,
    } = advertisement;
    BGPAdvertisementSpec {
        aggregation_length: *aggregation_length,
        aggregation_length_v6: *aggregation_length_v6,
        local_pref: *localpref,
        communities: communities.clone().filter(|communities| !communities.is_empty()),
        ip_address_pools: Some(vec![pool.name.clone()]),
        ..BGPAdvertisementSpec::default()
    }
}

/// The length of the prefix that an address of `family` is announced in.
fn length(advertisement: &BgpAdvertisement, family: IpFamily) -> i32 {
    match family {
        IpFamily::V4 => advertisement.aggregation_length.unwrap_or(32),
        IpFamily::V6 => advertisement.aggregation_length_v6.unwrap_or(128),
    }
}

fn check_lengths(
    advertisement: &BgpAdvertisement,
    pool: &MigratedPool<'_>,
    place: &Place,
    about: &mut About<'_>,
) {
    for (key, family, words, least, most) in [
        ("aggregation-length", IpFamily::V4, "IPv4", 1, 32),
        ("aggregation-length-v6", IpFamily::V6, "IPv6", 0, 128),
    ] {
        let length = length(advertisement, family);
        if !(least..=most).contains(&length) {
            about.mistake(
                place.key(key),
                format!("invalid aggregation length {length} for {words}: use {least} to {most}"),
            );
            continue;
        }
        // A range is a list of prefixes; it is enough that one of them is as wide as what is announced.
        for range in pool.ranges.iter().filter(|range| range.family() == family) {
            let widest = range.prefixes().iter().map(ipnet::IpNet::prefix_len).min();
            if let Some(widest) = widest.filter(|widest| i32::from(*widest) > length) {
                about.mistake(
                    place.key(key),
                    format!(
                        "invalid aggregation length {length}: prefix {widest} in this pool is more specific than \
                         the aggregation length for addresses {range}"
                    ),
                );
            }
        }
    }
}

/// The last of `listed` against those before it: nobody could tell which local preference counts.
fn check_earlier(listed: &[BgpAdvertisement], pool: &MigratedPool<'_>, place: &Place, about: &mut About<'_>) {
    let Some((this, earlier)) = listed.split_last() else {
        return;
    };
    let number = listed.len();
    for (other, earlier) in earlier.iter().enumerate() {
        let preference = |of: &BgpAdvertisement| of.localpref.unwrap_or(0);
        let same_length = [IpFamily::V4, IpFamily::V6]
            .into_iter()
            .any(|family| pool.has(family) && length(this, family) == length(earlier, family));
        if preference(this) != preference(earlier) && same_length {
            about.mistake(
                place.key("localpref"),
                format!(
                    "invalid local preference {}: local preference {} was already set for the same type of BGP update",
                    preference(this),
                    preference(earlier)
                ),
            );
        }
        if key(this) == key(earlier) {
            about.mistake(
                place.clone(),
                format!("advertisement {} and {number} are equal: remove one", other + 1),
            );
        }
    }
}

/// What makes an advertisement different from another one of the same pool.
fn key(advertisement: &BgpAdvertisement) -> (i32, i32, u32, BTreeSet<&str>) {
    let communities = advertisement.communities.iter().flatten();
    (
        length(advertisement, IpFamily::V4),
        length(advertisement, IpFamily::V6),
        advertisement.localpref.unwrap_or(0),
        communities.map(String::as_str).collect(),
    )
}

fn check_communities(
    advertisement: &BgpAdvertisement,
    aliases: &Aliases,
    place: &Place,
    about: &mut About<'_>,
) {
    let place = place.key("communities");
    let mut seen = BTreeSet::new();
    for (number, community) in advertisement.communities.iter().flatten().enumerate() {
        if !seen.insert(community) {
            about.mistake(
                place.entry(number),
                format!("duplicate definition of community {community:?}"),
            );
        }
        if aliases.contains_key(community) {
            continue;
        }
        if let Err(reason) = community.parse::<CommunityValue>() {
            about.mistake(
                place.entry(number),
                format!("{reason}, and bgp-communities has no such alias"),
            );
        }
    }
}

/// The one Community with all aliases, in the order of their names.
pub(super) fn communities(aliases: &Aliases, namespace: &str, findings: &mut Findings) -> Option<Community> {
    let place = Place::default().key("bgp-communities");
    for (alias, value) in aliases {
        let mut about = findings.about(format!("community {alias:?}"));
        if let Err(reason) = value.parse::<CommunityValue>() {
            about.mistake(place.key(alias), reason);
        }
        if alias.contains(':') {
            let words =
                "an alias cannot have a colon: in a BGPAdvertisement what has one is the community itself";
            about.mistake(place.key(alias), words);
        }
    }
    let alias = |(name, value): (&String, &String)| CommunityAlias {
        name: Some(name.clone()),
        value: Some(value.clone()),
    };
    (!aliases.is_empty()).then(|| Community {
        metadata: metadata(legacy::COMMUNITY, namespace),
        spec: CommunitySpec {
            communities: Some(aliases.iter().map(alias).collect()),
        },
        status: None,
    })
}
