//! BGP peers. Owns what their old keys mean, with the defaults of that time: a hold time that was not given was 90s.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use metallb_api::names::legacy;
use metallb_api::v1beta2::{BGPPeer, BGPPeerSpec};

use super::bfd::Profiles;
use super::convert::metadata;
use super::legacy::{MatchExpression, NodeSelector, Peer};
use super::place::{About, Findings, Place};
use crate::config::{Selector, duration};

const DEFAULT_HOLD_TIME: &str = "90s";
/// The shortest hold time besides none at all (RFC 4271 §4.2), and the longest that the message has room for.
const HOLD_TIME_SECONDS: std::ops::RangeInclusive<u64> = 3..=65_535;
/// What the CRD takes.
const MOST_PORT: u16 = 16_384;

/// Turns the list `peers` into resources. They had no names; now they are numbered from 1.
pub(super) fn convert(
    old: &[Peer],
    profiles: &Profiles,
    namespace: &str,
    findings: &mut Findings,
) -> Vec<BGPPeer> {
    let convert = |(number, peer): (usize, &Peer)| {
        let place = Place::default().key("peers").entry(number);
        let mut about = findings.about(subject(peer.peer_address.as_deref(), number));
        BGPPeer {
            metadata: metadata(&format!("{}{}", legacy::PEER_PREFIX, number + 1), namespace),
            spec: spec(peer, profiles, &place, &mut about),
            status: None,
        }
    };
    old.iter().enumerate().map(convert).collect()
}

/// How messages call the peer with this place in the list, from 0.
pub(super) fn subject(address: Option<&str>, number: usize) -> String {
    match address {
        Some(address) => format!("peer {address:?}"),
        None => format!("peer #{}", number + 1),
    }
}

fn spec(peer: &Peer, profiles: &Profiles, place: &Place, about: &mut About<'_>) -> BGPPeerSpec {
    let Peer {
        my_asn,
        peer_asn,
        peer_address,
        source_address,
        peer_port,
        hold_time,
        keepalive_time,
        router_id,
        node_selectors,
        password,
        bfd_profile,
        ebgp_multihop,
    } = peer;
    check_numbers(peer, place, about);
    check_addresses(peer, place, about);
    let (hold_time, keepalive_time) = timers(
        given(hold_time.as_deref()),
        given(keepalive_time.as_deref()),
        place,
        about,
    );
    let bfd_profile = given(bfd_profile.as_deref()).map(|name| {
        let renamed = profiles.renamed(name);
        if renamed.is_none() {
            about.mistake(
                place.key("bfd-profile"),
                format!("referencing non existing bfd profile {name:?}"),
            );
        }
        renamed.unwrap_or(name).to_owned()
    });
    let password = given(password.as_deref()).map(str::to_owned);
    if password.is_some() {
        about.note(
            place.key("password"),
            "the password is in the output as plain text; a Secret and passwordSecret keep it from readers",
        );
    }
    BGPPeerSpec {
        my_asn: my_asn.unwrap_or_default(),
        peer_asn: *peer_asn,
        peer_address: peer_address.clone(),
        source_address: given(source_address.as_deref()).map(str::to_owned),
        peer_port: peer_port.filter(|port| *port != 0),
        hold_time: Some(hold_time),
        keepalive_time,
        router_id: given(router_id.as_deref()).map(str::to_owned),
        node_selectors: selectors(node_selectors.as_deref(), &place.key("node-selectors"), about),
        password,
        bfd_profile,
        ebgp_multi_hop: *ebgp_multihop,
        ..BGPPeerSpec::default()
    }
}

/// Text that says something. The old parser took an empty value for one that is not there.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn check_numbers(peer: &Peer, place: &Place, about: &mut About<'_>) {
    let own = peer.my_asn.filter(|asn| *asn != 0);
    let theirs = peer.peer_asn.filter(|asn| *asn != 0);
    if own.is_none() {
        about.mistake(place.key("my-asn"), "missing local ASN: set my-asn");
    }
    if theirs.is_none() {
        about.mistake(place.key("peer-asn"), "missing peer ASN: set peer-asn");
    }
    if own.is_some() && own == theirs && peer.ebgp_multihop == Some(true) {
        about.mistake(
            place.key("ebgp-multihop"),
            "invalid ebgp-multihop parameter set for an ibgp peer",
        );
    }
    if let Some(port) = peer.peer_port.filter(|port| *port > MOST_PORT) {
        about.mistake(
            place.key("peer-port"),
            format!("a BGPPeer cannot have the port {port}: the largest is {MOST_PORT}"),
        );
    }
}

