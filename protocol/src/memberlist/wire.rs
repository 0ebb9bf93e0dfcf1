//! How the members of one cluster write to each other. Owns what they have agreed on, and why bytes are refused. The
//! bytes themselves:
//!
//! ```text
//!   datagram   label? ( sealed? ( checksum? ( compressed? ( compound? ( message.. )))))     super::datagram
//!   stream     label? ( sealed? ( compressed? ( message )))                                  super::stream
//! ```

use super::encoding::kind;
use super::keyring::{Keyring, OVERHEAD};

/// The longest label: its length is one byte.
pub const LABEL_MAX: usize = 255;

/// What the members have agreed on.
#[derive(Clone, Debug)]
pub struct Wire {
    /// The keys. Without one nothing is sealed.
    pub keyring: Keyring,
    /// Tells clusters apart that share a network, up to [`LABEL_MAX`] bytes. MetalLB has none.
    pub label: String,
    /// Whether everything that arrives must be sealed, if there is a key. Off only while a cluster gets its first key.
    pub verify_incoming: bool,
    /// Whether what is sent is sealed, if there is a key.
    pub verify_outgoing: bool,
    /// Whether what is sent may be compressed.
    pub compression: bool,
    /// How large a datagram may become.
    pub datagram_bytes: usize,
    /// Where a member is that does not tell its port.
    pub default_port: u16,
}

impl Wire {
    /// As upstream's speakers are by default, with these keys.
    pub fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            label: String::new(),
            verify_incoming: true,
            verify_outgoing: true,
            compression: true,
            datagram_bytes: 1400,
            default_port: 7946,
        }
    }

    /// Whether what is sent is sealed.
    pub(super) fn seals(&self) -> bool {
        self.verify_outgoing && !self.keyring.is_empty()
    }

    /// What arrives in the clear: whether it is refused.
    pub(super) fn demands_seal(&self) -> bool {
        self.verify_incoming && !self.keyring.is_empty()
    }

    /// The header of our label, if we have one.
    pub(super) fn put_label(&self, bytes: &mut Vec<u8>) {
        if let Ok(length @ 1..) = u8::try_from(self.label.len()) {
            bytes.extend_from_slice(&[kind::LABEL, length]);
            bytes.extend_from_slice(self.label.as_bytes());
        }
    }

    /// How many bytes a seal and a label take of each datagram.
    pub(super) fn envelope_bytes(&self) -> usize {
        let label = if self.label.is_empty() {
            0
        } else {
            2 + self.label.len()
        };
        let seal = if self.seals() { OVERHEAD } else { 0 };
        label + seal
    }
}

/// Why something that arrived was not read. Nothing has changed then; the sender is not told, except on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// For another cluster on the same network, or a label that is cut off.
    #[error("the label is not ours")]
    Label,
    /// We have keys, and none of them has sealed it.
    #[error("none of our keys has sealed it")]
    Unauthenticated,
    /// It is sealed, and we have no key.
    #[error("it is encrypted, and no secret is configured here")]
    Encrypted,
    /// Damaged on the way.
    #[error("the checksum is wrong")]
    Checksum,
    /// A kind of message that does not exist, or not there.
    #[error("unknown kind of message")]
    Kind,
    /// It ends in the middle of a message.
    #[error("truncated")]
    Truncated,
    /// A field is not what it must be.
    #[error("malformed")]
    Malformed,
    /// Compressed bytes that are not.
    #[error("cannot be decompressed")]
    Compression,
    /// More bytes than any cluster needs.
    #[error("too long")]
    TooLong,
}

impl Refusal {
    /// One word, for a counter.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Unauthenticated => "unauthenticated",
            Self::Encrypted => "encrypted",
            Self::Checksum => "checksum",
            Self::Kind => "kind",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Compression => "compression",
            Self::TooLong => "too_long",
        }
    }
}
