//! The L2Advertisement as the speaker uses it: parsed once, then asked about pools, nodes and Services.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::v1beta1;

use super::advertisement::{AdvertisementError, Field, PoolChoice};
use super::selector::{Selector, one_of};
use crate::facts::Labelled;

/// Labels of an object.
type Labels = BTreeMap<String, String>;

/// One L2Advertisement without contradictions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct L2Advertisement {
    /// The pools it selects.
    pub pools: PoolChoice,
    /// The interfaces it names; none means all.
    pub interfaces: BTreeSet<String>,
    nodes: Vec<Selector>,
    services: Vec<Selector>,
    preferences: Vec<(u32, Selector)>,
}

impl L2Advertisement {
    /// Whether it includes a node with these labels.
    pub fn includes(&self, node: &Labels) -> bool {
        one_of(&self.nodes, node)
    }

    /// How much it prefers a node with these labels: the sum of all weights that apply.
    pub fn preference(&self, node: &Labels) -> u32 {
        let weights = self
            .preferences
            .iter()
            .filter(|(_, selector)| selector.matches(node));
        weights.map(|(weight, _)| *weight).sum()
    }

    /// Whether it is meant for a Service with these labels.
    pub fn serves(&self, service: &impl Labelled) -> bool {
        one_of(&self.services, service)
    }

    /// Whether it chooses among the Services of a pool at all.
    pub fn selects_services(&self) -> bool {
        !self.services.is_empty()
    }
}

