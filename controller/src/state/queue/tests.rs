//! Writes put, failed and refused at given times: what may start.

use super::*;

impl WriteQueue {
    /// The next write, with all the time in the world.
    fn next(&mut self) -> Option<Write> {
        self.start(|_| true).map(|(write, _)| write)
    }
}

fn key(name: &str) -> NamespacedName {
    NamespacedName::new("shop", name)
}

fn write(name: &str, version: &str) -> Write {
    Write {
        service: key(name),
        resource_version: version.into(),
        ingress: vec![],
        pool: None,
        drop_deprecated_note: false,
    }
}

/// The Services whose writes may start now, with the versions of these.
fn started(queue: &mut WriteQueue) -> Vec<String> {
    std::iter::from_fn(|| queue.next())
        .map(|write| write.service.name().to_owned() + write.resource_version.as_str())
        .collect()
}

/// A queue with a Service of each name whose write is under way.
fn under_way(names: &[&str]) -> WriteQueue {
    let mut queue = WriteQueue::default();
    for name in names {
        queue.put(write(name, "1"));
    }
    assert_eq!(started(&mut queue).len(), names.len());
    queue
}

#[test]
fn services_are_served_in_turn_and_the_latest_write_wins() {
    let mut queue = WriteQueue::default();
    queue.put(write("a", "1"));
    queue.put(write("b", "1"));
    queue.put(write("a", "2"));
    assert_eq!(started(&mut queue), ["a2", "b1"]);
}

#[test]
fn one_write_of_a_service_is_under_way_at_a_time() {
    let mut queue = under_way(&["a"]);
    queue.put(write("a", "2"));
    queue.put(write("b", "1"));
    assert_eq!(started(&mut queue), ["b1"], "the other one does not wait for it");
    queue.finished(&key("a"));
    assert_eq!(started(&mut queue), ["a2"]);
}

#[test]
fn a_decision_is_postponed_while_a_write_is_under_way() {
    let mut queue = under_way(&["a"]);
    queue.put(write("b", "1"));
    assert!(queue.postpones(&key("a")) && !queue.postpones(&key("b")));
    queue.finished(&key("a"));
    assert!(queue.take_postponed(&key("a")) && !queue.take_postponed(&key("a")));
    assert!(!queue.postpones(&key("a")));
}

#[test]
fn a_cancelled_write_is_not_started() {
    let mut queue = WriteQueue::default();
    queue.put(write("a", "1"));
    queue.cancel(&key("a"));
    assert_eq!(started(&mut queue), [""; 0]);
}

