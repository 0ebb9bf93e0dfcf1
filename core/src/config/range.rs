//! One entry of a pool's address list: a prefix or a range, as first and last address. Owns the parsing of the text.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::facts::IpFamily;

/// Addresses of one family from `first` to `last`, both included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    family: IpFamily,
    first: u128,
    last: u128,
}

/// Why an entry is not a prefix or a range. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// There is no dash, and it is no prefix either.
    #[error("invalid CIDR {0:?}")]
    Prefix(String),
    /// What stands before the dash is no address.
    #[error("invalid IP range {text:?}: invalid start IP {start:?}")]
    Start {
        /// The entry.
        text: String,
        /// What stands before the dash.
        start: String,
    },
    /// What stands after the dash is no address.
    #[error("invalid IP range {text:?}: invalid end IP {end:?}")]
    End {
        /// The entry.
        text: String,
        /// What stands after the dash.
        end: String,
    },
    /// The range runs backwards.
    #[error("invalid IP range {text:?}: start IP {start:?} is after the end IP {end:?}", start = start.to_string(), end = end.to_string())]
    Backwards {
        /// The entry.
        text: String,
        /// Its first address.
        start: IpAddr,
        /// Its last address.
        end: IpAddr,
    },
    /// One end is IPv4, the other IPv6.
    #[error("invalid IP range {0:?}: start IP and end IP are of different families")]
    Mixed(String),
}

impl AddressRange {
    /// Reads `192.0.2.0/24`, `2001:db8::/120` or `192.0.2.10-192.0.2.20`. Host bits of a prefix are cleared.
    ///
    /// # Errors
    /// See [`RangeError`].
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let Some((start, end)) = text.split_once('-') else {
            let prefix: IpNet = text
                .trim()
                .parse()
                .map_err(|_| RangeError::Prefix(text.to_owned()))?;
            return Ok(Self::between(prefix.network(), prefix.broadcast()));
        };
        let start: IpAddr = start.trim().parse().map_err(|_| RangeError::Start {
            text: text.to_owned(),
            start: start.trim().to_owned(),
        })?;
        let end: IpAddr = end.trim().parse().map_err(|_| RangeError::End {
            text: text.to_owned(),
            end: end.trim().to_owned(),
        })?;
        let (start, end) = (start.to_canonical(), end.to_canonical());
        if IpFamily::from(start) != IpFamily::from(end) {
            return Err(RangeError::Mixed(text.to_owned()));
        }
        if start > end {
            let text = text.to_owned();
            return Err(RangeError::Backwards { text, start, end });
        }
        Ok(Self::between(start, end))
    }

    /// Both of one family and in order.
    fn between(first: IpAddr, last: IpAddr) -> Self {
        Self {
            family: first.into(),
            first: IpFamily::number(first),
            last: IpFamily::number(last),
        }
    }

    /// The family of all its addresses.
    pub fn family(&self) -> IpFamily {
        self.family
    }

    /// First and last address, as numbers of its family.
    pub fn numbers(&self) -> RangeInclusive<u128> {
        self.first..=self.last
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.family == address.into() && self.numbers().contains(&IpFamily::number(address))
    }

    /// How many addresses it has. The one count that does not fit, that of all IPv6 addresses, is one short.
    pub fn size(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// How many of its addresses old network equipment takes for a network or a broadcast address.
    pub fn buggy(&self) -> u128 {
        match self.family {
            IpFamily::V4 => {
                // Addresses up to `n`, exclusive, that end in 0 or in 255.
                let below = |n: u128| n.div_ceil(256) + n / 256;
                below(self.last + 1) - below(self.first)
            }
            IpFamily::V6 => 0,
        }
    }

    /// The shortest ascending list of prefixes that covers exactly these addresses.
    pub fn prefixes(&self) -> Vec<IpNet> {
        let (first, last) = (self.family.address(self.first), self.family.address(self.last));
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
        }
    }

    /// The first prefix of each that share an address.
    pub(super) fn overlap(&self, other: &Self) -> Option<(IpNet, IpNet)> {
        let others = other.prefixes();
        let meet = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        self.prefixes()
            .iter()
            .find_map(|own| Some((*own, *others.iter().find(|theirs| meet(own, theirs))?)))
    }
}

/// Whether old network equipment takes `address` for a network or a broadcast address.
pub fn is_buggy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets()[3], 0 | 255),
        IpAddr::V6(_) => false,
    }
}

/// `first-last`.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}",
            self.family.address(self.first),
            self.family.address(self.last)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::parse(text).unwrap()
    }

    #[test]
    fn prefixes_and_ranges_are_read() {
        for (text, meaning) in [
            ("192.0.2.0/24", "192.0.2.0-192.0.2.255"),
            ("192.0.2.77/24", "192.0.2.0-192.0.2.255"),
            (" 192.0.2.7/32 ", "192.0.2.7-192.0.2.7"),
            ("192.0.2.10-192.0.2.20", "192.0.2.10-192.0.2.20"),
            (" 192.0.2.10 - 192.0.2.10 ", "192.0.2.10-192.0.2.10"),
            ("2001:db8::/126", "2001:db8::-2001:db8::3"),
            ("2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff"),
            ("::ffff:192.0.2.1-::ffff:192.0.2.2", "192.0.2.1-192.0.2.2"),
        ] {
            assert_eq!(range(text).to_string(), meaning, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_metallbs_words() {
        for (text, message) in [
            ("192.0.2.1", "invalid CIDR \"192.0.2.1\""),
            ("192.0.2.0/33", "invalid CIDR \"192.0.2.0/33\""),
            ("", "invalid CIDR \"\""),
            (
                "x-192.0.2.1",
                "invalid IP range \"x-192.0.2.1\": invalid start IP \"x\"",
            ),
            (
                "192.0.2.1-",
                "invalid IP range \"192.0.2.1-\": invalid end IP \"\"",
            ),
            (
                "192.0.2.9-192.0.2.1",
                "invalid IP range \"192.0.2.9-192.0.2.1\": start IP \"192.0.2.9\" is after the end IP \"192.0.2.1\"",
            ),
            (
                "192.0.2.9-2001:db8::1",
                "invalid IP range \"192.0.2.9-2001:db8::1\": start IP and end IP are of different families",
            ),
        ] {
            assert_eq!(AddressRange::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn sizes_are_exact_up_to_the_whole_of_both_families() {
        for (text, size, buggy) in [
            ("192.0.2.0/24", 256, 2),
            ("192.0.2.0/23", 512, 4),
            ("192.0.2.0/25", 128, 1),
            ("192.0.2.128/25", 128, 1),
            ("192.0.2.64/26", 64, 0),
            ("192.0.2.255-192.0.3.0", 2, 2),
            ("192.0.2.1-192.0.2.254", 254, 0),
            ("0.0.0.0/0", 1 << 32, 1 << 25),
            ("2001:db8::/64", 1 << 64, 0),
            ("::/0", u128::MAX, 0),
        ] {
            assert_eq!((range(text).size(), range(text).buggy()), (size, buggy), "{text}");
        }
    }

    #[test]
    fn overlaps_are_named_by_their_prefixes() {
        let overlap = |a: &str, b: &str| range(a).overlap(&range(b)).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(
            overlap("192.0.2.1-192.0.2.9", "192.0.2.8/30").as_deref(),
            Some("192.0.2.8/31 192.0.2.8/30")
        );
        assert_eq!(overlap("192.0.2.0/25", "192.0.2.128/25"), None);
        assert_eq!(overlap("192.0.2.0/25", "2001:db8::/64"), None);
    }
}
