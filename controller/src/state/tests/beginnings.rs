//! What a term tells when it begins: while the pools cannot be read, and after another leader has told it.

use metallb_core::facts::NoAddress;

use super::*;

/// What the condition of each Service without an address is about to say.
fn reasons(state: &mut State) -> Vec<(String, String)> {
    let mut outstanding = crate::reasons::Outstanding::new();
    state.take_reasons(&mut outstanding);
    let row = |(service, reason): (NamespacedName, crate::reasons::Reason)| {
        (service.name().to_owned(), format!("{reason:?}"))
    };
    outstanding.into_iter().map(row).collect()
}

#[test]
fn a_leader_that_never_read_a_configuration_says_so_to_whoever_has_no_address() {
    let holder = service("holder", 1, &["192.0.2.0"]);
    let mut state = started("192.0.2.0/33", vec![holder, service("new", 1, &[])]);
    let tells = state.take_tells();
    let [pool, new] = tells.as_slice() else {
        panic!("{tells:?}")
    };
    assert_eq!(
        (pool.object.name(), pool.event.reason),
        ("gold", condition::CONFIGURATION_ERROR)
    );
    assert!(
        pool.event
            .message
            .ends_with("Until this is corrected, no Service gets an address that it does not have yet"),
        "{pool:?}"
    );
    assert_eq!(
        (new.object.name(), new.event.reason),
        ("new", event::ALLOCATION_FAILED)
    );
    for part in [
        "IPAddressPool metallb-system/gold",
        "192.0.2.0/33",
        "since this controller became the leader",
    ] {
        assert!(new.event.message.contains(part), "{part}: {new:?}");
    }
    let said = reasons(&mut state);
    assert!(
        said.len() == 1 && said[0].0 == "new" && said[0].1.contains("192.0.2.0/33"),
        "{said:?}"
    );
    assert_eq!(writes(&mut state), Vec::<String>::new());

    // It is told once, also to those that come later; and again when the fault is another one.
    apply(&mut state, service("new", 2, &[]));
    assert_eq!(told(&mut state), []);
    apply(&mut state, service("newer", 1, &[]));
    assert_eq!(told(&mut state), [("newer".into(), event::ALLOCATION_FAILED)]);
    reconfigure(&mut state, super::pool("192.0.2.0/34"));
    let failed = |name: &str| (name.to_owned(), event::ALLOCATION_FAILED);
    assert_eq!(
        told(&mut state),
        [
            ("gold".into(), condition::CONFIGURATION_ERROR),
            failed("new"),
            failed("newer")
        ]
    );

    // Whoever has an address keeps it, and the others get theirs.
    reconfigure(&mut state, super::pool("192.0.2.0/30"));
    assert_eq!(writes(&mut state), ["new=192.0.2.1", "newer=192.0.2.2"]);
    assert_eq!(reasons(&mut state), []);
    assert_eq!(told(&mut state), []);
}

#[test]
fn what_the_leader_before_has_told_is_not_told_again_until_it_changes() {
    let mut state = started(
        "192.0.2.0/32",
        vec![service("first", 1, &["192.0.2.0"]), service("next", 1, &[])],
    );
    let mut tells = state.take_tells();
    let told_before = tells.pop().unwrap().event.message;
    let sentence = told_before.split_once("\": ").unwrap().1;
    let mut next = service("next", 2, &[]);
    next.no_address = Some(NoAddress::new(event::ALLOCATION_FAILED, sentence));

    let mut state = started(
        "192.0.2.0/32",
        vec![service("first", 1, &["192.0.2.0"]), next.clone()],
    );
    assert_eq!(told(&mut state), []);
    let failed = || [("next".to_owned(), event::ALLOCATION_FAILED)];
    next.resource_version = "3".into();
    next.load_balancer_ip = Some("192.0.2.9".into());
    apply(&mut state, next.clone());
    assert_eq!(told(&mut state), failed(), "another reason");
    next.resource_version = "4".into();
    next.load_balancer_ip = None;
    apply(&mut state, next.clone());
    assert_eq!(told(&mut state), failed(), "the first one again");

    // A condition that says something else was written by somebody who knew something else.
    next.no_address = Some(NoAddress::new(
        event::ALLOCATION_FAILED,
        "no available IPs: there is no IPAddressPool",
    ));
    let mut state = started("192.0.2.0/32", vec![service("first", 1, &["192.0.2.0"]), next]);
    assert_eq!(told(&mut state), failed());
}
