//! Services with two families: what they get, and what they keep when families, policy or pools change.

use super::*;

#[test]
fn dual_stack_services_get_what_their_policy_says() {
    let v6_first = [IpFamily::V6, IpFamily::V4];
    let cases = |policy| {
        let mut one_each = usual();
        let mut both = dual();
        let single = settle(&mut one_each, &service("svc").with_families(&BOTH, policy))
            .1
            .ingress;
        let six_first = settle(&mut one_each, &service("six").with_families(&v6_first, policy))
            .1
            .ingress;
        let pair = settle(&mut both, &service("svc").with_families(&v6_first, policy))
            .1
            .ingress;
        [single, six_first, pair]
    };
    let pair = ips(&["192.0.2.0", "2001:db8::"]);
    assert_eq!(
        cases(FamilyPolicy::RequireDualStack),
        [ips(&[]), ips(&[]), pair.clone()]
    );
    assert_eq!(
        cases(FamilyPolicy::PreferDualStack),
        [ips(&["198.51.100.0"]), ips(&["2001:db8::"]), pair]
    );
}

#[test]
fn prefer_dual_stack_on_a_single_stack_cluster_is_single_stack() {
    let mut allocator = dual();
    let prefer = service("web").with_families(&[IpFamily::V4], FamilyPolicy::PreferDualStack);
    check(
        &mut allocator,
        &prefer,
        &["192.0.2.0"],
        "Normal IPAllocated Assigned IP [\"192.0.2.0\"]",
    );
}

#[test]
fn the_second_address_is_added_when_it_becomes_possible_and_the_first_one_stays() {
    let mut allocator = Allocator::new();
    reconfigure(&mut allocator, "p", &["192.0.2.4/30"]);
    let prefer = service("web").with_families(&BOTH, FamilyPolicy::PreferDualStack);
    let (written, outcome) = settle(&mut allocator, &prefer);
    assert!(outcome.lack.is_some());
    assert_eq!(
        told(&outcome)[1],
        "Normal AdditionalAssignFailed cannot assign additional IP in PreferDualStack: no available IPs in pool p for ipv6 \
         IPFamily: pool p has no IPv6 address"
    );
    reconfigure(&mut allocator, "p", &["192.0.2.0/24", "2001:db8::/126"]);
    let (_, outcome) = settle(&mut allocator, &written);
    assert_eq!(outcome.ingress, ips(&["192.0.2.4", "2001:db8::"]));
    assert_eq!(
        told(&outcome),
        ["Normal IPAllocated Assigned additional IP \"2001:db8::\""]
    );
}

#[test]
fn a_change_of_families_keeps_the_address_that_is_still_useful() {
    let mut allocator = dual();
    settle(&mut allocator, &service("first"));
    let (one, _) = settle(&mut allocator, &service("web"));
    let (two, outcome) = settle(
        &mut allocator,
        &one.with_families(&BOTH, FamilyPolicy::RequireDualStack),
    );
    assert_eq!(outcome.ingress, ips(&["192.0.2.1", "2001:db8::"]));
    let (six, outcome) = settle(
        &mut allocator,
        &two.with_families(&[IpFamily::V6], FamilyPolicy::SingleStack),
    );
    assert_eq!(outcome.ingress, ips(&["2001:db8::"]));
    assert_eq!(outcome.freed, ips(&["192.0.2.1"]));
    let (_, outcome) = settle(
        &mut allocator,
        &six.with_families(&[IpFamily::V4], FamilyPolicy::SingleStack),
    );
    assert_eq!(outcome.ingress, ips(&["192.0.2.1"]));
}

/// What a Service with 192.0.2.1 and 2001:db8::1 of pool `p` has after the pools became `edited`.
fn check_edit(policy: FamilyPolicy, asked: Option<&str>, edited: &[(&str, Value)], expected: &[&str]) {
    let mut allocator = dual();
    settle(&mut allocator, &service("first").with_families(&BOTH, policy));
    let (written, _) = settle(&mut allocator, &service("web").with_families(&BOTH, policy));
    assert_eq!(written.ingress, ips(&["192.0.2.1", "2001:db8::1"]));
    allocator.set_pools(pools(edited));
    // Whoever is decided first: what "web" had is not for others.
    let early = service("early").asking_for_ips("192.0.2.1");
    assert!(converge(&mut allocator, &early).ingress.is_empty());
    let written = match asked {
        Some(pool) => written.asking_for_pool(pool),
        None => written,
    };
    let (_, outcome) = settle(&mut allocator, &written);
    assert_eq!(outcome.ingress, ips(expected), "{policy:?} {edited:?}");
}

