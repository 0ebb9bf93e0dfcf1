//! The decoder of what speakers say to each other about who is alive.

use metallb_protocol::failover::{Beat, Words};
use metallb_protocol::memberlist::Status;

use crate::Target;

/// Two names, each as long as its first byte can say, and the error message of a name that is not UTF-8.
const BOUND: usize = 4 * 256 + 1024;

pub(crate) const WORDS: Target = Target {
    name: "words",
    seeds: || {
        let name = || "worker-17.example".to_owned();
        let beat = |about_you| {
            Words::Beat(Beat {
                from: name(),
                incarnation: 1,
                deaf: false,
                about_you,
            })
        };
        let all = [
            beat(None),
            beat(Some((7, Status::Dead))),
            Words::Nudge { from: name() },
            Words::Ask {
                from: name(),
                about: name(),
                incarnation: 1,
            },
            Words::Answer {
                from: name(),
                about: name(),
                incarnation: 1,
                silent: true,
            },
            Words::Spread { root: name() },
        ];
        all.iter().map(Words::encode).collect()
    },
    decode: |bytes| match Words::decode(bytes) {
        None => 0,
        Some(Words::Beat(beat)) => {
            let about_you = beat.about_you.map_or(0, |(_, status)| 1 + status as u64);
            1 | u64::from(beat.deaf) << 8 | about_you << 16
        }
        Some(Words::Nudge { .. }) => 2,
        Some(Words::Ask { .. }) => 3,
        Some(Words::Answer { silent, .. }) => 4 | u64::from(silent) << 8,
        Some(Words::Spread { .. }) => 5,
    },
    bound: BOUND,
    weight: 1,
};
