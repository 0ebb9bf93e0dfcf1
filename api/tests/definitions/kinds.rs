//! Which kinds there are, and in which versions.

use metallb_api::{crd, names};
use serde_json::json;

use crate::schema::{definition, field};

#[test]
fn there_are_ten_kinds_of_one_group_all_namespaced_with_a_status_and_without_short_names() {
    let kinds: Vec<String> = crd::all().iter().map(|crd| crd.spec.names.kind.clone()).collect();
    let expected = [
        ("IPAddressPool", "ipaddresspools", "ipaddresspool"),
        ("L2Advertisement", "l2advertisements", "l2advertisement"),
        ("BGPAdvertisement", "bgpadvertisements", "bgpadvertisement"),
        ("BGPPeer", "bgppeers", "bgppeer"),
        ("BFDProfile", "bfdprofiles", "bfdprofile"),
        ("Community", "communities", "community"),
        ("ServiceL2Status", "servicel2statuses", "servicel2status"),
        ("ServiceBGPStatus", "servicebgpstatuses", "servicebgpstatus"),
        ("ConfigurationState", "configurationstates", "configurationstate"),
        ("MetalLB", "metallbs", "metallb"),
    ];
    assert_eq!(kinds, expected.map(|(kind, _, _)| kind));
    for (kind, plural, singular) in expected {
        let crd = definition(kind);
        assert_eq!(crd["metadata"]["name"], format!("{plural}.{}", names::GROUP));
        assert_eq!(crd["spec"]["group"], names::GROUP);
        assert_eq!(crd["spec"]["scope"], "Namespaced");
        assert_eq!(
            crd["spec"]["names"],
            json!({ "kind": kind, "plural": plural, "singular": singular })
        );
        for version in crd["spec"]["versions"].as_array().unwrap() {
            assert_eq!(version["subresources"], json!({ "status": {} }), "{kind}");
            assert_eq!(version["served"], true, "{kind}");
        }
    }
}

#[test]
fn every_kind_is_stored_as_v1beta1_but_bgp_peer_as_v1beta2() {
    for crd in crd::all() {
        let versions = crd.spec.versions.iter();
        let stored: Vec<&str> = versions
            .filter(|version| version.storage)
            .map(|version| &*version.name)
            .collect();
        let expected = if crd.spec.names.kind == "BGPPeer" {
            names::V1BETA2
        } else {
            names::V1BETA1
        };
        assert_eq!(stored, [expected], "{}", crd.spec.names.kind);
    }
}

#[test]
fn the_old_version_of_bgp_peer_says_that_it_is_deprecated() {
    let peer = definition("BGPPeer");
    let versions = peer["spec"]["versions"].as_array().unwrap();
    let old = versions
        .iter()
        .find(|version| version["name"] == "v1beta1")
        .unwrap();
    assert_eq!(old["deprecated"], true);
    assert_eq!(
        old["deprecationWarning"],
        "v1beta1 is deprecated, please use v1beta2"
    );
    assert_eq!(
        peer["spec"].get("conversion"),
        None,
        "it would clash with the webhook of a definition that is there"
    );
}

/// Without this, reading an object in the other version would lose what the author wrote.
#[test]
fn every_field_of_the_old_bgp_peer_has_its_name_and_type_in_the_new_one() {
    let new = field("BGPPeer/v1beta2", "spec");
    for (name, old) in field("BGPPeer/v1beta1", "spec")["properties"]
        .as_object()
        .unwrap()
    {
        assert_eq!(old["type"], new["properties"][name]["type"], "{name}");
        assert_eq!(old["format"], new["properties"][name]["format"], "{name}");
    }
}