#[test]
fn what_a_pool_edit_leaves_of_a_dual_stack_service_stays() {
    let of = |addresses: &[&str]| json!({ "addresses": addresses });
    let (four, six) = ("192.0.2.0/30", "2001:db8::/126");
    let prefer = FamilyPolicy::PreferDualStack;
    for (edited, expected) in [
        (vec![("p", of(&[four]))], vec!["192.0.2.1"]),
        (vec![("p", of(&[six]))], vec!["2001:db8::1"]),
        (
            vec![("renamed", of(&[four, six]))],
            vec!["192.0.2.1", "2001:db8::1"],
        ),
        // Split: both are still offered, and they cannot go together any more.
        (vec![("a", of(&[six])), ("p", of(&[four]))], vec!["192.0.2.1"]),
        // The other half comes from the pool that the first half is in.
        (
            vec![("a", of(&[six])), ("p", of(&[four, "2001:db9::/126"]))],
            vec!["192.0.2.1", "2001:db9::"],
        ),
        // A part that is offered to others is no part.
        (
            vec![
                ("a", of(&[six])),
                (
                    "p",
                    json!({ "addresses": [four], "serviceAllocation": { "namespaces": ["x"] } }),
                ),
            ],
            vec!["2001:db8::1"],
        ),
    ] {
        check_edit(prefer, None, &edited, &expected);
    }
    let split = [("a", of(&[six])), ("p", of(&[four]))];
    check_edit(prefer, Some("a"), &split, &["2001:db8::1"]);
    check_edit(FamilyPolicy::RequireDualStack, None, &split, &[]);
    let elsewhere = [("a", of(&[four])), ("b", of(&["203.0.113.0/30", six]))];
    check_edit(
        FamilyPolicy::RequireDualStack,
        None,
        &elsewhere,
        &["203.0.113.0", "2001:db8::1"],
    );
}

type Families = (&'static [IpFamily], FamilyPolicy);

/// From one family and policy to another, with a pool that has both families and one address of each taken.
#[test]
fn a_change_of_policy_adds_or_takes_the_second_address_and_leaves_the_first() {
    use FamilyPolicy::{PreferDualStack, RequireDualStack, SingleStack};
    use IpFamily::{V4, V6};
    let (four, six) = ("192.0.2.1", "2001:db8::1");
    let table: [(Families, Families, &[&str]); 8] = [
        ((&[V4], SingleStack), (&[V4, V6], PreferDualStack), &[four, six]),
        ((&[V4], SingleStack), (&[V4, V6], RequireDualStack), &[four, six]),
        ((&[V6], SingleStack), (&[V6, V4], PreferDualStack), &[six, four]),
        ((&[V4, V6], PreferDualStack), (&[V4], SingleStack), &[four]),
        (
            (&[V4, V6], PreferDualStack),
            (&[V4, V6], RequireDualStack),
            &[four, six],
        ),
        ((&[V6, V4], RequireDualStack), (&[V6], SingleStack), &[six]),
        (
            (&[V6, V4], RequireDualStack),
            (&[V6, V4], PreferDualStack),
            &[four, six],
        ),
        ((&[V4], SingleStack), (&[V6], SingleStack), &[six]),
    ];
    for (before, after, expected) in table {
        let mut allocator = dual();
        settle(
            &mut allocator,
            &service("first").with_families(&BOTH, RequireDualStack),
        );
        let (web, _) = settle(&mut allocator, &service("web").with_families(before.0, before.1));
        let (_, outcome) = settle(&mut allocator, &web.with_families(after.0, after.1));
        assert_eq!(outcome.ingress, ips(expected), "{before:?} {after:?}");
    }
}
