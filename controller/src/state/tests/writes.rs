//! What is written, what becomes of it, and what is seen of it.

use super::*;

#[test]
fn an_address_is_announced_when_it_is_written_down_and_not_before() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    assert_eq!(told(&mut state), []);
    done(&mut state, "web", 2, &["192.0.2.0"]);
    assert_eq!(told(&mut state), [("web".into(), event::IP_ALLOCATED)]);
    apply(&mut state, service("web", 2, &["192.0.2.0"]));
    assert_eq!(told(&mut state), []);
}

#[test]
fn an_address_is_announced_even_if_only_the_watch_tells_that_it_was_written() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    apply(&mut state, service("web", 2, &["192.0.2.0"]));
    finish(&mut state, "web", Written::Outdated);
    assert_eq!(told(&mut state), [("web".into(), event::IP_ALLOCATED)]);
}

#[test]
fn an_address_that_was_replaced_before_it_was_written_is_never_announced() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    reconfigure(&mut state, pool("198.51.100.0/30"));
    apply(&mut state, service("web", 2, &[]));
    finish(&mut state, "web", Written::Outdated);
    assert_eq!(writes(&mut state), ["web=198.51.100.0"]);
    told(&mut state);
    done(&mut state, "web", 3, &["198.51.100.0"]);
    let tells = state.take_tells();
    let [tell] = tells.as_slice() else {
        panic!("{tells:?}")
    };
    assert_eq!(tell.event.message, "Assigned IP [\"198.51.100.0\"]");
}

#[test]
fn a_refused_write_tells_the_service_once_who_refuses_it_and_what_to_do() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    let write = state.next_write().unwrap();
    state.observe_written(&write, refused());
    let tells = state.take_tells();
    let [tell] = tells.as_slice() else {
        panic!("{tells:?}")
    };
    assert_eq!(
        (tell.event.reason, tell.event.kind),
        (event::STATUS_REFUSED, EventKind::Warning)
    );
    for part in ["192.0.2.0", "policy.example.org", "Correct"] {
        assert!(tell.event.message.contains(part), "{}", tell.event.message);
    }
    pass(&mut state, MINUTE);
    let write = state.next_write().unwrap();
    state.observe_written(&write, refused());
    assert_eq!(told(&mut state), [], "it knows");
    pass(&mut state, 2 * MINUTE);
    writes(&mut state);
    done(&mut state, "web", 2, &["192.0.2.0"]);
    assert_eq!(told(&mut state), [("web".into(), event::IP_ALLOCATED)]);
}

#[test]
fn the_echo_of_a_write_causes_nothing() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    done(&mut state, "web", 5, &["192.0.2.0"]);
    apply(&mut state, service("web", 5, &["192.0.2.0"]));
    assert_eq!(writes(&mut state), [""; 0]);
}

#[test]
fn an_object_older_than_the_write_is_passed_over() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    writes(&mut state);
    done(&mut state, "web", 5, &["192.0.2.0"]);
    apply(&mut state, service("web", 4, &[]));
    assert_eq!(writes(&mut state), [""; 0]);
}

#[test]
fn a_write_that_failed_is_tried_again_later_and_holds_up_nobody() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    finish(&mut state, "web", Written::Failed { answered: true });
    apply(&mut state, service("api", 2, &[]));
    assert_eq!(writes(&mut state), ["api=192.0.2.1"]);
    pass(&mut state, Duration::from_millis(10));
    assert_eq!(writes(&mut state), [""; 0]);
    pass(&mut state, Duration::from_millis(100));
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}

#[test]
fn a_service_deleted_while_its_write_failed_is_forgotten() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    writes(&mut state);
    delete(&mut state, "web");
    finish(&mut state, "web", Written::Failed { answered: false });
    assert_eq!(state.next_due(), None);
}

#[test]
fn a_write_on_an_outdated_object_waits_for_the_new_one() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    writes(&mut state);
    finish(&mut state, "web", Written::Outdated);
    assert_eq!(writes(&mut state), [""; 0], "nothing newer is known");
    apply(&mut state, service("web", 2, &[]));
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}

#[test]
fn an_object_that_changed_while_a_write_was_under_way_is_decided_again() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    writes(&mut state);
    apply(&mut state, service("web", 2, &[]));
    assert_eq!(writes(&mut state), [""; 0], "one write at a time");
    finish(&mut state, "web", Written::Outdated);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}
