//! What the link is told without a question, and when.

use super::*;

#[test]
fn a_new_address_is_told_at_once_soon_again_and_then_four_times() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    let told = |ms: u128| {
        [
            (
                ms,
                "eth1: arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff".to_string(),
            ),
            (
                ms,
                "eth1: arp reply 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff".to_string(),
            ),
        ]
    };
    let first = party.handle(Input::Addresses(&everywhere(&["192.0.2.1"])));
    assert_eq!(first, told(0).map(|(_, act)| act));
    assert_eq!(
        party.run_until(at(60_000)),
        [200, 1300, 2400, 3500, 4600].map(told).concat()
    );
}

#[test]
fn the_same_addresses_again_change_nothing() {
    let addresses = everywhere(&["192.0.2.1", "2001:db8::1"]);
    let mut party = Party::new(&[interface(1)], &addresses);
    party.run_until(at(2_000));
    assert!(party.handle(Input::Addresses(&addresses)).is_empty());
    let last = party.run_until(at(60_000)).last().unwrap().0;
    assert_eq!(last, 4600, "the schedule of the first time goes on");
    assert!(party.handle(Input::Interfaces(&[interface(1)])).is_empty());
}

#[test]
fn nothing_is_sent_for_a_withdrawn_address() {
    let mut party = Party::new(&[interface(1)], &everywhere(&["192.0.2.1", "2001:db8::1"]));
    assert_eq!(
        party.handle(Input::Addresses(&BTreeMap::new())),
        [
            "withdrawn 192.0.2.1 after 0 answers",
            "eth1: leave ff02::1:ff00:1",
            "withdrawn 2001:db8::1 after 0 answers",
        ]
    );
    for frame in [arp_request("192.0.2.1"), solicitation("2001:db8::1", PEER.ip)] {
        assert!(
            party
                .handle(Input::Frame {
                    interface: 1,
                    bytes: &frame
                })
                .is_empty()
        );
    }
    assert_eq!(party.machine.next_deadline(), None);
    assert_eq!(
        party.machine.dropped(),
        &BTreeMap::from([(Drop::NotAnnounced, 2)])
    );
    assert_eq!(party.machine.counters().count(), 0);
}

#[test]
fn answers_overtake_the_gratuitous_schedule() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    let many: Vec<String> = (1..=100).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    party.machine.handle(Input::Addresses(&everywhere(&many)), at(0));
    let first = party.machine.poll_transmit().unwrap();
    assert_eq!(
        describe(&first.frame),
        "arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff"
    );
    let acts = party.handle(Input::Frame {
        interface: 1,
        bytes: &arp_request("192.0.2.77"),
    });
    // The second half of the round under way comes first, then the answer, then the other 99.
    assert_eq!(acts[1], "eth1: arp reply 192.0.2.77 is at 1 to 02:00:00:00:00:99");
    assert_eq!(acts.len(), 2 + 2 * 99);
}

#[test]
fn a_station_that_was_stopped_does_not_catch_up() {
    let mut party = Party::new(&[interface(1)], &everywhere(&["192.0.2.1"]));
    party.now = at(4_900);
    assert_eq!(
        party.handle(Input::Timeout).len(),
        2,
        "one round for the four that were missed"
    );
    assert_eq!(party.machine.next_deadline(), None);
}

/// Two stations on one link and a neighbour that believes what it hears, as hosts do.
#[test]
fn a_neighbour_learns_the_new_owner_at_the_moment_of_the_move() {
    let address = everywhere(&["192.0.2.1"]);
    let mut old = Party::new(&[interface(1)], &address).settled();
    let mut new = Party::new(&[interface(2)], &BTreeMap::new()).settled();
    let owner = |acts: &[String]| {
        acts.iter()
            .find_map(|act| Some(act.split("is at ").nth(1)?[..1].to_string()))
    };

    let ask = arp_request("192.0.2.1");
    assert_eq!(
        owner(&old.handle(Input::Frame {
            interface: 1,
            bytes: &ask
        })),
        Some("1".into())
    );
    assert_eq!(
        owner(&new.handle(Input::Frame {
            interface: 2,
            bytes: &ask
        })),
        None
    );
    assert_eq!(owner(&old.handle(Input::Addresses(&BTreeMap::new()))), None);
    assert_eq!(
        owner(&new.handle(Input::Addresses(&address))),
        Some("2".into()),
        "told without a question"
    );
    assert_eq!(
        owner(&old.handle(Input::Frame {
            interface: 1,
            bytes: &ask
        })),
        None
    );
    assert_eq!(
        owner(&new.handle(Input::Frame {
            interface: 2,
            bytes: &ask
        })),
        Some("2".into())
    );
}

