//! A message on a stream, out of the pieces in which it arrives. Owns the bytes until the message is complete, and
//! refuses a stream as early as it can. Never waits.

use super::super::compress;
use super::super::encoding::kind;
use super::super::msgpack::{Fault, Reader};
use super::super::wire::{Refusal, Wire};
use super::{Content, Direction, Reading, SEAL_HEADER, STREAM_MAX, Stop};

/// Takes in a stream piece by piece.
#[derive(Debug)]
pub struct Collector {
    bytes: Vec<u8>,
    /// Which bytes are still a label; `None` once it has been read.
    label: Option<Direction>,
    reading: Reading,
}

/// How far a stream has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// At least so many bytes must still come; never more than [`STREAM_MAX`].
    Missing(usize),
    /// The message. What comes behind it is not looked at.
    Complete(Content),
}

impl Collector {
    /// For a message that goes into this direction.
    pub fn new(direction: Direction) -> Self {
        Self {
            bytes: Vec::new(),
            label: Some(direction),
            reading: Reading::default(),
        }
    }

    /// Takes in what has arrived. After [`Progress::Complete`] or an error nothing more may be given.
    ///
    /// # Errors
    /// This stream will never hold a message for us. If there is a key, nothing but the label is looked at before the
    /// seal is known to be good.
    pub fn take(&mut self, piece: &[u8], wire: &Wire) -> Result<Progress, Refusal> {
        // The label and the header of a seal come on top of what they hold.
        if self.bytes.len() + piece.len() > STREAM_MAX + wire.envelope_bytes() + SEAL_HEADER {
            return Err(Refusal::TooLong);
        }
        self.bytes.extend_from_slice(piece);
        match self.content(wire) {
            Ok(content) => Ok(Progress::Complete(content)),
            Err(Stop::Missing(count)) if count > STREAM_MAX => Err(Refusal::TooLong),
            Err(Stop::Missing(count)) => Ok(Progress::Missing(count)),
            Err(Stop::Refused(refusal)) => Err(refusal),
        }
    }

    fn content(&mut self, wire: &Wire) -> Result<Content, Stop> {
        if let Some(direction) = self.label {
            let length = label_length(&self.bytes, direction, wire)?;
            self.bytes.drain(..length);
            self.label = None;
        }
        match self.bytes.first() {
            None => Err(Stop::Missing(1)),
            Some(&kind::ENCRYPTED) => open(&self.bytes, wire),
            Some(_) if wire.demands_seal() => Err(Stop::Refused(Refusal::Unauthenticated)),
            Some(&kind::COMPRESSED) => decompress(&self.bytes, wire),
            Some(_) => self.reading.read(&self.bytes, wire.default_port),
        }
    }
}

/// How many bytes the label takes, if it is ours.
fn label_length(bytes: &[u8], direction: Direction, wire: &Wire) -> Result<usize, Stop> {
    let mut expected = Vec::new();
    if direction == Direction::Asking {
        wire.put_label(&mut expected);
    }
    let known = bytes.len().min(expected.len());
    if bytes[..known] != expected[..known] || (expected.is_empty() && bytes.first() == Some(&kind::LABEL)) {
        return Err(Stop::Refused(Refusal::Label));
    }
    match expected.len() - known {
        0 => Ok(known),
        missing => Err(Stop::Missing(missing)),
    }
}

/// What is sealed comes with its length and is only looked at as a whole.
fn open(bytes: &[u8], wire: &Wire) -> Result<Content, Stop> {
    if wire.keyring.is_empty() {
        return Err(Stop::Refused(Refusal::Encrypted));
    }
    let Some((header, rest)) = bytes.split_at_checked(SEAL_HEADER) else {
        return Err(Stop::Missing(SEAL_HEADER - bytes.len()));
    };
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= STREAM_MAX)
        .ok_or(Stop::Refused(Refusal::TooLong))?;
    let Some(sealed) = rest.get(..length) else {
        return Err(Stop::Missing(length - rest.len()));
    };
    let plain = wire
        .keyring
        .open(sealed, &wire.bound_to(header))
        .map_err(Stop::Refused)?;
    if plain.first() == Some(&kind::COMPRESSED) {
        return whole(decompress(&plain, wire));
    }
    whole(Reading::default().read(&plain, wire.default_port))
}

/// What is compressed is only looked at as a whole; the envelope says how long it is.
fn decompress(bytes: &[u8], wire: &Wire) -> Result<Content, Stop> {
    let packed = compress::open(&mut Reader::new(&bytes[1..]))?;
    let plain = compress::decompress(packed, STREAM_MAX).map_err(Stop::Refused)?;
    whole(Reading::default().read(&plain, wire.default_port))
}

/// Nothing more will come to what was in an envelope.
fn whole(content: Result<Content, Stop>) -> Result<Content, Stop> {
    content.map_err(|stop| match stop {
        Stop::Missing(count) => Stop::Refused(Fault::Missing(count).into()),
        refused @ Stop::Refused(_) => refused,
    })
}
