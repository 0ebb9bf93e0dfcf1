//! What becomes of a Service that has an address when it, the pools or the process change.

use metallb_api::NamespacedName;

use super::*;

#[test]
fn a_pool_edit_moves_only_those_whose_address_is_gone() {
    let mut allocator = usual();
    let (kept, _) = settle(&mut allocator, &service("kept"));
    let (moved, _) = settle(&mut allocator, &service("moved").asking_for_pool("gold"));
    allocator.set_pools(pools(&[
        (
            "gold",
            json!({ "addresses": ["203.0.113.0/30"], "autoAssign": false }),
        ),
        (
            "renamed",
            json!({ "addresses": ["198.51.100.0/24"], "autoAssign": false }),
        ),
    ]));
    let outcome = converge(&mut allocator, &kept);
    assert_eq!(
        (outcome.ingress, outcome.pool.as_deref()),
        (ips(&["198.51.100.0"]), Some("renamed"))
    );
    assert_eq!(outcome.events, []);
    let (_, outcome) = settle(&mut allocator, &moved);
    assert_eq!(outcome.ingress, ips(&["203.0.113.0"]));
    assert_eq!(
        told(&outcome),
        [
            "Normal ClearAssignment current IP for \"default/moved\" not allowed by config, will attempt for new IP \
             assignment: [\"192.0.2.0\"] is not allowed in config",
            "Normal IPAllocated Assigned IP [\"203.0.113.0\"]",
        ]
    );
}

#[test]
fn deleting_every_pool_takes_the_address_and_says_so() {
    let mut allocator = usual();
    let (written, _) = settle(&mut allocator, &service("web"));
    allocator.set_pools(Pools::default());
    let (_, outcome) = settle(&mut allocator, &written);
    assert!(outcome.ingress.is_empty() && outcome.pool.is_none() && outcome.write);
    let last = told(&outcome).pop();
    let expected = "Warning AllocationFailed Failed to allocate IP for \"default/web\": no available IPs: \
                    there is no IPAddressPool";
    assert_eq!(last.as_deref(), Some(expected));
}

#[test]
fn before_any_configuration_is_known_nothing_is_touched() {
    let held = service("web").holding(Some("p"), &ips(&["192.0.2.1"]));
    let outcome = converge(&mut Allocator::new(), &held);
    assert!(
        !outcome.write && outcome.events.is_empty() && outcome.ingress == held.ingress,
        "{outcome:?}"
    );
}

#[test]
fn without_a_readable_configuration_a_service_without_address_is_told_the_fault_and_the_others_are_left() {
    let fault = |number: usize| Fault {
        kind: "IPAddressPool",
        object: NamespacedName::new("metallb-system", format!("p{number}")),
        message: "invalid CIDR".to_owned(),
    };
    let web = service("web");
    let outcome = undecided(&web, &[fault(1)]);
    let sentence = "no configuration has been readable since this controller became the leader: IPAddressPool \
                    metallb-system/p1: invalid CIDR. Correct this, and the Service gets its address; addresses in use stay";
    assert_eq!(
        told(&outcome),
        [format!(
            "Warning AllocationFailed Failed to allocate IP for \"default/web\": {sentence}"
        )]
    );
    assert!(!outcome.write && outcome.ingress.is_empty());
    let condition = outcome.lack.unwrap().condition();
    assert_eq!(
        (condition.reason.as_str(), condition.message.as_str()),
        ("AllocationFailed", sentence)
    );

    let many: Vec<Fault> = (1..7).map(fault).collect();
    assert!(
        undecided(&web, &many)
            .lack
            .unwrap()
            .sentence
            .contains("p4: invalid CIDR; and 2 more. Correct")
    );

    let held = service("web").holding(Some("p"), &ips(&["192.0.2.1"]));
    let mut leaving = service("web");
    leaving.deleting = true;
    let mut internal = service("web");
    internal.load_balancer = false;
    for other in [held, leaving, internal] {
        let outcome = undecided(&other, &[fault(1)]);
        assert!(
            !outcome.write
                && outcome.events.is_empty()
                && outcome.lack.is_none()
                && outcome.ingress == other.ingress,
            "{outcome:?}"
        );
    }
}

#[test]
fn a_service_of_another_type_gives_its_address_back() {
    let mut allocator = usual();
    let (mut web, _) = settle(&mut allocator, &service("web"));
    web.load_balancer = false;
    let (web, outcome) = settle(&mut allocator, &web);
    assert_eq!(outcome.freed, ips(&["198.51.100.0"]));
    assert!(outcome.write && outcome.ingress.is_empty() && outcome.pool.is_none());
    assert!(!converge(&mut allocator, &web).write);
}

#[test]
fn what_is_given_up_is_to_be_had_when_the_status_says_so() {
    let mut allocator = usual();
    let (web, _) = settle(&mut allocator, &service("web"));
    let next = service("next").asking_for_ips("198.51.100.0");
    let leaving = web.asking_for_ips("198.51.100.3");
    let outcome = converge(&mut allocator, &leaving);
    assert!(outcome.write && outcome.freed.is_empty(), "{outcome:?}");
    let refused = converge(&mut allocator, &next);
    assert!(
        refused.ingress.is_empty() && told(&refused)[0].contains("still in use by default/web"),
        "{refused:?}"
    );
    let written = leaving.holding(outcome.pool.as_deref(), &outcome.ingress);
    assert_eq!(converge(&mut allocator, &written).freed, ips(&["198.51.100.0"]));
    assert_eq!(settle(&mut allocator, &next).1.ingress, ips(&["198.51.100.0"]));
}

