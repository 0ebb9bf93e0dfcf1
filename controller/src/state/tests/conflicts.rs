//! Two Services and one address: whose it is, and from when on.

use metallb_core::facts::FamilyPolicy;

use super::*;

const V4: &str = "192.0.2.0";

/// A pool of these addresses.
fn pool_of(addresses: &[&str]) -> IPAddressPool {
    let mut pool = pool(addresses[0]);
    pool.spec.addresses = addresses.iter().map(ToString::to_string).collect();
    pool
}

#[test]
fn when_half_of_a_dual_stack_pool_goes_nobody_takes_the_half_that_stays() {
    let dual = ServiceFacts {
        cluster_ips: vec!["10.96.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        ip_families: vec![IpFamily::V4, IpFamily::V6],
        family_policy: FamilyPolicy::PreferDualStack,
        ..service("z", 1, &[V4, "2001:db8::"])
    };
    // "a" waits, and is first in every order.
    let mut state = started("192.0.2.0/32", vec![dual, service("a", 1, &[])]);
    reconfigure(&mut state, pool_of(&["192.0.2.0/32", "2001:db8::/127"]));
    told(&mut state);
    reconfigure(&mut state, pool("192.0.2.0/32"));
    assert_eq!(writes(&mut state), ["z=192.0.2.0"]);
}
