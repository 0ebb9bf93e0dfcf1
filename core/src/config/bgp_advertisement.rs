//! The BGPAdvertisement: which pools go to which routers, from which nodes, and with which attributes. Owns what can be
//! wrong with one such object; how several of them get along is `conflict`'s.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::v1beta1;

use super::advertisement::{AdvertisementError, Field, PoolChoice};
use super::community::CommunityValue;
use super::selector::{Selector, one_of};
use crate::facts::{IpFamily, Labelled};

/// Labels of an object.
type Labels = BTreeMap<String, String>;

/// One BGPAdvertisement without contradictions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BgpAdvertisement {
    /// The pools it selects.
    pub pools: PoolChoice,
    /// The local preference of its routes.
    pub local_pref: u32,
    /// The communities of its routes.
    pub communities: BTreeSet<NamedCommunity>,
    /// The peers it goes to; none means all.
    pub peers: BTreeSet<String>,
    lengths: Lengths,
    nodes: Vec<Selector>,
    services: Vec<Selector>,
}

/// A community as an advertisement names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedCommunity {
    /// By its value.
    Value(CommunityValue),
    /// By the name that a Community object gives it. The object may come later.
    Alias(String),
}

/// The lengths of the prefixes that addresses are advertised in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    v4: u8,
    v6: u8,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { v4: 32, v6: 128 }
    }
}

impl BgpAdvertisement {
    /// The length of the prefix that an address of `family` is advertised in.
    pub fn aggregation_length(&self, family: IpFamily) -> u8 {
        match family {
            IpFamily::V4 => self.lengths.v4,
            IpFamily::V6 => self.lengths.v6,
        }
    }

    /// Whether nodes with these labels advertise.
    pub fn includes(&self, node: &Labels) -> bool {
        one_of(&self.nodes, node)
    }

    /// Whether it is meant for a Service with these labels.
    pub fn serves(&self, service: &impl Labelled) -> bool {
        one_of(&self.services, service)
    }

    /// Whether it chooses among the Services of a pool at all.
    pub fn selects_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// Whether it goes to the peer of this name.
    pub fn goes_to(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.contains(peer)
    }

    /// Whether some peer gets both.
    pub fn shares_a_peer(&self, other: &Self) -> bool {
        self.peers.is_empty() || other.peers.is_empty() || !self.peers.is_disjoint(&other.peers)
    }

    /// Reads the object.
    ///
    /// # Errors
    /// See [`AdvertisementError`].
    pub fn parse(object: &v1beta1::BGPAdvertisement) -> Result<Self, AdvertisementError> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let v1beta1::BGPAdvertisementSpec {
            aggregation_length,
            aggregation_length_v6,
            local_pref,
            communities,
            ip_address_pools,
            ip_address_pool_selectors,
            node_selectors,
            peers,
            service_selectors,
        } = &object.spec;
        let nodes = Field {
            name: "nodeSelectors",
            of: "node selector",
        };
        let services = Field {
            name: "serviceSelectors",
            of: "service selector",
        };
        let pools = PoolChoice::parse(
            name,
            ip_address_pools.as_deref(),
            ip_address_pool_selectors.as_deref(),
        )?;
        let texts = unique(communities.as_deref(), AdvertisementError::DuplicateCommunity)?;
        let peers = unique(peers.as_deref(), AdvertisementError::DuplicatePeer)?;
        let lengths = Lengths {
            v4: length(*aggregation_length, IpFamily::V4)?,
            v6: length(*aggregation_length_v6, IpFamily::V6)?,
        };
        let parsed = Self {
            pools,
            local_pref: local_pref.unwrap_or(0),
            communities: texts
                .iter()
                .map(|text| community(text))
                .collect::<Result<_, _>>()?,
            peers,
            lengths,
            nodes: nodes.compile(name, node_selectors.as_deref())?,
            services: services.compile(name, service_selectors.as_deref())?,
        };
        parsed.check_exclusive(name)?;
        Ok(parsed)
    }

    /// A route that covers several addresses cannot be advertised for some of their Services only.
    fn check_exclusive(&self, name: &str) -> Result<(), AdvertisementError> {
        let Lengths { v4, v6 } = Lengths::default();
        let field = match (self.lengths.v4 == v4, self.lengths.v6 == v6) {
            _ if !self.selects_services() => return Ok(()),
            (true, true) => return Ok(()),
            (false, _) => "aggregationLength",
            (true, false) => "aggregationLengthV6",
        };
        Err(AdvertisementError::Exclusive {
            field,
            advertisement: name.to_owned(),
        })
    }
}

