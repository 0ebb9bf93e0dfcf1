//! A term that begins while the pools cannot be read: who is told, and what happens when they are corrected.

use super::*;

/// What the condition of each Service without an address is about to say.
fn reasons(state: &mut State) -> Vec<(String, String)> {
    let mut outstanding = crate::reasons::Outstanding::new();
    state.take_reasons(&mut outstanding);
    let row =
        |(service, reason): (NamespacedName, crate::reasons::Reason)| (service.name, format!("{reason:?}"));
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
        (pool.object.name.as_str(), pool.event.reason),
        ("gold", condition::CONFIGURATION_ERROR)
    );
    assert!(
        pool.event
            .message
            .ends_with("Until this is corrected, no Service gets an address that it does not have yet"),
        "{pool:?}"
    );
    assert_eq!(
        (new.object.name.as_str(), new.event.reason),
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
