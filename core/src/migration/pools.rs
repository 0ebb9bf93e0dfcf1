//! Address pools. Owns what their old keys mean; the rules for addresses are those of the controller.

use std::collections::BTreeMap;

use metallb_api::names::protocol;
use metallb_api::v1beta1::{IPAddressPool, IPAddressPoolSpec};

use super::convert::metadata;
use super::legacy::{AddressPool, BgpAdvertisement};
use super::names::object_name;
use super::place::{About, Findings, Place};
use crate::config::AddressRange;
use crate::config::pools::Taken;
use crate::facts::IpFamily;

/// How a pool is announced. The old configuration said it at the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Layer2,
    Bgp,
}

/// A pool that has been read. After a mistake parts of it are missing, and no resource will be made of it.
pub(super) struct MigratedPool<'a> {
    /// The name of the resource.
    pub(super) name: String,
    /// How messages call it.
    pub(super) subject: String,
    pub(super) place: Place,
    pub(super) protocol: Option<Protocol>,
    /// The entries of its list that are understood.
    pub(super) ranges: Vec<AddressRange>,
    auto_assign: Option<bool>,
    old: &'a AddressPool,
}

impl MigratedPool<'_> {
    /// The resource.
    pub(super) fn object(&self, namespace: &str) -> IPAddressPool {
        IPAddressPool {
            metadata: metadata(&self.name, namespace),
            spec: IPAddressPoolSpec {
                addresses: self.old.addresses.clone().unwrap_or_default(),
                auto_assign: self.auto_assign,
                avoid_buggy_ips: self.old.avoid_buggy_ips,
                service_allocation: None,
            },
            status: None,
        }
    }

    /// Its list of advertisements.
    pub(super) fn bgp_advertisements(&self) -> &[BgpAdvertisement] {
        self.old.bgp_advertisements.as_deref().unwrap_or_default()
    }

    /// Whether it has addresses of `family`.
    pub(super) fn has(&self, family: IpFamily) -> bool {
        self.ranges.iter().any(|range| range.family() == family)
    }
}

/// How messages call the pool with this place in the list, from 0.
fn subject(pool: &AddressPool, number: usize) -> String {
    match &pool.name {
        Some(name) => format!("address pool {name:?}"),
        None => format!("address pool #{}", number + 1),
    }
}

/// Reads the list `address-pools`.
pub(super) fn convert<'a>(old: &'a [AddressPool], findings: &mut Findings) -> Vec<MigratedPool<'a>> {
    let mut taken = Taken::default();
    // Old names by new ones.
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    let mut pools = Vec::new();
    for (number, pool) in old.iter().enumerate() {
        let place = Place::default().key("address-pools").entry(number);
        let subject = subject(pool, number);
        let mut about = findings.about(subject.clone());
        let name = name(pool, &place, &mut names, &mut about);
        pools.push(MigratedPool {
            protocol: protocol(pool, &place, &mut about),
            ranges: ranges(pool, &name, &place, &mut taken, &mut about),
            auto_assign: auto_assign(pool, &place, &mut about),
            name,
            subject,
            place,
            old: pool,
        });
    }
    pools
}

/// The name of the resource; after a mistake it is any text.
fn name<'a>(
    pool: &'a AddressPool,
    place: &Place,
    names: &mut BTreeMap<String, &'a str>,
    about: &mut About<'_>,
) -> String {
    let Some(old) = pool.name.as_deref().filter(|name| !name.is_empty()) else {
        about.mistake(place.clone(), "missing pool name: set name");
        return String::new();
    };
    let place = place.key("name");
    let Some(new) = object_name(old) else {
        about.mistake(
            place,
            "no Kubernetes object can be called so: use a-z, 0-9 and dashes",
        );
        return old.to_owned();
    };
    match names.insert(new.clone(), old) {
        Some(known) if known == old => about.mistake(place, format!("duplicate definition of pool {old:?}")),
        Some(known) => about.mistake(
            place,
            format!("it becomes {new:?}, and so does {known:?}: rename one of them"),
        ),
        None if new != old => about.note(
            place,
            format!("it becomes {new:?}; change the annotation of Services that ask for it by name"),
        ),
        None => {}
    }
    new
}

fn protocol(pool: &AddressPool, place: &Place, about: &mut About<'_>) -> Option<Protocol> {
    let place_of_protocol = place.key("protocol");
    match pool.protocol.as_deref() {
        Some(protocol::LAYER2) => {
            if pool.bgp_advertisements.is_some() {
                about.mistake(
                    place.key("bgp-advertisements"),
                    "a pool of the protocol layer2 cannot have bgp-advertisements",
                );
            }
            Some(Protocol::Layer2)
        }
        Some(protocol::BGP) => Some(Protocol::Bgp),
        Some(other) => {
            about.mistake(
                place_of_protocol,
                format!("unknown protocol {other:?}: use layer2 or bgp"),
            );
            None
        }
        None => {
            about.mistake(place_of_protocol, "missing protocol: set it to layer2 or bgp");
            None
        }
    }
}

fn ranges(
    pool: &AddressPool,
    name: &str,
    place: &Place,
    taken: &mut Taken,
    about: &mut About<'_>,
) -> Vec<AddressRange> {
    let place = place.key("addresses");
    let addresses = pool.addresses.as_deref().unwrap_or_default();
    if addresses.is_empty() {
        about.mistake(place.clone(), "pool has no prefixes defined: set addresses");
    }
    let mut ranges = Vec::new();
    for (number, entry) in addresses.iter().enumerate() {
        let range = match AddressRange::parse(entry) {
            Ok(range) => range,
            Err(error) => {
                about.mistake(place.entry(number), error);
                continue;
            }
        };
        if let Err(message) = taken.insert(&range, name) {
            about.mistake(place.entry(number), message);
        }
        ranges.push(range);
    }
    ranges
}

/// `manualAssign` is the opposite of `auto-assign`.
fn auto_assign(pool: &AddressPool, place: &Place, about: &mut About<'_>) -> Option<bool> {
    match (pool.auto_assign, pool.manual_assign) {
        (auto, None) => auto,
        (None, Some(manual)) => Some(!manual),
        (Some(auto), Some(manual)) => {
            if auto == manual {
                about.mistake(
                    place.key("manualAssign"),
                    format!("auto-assign and manualAssign are both {auto}, which contradict each other"),
                );
            }
            Some(auto)
        }
    }
}
