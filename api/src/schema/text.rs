//! What text in a field has to look like: addresses, communities, times. Owns the expressions.
//!
//! They are regular expressions and not the functions `ip()` and `cidr()`, because an API server before 1.31 refuses a
//! definition that calls those; and these cannot be compared by size. What the expressions cannot tell is left to the
//! webhook and to the controller: whether a range of IPv6 runs backwards, because they cannot read hexadecimal numbers,
//! whether two entries of a list are equal or overlap, because comparing each with each costs too much for a list as long
//! as a pool may have, and for the same reason whether an IPv6 address of a pool that ends as one of IPv4 does is well
//! formed.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

/// 0 to 255, as every parser of addresses reads it.
macro_rules! octet {
    () => {
        "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    };
}

macro_rules! ipv4 {
    () => {
        concat!("(", octet!(), "[.]){3}", octet!())
    };
}

/// In an IPv6 address, or on either side of a range: more than one `::`, a part of more than four digits, or a single colon
/// at an end.
macro_rules! bad_colons {
    () => {
        ":::|[0-9a-fA-F]{5}|::[^-]*::|(^|[- ]):([^:]|$)|[^:]:([-/ ]|$)"
    };
}

/// More parts than eight; or eight, and a `::` that stands for nothing.
macro_rules! too_many_parts {
    () => {
        "[^: -](:[^: /-]*){7}:[^: /-]|(:[^: /-]*){9}"
    };
}

/// Fewer parts than eight, and no `::` for those that are missing.
macro_rules! too_few_parts {
    () => {
        "(^|[- ])[^:. -]+(:[^:. /-]+){1,6} *([-/]|$)"
    };
}

/// The same for an address whose last two parts are written as an IPv4 address.
macro_rules! not_six_parts {
    () => {
        "^([^:]+:){1,5}[0-9]+[.]|[^:](:[^:]*){6}:[0-9]+[.]|(:[^:]*){7}:[0-9]+[.]"
    };
}

/// A field that is an address, or empty.
pub(crate) const IS_ADDRESS: &str = concat!(
    "self.matches('^(",
    ipv4!(),
    "|[0-9a-fA-F:]*:[0-9a-fA-F:]*|[0-9a-fA-F:]*:",
    ipv4!(),
    ")?$') && !self.matches('",
    bad_colons!(),
    "|",
    too_many_parts!(),
    "|",
    too_few_parts!(),
    "|",
    not_six_parts!(),
    "')"
);

/// What an entry of a pool's list has to be: a prefix, or the first and the last address of a range. Several cheap
/// rules instead of one, because the API server limits what one may cost.
const ENTRY_RULES: [(&str, &str); 8] = [
    (
        "self.contains(':') || \
         self.matches('^ *[0-9]{1,3}([.][0-9]{1,3}){3} *(/[0-9]+|- *[0-9]{1,3}([.][0-9]{1,3}){3}) *$')",
        "invalid CIDR or IP range: write a prefix such as 192.0.2.0/24 or 192.0.2.1/32, or a range such as \
         192.0.2.10-192.0.2.20",
    ),
    (
        "!self.contains(':') || self.matches('^ *[0-9a-fA-F]*:[0-9a-fA-F:.]* *(/[0-9]+|- *[0-9a-fA-F]*:[0-9a-fA-F:.]*) *$')",
        "invalid CIDR or IP range: write a prefix such as 2001:db8::/120, or a range such as \
         2001:db8::10-2001:db8::20",
    ),
    (
        concat!("!self.matches('", bad_colons!(), "')"),
        "invalid IPv6 address: parts of one to four digits with single colons between them, and at most one ::",
    ),
    (
        concat!("!self.matches('", too_many_parts!(), "')"),
        "invalid IPv6 address: it has more than eight parts",
    ),
    (
        concat!("!self.matches('", too_few_parts!(), "')"),
        "invalid IPv6 address: it has less than eight parts, and no ::",
    ),
    (
        "self.contains(':') || !self.matches('25[6-9]|2[6-9][0-9]|[3-9][0-9][0-9]|(^|[. -])0[0-9]')",
        "invalid IP address: each part is 0 to 255, without leading zeros",
    ),
    (
        "!self.contains('/') || \
         self.matches('^[^:]*/([12]?[0-9]|3[0-2]) *$|:.*/(1[01][0-9]|12[0-8]|[1-9]?[0-9]) *$')",
        "invalid CIDR: the length of a prefix is at most 32 for IPv4 and 128 for IPv6",
    ),
    (
        // The list around the list gives it a name, which is cheaper than eight searches.
        "!self.matches('^ *([0-9]{1,3}[.]){3}[0-9]{1,3} *- *([0-9]{1,3}[.]){3}[0-9]{1,3} *$') || \
         [self.findAll('[0-9]+')].all(part, \
         int(part[0]) * 16777216 + int(part[1]) * 65536 + int(part[2]) * 256 + int(part[3]) <= \
         int(part[4]) * 16777216 + int(part[5]) * 65536 + int(part[6]) * 256 + int(part[7]))",
        "invalid IP range: start IP is after the end IP",
    ),
];

/// A number of 16 bits.
macro_rules! sixteen_bits {
    () => {
        "0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}

/// A number of 32 bits.
macro_rules! thirty_two_bits {
    () => {
        concat!(
            "0*([0-9]{1,9}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}",
            "|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])"
        )
    };
}

macro_rules! community {
    () => {
        concat!(
            sixteen_bits!(),
            ":",
            sixteen_bits!(),
            "|large(:",
            thirty_two_bits!(),
            "){3}"
        )
    };
}

/// A community that an alias stands for: RFC 1997, or RFC 8092.
const COMMUNITY: &str = concat!("^(", community!(), ")$");
/// The same, or an alias: a name without a colon.
const COMMUNITY_OR_ALIAS: &str = concat!("^([^:]*|", community!(), ")$");

/// The most entries that a pool may have. The API server wants to know a limit for the cost of looking at each entry,
/// and allows about this many; an object with as many is larger than what `kubectl apply` can send.
const MOST_ADDRESSES: u32 = 10_000;
/// The longest entry: two IPv6 addresses in full, and some blanks.
const LONGEST_ENTRY: u32 = 100;

/// The address list of a pool.
pub(crate) fn pool_addresses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MOST_ADDRESSES,
        "x-kubernetes-validations": [
            { "rule": "self.size() > 0", "message": "pool has no prefixes defined" },
        ],
        "items": {
            "type": "string",
            "maxLength": LONGEST_ENTRY,
            "x-kubernetes-validations": ENTRY_RULES
                .map(|(rule, message)| json!({ "rule": rule, "message": message })),
        },
    })
}

/// A list of communities and aliases.
pub(crate) fn communities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "pattern": COMMUNITY_OR_ALIAS } })
}

/// The value of an alias.
pub(crate) fn community(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": COMMUNITY })
}

#[cfg(test)]
mod tests;
