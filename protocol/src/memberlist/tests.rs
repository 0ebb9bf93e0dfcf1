//! One machine and what others tell it. What many of them do together is tested in `tests/simulation`.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Time;

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 7946))
}

fn alive(node: &str, incarnation: Incarnation, last: u8) -> Message {
    Message::Alive(Alive {
        incarnation,
        node: node.to_owned(),
        address: address(last),
        meta: Vec::new(),
        versions: Versions::OURS,
    })
}

fn with_meta(node: &str, incarnation: Incarnation, last: u8, meta: &[u8]) -> Message {
    let Message::Alive(alive) = alive(node, incarnation, last) else {
        unreachable!("that is what it makes")
    };
    let meta = meta.to_vec();
    Message::Alive(Alive { meta, ..alive })
}

fn suspect(node: &str, incarnation: Incarnation, from: &str) -> Message {
    let (node, from) = (node.to_owned(), from.to_owned());
    Message::Suspect(Suspect {
        incarnation,
        node,
        from,
    })
}

fn dead(node: &str, incarnation: Incarnation, from: &str) -> Message {
    let (node, from) = (node.to_owned(), from.to_owned());
    Message::Dead(Dead {
        incarnation,
        node,
        from,
    })
}

fn machine(settings: Settings) -> Machine {
    let own = Identity {
        name: "us".to_owned(),
        address: address(1),
        meta: b"m".to_vec(),
    };
    Machine::new(settings, own, 1)
}

/// What was found out, in words.
fn words(machine: &mut Machine) -> Vec<String> {
    std::iter::from_fn(|| machine.poll_event())
        .map(|event| match event {
            Event::Joined(member) => format!("{} joined at {}", member.name, member.address.ip()),
            Event::Updated(member) => format!("{} says {:?}", member.name, member.meta),
            Event::Left(member) => format!("{} left", member.name),
            Event::Failed(member) => format!("{} failed", member.name),
            Event::Disputed { known, other } => format!("{} disputed by {}", known.name, other.ip()),
            Event::User { payload, .. } => format!("{payload:?}"),
            Event::Refuted { dead } => format!("refuted, dead: {dead}"),
            Event::Departed => "departed".to_owned(),
        })
        .collect()
}

fn datagrams(machine: &mut Machine) -> Vec<(SocketAddr, Vec<Message>)> {
    std::iter::from_fn(|| machine.poll_transmit())
        .filter_map(|transmit| match transmit {
            Transmit::Datagram { to, messages } => Some((to, messages)),
            Transmit::Exchange { .. } | Transmit::StreamPing { .. } => None,
        })
        .collect()
}

fn hear(machine: &mut Machine, messages: Vec<Message>, ms: u64) {
    let from = address(2);
    let now = Time::since_start(Duration::from_millis(ms));
    machine.handle(Input::Datagram { from, messages }, now);
}

/// Calls the machine at its own deadlines.
fn run(machine: &mut Machine, until_ms: u64) {
    let end = Time::since_start(Duration::from_millis(until_ms));
    while machine.next_deadline() <= end {
        let now = machine.next_deadline();
        machine.handle(Input::Timeout, now);
    }
}

fn check(settings: Settings, told: &[Message], found: &[&str]) {
    let mut machine = machine(settings);
    hear(&mut machine, told.to_vec(), 0);
    assert_eq!(words(&mut machine), found, "{told:?}");
}

#[test]
fn what_counts_is_the_newer_incarnation_and_else_the_worse_news() {
    let joined = "a joined at 192.0.2.5";
    let rows: Vec<(Vec<Message>, Vec<&str>)> = vec![
        (vec![alive("a", 3, 5), alive("a", 3, 5)], vec![joined]),
        (vec![suspect("a", 3, "b"), dead("a", 3, "b")], vec![]),
        (vec![alive("a", 3, 5), dead("a", 2, "b")], vec![joined]),
        (
            vec![alive("a", 3, 5), dead("a", 3, "b")],
            vec![joined, "a failed"],
        ),
        (vec![alive("a", 3, 5), dead("a", 3, "a")], vec![joined, "a left"]),
        (
            vec![alive("a", 3, 5), dead("a", 3, "b"), alive("a", 3, 5)],
            vec![joined, "a failed"],
        ),
        (
            vec![alive("a", 3, 5), dead("a", 3, "b"), alive("a", 4, 5)],
            vec![joined, "a failed", joined],
        ),
        (vec![alive("a", 3, 5), with_meta("a", 3, 5, b"x")], vec![joined]),
        (
            vec![alive("a", 3, 5), with_meta("a", 4, 5, b"x")],
            vec![joined, "a says [120]"],
        ),
    ];
    for (told, found) in rows {
        check(Settings::default(), &told, &found);
    }
}