#[test]
fn what_is_decided_wins_over_what_a_stale_object_says() {
    let mut allocator = usual();
    let (written, _) = settle(&mut allocator, &service("web"));
    let stale = service("web");
    let edited = written.holding(Some("main"), &ips(&["198.51.100.3"]));
    for object in [stale, edited] {
        let outcome = converge(&mut allocator, &object);
        assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
        assert!(outcome.write && outcome.freed.is_empty() && outcome.events.is_empty());
    }
}

#[test]
fn a_new_service_of_an_old_name_does_not_inherit() {
    let mut allocator = usual();
    settle(&mut allocator, &service("a"));
    settle(&mut allocator, &service("web"));
    allocator.release(&service("a").key);
    let mut reborn = service("web");
    reborn.uid = "another".into();
    assert_eq!(settle(&mut allocator, &reborn).1.ingress, ips(&["198.51.100.0"]));
}

#[test]
fn of_two_services_with_the_same_address_the_older_keeps_it() {
    let at = |name: &str, created| {
        service(name)
            .created_at(created)
            .holding(Some("main"), &ips(&["198.51.100.2"]))
    };
    let (older, younger) = (at("z-older", 1), at("a-younger", 2));
    let mut allocator = usual();
    let events = adopt(&mut allocator, [&younger, &older]);
    let [(loser, events)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(loser.key, younger.key);
    assert!(
        events[0]
            .message
            .contains("address also in use by default/z-older"),
        "{events:?}"
    );
    let (_, outcome) = settle(&mut allocator, &younger);
    assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
    assert!(!converge(&mut allocator, &older).write);
}

#[test]
fn a_claim_on_one_of_two_required_addresses_comes_after_those_that_are_whole() {
    let half = service("older")
        .created_at(1)
        .with_families(&BOTH, FamilyPolicy::RequireDualStack);
    let half = half.holding(Some("main"), &ips(&["198.51.100.2"]));
    let whole = service("younger")
        .created_at(2)
        .holding(Some("main"), &ips(&["198.51.100.2"]));
    let mut allocator = usual();
    adopt(&mut allocator, [&half, &whole]);
    assert!(!converge(&mut allocator, &whole).write);
    // Where the second one is to be had, the first one stays.
    let mut allocator = dual();
    let alone = half.holding(Some("p"), &ips(&["192.0.2.2"]));
    adopt(&mut allocator, [&alone]);
    let (_, outcome) = settle(&mut allocator, &alone);
    assert_eq!(outcome.ingress, ips(&["192.0.2.2", "2001:db8::"]));
}

#[test]
fn adoption_comes_before_any_new_address() {
    let mut allocator = usual();
    let held = service("z")
        .created_at(9)
        .holding(Some("main"), &ips(&["198.51.100.0"]));
    let new = service("a").created_at(1);
    let events = adopt(&mut allocator, [&new, &held]);
    assert!(events.is_empty());
    assert_eq!(settle(&mut allocator, &new).1.ingress, ips(&["198.51.100.1"]));
    assert!(!converge(&mut allocator, &held).write);
}

#[test]
fn a_status_that_makes_no_sense_is_replaced() {
    let mut allocator = usual();
    let mut broken = service("web").holding(None, &ips(&["198.51.100.1", "198.51.100.2"]));
    let events = adopt(&mut allocator, [&broken]).swap_remove(0).1;
    assert_eq!(events[0].reason, "nolbIPsIPFamily");
    assert!(
        events[0].message.starts_with("Failed to retrieve LBIPs IPFamily"),
        "{events:?}"
    );
    let (_, outcome) = settle(&mut allocator, &broken);
    assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
    broken.ingress.clear();
    broken.foreign_ingress = true;
    assert!(converge(&mut allocator, &broken).write);
}

#[test]
fn a_status_is_believed_at_the_start_only() {
    let by_hand = service("web").holding(Some("gold"), &ips(&["192.0.2.3"]));
    let mut allocator = usual();
    assert_eq!(settle(&mut allocator, &by_hand).1.ingress, ips(&["198.51.100.0"]));
    let mut allocator = usual();
    adopt(&mut allocator, [&by_hand]);
    assert_eq!(settle(&mut allocator, &by_hand).1.ingress, ips(&["192.0.2.3"]));
}

#[test]
fn deprecated_annotations_are_named_when_the_service_is_written() {
    let mut allocator = usual();
    let old = service("web").annotated("metallb.universe.tf/address-pool", "gold");
    let (written, outcome) = settle(&mut allocator, &old);
    assert_eq!(
        told(&outcome)[1],
        "Warning deprecatedAnnotation Service uses deprecated annotation metallb.universe.tf/address-pool"
    );
    assert_eq!(converge(&mut allocator, &written).events, []);
}

#[test]
fn a_service_that_is_being_deleted_keeps_its_address_but_gets_no_new_one() {
    let mut allocator = usual();
    let (mut held, _) = settle(&mut allocator, &service("held"));
    held.deleting = true;
    assert_eq!(settle(&mut allocator, &held).1.ingress, ips(&["198.51.100.0"]));
    let mut new = service("new");
    new.deleting = true;
    assert_eq!(settle(&mut allocator, &new).1, Outcome::default());
}