fn unique(
    list: Option<&[String]>,
    twice: fn(String) -> AdvertisementError,
) -> Result<BTreeSet<String>, AdvertisementError> {
    let mut unique = BTreeSet::new();
    for entry in list.unwrap_or_default() {
        if !unique.insert(entry.clone()) {
            return Err(twice(entry.clone()));
        }
    }
    Ok(unique)
}

fn length(given: Option<i32>, family: IpFamily) -> Result<u8, AdvertisementError> {
    let (default, least, most) = match family {
        IpFamily::V4 => (32, 1, 32),
        IpFamily::V6 => (128, 0, 128),
    };
    let length = given.unwrap_or(default);
    u8::try_from(length)
        .ok()
        .filter(|length| (least..=most).contains(length))
        .ok_or(AdvertisementError::AggregationLength { length, family })
}

/// A name has no colon; what has one is meant to be a value.
fn community(text: &str) -> Result<NamedCommunity, AdvertisementError> {
    if !text.contains(':') {
        return Ok(NamedCommunity::Alias(text.to_owned()));
    }
    let value = text.parse().map(NamedCommunity::Value);
    value.map_err(|error| AdvertisementError::Community {
        community: text.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(spec: &Value) -> Result<BgpAdvertisement, String> {
        let object = json!({ "metadata": { "name": "adv" }, "spec": spec });
        BgpAdvertisement::parse(&serde_json::from_value(object).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn bad_advertisements_are_refused_in_metallbs_words() {
        let twice = json!([{ "matchLabels": { "a": "b" } }, { "matchLabels": { "a": "b" } }]);
        let bad = json!([{ "matchExpressions": [{ "key": "a", "operator": "Like" }] }]);
        let operator =
            "\"Like\" is not a valid label selector operator: use one of In, NotIn, Exists, DoesNotExist";
        for (spec, message) in [
            (
                json!({ "ipAddressPools": ["x", "x"] }),
                "duplicate definition of ipAddressPools \"x\"",
            ),
            (
                json!({ "communities": ["1:2", "1:2"] }),
                "duplicate definition of community \"1:2\"",
            ),
            (
                json!({ "peers": ["a", "a"] }),
                "duplicate definition of peers \"a\"",
            ),
            (
                json!({ "ipAddressPoolSelectors": twice }),
                "duplicate definition of ipAddressPoolSelectors \"a=b\"",
            ),
            (
                json!({ "nodeSelectors": twice }),
                "duplicate definition of nodeSelectors \"a=b\"",
            ),
            (
                json!({ "serviceSelectors": twice }),
                "duplicate definition of serviceSelectors \"a=b\"",
            ),
            (
                json!({ "serviceSelectors": [{}], "aggregationLength": 24 }),
                "serviceSelectors and aggregationLength are mutually exclusive, both cannot be set in adv",
            ),
            (
                json!({ "serviceSelectors": [{}], "aggregationLengthV6": 64 }),
                "serviceSelectors and aggregationLengthV6 are mutually exclusive, both cannot be set in adv",
            ),
            (
                json!({ "aggregationLength": 33 }),
                "invalid aggregation length 33 for IPv4",
            ),
            (
                json!({ "aggregationLengthV6": 129 }),
                "invalid aggregation length 129 for IPv6",
            ),
            (
                json!({ "communities": ["1:2:3"] }),
                "invalid community \"1:2:3\" in BGP advertisement: invalid community format: 1:2:3",
            ),
            (
                json!({ "nodeSelectors": bad }),
                "failed to parse node selector for adv: BAD",
            ),
            (
                json!({ "serviceSelectors": bad }),
                "failed to parse service selector for adv: BAD",
            ),
        ] {
            let message = message.replace("BAD", operator);
            assert_eq!(parse(&spec).unwrap_err(), message, "{spec}");
        }
    }

    #[test]
    fn what_is_left_out_means_all_and_single_addresses() {
        let all = parse(&json!({})).unwrap();
        assert_eq!(
            IpFamily::BOTH.map(|family| all.aggregation_length(family)),
            [32, 128]
        );
        assert!(all.goes_to("any") && all.includes(&Labels::new()) && all.serves(&Labels::new()));
        let some = parse(&json!({ "peers": ["a"], "communities": ["1:2", "vip"] })).unwrap();
        assert!(some.goes_to("a") && !some.goes_to("b") && some.shares_a_peer(&all));
        assert_eq!(
            some.communities.into_iter().collect::<Vec<_>>(),
            [
                NamedCommunity::Value(CommunityValue::Legacy(1, 2)),
                NamedCommunity::Alias("vip".to_owned())
            ]
        );
    }
}
