//! Datagrams: several messages in as few as possible, and back. Owns their envelopes and limits. Never decides which
//! messages go along.

use std::net::SocketAddr;

use super::compress;
use super::encoding::{self, kind, read};
use super::keyring::Nonce;
use super::machine::Machine;
use super::message::Message;
use super::msgpack::{Fault, Reader};
use super::wire::{Refusal, Wire};

/// What each message takes in a datagram besides its [`encoding::size`]: its length.
pub const PER_MESSAGE: usize = 2;

/// The largest datagram that UDP over IPv4 can carry (65,535 bytes less both headers). Also the most that may come out
/// of a compressed one: members compress what would have fitted into a datagram.
pub const DATAGRAM_MAX: usize = 65_507;

/// The most messages that a compound can hold, as their number is one byte.
pub const MESSAGES_MAX: usize = 255;

/// The kind and the number of messages.
const COMPOUND_HEADER: usize = 2;
/// The kind and a CRC-32.
const CHECKSUM_HEADER: usize = 5;

/// Shorter payloads are not compressed: codes of nine bits and the envelope take more than LZW gains in so few bytes.
const COMPRESS_MIN: usize = 128;

/// What was in a datagram.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The messages, in their order.
    pub messages: Vec<Message>,
    /// What could not be read, although the datagram as a whole could: the first reason, and how often.
    pub skipped: Option<(Refusal, usize)>,
}

impl Wire {
    /// How many bytes of messages fit into one datagram, each counted with [`PER_MESSAGE`].
    pub fn room(&self) -> usize {
        let overhead = self.envelope_bytes() + CHECKSUM_HEADER + COMPOUND_HEADER;
        self.datagram_bytes.min(DATAGRAM_MAX).saturating_sub(overhead)
    }

