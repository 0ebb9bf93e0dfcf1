//! BFD profiles. Owns their limits, which are those of the CRD, and the names they get.

use std::collections::BTreeMap;

use metallb_api::v1beta1::{BFDProfile, BFDProfileSpec};

use super::convert::metadata;
use super::legacy::BfdProfile;
use super::names::object_name;
use super::place::{About, Findings, Place};
use crate::config::bfd_profile::{INTERVAL_MS, MULTIPLIER, TTL};

/// The profiles by the names that the old configuration knows them by.
pub(super) struct Profiles {
    /// New names by old ones.
    names: BTreeMap<String, String>,
    objects: Vec<BFDProfile>,
}

impl Profiles {
    /// The name that the profile has now.
    pub(super) fn renamed(&self, old: &str) -> Option<&str> {
        self.names.get(old).map(String::as_str)
    }

    /// The resources, in the order of the old list.
    pub(super) fn into_objects(self) -> Vec<BFDProfile> {
        self.objects
    }
}

/// Turns the list `bfd-profiles` into resources.
pub(super) fn convert(old: &[BfdProfile], namespace: &str, findings: &mut Findings) -> Profiles {
    let mut profiles = Profiles {
        names: BTreeMap::new(),
        objects: Vec::new(),
    };
    for (number, profile) in old.iter().enumerate() {
        let place = Place::default().key("bfd-profiles").entry(number);
        let Some(name) = profile.name.as_deref().filter(|name| !name.is_empty()) else {
            let mut about = findings.about(format!("bfd profile #{}", number + 1));
            about.mistake(place, "missing bfd profile name");
            continue;
        };
        let mut about = findings.about(format!("bfd profile {name:?}"));
        let spec = spec(profile, &place, &mut about);
        let Some(new) = object_name(name) else {
            about.mistake(
                place.key("name"),
                "no Kubernetes object can be called so: use a-z, 0-9 and dashes",
            );
            continue;
        };
        if profiles.names.values().any(|known| *known == new) {
            about.mistake(
                place.key("name"),
                format!("found duplicate bfd profile name {new:?}"),
            );
            continue;
        }
        profiles.names.insert(name.to_owned(), new.clone());
        profiles.objects.push(BFDProfile {
            metadata: metadata(&new, namespace),
            spec,
            status: None,
        });
    }
    profiles
}

fn spec(profile: &BfdProfile, place: &Place, about: &mut About<'_>) -> BFDProfileSpec {
    let BfdProfile {
        name: _,
        receive_interval,
        transmit_interval,
        detect_multiplier,
        echo_interval,
        echo_mode,
        passive_mode,
        minimum_ttl,
    } = profile;
    for (key, words, value, allowed) in [
        (
            "receive-interval",
            "receive interval",
            receive_interval,
            INTERVAL_MS,
        ),
        (
            "transmit-interval",
            "transmit interval",
            transmit_interval,
            INTERVAL_MS,
        ),
        (
            "detect-multiplier",
            "detect multiplier",
            detect_multiplier,
            MULTIPLIER,
        ),
        ("echo-interval", "echo interval", echo_interval, INTERVAL_MS),
        ("minimum-ttl", "minimum ttl", minimum_ttl, TTL),
    ] {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let (least, most) = (allowed.start(), allowed.end());
            about.mistake(
                place.key(key),
                format!("invalid {words} value: {value} is not in the range {least}-{most}"),
            );
        }
    }
    BFDProfileSpec {
        receive_interval: *receive_interval,
        transmit_interval: *transmit_interval,
        detect_multiplier: *detect_multiplier,
        echo_interval: *echo_interval,
        echo_mode: *echo_mode,
        passive_mode: *passive_mode,
        minimum_ttl: *minimum_ttl,
    }
}