#[test]
fn a_name_moves_to_another_address_only_from_one_that_left_or_is_long_dead() {
    let (here, there) = ("a joined at 192.0.2.5", "a joined at 192.0.2.6");
    let reclaim = Settings {
        dead_node_reclaim: Some(Duration::ZERO),
        ..Settings::default()
    };
    let disputed = "a disputed by 192.0.2.6";
    check(
        Settings::default(),
        &[alive("a", 1, 5), alive("a", 2, 6), alive("a", 3, 6)],
        &[here, disputed],
    );
    let died = vec![alive("a", 1, 5), dead("a", 1, "b"), alive("a", 2, 6)];
    check(Settings::default(), &died, &[here, "a failed", disputed]);
    let left = [alive("a", 3, 5), dead("a", 3, "a"), alive("a", 1, 6)];
    check(Settings::default(), &left, &[here, "a left", there]);
    let mut machine = machine(reclaim);
    for (ms, message) in died.into_iter().enumerate() {
        hear(&mut machine, vec![message], ms as u64);
    }
    assert_eq!(words(&mut machine), [here, "a failed", there]);
}

#[test]
fn what_is_wrong_about_us_is_refuted_with_a_newer_incarnation() {
    for (told, found, incarnation) in [
        (suspect("us", 1, "b"), vec!["refuted, dead: false"], 2),
        (dead("us", 7, "b"), vec!["refuted, dead: true"], 8),
        (dead("us", 1, "us"), vec!["refuted, dead: true"], 2),
        (dead("us", 0, "b"), vec![], 1),
        (with_meta("us", 1, 1, b"m"), vec![], 1),
        (with_meta("us", 1, 1, b"other"), vec!["refuted, dead: false"], 2),
        (with_meta("us", 4, 1, b"m"), vec!["refuted, dead: false"], 5),
        (with_meta("us", 4, 9, b"m"), vec!["us disputed by 192.0.2.9"], 1),
    ] {
        let mut machine = machine(Settings::default());
        hear(&mut machine, vec![told.clone()], 0);
        assert_eq!(words(&mut machine), found, "{told:?}");
        assert_eq!(machine.own_alive().incarnation, incarnation, "{told:?}");
    }
}

#[test]
fn whoever_takes_us_for_dead_is_told_otherwise_at_once() {
    let mut machine = machine(Settings::default());
    hear(&mut machine, vec![alive("a", 1, 5)], 0);
    datagrams(&mut machine);
    hear(&mut machine, vec![dead("us", 1, "a")], 1);
    let ours = Message::Alive(machine.own_alive());
    assert_eq!(datagrams(&mut machine), [(address(5), vec![ours])]);
}

#[test]
fn after_leaving_nothing_brings_us_back() {
    let mut machine = machine(Settings::default());
    machine.handle(Input::Leave, Time::START);
    hear(
        &mut machine,
        vec![dead("us", 9, "b"), with_meta("us", 9, 1, b"")],
        1,
    );
    assert_eq!(words(&mut machine), ["departed"]);
    assert_eq!(machine.state().nodes[0].status, Status::Left);
}

#[test]
fn a_ping_is_answered_to_where_it_says_and_only_if_it_is_for_us() {
    let ping = |node: &str, origin| {
        let (sequence, node) = (9, node.to_owned());
        Message::Ping(Ping {
            sequence,
            node,
            origin,
        })
    };
    let origin = Origin {
        address: address(7),
        node: "a".to_owned(),
    };
    let ack = || {
        let (sequence, payload) = (9, Vec::new());
        vec![Message::Ack(Ack { sequence, payload })]
    };
    for (ping, answers) in [
        (ping("us", None), vec![(address(2), ack())]),
        (ping("", Some(origin.clone())), vec![(address(7), ack())]),
        (ping("somebody", Some(origin)), vec![]),
    ] {
        let mut machine = machine(Settings::default());
        hear(&mut machine, vec![ping], 0);
        assert_eq!(datagrams(&mut machine), answers);
    }
}