    /// Puts `messages` into datagrams, in their order and as few as possible. Each takes one of `nonces`.
    ///
    /// `checksum` only for a member that is known to speak version 5 of the protocol: older ones do not understand it. A
    /// message that alone is larger than a datagram should be goes all the same, and IP cuts it into fragments; one that
    /// no datagram can carry is left out.
    pub fn datagrams(
        &self,
        messages: &[Message],
        checksum: bool,
        mut nonces: impl FnMut() -> Nonce,
    ) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut taken = 0;
        for message in messages {
            let mut part = Vec::with_capacity(encoding::size(message));
            encoding::write(message, &mut part);
            if part.len() + self.envelope_bytes() + CHECKSUM_HEADER > DATAGRAM_MAX {
                continue;
            }
            let needed = PER_MESSAGE + part.len();
            if !parts.is_empty() && (taken + needed > self.room() || parts.len() == MESSAGES_MAX) {
                datagrams.push(self.seal(&together(&parts), checksum, nonces()));
                parts.clear();
                taken = 0;
            }
            taken += needed;
            parts.push(part);
        }
        if !parts.is_empty() {
            datagrams.push(self.seal(&together(&parts), checksum, nonces()));
        }
        datagrams
    }

    fn seal(&self, payload: &[u8], checksum: bool, nonce: Nonce) -> Vec<u8> {
        let compressed = (self.compression && payload.len() >= COMPRESS_MIN)
            .then(|| compress::compress(payload))
            .filter(|compressed| compressed.len() < payload.len());
        let payload = compressed.as_deref().unwrap_or(payload);
        let mut plain = Vec::with_capacity(CHECKSUM_HEADER + payload.len());
        if checksum {
            plain.push(kind::CHECKSUM);
            plain.extend_from_slice(&crc32fast::hash(payload).to_be_bytes());
        }
        plain.extend_from_slice(payload);

        let mut datagram = Vec::with_capacity(self.envelope_bytes() + plain.len());
        self.put_label(&mut datagram);
        if self.seals() {
            self.keyring
                .seal(&plain, self.label.as_bytes(), nonce, &mut datagram);
        } else {
            datagram.extend_from_slice(&plain);
        }
        datagram
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// It is not for us, not from a member, or damaged. If there is a key, nothing but the label is looked at before the
    /// seal is known to be good.
    pub fn hear(&self, datagram: &[u8]) -> Result<Heard, Refusal> {
        if datagram.len() > DATAGRAM_MAX {
            return Err(Refusal::TooLong);
        }
        let sealed = self.without_label(datagram)?;
        let opened;
        let mut plain = sealed;
        if !self.keyring.is_empty() {
            match self.keyring.open(sealed, self.label.as_bytes()) {
                Ok(payload) => {
                    opened = payload;
                    plain = &opened;
                }
                Err(refusal) if self.demands_seal() => return Err(refusal),
                Err(_) => {}
            }
        }
        if let [kind::CHECKSUM, c0, c1, c2, c3, payload @ ..] = plain {
            if crc32fast::hash(payload) != u32::from_be_bytes([*c0, *c1, *c2, *c3]) {
                return Err(Refusal::Checksum);
            }
            plain = payload;
        }
        // No member puts one envelope into another of its kind, so that none is looked for.
        if let [kind::COMPRESSED, envelope @ ..] = plain {
            let packed = compress::open(&mut Reader::new(envelope))?;
            return self.unpack(&compress::decompress(packed, DATAGRAM_MAX)?);
        }
        self.unpack(plain)
    }

    /// Reads one message, or those of a compound. What is wrong in one of several is skipped and counted.
    fn unpack(&self, bytes: &[u8]) -> Result<Heard, Refusal> {
        let mut heard = Heard::default();
        let [kind::COMPOUND, count, rest @ ..] = bytes else {
            heard.messages.push(self.message(bytes)?);
            return Ok(heard);
        };
        let (lengths, mut rest) = rest
            .split_at_checked(PER_MESSAGE * usize::from(*count))
            .ok_or(Refusal::Truncated)?;
        for length in lengths.chunks_exact(PER_MESSAGE) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let Some((part, behind)) = rest.split_at_checked(length) else {
                heard.skip(Refusal::Truncated);
                break;
            };
            rest = behind;
            match self.message(part) {
                Ok(message) => heard.messages.push(message),
                Err(refusal) => heard.skip(refusal),
            }
        }
        Ok(heard)
    }

    fn message(&self, bytes: &[u8]) -> Result<Message, Refusal> {
        let (&kind, body) = bytes.split_first().ok_or(Refusal::Truncated)?;
        let message = read::message(kind, body, self.default_port).ok_or(Refusal::Kind)?;
        Ok(message?)
    }

    fn without_label<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], Refusal> {
        let (label, rest) = match bytes {
            [kind::LABEL, length, rest @ ..] => rest
                .split_at_checked(usize::from(*length))
                .ok_or(Refusal::Label)?,
            [kind::LABEL] => return Err(Refusal::Label),
            rest => (&[][..], rest),
        };
        let labelled = bytes.len() != rest.len();
        // A label without letters is not the same as none.
        if label == self.label.as_bytes() && labelled != label.is_empty() {
            Ok(rest)
        } else {
            Err(Refusal::Label)
        }
    }
}

/// One message as it is, several as a compound.
fn together(parts: &[Vec<u8>]) -> Vec<u8> {
    if let [alone] = parts {
        return alone.clone();
    }
    let count = u8::try_from(parts.len()).expect("at most MESSAGES_MAX are put together");
    let mut compound = vec![kind::COMPOUND, count];
    for part in parts {
        let length = u16::try_from(part.len()).expect("a part of several is smaller than a datagram");
        compound.extend_from_slice(&length.to_be_bytes());
    }
    for part in parts {
        compound.extend_from_slice(part);
    }
    compound
}

impl Heard {
    fn skip(&mut self, refusal: Refusal) {
        let (_, times) = self.skipped.get_or_insert((refusal, 0));
        *times += 1;
    }
}

impl Machine {
    /// Whether `to` is a member that understands checksums: those came with version 5 of the protocol.
    pub fn knows_checksums(&self, to: SocketAddr) -> bool {
        self.entries()
            .any(|entry| entry.member.address == to && entry.versions.protocol_max >= 5)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing(_) => Self::Truncated,
            Fault::Unexpected => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests;
