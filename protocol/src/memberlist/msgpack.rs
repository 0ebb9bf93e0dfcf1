//! The part of msgpack that members write to one another. Owns the bytes of maps with named fields, numbers, texts and
//! byte strings. Never knows what a field means.
//!
//! Written by hand and not a deserializer of a library: a [`Reader`] lends out slices of what has arrived and has no
//! memory of its own, so that no length on the wire can make it allocate, and it can say how many bytes a stream still
//! owes. That is less code than limits around a library that has to be trusted to have them.
//!
//! What Go's codec writes is the old form of msgpack, in which a text and a byte string are the same ("raw"). Read is
//! also the new form, and any width of a number: the next version of the codec may write it.

/// The most fields that one message may have, known and unknown ones. Upstream's largest has eight.
const FIELDS_MAX: usize = 32;

/// The most values that an unknown field may hold, nested ones included: it is stepped over again each time that more
/// of a stream arrives.
const SKIPPED_MAX: u64 = 64;

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end before the value does: at least so many are missing.
    Missing(usize),
    /// It is not what the message has there.
    Unexpected,
}

/// Reads one value after the other.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes as they are.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Fault::Missing(count - self.rest.len())),
        }
    }

    /// Reads a map. `field` is given each name with the value to read, and says whether it has read it; a value
    /// that it leaves is stepped over. A nil is a map without fields.
    pub(super) fn fields<F>(&mut self, mut field: F) -> Result<(), Fault>
    where
        F: FnMut(&'a [u8], &mut Self) -> Result<bool, Fault>,
    {
        let count = match self.marker()? {
            marker @ 0x80..=0x8f => usize::from(marker & 0x0f),
            0xc0 => 0,
            0xde => self.length(2)?,
            0xdf => self.length(4)?,
            _ => return Err(Fault::Unexpected),
        };
        if count > FIELDS_MAX {
            return Err(Fault::Unexpected);
        }
        for _ in 0..count {
            let name = self.bytes()?;
            if !field(name, self)? {
                self.skip()?;
            }
        }
        Ok(())
    }

    /// A text or a byte string; a nil is an empty one.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = match self.marker()? {
            marker @ 0xa0..=0xbf => usize::from(marker & 0x1f),
            0xc0 => 0,
            0xc4 | 0xd9 => self.length(1)?,
            0xc5 | 0xda => self.length(2)?,
            0xc6 | 0xdb => self.length(4)?,
            _ => return Err(Fault::Unexpected),
        };
        self.take(length)
    }

    /// A number that is not negative, in any width.
    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        let signed = match self.marker()? {
            marker @ 0x00..=0x7f => return Ok(u64::from(marker)),
            0xc0 => return Ok(0),
            0xcc => return self.big_endian(1),
            0xcd => return self.big_endian(2),
            0xce => return self.big_endian(4),
            0xcf => return self.big_endian(8),
            0xd0 => (1, u64::from(i8::MAX.cast_unsigned())),
            0xd1 => (2, u64::from(i16::MAX.cast_unsigned())),
            0xd2 => (4, u64::from(i32::MAX.cast_unsigned())),
            0xd3 => (8, i64::MAX.cast_unsigned()),
            _ => return Err(Fault::Unexpected),
        };
        let (width, max) = signed;
        let value = self.big_endian(width)?;
        if value > max {
            Err(Fault::Unexpected)
        } else {
            Ok(value)
        }
    }

    /// A number that fits into `N`.
    pub(super) fn narrow<N: TryFrom<u64>>(&mut self) -> Result<N, Fault> {
        N::try_from(self.number()?).map_err(|_| Fault::Unexpected)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.marker()? {
            0xc0 | 0xc2 => Ok(false),
            0xc3 => Ok(true),
            _ => Err(Fault::Unexpected),
        }
    }

    /// Steps over one value of any kind, without recursion.
    fn skip(&mut self) -> Result<(), Fault> {
        let (mut pending, mut seen) = (1_u64, 0_u64);
        while pending > 0 {
            pending -= 1;
            let (bytes, values) = self.extent()?;
            self.take(bytes)?;
            seen += 1;
            pending = pending.saturating_add(values);
            if seen.saturating_add(pending) > SKIPPED_MAX {
                return Err(Fault::Unexpected);
            }
        }
        Ok(())
    }

    /// How many bytes, and how many values, belong to the value that begins here.
    fn extent(&mut self) -> Result<(usize, u64), Fault> {
        Ok(match self.marker()? {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, 0),
            marker @ 0x80..=0x8f => (0, 2 * u64::from(marker & 0x0f)),
            marker @ 0x90..=0x9f => (0, u64::from(marker & 0x0f)),
            marker @ 0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
            0xc1 => return Err(Fault::Unexpected),
            0xc4 | 0xd9 => (self.length(1)?, 0),
            0xc5 | 0xda => (self.length(2)?, 0),
            0xc6 | 0xdb => (self.length(4)?, 0),
            // An extension has a byte for its type.
            0xc7 => (self.length(1)?.saturating_add(1), 0),
            0xc8 => (self.length(2)?.saturating_add(1), 0),
            0xc9 => (self.length(4)?.saturating_add(1), 0),
            0xcc | 0xd0 => (1, 0),
            0xcd | 0xd1 | 0xd4 => (2, 0),
            0xd5 => (3, 0),
            0xca | 0xce | 0xd2 => (4, 0),
            0xd6 => (5, 0),
            0xcb | 0xcf | 0xd3 => (8, 0),
            0xd7 => (9, 0),
            0xd8 => (17, 0),
            0xdc => (0, self.big_endian(2)?),
            0xdd => (0, self.big_endian(4)?),
            0xde => (0, 2 * self.big_endian(2)?),
            0xdf => (0, 2 * self.big_endian(4)?),
        })
    }

    fn marker(&mut self) -> Result<u8, Fault> {
        self.take(1).map(|taken| taken[0])
    }

    fn length(&mut self, width: usize) -> Result<usize, Fault> {
        usize::try_from(self.big_endian(width)?).map_err(|_| Fault::Unexpected)
    }

    /// At most eight bytes, the most significant first.
    fn big_endian(&mut self, width: usize) -> Result<u64, Fault> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

