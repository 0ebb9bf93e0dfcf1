//! BGPPeers as users write them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::*;

fn object(changes: &Value) -> v1beta2::BGPPeer {
    let mut spec = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1" });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let object = json!({ "metadata": { "namespace": "metallb-system", "name": "tor" }, "spec": spec });
    serde_json::from_value(object).unwrap()
}

fn parse(changes: &Value) -> Result<Peer, String> {
    Peer::parse(&object(changes)).map_err(|error| error.to_string())
}

#[test]
fn bad_peers_are_refused_in_metallbs_words() {
    let twice = json!([{ "matchLabels": { "a": "b" } }, { "matchLabels": { "a": "b" } }]);
    let bad = json!([{ "matchExpressions": [{ "key": "a", "operator": "Like" }] }]);
    for (changes, message) in [
        (json!({ "myASN": 0 }), "missing local ASN"),
        (json!({ "peerASN": null }), "missing peer ASN and dynamicASN"),
        (json!({ "peerASN": 0 }), "missing peer ASN and dynamicASN"),
        (
            json!({ "dynamicASN": "external" }),
            "both peer ASN and dynamicASN specified",
        ),
        (
            json!({ "peerASN": 64500, "ebgpMultiHop": true }),
            "invalid ebgp-multihop parameter set for an ibgp peer",
        ),
        (
            json!({ "peerAddress": null }),
            "peer has no Address or Interface specified",
        ),
        (
            json!({ "interface": "eth1" }),
            "peer has both Address and Interface specified",
        ),
        (
            json!({ "holdTime": "2.9s" }),
            "invalid BGPPeer timers: invalid hold time \"2.9s\": must be 0 or >=3s",
        ),
        (
            json!({ "keepaliveTime": "900ms" }),
            "invalid BGPPeer timers: invalid hold time \"2.7s\": must be 0 or >=3s",
        ),
        (
            json!({ "holdTime": "90s", "keepaliveTime": "91s" }),
            "invalid BGPPeer timers: invalid keepaliveTime \"1m31s\", must be lower than holdTime \"1m30s\"",
        ),
        (
            json!({ "holdTime": "90" }),
            "invalid BGPPeer timers: invalid holdTime \"90\": give a number and a unit, such as 30s",
        ),
        (
            json!({ "peerAddress": "tor.example.org" }),
            "invalid BGPPeer address \"tor.example.org\"",
        ),
        (json!({ "routerID": "7" }), "invalid router ID \"7\""),
        (
            json!({ "sourceAddress": "192.0.2.0/24" }),
            "invalid source IP \"192.0.2.0/24\"",
        ),
        (
            json!({ "nodeSelectors": twice }),
            "duplicate definition of nodeSelectors \"a=b\"",
        ),
        (
            json!({ "nodeSelectors": bad }),
            "failed to convert peer tor node selector: \"Like\" is not a valid label selector operator: use one of \
             In, NotIn, Exists, DoesNotExist",
        ),
        (
            json!({ "password": "x", "passwordSecret": { "name": "s" } }),
            "can not have both password and secret ref set in peer config \"metallb-system\"/\"tor\"",
        ),
    ] {
        assert_eq!(parse(&changes).unwrap_err(), message, "{changes}");
    }
}

#[test]
fn what_is_left_out_follows_from_what_is_there() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (changes, hold, keepalive) in [
        (json!({}), None, None),
        (json!({ "holdTime": "90s" }), seconds(90), seconds(30)),
        (json!({ "holdTime": "0s" }), seconds(0), seconds(0)),
        (json!({ "keepaliveTime": "10s" }), seconds(30), seconds(10)),
        (
            json!({ "holdTime": "1m", "keepaliveTime": "1m" }),
            seconds(60),
            seconds(60),
        ),
    ] {
        let timers = parse(&changes).unwrap().timers;
        assert_eq!((timers.hold, timers.keepalive), (hold, keepalive), "{changes}");
    }
    assert_eq!(parse(&json!({})).unwrap().port, 179);
    assert_eq!(parse(&json!({ "peerPort": 1790 })).unwrap().port, 1790);
    let unnumbered =
        json!({ "peerAddress": null, "interface": "eth1", "peerASN": null, "dynamicASN": "internal" });
    let unnumbered = parse(&unnumbered).unwrap();
    assert_eq!(unnumbered.endpoint, Endpoint::Interface("eth1".to_owned()));
    assert_eq!(unnumbered.remote, RemoteAs::Internal);
}

#[test]
fn no_mode_forbids_what_the_speaker_can_do() {
    for changes in [
        json!({ "bfdProfile": "fast" }),
        json!({ "keepaliveTime": "10s" }),
        json!({ "vrf": "red" }),
        json!({ "connectTime": "10s" }),
        json!({ "enableGracefulRestart": true }),
        json!({ "disableMP": true }),
        json!({ "dualStackAddressFamily": true }),
        json!({ "localASN": 64599 }),
        json!({ "routerID": "192.0.2.9", "sourceAddress": "192.0.2.8", "ebgpMultiHop": true, "password": "x" }),
    ] {
        parse(&changes).unwrap();
    }
}

#[test]
fn a_password_is_never_shown() {
    let peer = parse(&json!({ "password": "hunter2" })).unwrap();
    assert_eq!(peer.password, PasswordSource::Text("hunter2".to_owned()));
    assert!(!format!("{peer:?}").contains("hunter2"));
}

#[test]
fn a_secret_has_to_be_of_the_right_type_and_hold_a_password() {
    let secret = |kind: &str, key: &str| -> Secret {
        let object = json!({
            "metadata": { "namespace": "metallb-system", "name": "s" }, "type": kind, "data": { key: "eA==" },
        });
        serde_json::from_value(object).unwrap()
    };
    let read = |secret: Option<&Secret>| {
        secret_password("metallb-system", "tor", secret).map_err(|error| error.to_string())
    };
    let tail = "failed to parse peer tor password secret";
    assert_eq!(
        read(Some(&secret("kubernetes.io/basic-auth", "password"))).unwrap(),
        b"x"
    );
    for (secret, message) in [
        (
            None,
            "secret ref not found for peer config \"metallb-system\"/\"tor\"",
        ),
        (
            Some(secret("Opaque", "password")),
            "secret type mismatch on \"metallb-system\"/\"s\", type \"kubernetes.io/basic-auth\" is expected ",
        ),
        (
            Some(secret("kubernetes.io/basic-auth", "pass")),
            "password not specified in the secret \"metallb-system\"/\"s\"",
        ),
    ] {
        assert_eq!(read(secret.as_ref()).unwrap_err(), format!("{message}: {tail}"));
    }
}