#[test]
fn an_address_that_was_away_for_a_moment_is_told_again() {
    let addresses = |term| {
        let choice = InterfaceChoice::All;
        let tenure = Tenure::Staying;
        BTreeMap::from([(ip("192.0.2.1"), Assignment { choice, tenure, term })])
    };
    let mut party = Party::new(&[interface(1)], &addresses(0)).settled();
    assert_eq!(party.handle(Input::Addresses(&addresses(1))).len(), 2);
    assert_eq!(party.run_until(at(60_000)).len(), 10);
    assert_eq!(party.handle(Input::Addresses(&addresses(1))), [""; 0]);
}

/// An interface that takes `room` frames each millisecond, and what it took of the first round, in milliseconds.
fn first_round_through(room: usize, party: &mut Party) -> Vec<(u128, String)> {
    let mut took = Vec::new();
    for ms in 0..200 {
        party.now = at(ms);
        party.machine.handle(Input::Timeout, party.now);
        let mut left = room;
        while let Some(transmit) = party.machine.poll_transmit() {
            if left == 0 {
                party.machine.refused(&transmit);
            } else {
                left -= 1;
                took.push((u128::from(ms), describe(&transmit.frame)));
            }
        }
    }
    took
}

#[test]
fn a_full_send_queue_delays_what_is_told_and_loses_nothing() {
    let many: Vec<String> = (1..=100).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut party = Party {
        machine: Announcer::new(),
        now: at(0),
    };
    party.machine.handle(Input::Interfaces(&[interface(1)]), at(0));
    party.machine.handle(Input::Addresses(&everywhere(&many)), at(0));
    let took = first_round_through(10, &mut party);
    let told: BTreeSet<&String> = took.iter().map(|(_, frame)| frame).collect();
    assert_eq!(told.len(), 200, "two frames for each of a hundred addresses");
    let last = took.last().unwrap().0;
    assert!(
        (38..=60).contains(&last),
        "ten frames every two milliseconds: {last}"
    );
    let Unsent {
        answers,
        delayed,
        given_up,
    } = party.machine.unsent();
    assert!(delayed > 0 && answers == 0 && given_up == 0);
    let counted: u64 = party
        .machine
        .counters()
        .map(|(_, counters)| counters.gratuitous)
        .sum();
    assert_eq!(
        counted,
        u64::try_from(took.len()).unwrap(),
        "what was refused is not counted as sent"
    );
}

#[test]
fn an_interface_that_takes_nothing_holds_up_no_other_and_is_given_up() {
    let mut party = Party {
        machine: Announcer::new(),
        now: at(0),
    };
    let mut on_the_other = 0;
    party
        .machine
        .handle(Input::Interfaces(&[interface(1), interface(2)]), at(0));
    party.machine.handle(
        Input::Addresses(&everywhere(&["192.0.2.1", "2001:db8::1"])),
        at(0),
    );
    while let Some(deadline) = party.machine.next_deadline() {
        party.machine.handle(Input::Timeout, deadline);
        while let Some(transmit) = party.machine.poll_transmit() {
            if transmit.interface == 1 {
                party.machine.refused(&transmit);
            } else {
                on_the_other += 1;
            }
        }
        assert!(deadline <= at(6_000), "it ends");
    }
    assert_eq!(on_the_other, 6 * 3);
    assert!(party.machine.unsent().given_up > 0);
}

#[test]
fn the_second_half_of_a_round_is_not_sent_after_the_address_went() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    party
        .machine
        .handle(Input::Addresses(&everywhere(&["192.0.2.1"])), at(0));
    assert!(party.machine.poll_transmit().is_some());
    party.machine.handle(Input::Addresses(&BTreeMap::new()), at(0));
    assert_eq!(party.machine.poll_transmit(), None);
}
