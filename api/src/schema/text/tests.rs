//! The expressions against the parsers of the standard library: no address is refused, and of other texts as few as can be
//! are let through.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex};

use proptest::prelude::*;
use regex::Regex;

use super::*;

#[test]
fn no_address_is_longer_than_the_limits() {
    let longest = "0000:0000:0000:0000:0000:ffff:255.255.255.255";
    assert_eq!(longest.len(), 45);
    assert!(LONGEST_ENTRY as usize > longest.len() * 2 + " - ".len());
}

/// Whether `text` has a part that the expression describes. Each expression is compiled once: that takes longer than a look.
fn matches(expression: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    let known = compiled.entry(expression.to_owned());
    known
        .or_insert_with(|| Regex::new(expression).unwrap())
        .is_match(text)
}

/// What a rule made of `self.matches` and `self.contains` says about `text`: parts joined by `&&` or `||`, never both.
fn holds(rule: &str, text: &str) -> bool {
    let part = |part: &str| {
        let (negated, call) = part.strip_prefix('!').map_or((false, part), |call| (true, call));
        let argument = |name: &str| call.strip_prefix(name)?.strip_suffix("')");
        let found = argument("self.matches('")
            .map(|expression| matches(expression, text))
            .or_else(|| argument("self.contains('").map(|part| text.contains(part)));
        found.unwrap_or_else(|| panic!("{part}")) != negated
    };
    if rule.contains(" && ") {
        rule.split(" && ").all(part)
    } else {
        rule.split(" || ").any(part)
    }
}

/// Whether the schema takes `entry` in a pool, apart from the order of a range.
fn is_entry(entry: &str) -> bool {
    let rules = ENTRY_RULES.iter().filter(|(rule, _)| !rule.contains("findAll"));
    rules.into_iter().all(|(rule, _)| holds(rule, entry))
}

/// Texts that are addresses, or nearly.
fn nearly_an_address() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => "[0-9a-fA-F]{1,4}", 2 => Just(String::new()), 1 => "[0-9a-f]{5}"];
    let tail = prop_oneof![5 => Just(String::new()), 1 => "[0-9]{1,3}([.][0-9]{1,3}){3}"];
    let joined = (prop::collection::vec(part, 1..11), tail).prop_map(|(mut parts, tail)| {
        if !tail.is_empty() {
            parts.push(tail);
        }
        parts.join(":")
    });
    prop_oneof![3 => joined, 1 => any::<IpAddr>().prop_map(|address| address.to_string())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_field_takes_addresses_and_nothing_else(text in nearly_an_address()) {
        let takes = holds(IS_ADDRESS, &text);
        prop_assert_eq!(takes, text.is_empty() || text.parse::<IpAddr>().is_ok(), "{}", text);
    }

    #[test]
    fn a_pool_takes_what_consists_of_addresses(one in nearly_an_address(), other in nearly_an_address(), blank in " {0,2}") {
        let is = |text: &str| text.parse::<IpAddr>().ok();
        let (first, second) = (is(&one), is(&other));
        // A tail like an IPv4 address is not looked into.
        let vague = |text: &str| text.contains(':') && text.contains('.');
        let length = if one.contains(':') { 64 } else { 24 };
        for prefix in [format!("{one}/{length}"), format!("{blank}{one}{blank}/{length}")] {
            let takes = is_entry(&prefix);
            prop_assert!(takes == first.is_some() || (vague(&one) && takes), "{}", prefix);
        }
        let range = format!("{one}{blank}-{blank}{other}");
        let of_one_family = first.is_some_and(|first| second.is_some_and(|second| first.is_ipv4() == second.is_ipv4()));
        let takes = is_entry(&range);
        prop_assert!(takes == of_one_family || ((vague(&one) || vague(&other)) && takes), "{}", range);
    }

    #[test]
    fn a_community_has_numbers_of_its_size(parts in prop::collection::vec("0{0,2}[0-9]{1,5}|[0-9]{9,11}", 1..5), large in any::<bool>()) {
        let text = if large { format!("large:{}", parts.join(":")) } else { parts.join(":") };
        let fits = if large {
            parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
        } else {
            parts.len() == 2 && parts.iter().all(|part| part.parse::<u16>().is_ok())
        };
        prop_assert_eq!(matches(COMMUNITY, &text), fits, "{}", text);
        let alias = !text.contains(':');
        prop_assert_eq!(matches(COMMUNITY_OR_ALIAS, &text), fits || alias, "{}", text);
    }
}

#[test]
fn the_bounds_of_numbers_are_exact() {
    for (text, fits) in [
        ("65535:0", true),
        ("65536:0", false),
        ("0:65535", true),
        ("0:65536", false),
        ("large:4294967295:0:4294967295", true),
        ("large:4294967296:0:0", false),
        ("large:0:0:9999999999", false),
    ] {
        assert_eq!(matches(COMMUNITY, text), fits, "{text}");
    }
}
