//! What capable members say to each other, in memberlist's messages for the application: upstream's speakers ignore those.
//!
//! Owns their bytes: three of a head, then names with their length before them, and numbers in network order. They come
//! from strangers who have the cluster's key; nothing is read before its length is known.

use crate::memberlist::{Incarnation, Status};

/// "F" for failover, and the version of this encoding.
const HEAD: [u8; 2] = [b'F', 1];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// "I am there."
    Beat(Beat),
    /// "Are you? And am I, as far as you know?"
    Nudge {
        /// Who asks.
        from: String,
    },
    /// "I hear nothing from that member. Do you?"
    Ask {
        /// Who asks.
        from: String,
        /// About whom.
        about: String,
        /// As the asker knows it.
        incarnation: Incarnation,
    },
    /// "I do", or "I do not".
    Answer {
        /// Who answers.
        from: String,
        /// About whom.
        about: String,
        /// As it was asked.
        incarnation: Incarnation,
        /// No sign of life.
        silent: bool,
    },
    /// The news in this datagram was set off by `root` and is to be passed on.
    Spread {
        /// Where it began.
        root: String,
    },
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whose.
    pub from: String,
    /// Its own.
    pub incarnation: Incarnation,
    /// It hears nobody at all: this beat shows only that it can send.
    pub deaf: bool,
    /// In the answer to a nudge: what is known of the one who nudged.
    pub about_you: Option<(Incarnation, Status)>,
}

const BEAT: u8 = 1;
const NUDGE: u8 = 2;
const ASK: u8 = 3;
const ANSWER: u8 = 4;
const SPREAD: u8 = 5;

impl Words {
    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        match self {
            Self::Beat(beat) => {
                out.push(BEAT);
                put_name(&mut out, &beat.from);
                out.extend(beat.incarnation.to_be_bytes());
                out.push(u8::from(beat.deaf));
                if let Some((incarnation, status)) = beat.about_you {
                    out.extend(incarnation.to_be_bytes());
                    out.push(status as u8);
                }
            }
            Self::Nudge { from } => {
                out.push(NUDGE);
                put_name(&mut out, from);
            }
            Self::Ask {
                from,
                about,
                incarnation,
            } => {
                out.push(ASK);
                put_name(&mut out, from);
                put_name(&mut out, about);
                out.extend(incarnation.to_be_bytes());
            }
            Self::Answer {
                from,
                about,
                incarnation,
                silent,
            } => {
                out.push(ANSWER);
                put_name(&mut out, from);
                put_name(&mut out, about);
                out.extend(incarnation.to_be_bytes());
                out.push(u8::from(*silent));
            }
            Self::Spread { root } => {
                out.push(SPREAD);
                put_name(&mut out, root);
            }
        }
        out
    }

    /// The message with these bytes. None if it is another application's, or damaged. What follows is of a later version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&HEAD)?;
        let (kind, mut rest) = rest.split_first()?;
        let rest = &mut rest;
        Some(match *kind {
            BEAT => Self::Beat(Beat {
                from: take_name(rest)?,
                incarnation: take_number(rest)?,
                deaf: take_byte(rest)? != 0,
                about_you: if rest.is_empty() {
                    None
                } else {
                    Some((take_number(rest)?, Status::of(take_byte(rest)?)?))
                },
            }),
            NUDGE => Self::Nudge {
                from: take_name(rest)?,
            },
            ASK => Self::Ask {
                from: take_name(rest)?,
                about: take_name(rest)?,
                incarnation: take_number(rest)?,
            },
            ANSWER => Self::Answer {
                from: take_name(rest)?,
                about: take_name(rest)?,
                incarnation: take_number(rest)?,
                silent: take_byte(rest)? != 0,
            },
            SPREAD => Self::Spread {
                root: take_name(rest)?,
            },
            _ => return None,
        })
    }
}

/// Names are at most 253 bytes long; a longer one would be cut, and then be nobody's.
fn put_name(out: &mut Vec<u8>, name: &str) {
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend(&name.as_bytes()[..usize::from(length)]);
}

fn take_name(rest: &mut &[u8]) -> Option<String> {
    let length = usize::from(take_byte(rest)?);
    let (name, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(name.to_vec()).ok()
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    Some(*byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Words> {
        let name = || "[a-z0-9.-]{0,253}";
        let known = prop::option::of((any::<u32>(), (0..4_u8).prop_map(|byte| Status::of(byte).unwrap())));
        prop_oneof![
            (name(), any::<u32>(), any::<bool>(), known).prop_map(|(from, incarnation, deaf, about_you)| {
                Words::Beat(Beat {
                    from,
                    incarnation,
                    deaf,
                    about_you,
                })
            }),
            name().prop_map(|from| Words::Nudge { from }),
            (name(), name(), any::<u32>()).prop_map(|(from, about, incarnation)| Words::Ask {
                from,
                about,
                incarnation
            }),
            (name(), name(), any::<u32>(), any::<bool>()).prop_map(|(from, about, incarnation, silent)| {
                Words::Answer {
                    from,
                    about,
                    incarnation,
                    silent,
                }
            }),
            name().prop_map(|root| Words::Spread { root }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(words in words()) {
            prop_assert_eq!(Words::decode(&words.encode()), Some(words));
        }

        #[test]
        fn anything_can_be_tried_to_be_read(mut bytes in prop::collection::vec(any::<u8>(), 0..60), kind in 0..7_u8) {
            Words::decode(&bytes);
            bytes.splice(0..0, [HEAD[0], HEAD[1], kind]);
            Words::decode(&bytes);
        }

        #[test]
        fn what_is_cut_is_not_read_as_something_longer(words in words(), end in any::<prop::sample::Index>()) {
            let bytes = words.encode();
            if let Some(read) = Words::decode(&bytes[..end.index(bytes.len())]) {
                prop_assert!(read.encode().len() < bytes.len());
            }
        }
    }

    #[test]
    fn a_beat_is_tiny() {
        let beat = Words::Beat(Beat {
            from: "worker-17".to_owned(),
            incarnation: 1,
            deaf: false,
            about_you: None,
        });
        assert_eq!(beat.encode().len(), 18);
    }
}