/// Where written bytes go: into memory, or nowhere if only their number is wanted.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts.
#[derive(Debug, Default)]
pub(super) struct Count(pub(super) usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Writes one value after the other, each in the shortest form that the old msgpack has.
#[derive(Debug)]
pub(super) struct Writer<'a, S> {
    sink: &'a mut S,
}

impl<'a, S: Sink> Writer<'a, S> {
    pub(super) fn new(sink: &'a mut S) -> Self {
        Self { sink }
    }

    /// Begins a map of `fields` fields, fewer than 16.
    pub(super) fn map(&mut self, fields: u8) -> &mut Self {
        debug_assert!(fields < 16, "a longer map has another form");
        self.raw(&[0x80 | fields])
    }

    /// A field whose value is a byte string. Go writes an empty one, which it calls nil, in a way of its own.
    pub(super) fn optional_bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if value.is_empty() {
            self.string(name.as_bytes()).raw(&[0xc0])
        } else {
            self.bytes(name, value)
        }
    }

    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.string(name.as_bytes()).string(value)
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.bytes(name, value.as_bytes())
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.string(name.as_bytes()).raw(&[0xc2 | u8::from(value)])
    }

    pub(super) fn number(&mut self, name: &str, value: u32) -> &mut Self {
        self.string(name.as_bytes());
        let bytes = value.to_be_bytes();
        match value {
            0..=0x7f => self.raw(&bytes[3..]),
            0x80..=0xff => self.raw(&[0xcc]).raw(&bytes[3..]),
            0x100..=0xffff => self.raw(&[0xcd]).raw(&bytes[2..]),
            0x1_0000.. => self.raw(&[0xce]).raw(&bytes),
        }
    }

    fn string(&mut self, value: &[u8]) -> &mut Self {
        // No message of ours is as long as a length of 32 bits can say.
        let length = u32::try_from(value.len()).expect("a message is shorter than 4 GiB");
        let bytes = length.to_be_bytes();
        match length {
            0..=31 => self.raw(&[0xa0 | bytes[3]]),
            32..=0xffff => self.raw(&[0xda]).raw(&bytes[2..]),
            0x1_0000.. => self.raw(&[0xdb]).raw(&bytes),
        };
        self.raw(value)
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.sink.put(bytes);
        self
    }
}

#[cfg(test)]
mod tests;
