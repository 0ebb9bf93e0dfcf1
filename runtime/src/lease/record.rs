//! What a Lease says. Owns the translation from and to the object.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// The part of a Lease that the election is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who leads; empty if nobody does.
    pub holder: String,
    /// How long others wait after it was last renewed.
    pub duration: Duration,
    /// How often the holder has changed.
    pub transitions: i32,
    /// When it was renewed, by the holder's clock: compared with nothing but itself.
    pub renewed: Option<Timestamp>,
}

impl Record {
    /// What `lease` says. A field that is missing or makes no sense counts as zero: such a lease is free.
    pub(super) fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: Duration::from_secs(seconds.unwrap_or_default()),
            transitions: spec.lease_transitions.unwrap_or_default(),
            renewed: spec.renew_time.map(|time| time.0),
        }
    }

    /// Makes `lease` say this, renewed at `now`. What else it carries stays.
    pub(super) fn write_to(&self, lease: &mut Lease, now: Timestamp) {
        let before = lease.spec.take().unwrap_or_default();
        let same_holder = before.holder_identity.as_deref() == Some(&self.holder);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            lease_transitions: Some(self.transitions),
            acquire_time: before
                .acquire_time
                .clone()
                .filter(|_| same_holder)
                .or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            ..before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_object_and_a_renewal_keeps_the_time_of_acquisition() {
        let record = Record {
            holder: "controller-a".into(),
            duration: Duration::from_secs(3),
            transitions: 7,
            renewed: None,
        };
        let mut lease = Lease::default();
        record.write_to(&mut lease, Timestamp::UNIX_EPOCH);
        let renewed = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(
            Record::of(&lease),
            Record {
                renewed,
                ..record.clone()
            }
        );
        record.write_to(&mut lease, Timestamp::from_second(9).unwrap());
        let spec = lease.spec.clone().unwrap();
        assert_eq!(spec.acquire_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
        assert_eq!(
            spec.renew_time,
            Some(MicroTime(Timestamp::from_second(9).unwrap()))
        );
        let other = Record {
            holder: "controller-b".into(),
            ..record
        };
        other.write_to(&mut lease, Timestamp::from_second(20).unwrap());
        assert_eq!(
            lease.spec.unwrap().acquire_time,
            Some(MicroTime(Timestamp::from_second(20).unwrap()))
        );
    }

    #[test]
    fn a_lease_without_sense_is_free() {
        let spec = LeaseSpec {
            lease_duration_seconds: Some(-5),
            ..LeaseSpec::default()
        };
        let lease = Lease {
            spec: Some(spec),
            ..Lease::default()
        };
        let record = Record::of(&lease);
        assert_eq!((record.holder.as_str(), record.duration), ("", Duration::ZERO));
        assert_eq!(Record::of(&Lease::default()), record);
    }
}