#[test]
fn asked_for_another_we_tell_whether_it_answered() {
    for answers in [true, false] {
        let mut machine = machine(Settings::default());
        let request = IndirectPing {
            sequence: 77,
            target: address(5),
            node: "a".to_owned(),
            nack: true,
            origin: None,
        };
        hear(&mut machine, vec![Message::IndirectPing(request)], 0);
        let asked = datagrams(&mut machine);
        let Message::Ping(ping) = &asked[0].1[0] else {
            unreachable!("{asked:?}")
        };
        assert_eq!((asked[0].0, ping.node.as_str()), (address(5), "a"));
        let (sequence, payload) = (ping.sequence, Vec::new());
        let expected = if answers {
            hear(&mut machine, vec![Message::Ack(Ack { sequence, payload })], 100);
            let (sequence, payload) = (77, Vec::new());
            Message::Ack(Ack { sequence, payload })
        } else {
            Message::Nack(Nack { sequence: 77 })
        };
        run(&mut machine, 600);
        assert_eq!(datagrams(&mut machine), [(address(2), vec![expected])]);
    }
}

#[test]
fn who_gets_no_answers_from_anybody_doubts_itself_and_recovers() {
    let mut machine = machine(Settings::default());
    hear(&mut machine, vec![alive("a", 1, 5), alive("b", 1, 6)], 0);
    run(&mut machine, 60_000);
    assert!(machine.health() > 2);
    hear(&mut machine, vec![alive("a", 2, 5)], 60_000);
    for ms in (60_000..90_000).step_by(10) {
        run(&mut machine, ms);
        for (_, messages) in datagrams(&mut machine) {
            if let Message::Ping(Ping { sequence, .. }) = messages[0] {
                let payload = Vec::new();
                hear(&mut machine, vec![Message::Ack(Ack { sequence, payload })], ms);
            }
        }
    }
    assert_eq!(machine.health(), 0);
}

#[test]
fn there_are_no_more_members_than_may_be() {
    let mut machine = machine(Settings {
        most_members: 3,
        ..Settings::default()
    });
    let all = (0..5)
        .map(|last| alive(&format!("m{last}"), 1, 10 + last))
        .collect();
    hear(&mut machine, all, 0);
    assert_eq!(machine.members().count(), 2);
    assert_eq!(machine.ignored().too_many_members, 3);
}

fn messages() -> impl Strategy<Value = Message> {
    let node = prop::sample::select(vec!["us", "a", "b", "c", ""]);
    let other = prop::sample::select(vec!["us", "a", "b", "c"]);
    (node, other, 0..4_u32, 0..9_u8, 0..7).prop_map(|(node, other, number, last, kind)| match kind {
        0 => suspect(node, number, other),
        1 => dead(node, number, other),
        2 => Message::Ack(Ack {
            sequence: number,
            payload: Vec::new(),
        }),
        3 => Message::Nack(Nack { sequence: number }),
        4 => Message::IndirectPing(IndirectPing {
            sequence: number,
            target: address(last),
            node: node.to_owned(),
            nack: last > 4,
            origin: None,
        }),
        5 => with_meta(node, u32::MAX - number, last, other.as_bytes()),
        _ => alive(node, number, last),
    })
}

proptest! {
    /// Events and members never contradict each other, time goes on, and datagrams fit.
    #[test]
    fn whatever_is_heard_the_events_tell_who_is_there(
        steps in prop::collection::vec((prop::collection::vec(messages(), 0..4), 0..3_000_u64), 0..60),
    ) {
        let mut machine = machine(Settings::default());
        let (mut now, mut there) = (0, std::collections::BTreeMap::new());
        for (messages, wait) in steps {
            hear(&mut machine, messages, now);
            now += wait;
            run(&mut machine, now);
            while let Some(event) = machine.poll_event() {
                match event {
                    Event::Joined(member) => prop_assert!(there.insert(member.name.clone(), member).is_none()),
                    Event::Updated(member) => prop_assert!(there.insert(member.name.clone(), member).is_some()),
                    Event::Left(member) | Event::Failed(member) => {
                        prop_assert_eq!(there.remove(&member.name), Some(member));
                    }
                    Event::Disputed { .. } | Event::User { .. } | Event::Refuted { .. } | Event::Departed => {}
                }
            }
            prop_assert_eq!(machine.members().cloned().collect::<Vec<_>>(), there.values().cloned().collect::<Vec<_>>());
            prop_assert!(machine.next_deadline() > Time::since_start(Duration::from_millis(now)));
            for (_, messages) in datagrams(&mut machine) {
                let size: usize = messages.iter().map(|message| at_most(message) + 2).sum();
                prop_assert!(size <= Settings::default().datagram_budget);
            }
        }
    }
}
