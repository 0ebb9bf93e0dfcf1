//! What is wrong with a configuration that stands: nothing is about to be added, so that a reference which leads nowhere
//! is as wrong as a contradiction. Owns no rule.

use super::objects::{Kind, Objects};
use super::{Fault, conflict, reference};

/// Every fault of the objects other than pools. Which pools are at fault also depends on the namespaces, and is found
/// by [`super::Pools::parse`].
pub fn faults_beside_pools(objects: &Objects) -> Vec<Fault> {
    let mut faults = conflict::faults(objects);
    faults.extend(reference::faults(objects));
    faults.retain(|fault| fault.kind != Kind::IpAddressPool.as_str());
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::objects::Object;

    fn object(kind: Kind, name: &str, spec: &Value) -> Object {
        let version = if kind == Kind::BgpPeer {
            "v1beta2"
        } else {
            "v1beta1"
        };
        let value = json!({ "apiVersion": format!("metallb.io/{version}"), "kind": kind.as_str(),
            "metadata": { "name": name, "namespace": "metallb-system" }, "spec": spec });
        match kind {
            Kind::BfdProfile => Object::BfdProfile(serde_json::from_value(value).unwrap()),
            Kind::BgpAdvertisement => Object::BgpAdvertisement(serde_json::from_value(value).unwrap()),
            Kind::BgpPeer => Object::BgpPeer(serde_json::from_value(value).unwrap()),
            Kind::Community => Object::Community(serde_json::from_value(value).unwrap()),
            Kind::IpAddressPool => Object::IpAddressPool(serde_json::from_value(value).unwrap()),
            Kind::L2Advertisement => Object::L2Advertisement(serde_json::from_value(value).unwrap()),
        }
    }

    fn faults(objects: &[(Kind, &str, Value)]) -> Vec<String> {
        let mut all = Objects::default();
        for (kind, name, spec) in objects {
            all.insert(object(*kind, name, spec));
        }
        faults_beside_pools(&all)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn each_object_at_fault_is_named_and_pools_are_left_to_others() {
        let peer =
            json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "fast" });
        let communities = |value: &str| json!({ "communities": [{ "name": "vip", "value": value }, { "name": "vip", "value": value }] });
        assert_eq!(
            faults(&[
                (
                    Kind::IpAddressPool,
                    "broken",
                    json!({ "addresses": ["192.0.2.9-192.0.2.1"] })
                ),
                (
                    Kind::L2Advertisement,
                    "twice",
                    json!({ "ipAddressPools": ["a", "a"] })
                ),
                (Kind::Community, "vip", communities("64500:1")),
                (Kind::BgpPeer, "tor", peer),
                (
                    Kind::BgpAdvertisement,
                    "alias",
                    json!({ "communities": ["gold"] })
                ),
                (Kind::BfdProfile, "slow", json!({ "receiveInterval": 5 })),
            ]),
            [
                "BFDProfile metallb-system/slow: parsing bfd profile #1: invalid receive interval value: invalid value \
                 5, must be in 10-60000 range",
                "Community metallb-system/vip: duplicate definition of community \"vip\"",
                "L2Advertisement metallb-system/twice: duplicate definition of ipAddressPools \"a\"",
                "BGPPeer metallb-system/tor: peer tor referencing non existing bfd profile fast",
                "BGPAdvertisement metallb-system/alias: invalid community \"gold\" in BGP advertisement: invalid \
                 community format: gold",
            ]
        );
    }

    #[test]
    fn a_complete_configuration_has_no_fault() {
        let peer =
            json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "fast" });
        let community = json!({ "communities": [{ "name": "gold", "value": "64500:1" }] });
        assert_eq!(
            faults(&[
                (
                    Kind::IpAddressPool,
                    "pool",
                    json!({ "addresses": ["192.0.2.0/24"] })
                ),
                (Kind::L2Advertisement, "l2", json!({ "ipAddressPools": ["pool"] })),
                (
                    Kind::BgpAdvertisement,
                    "bgp",
                    json!({ "communities": ["gold"], "peers": ["tor"] })
                ),
                (Kind::BgpPeer, "tor", peer),
                (Kind::BfdProfile, "fast", json!({})),
                (Kind::Community, "gold", community),
            ]),
            Vec::<String>::new()
        );
    }
}