fn check_addresses(peer: &Peer, place: &Place, about: &mut About<'_>) {
    if given(peer.peer_address.as_deref()).is_none() {
        about.mistake(
            place.key("peer-address"),
            "missing address of the peer: set peer-address",
        );
    }
    for (key, words, text) in [
        ("peer-address", "BGPPeer address", &peer.peer_address),
        ("source-address", "source IP", &peer.source_address),
        ("router-id", "router ID", &peer.router_id),
    ] {
        if let Some(text) = given(text.as_deref()).filter(|text| text.parse::<IpAddr>().is_err()) {
            about.mistake(place.key(key), format!("invalid {words} {text:?}"));
        }
    }
}

/// Hold time and keepalive time as the resource has them.
fn timers(
    hold: Option<&str>,
    keepalive: Option<&str>,
    place: &Place,
    about: &mut About<'_>,
) -> (String, Option<String>) {
    let hold_text = hold.unwrap_or(DEFAULT_HOLD_TIME);
    // Parts of a second are dropped: the message counts in seconds.
    let hold_seconds = duration::parse(hold_text).map(|time| time.as_secs());
    let hold_seconds = hold_seconds.filter(|seconds| *seconds == 0 || HOLD_TIME_SECONDS.contains(seconds));
    let Some(hold_seconds) = hold_seconds else {
        about.mistake(
            place.key("hold-time"),
            format!(
                "invalid hold time {hold_text:?}: must be 0 or >=3s, at most 65535s, and have a unit such as s or m"
            ),
        );
        return (hold_text.to_owned(), None);
    };
    let keepalive = keepalive.map(|text| {
        match duration::parse(text) {
            None => about.mistake(
                place.key("keepalive-time"),
                format!("invalid keepalive time {text:?}: give a number and a unit, such as 30s"),
            ),
            Some(time) if time > Duration::from_secs(hold_seconds) => about.mistake(
                place.key("keepalive-time"),
                format!("invalid keepaliveTime {text:?}, must be lower than holdTime {hold_text:?}"),
            ),
            Some(_) => {}
        }
        text.to_owned()
    });
    (duration::of_seconds(hold_seconds), keepalive)
}

fn selectors(
    old: Option<&[NodeSelector]>,
    place: &Place,
    about: &mut About<'_>,
) -> Option<Vec<LabelSelector>> {
    let old = old.filter(|selectors| !selectors.is_empty())?;
    let mut seen: Vec<Selector> = Vec::new();
    let new: Vec<LabelSelector> = old.iter().map(selector).collect();
    for (number, selector) in new.iter().enumerate() {
        match Selector::compile(selector) {
            Err(error) => about.mistake(place.entry(number), error),
            Ok(selector) if seen.contains(&selector) => about.mistake(
                place.entry(number),
                format!("duplicate definition of nodeSelectors {:?}", selector.to_string()),
            ),
            Ok(selector) => seen.push(selector),
        }
    }
    Some(new)
}

fn selector(old: &NodeSelector) -> LabelSelector {
    let NodeSelector {
        match_labels,
        match_expressions,
    } = old;
    let requirement = |expression: &MatchExpression| {
        let MatchExpression {
            key,
            operator,
            values,
        } = expression;
        LabelSelectorRequirement {
            key: key.clone().unwrap_or_default(),
            operator: operator.clone().unwrap_or_default(),
            values: values.clone(),
        }
    };
    LabelSelector {
        match_labels: match_labels.clone(),
        match_expressions: match_expressions
            .as_ref()
            .map(|expressions| expressions.iter().map(requirement).collect()),
    }
}