impl L2Advertisement {
    /// Reads the object.
    ///
    /// # Errors
    /// See [`AdvertisementError`].
    pub fn parse(object: &v1beta1::L2Advertisement) -> Result<Self, AdvertisementError> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let v1beta1::L2AdvertisementSpec {
            ip_address_pools,
            ip_address_pool_selectors,
            node_selectors,
            interfaces,
            service_selectors,
            preferred_node_selectors,
        } = &object.spec;
        let nodes = Field {
            name: "nodeSelectors",
            of: "node selector",
        };
        let services = Field {
            name: "serviceSelectors",
            of: "service selector",
        };
        let preferred = preferred_node_selectors.iter().flatten();
        Ok(Self {
            pools: PoolChoice::parse(
                name,
                ip_address_pools.as_deref(),
                ip_address_pool_selectors.as_deref(),
            )?,
            interfaces: interfaces.iter().flatten().cloned().collect(),
            nodes: nodes.compile(name, node_selectors.as_deref())?,
            services: services.compile(name, service_selectors.as_deref())?,
            preferences: preferred
                .map(|preferred| preference(name, preferred))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn preference(
    name: &str,
    preferred: &v1beta1::PreferredNodeSelector,
) -> Result<(u32, Selector), AdvertisementError> {
    let v1beta1::PreferredNodeSelector { weight, preference } = preferred;
    // The CRD says the same; here it is also true for objects older than the CRD.
    let in_range = u32::try_from(*weight)
        .ok()
        .filter(|weight| (1..=100).contains(weight));
    let weight = in_range.ok_or_else(|| AdvertisementError::Weight {
        weight: *weight,
        advertisement: name.to_owned(),
    })?;
    let selector = Selector::compile(preference).map_err(|error| AdvertisementError::Selector {
        of: "preferred node selectors",
        advertisement: name.to_owned(),
        error: error.into(),
    })?;
    Ok((weight, selector))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(spec: &Value) -> Result<L2Advertisement, AdvertisementError> {
        let object = json!({ "metadata": { "name": "adv" }, "spec": spec });
        L2Advertisement::parse(&serde_json::from_value(object).unwrap())
    }

    fn labels(text: &str) -> Labels {
        text.split_terminator(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn pools_are_chosen_by_name_or_by_label_and_all_without_a_choice() {
        let by_label = json!([{ "matchLabels": { "tier": "gold" } }]);
        for (spec, pool, pool_labels, selected) in [
            (json!({}), "a", Some(""), true),
            (json!({}), "gone", None, true),
            (json!({ "ipAddressPools": ["a"] }), "a", Some(""), true),
            (json!({ "ipAddressPools": ["a"] }), "a", None, true),
            (json!({ "ipAddressPools": ["a"] }), "b", Some("tier=gold"), false),
            (
                json!({ "ipAddressPools": ["a"], "ipAddressPoolSelectors": by_label }),
                "b",
                Some("tier=gold"),
                true,
            ),
            (
                json!({ "ipAddressPoolSelectors": by_label }),
                "b",
                Some("tier=tin"),
                false,
            ),
            (json!({ "ipAddressPoolSelectors": by_label }), "b", None, false),
            (json!({ "ipAddressPoolSelectors": [{}] }), "b", Some(""), true),
        ] {
            let advertisement = parse(&spec).unwrap();
            let pool_labels = pool_labels.map(labels);
            assert_eq!(
                advertisement.pools.selects(pool, pool_labels.as_ref()),
                selected,
                "{spec} {pool} {pool_labels:?}"
            );
        }
    }

    #[test]
    fn one_matching_selector_of_a_list_is_enough() {
        let zones = json!([{ "matchLabels": { "zone": "a" } }, { "matchLabels": { "zone": "b" } }]);
        let advertisement = parse(&json!({ "nodeSelectors": zones, "serviceSelectors": zones })).unwrap();
        assert!(advertisement.selects_services());
        for (of, expected) in [("zone=a", true), ("zone=b", true), ("zone=c", false), ("", false)] {
            assert_eq!(advertisement.includes(&labels(of)), expected, "{of}");
            assert_eq!(advertisement.serves(&labels(of)), expected, "{of}");
        }
        let open = parse(&json!({})).unwrap();
        assert!(open.includes(&labels("")) && open.serves(&labels("")) && !open.selects_services());
    }

    #[test]
    fn weights_of_all_matching_preferences_add_up() {
        let advertisement = parse(&json!({ "preferredNodeSelectors": [
            { "weight": 10, "preference": { "matchLabels": { "zone": "a" } } },
            { "weight": 5, "preference": { "matchExpressions": [{ "key": "fast", "operator": "Exists" }] } },
            { "weight": 1, "preference": {} },
        ]}))
        .unwrap();
        for (of, expected) in [("zone=a,fast=1", 16), ("zone=a", 11), ("fast=", 6), ("", 1)] {
            assert_eq!(advertisement.preference(&labels(of)), expected, "{of}");
        }
    }

    #[test]
    fn faults_say_what_is_wrong() {
        let twice = json!([{ "matchLabels": { "a": "b" } }, { "matchLabels": { "a": "b" } }]);
        let bad = json!({ "matchExpressions": [{ "key": "a", "operator": "Like" }] });
        let operator =
            "\"Like\" is not a valid label selector operator: use one of In, NotIn, Exists, DoesNotExist";
        for (spec, message) in [
            (
                json!({ "ipAddressPools": ["x", "x"] }),
                "duplicate definition of ipAddressPools \"x\"",
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
                json!({ "nodeSelectors": [bad] }),
                "failed to parse node selector for adv: BAD",
            ),
            (
                json!({ "serviceSelectors": [bad] }),
                "failed to parse service selector for adv: BAD",
            ),
            (
                json!({ "preferredNodeSelectors": [{ "weight": 1, "preference": bad }] }),
                "failed to parse preferred node selectors for adv: BAD",
            ),
            (
                json!({ "preferredNodeSelectors": [{ "weight": 101, "preference": {} }] }),
                "invalid weight 101 in preferredNodeSelectors of adv: must be in 1-100 range",
            ),
        ] {
            let message = message.replace("BAD", operator);
            assert_eq!(parse(&spec).unwrap_err().to_string(), message, "{spec}");
        }
    }
}
