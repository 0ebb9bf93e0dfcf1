//! Hold time and keepalive time of a session. Owns how one follows from the other.

use std::time::Duration;

use crate::config::duration;

/// The shortest hold time besides none at all (RFC 4271 §4.2).
const LEAST_HOLD_TIME_S: u64 = 3;

/// The times of a session; `None` where the object gives neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timers {
    /// How long the session stays up without a word from the router; zero means for ever.
    pub hold: Option<Duration>,
    /// The time between keepalive messages.
    pub keepalive: Option<Duration>,
}

/// Why times cannot be used. The messages are MetalLB's, except for text that is no time: there the type of the field
/// refuses it, and users see nothing but the parser's complaint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimersError {
    /// The text is not a time.
    #[error("invalid {field} {text:?}: give a number and a unit, such as 30s")]
    NoTime {
        /// The field.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// The hold time is too short.
    #[error("invalid hold time {0:?}: must be 0 or >=3s")]
    Hold(String),
    /// The session would end before the first keepalive message.
    #[error("invalid keepaliveTime {keepalive:?}, must be lower than holdTime {hold:?}")]
    Keepalive {
        /// The keepalive time.
        keepalive: String,
        /// The hold time.
        hold: String,
    },
}

impl Timers {
    pub(super) fn parse(hold: Option<&str>, keepalive: Option<&str>) -> Result<Self, TimersError> {
        let hold = time("holdTime", hold)?;
        let keepalive = time("keepaliveTime", keepalive)?;
        let (hold, keepalive) = match (hold, keepalive) {
            (None, None) => return Ok(Self::default()),
            (Some(hold), Some(keepalive)) => (hold, keepalive),
            (Some(hold), None) => (hold, hold / 3),
            (None, Some(keepalive)) => (keepalive.saturating_mul(3), keepalive),
        };
        // Parts of a second do not count: the message has room for whole seconds.
        if (1..LEAST_HOLD_TIME_S).contains(&hold.as_secs()) {
            return Err(TimersError::Hold(duration::text(hold)));
        }
        if keepalive > hold {
            let (keepalive, hold) = (duration::text(keepalive), duration::text(hold));
            return Err(TimersError::Keepalive { keepalive, hold });
        }
        Ok(Self {
            hold: Some(hold),
            keepalive: Some(keepalive),
        })
    }
}

/// An empty text counts as one that is not there.
fn time(field: &'static str, text: Option<&str>) -> Result<Option<Duration>, TimersError> {
    let parse = |text: &str| {
        duration::parse(text).ok_or_else(|| TimersError::NoTime {
            field,
            text: text.to_owned(),
        })
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// A time that the CRD holds to whole seconds.
pub(super) fn seconds(text: &str) -> Option<u64> {
    duration::parse(text).map(|time| time.as_secs())
}
