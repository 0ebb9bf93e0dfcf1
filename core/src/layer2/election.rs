//! Which node answers for an address. Owns the order among eligible nodes, which is the one that every MetalLB speaker
//! computes: mixed clusters agree. One thing is ours: who leads traffic to its own endpoints hands over when these are told to
//! end, and not when they are gone. That counts only where every speaker knows it. It holds no state and no lease; equal inputs give equal winners.

use std::cmp::Reverse;
use std::net::IpAddr;

use ring::digest::{Context, SHA256};

use super::eligible::{Demand, Landscape};
use super::members::Standing;

/// A node's place in the order; the least one wins.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// A node that surely answers goes before one that may not.
    standing: Standing,
    /// Services of the group that this node cannot serve. Zero for a Service that shares its address with none.
    unserved: usize,
    /// Services of the group that this node will not serve much longer.
    leaving: usize,
    /// What the advertisements' preferred node selectors say, highest first.
    preference: Reverse<u32>,
    /// Spreads addresses evenly over otherwise equal nodes, and moves only those of a node that goes.
    lot: [u8; 32],
}

/// The node that announces a group of Services which share addresses (usually one Service), or none.
///
/// `address` is the first address of the group's first Service. One node is chosen for the whole group: an address
/// answered by two nodes would be no better than a duplicate address.
pub fn elect<'a>(landscape: Landscape<'a>, group: &[&Demand<'_>], address: IpAddr) -> Option<&'a str> {
    let ranked = landscape.members.iter().filter_map(|(name, standing)| {
        let mut best = None;
        let (mut unserved, mut leaving) = (0, 0);
        for demand in group {
            match landscape.assess(name, demand) {
                Ok(preference) => {
                    best = best.max(Some(preference));
                    leaving += usize::from(demand.leaving.contains(name.as_str()));
                }
                Err(_) => unserved += 1,
            }
        }
        let rank = Rank {
            standing: *standing,
            unserved,
            leaving,
            preference: Reverse(best?),
            lot: lot(name, address),
        };
        Some((rank, name.as_str()))
    });
    ranked.min().map(|(_, name)| name)
}

/// SHA-256 of `node#address`, the address in its canonical text (RFC 5952 for IPv6).
fn lot(node: &str, address: IpAddr) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(node.as_bytes());
    context.update(b"#");
    // An IPv4 address in IPv6 clothes is written as IPv4, as Go does.
    context.update(address.to_canonical().to_string().as_bytes());
    let mut lot = [0; 32];
    lot.copy_from_slice(context.finish().as_ref());
    lot
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn hex(bytes: [u8; 32]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    #[test]
    fn the_lots_are_those_of_every_metallb_speaker() {
        for (node, expected) in [
            (
                "node1",
                "790e16d64339ab82e60931245af394ad265f5b1817d059c427c90b611ad1625e",
            ),
            (
                "node2",
                "6dbfc99b795c871f1afc98b6b56bdfc8896def98df84b9780182182cf8bed34e",
            ),
            (
                "node3",
                "42a37b7a35fa17bb22d7ad8e31e8af4bb5e085c79c3b9bafa18a8a7c9062595e",
            ),
        ] {
            assert_eq!(hex(lot(node, "192.0.2.1".parse().unwrap())), expected, "{node}");
        }
    }

    #[test]
    fn equal_addresses_draw_equal_lots_however_they_are_written() {
        for (one, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
        ] {
            assert_eq!(
                lot("n", one.parse().unwrap()),
                lot("n", other.parse().unwrap()),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn standing_goes_before_preference_and_preference_before_the_lot() {
        let rank = |standing, unserved, leaving, preference, first| {
            let preference = Reverse(preference);
            Rank {
                standing,
                unserved,
                leaving,
                preference,
                lot: [first; 32],
            }
        };
        let order = [
            rank(Standing::Serving, 0, 0, 100, 9),
            rank(Standing::Serving, 0, 0, 1, 1),
            rank(Standing::Serving, 0, 0, 1, 2),
            rank(Standing::Serving, 0, 1, 100, 0),
            rank(Standing::Serving, 1, 0, 100, 0),
            rank(Standing::Doubtful, 0, 0, 100, 0),
        ];
        assert!(order.is_sorted());
    }
}