#[test]
fn a_failed_write_waits_longer_each_time_and_by_itself() {
    let mut queue = under_way(&["a"]);
    let mut now = Duration::ZERO;
    let mut waits = Vec::new();
    for _ in 0..4 {
        queue.failed(&key("a"), true);
        queue.put(write("a", "2"));
        queue.put(write("b", "1"));
        assert_eq!(started(&mut queue), ["b1"], "only the other one may start");
        queue.finished(&key("b"));
        let due = queue.next_due().unwrap();
        assert_eq!(queue.advance(due.mul_f64(0.99)), []);
        assert_eq!(queue.advance(due), [key("a")]);
        waits.push(due.checked_sub(now).unwrap());
        now = due;
        queue.put(write("a", "2"));
        assert_eq!(started(&mut queue), ["a2"]);
    }
    assert!(waits[3] > waits[0] * 3, "{waits:?}");
    queue.finished(&key("a"));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn services_that_fail_leave_places_for_those_that_do_not() {
    let hanging = ["a", "b", "c", "d", "e", "f"];
    let mut queue = under_way(&hanging);
    for name in hanging {
        queue.failed(&key(name), true);
    }
    for key in queue.advance(Duration::from_secs(1)) {
        queue.put(write(key.name(), "2"));
    }
    queue.put(write("z", "1"));
    let now = started(&mut queue);
    assert_eq!(now.len(), 1 + RETRIES);
    assert_eq!(now[0], "z1");
    queue.finished(&key(&now[1].replace('2', "")));
    assert_eq!(started(&mut queue).len(), 1, "the place of another one");
}

#[test]
fn while_the_api_server_is_silent_few_ask_for_it_and_afterwards_all_have_their_turn() {
    let names: Vec<String> = (0..20).map(|number| format!("s{number:02}")).collect();
    let mut queue = under_way(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        queue.failed(&key(name), false);
    }
    let mut attempts = 0;
    let mut now = Duration::ZERO;
    let minute = Duration::from_mins(1);
    while let Some(due) = queue.next_due().filter(|due| *due < minute) {
        now = due;
        for key in queue.advance(now) {
            queue.put(write(key.name(), "2"));
        }
        while let Some(write) = queue.next() {
            attempts += 1;
            queue.failed(&write.service, false);
        }
    }
    // Each of the four places once in 2.5 to 5 s, and a few more at first.
    assert!((40..150).contains(&attempts), "{attempts} attempts in a minute");
    let mut served = 0;
    while served < names.len() {
        for key in queue.advance(now + Duration::from_secs(5)) {
            queue.put(write(key.name(), "2"));
        }
        let write = queue
            .next()
            .expect("as soon as it answers, one comes after the other");
        queue.finished(&write.service);
        served += 1;
    }
    assert_eq!((queue.next_due(), queue.unanswered), (None, 0));
}

#[test]
fn a_refused_write_is_tried_again_when_something_else_is_decided_or_after_a_minute() {
    let mut queue = under_way(&["a"]);
    queue.refused(&key("a"));
    queue.put(write("a", "2"));
    assert_eq!(started(&mut queue), ["a2"]);
    queue.refused(&key("a"));
    assert_eq!(queue.advance(REFUSED), [key("a")]);
}

#[test]
fn a_service_made_anew_does_not_wait_for_what_its_predecessor_met() {
    let mut queue = under_way(&["a"]);
    queue.failed(&key("a"), true);
    queue.forget(&key("a"));
    queue.put(write("a", "7"));
    assert_eq!(started(&mut queue), ["a7"]);
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_status_that_others_keep_changing_is_set_right_at_once_then_ever_more_rarely() {
    let mut queue = WriteQueue::default();
    let mut now = Duration::ZERO;
    let mut waits = Vec::new();
    for times in 1..=14 {
        assert_eq!(queue.undone(&key("a")), times);
        queue.put(write("a", "1"));
        let due = queue.next_due().unwrap_or(now);
        waits.push(due.checked_sub(now).unwrap());
        now = due;
        for key in queue.advance(now) {
            queue.put(write(key.name(), "1"));
        }
        assert_eq!(started(&mut queue), ["a1"]);
        queue.finished(&key("a"));
    }
    assert_eq!(waits[0], Duration::ZERO);
    assert!(waits[1] <= Duration::from_millis(100), "{waits:?}");
    assert!(waits[13] >= CONTESTED / 2 && waits[13] <= CONTESTED, "{waits:?}");
    queue.advance(now + CALM);
    assert_eq!(queue.undone(&key("a")), 1, "that was long ago");
    assert_eq!(queue.next_due(), None);
}

#[test]
fn a_write_is_started_only_if_there_is_time_for_it_and_after_a_failure_it_takes_longer() {
    let mut queue = under_way(&["a"]);
    queue.failed(&key("a"), true);
    assert!(queue.is_patient());
    queue.advance(Duration::from_secs(1));
    queue.put(write("a", "2"));
    queue.put(write("b", "1"));
    assert_eq!(queue.start(|_| false), None);
    let short = |patience| patience == Patience::Short;
    assert_eq!(queue.start(short), Some((write("b", "1"), Patience::Short)));
    assert_eq!(queue.start(short), None);
    assert_eq!(queue.start(|_| true), Some((write("a", "2"), Patience::Long)));
    queue.finished(&key("a"));
    assert!(!queue.is_patient());
}
