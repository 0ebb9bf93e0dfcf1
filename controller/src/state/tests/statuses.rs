//! Whoever else writes the status of a Service.

use super::*;

#[test]
fn a_refused_write_waits_until_it_is_asked_for_again_or_the_service_changes() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    writes(&mut state);
    finish(&mut state, "web", refused());
    assert_eq!(writes(&mut state), [""; 0]);
    pass(&mut state, MINUTE);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    finish(&mut state, "web", refused());
    apply(&mut state, service("web", 2, &[]));
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}

#[test]
fn a_status_that_something_else_keeps_changing_is_told_once_with_its_name() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &["192.0.2.0"])]);
    let mut now = Duration::ZERO;
    let mut version = 1;
    for _ in 0..8 {
        let other = ServiceFacts {
            foreign_writer: Some("other-lb".into()),
            ..service("web", version + 1, &["203.0.113.9"])
        };
        apply(&mut state, other);
        now = state.next_due().unwrap_or(now);
        pass(&mut state, now);
        assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
        version += 2;
        done(&mut state, "web", version, &["192.0.2.0"]);
    }
    assert!(now > Duration::from_secs(3), "it backs off: {now:?}");
    let tells = state.take_tells();
    let [first, tell] = tells.as_slice() else {
        panic!("{tells:?}")
    };
    assert_eq!(first.event.reason, event::STATUS_RESTORED);
    assert_eq!(tell.event.reason, event::STATUS_CONTESTED);
    assert!(
        tell.event.message.starts_with("\"other-lb\" keeps changing"),
        "{}",
        tell.event.message
    );
}

#[test]
fn whoever_edits_a_status_is_told_that_it_is_put_back() {
    let mine = service("web", 1, &["192.0.2.1"]);
    let edited = |ingress: &[&str], foreign_ingress| ServiceFacts {
        foreign_ingress,
        foreign_writer: Some("kubectl-edit".into()),
        annotations: mine.annotations.clone(),
        ..service("web", 2, ingress)
    };
    let without_note = ServiceFacts {
        annotations: Vec::new(),
        ..edited(&["192.0.2.1"], false)
    };
    let restored = [("web".to_owned(), event::STATUS_RESTORED)];
    let nothing: [(String, &str); 0] = [];
    for (facts, expected) in [
        (edited(&[], false), &restored[..]),
        (edited(&["203.0.113.9"], false), &restored),
        (edited(&["192.0.2.1", "203.0.113.9"], false), &restored),
        (edited(&[], true), &restored), // a host name
        (edited(&["192.0.2.1"], true), &restored),
        (without_note, &nothing), // the address was not touched
    ] {
        let mut state = started("192.0.2.0/30", vec![mine.clone()]);
        apply(&mut state, facts);
        assert_eq!(writes(&mut state), ["web=192.0.2.1"]);
        let tells = state.take_tells();
        assert!(
            tells.iter().all(|tell| tell.event.message.starts_with(
                "\"kubectl-edit\" has changed the address in the status of this Service, and MetalLB changes it back to \
                 [\"192.0.2.1\"]."
            )),
            "{tells:?}"
        );
        let reasons: Vec<_> = tells
            .into_iter()
            .map(|tell| (tell.object.name().to_owned(), tell.event.reason))
            .collect();
        assert_eq!(reasons, expected);
    }
}
