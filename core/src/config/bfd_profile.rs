//! The BFDProfile. Owns the limits of its numbers, which are those of the CRD, for objects older than the CRD.

use std::ops::RangeInclusive;

use metallb_api::v1beta1;

/// Intervals, in milliseconds.
pub const INTERVAL_MS: RangeInclusive<u32> = 10..=60_000;
/// How many packets may be missing.
pub const MULTIPLIER: RangeInclusive<u32> = 2..=255;
/// The TTL of packets that arrive.
pub const TTL: RangeInclusive<u32> = 1..=254;

/// One BFDProfile. What is `None` was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BfdProfile {
    /// Its name.
    pub name: String,
    /// Shortest time between packets that this side can take.
    pub receive_interval_ms: Option<u32>,
    /// Shortest time between packets that this side sends.
    pub transmit_interval_ms: Option<u32>,
    /// How many packets in a row may be missing.
    pub detect_multiplier: Option<u32>,
    /// Shortest time between echo packets.
    pub echo_interval_ms: Option<u32>,
    /// Whether echo packets are sent.
    pub echo_mode: bool,
    /// Whether the peer has to begin.
    pub passive_mode: bool,
    /// Packets of multi-hop sessions with a lower TTL are dropped.
    pub minimum_ttl: Option<u32>,
}

/// Why a BFDProfile cannot be used. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BfdProfileError {
    /// The object has no name; the API server does not let that happen.
    #[error("missing bfd profile name")]
    NoName,
    /// A number is too small or too large.
    #[error("invalid {what} value: invalid value {value}, must be in {}-{} range", .range.start(), .range.end())]
    OutOfRange {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u32,
        /// What it may be.
        range: RangeInclusive<u32>,
    },
}

impl BfdProfile {
    /// Reads the object.
    ///
    /// # Errors
    /// See [`BfdProfileError`].
    pub fn parse(object: &v1beta1::BFDProfile) -> Result<Self, BfdProfileError> {
        let name = object.metadata.name.clone().filter(|name| !name.is_empty());
        let v1beta1::BFDProfileSpec {
            receive_interval,
            transmit_interval,
            detect_multiplier,
            echo_interval,
            echo_mode,
            passive_mode,
            minimum_ttl,
        } = &object.spec;
        let name = name.ok_or(BfdProfileError::NoName)?;
        Ok(Self {
            name,
            detect_multiplier: checked("detect multiplier", *detect_multiplier, MULTIPLIER)?,
            receive_interval_ms: checked("receive interval", *receive_interval, INTERVAL_MS)?,
            transmit_interval_ms: checked("transmit interval", *transmit_interval, INTERVAL_MS)?,
            minimum_ttl: checked("minimum ttl", *minimum_ttl, TTL)?,
            echo_interval_ms: checked("echo interval", *echo_interval, INTERVAL_MS)?,
            echo_mode: echo_mode.unwrap_or(false),
            passive_mode: passive_mode.unwrap_or(false),
        })
    }
}

fn checked(
    what: &'static str,
    value: Option<u32>,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, BfdProfileError> {
    match value {
        Some(value) if !range.contains(&value) => Err(BfdProfileError::OutOfRange { what, value, range }),
        within => Ok(within),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(name: &str, spec: &Value) -> Result<BfdProfile, String> {
        let object = json!({ "metadata": { "name": name }, "spec": spec });
        BfdProfile::parse(&serde_json::from_value(object).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_number_has_its_limits() {
        for (field, what, least, most) in [
            ("detectMultiplier", "detect multiplier", 2, 255),
            ("receiveInterval", "receive interval", 10, 60_000),
            ("transmitInterval", "transmit interval", 10, 60_000),
            ("minimumTtl", "minimum ttl", 1, 254),
            ("echoInterval", "echo interval", 10, 60_000),
        ] {
            for good in [least, most] {
                parse("p", &json!({ field: good })).unwrap();
            }
            for bad in [least - 1, most + 1] {
                let message =
                    format!("invalid {what} value: invalid value {bad}, must be in {least}-{most} range");
                assert_eq!(parse("p", &json!({ field: bad })).unwrap_err(), message);
            }
        }
        assert_eq!(parse("", &json!({})).unwrap_err(), "missing bfd profile name");
    }
}
