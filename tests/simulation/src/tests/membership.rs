//! The machine of the memberlist protocol alone: everybody learns who is there, and nobody is declared dead who is not.

use std::collections::BTreeSet;
use std::time::Duration;

use metallb_protocol::memberlist::{Event, Identity, Input, Machine, Settings};
use proptest::prelude::*;

use crate::address::of as address;
use crate::{Conditions, Network, Place};

type Members = Network<Machine>;

fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn name(place: Place) -> String {
    format!("node-{place}")
}

fn machine(name: String, place: Place, seed: u64) -> Machine {
    let own = Identity {
        name,
        address: address(place),
        meta: Vec::new(),
    };
    Machine::new(Settings::default(), own, seed)
}

/// Members that know each other.
fn cluster(size: usize, conditions: Conditions, seed: u64) -> Members {
    let mut network = Network::new(conditions, seed);
    for place in 0..size {
        network.add(machine(name(place), place, seed * 1_000 + place as u64));
    }
    tell_peers(&mut network, size);
    let joined = network.run_while(secs(10), |network| !all_know(network, &(0..size).collect()));
    assert!(
        joined.is_some(),
        "{size} members do not know each other after 10 s"
    );
    network.take_events();
    network
}

/// All are told of the first `peers`.
fn tell_peers(network: &mut Members, peers: usize) {
    let peers: BTreeSet<_> = (0..peers).map(address).collect();
    for place in 0..network.len() {
        network.handle(place, Input::Peers(peers.clone()));
    }
}

/// Whom the member at `place` takes for being there, itself included.
fn view(network: &Members, place: Place) -> BTreeSet<String> {
    let others = network.machine(place).members();
    others
        .map(|member| member.name.clone())
        .chain([name(place)])
        .collect()
}

fn all_know(network: &Members, places: &BTreeSet<Place>) -> bool {
    let names: BTreeSet<String> = places.iter().map(|place| name(*place)).collect();
    places.iter().all(|place| view(network, *place) == names)
}

/// `place`: what became of whom, in the order in which it was noticed.
fn words(network: &mut Members) -> Vec<String> {
    let word = |(_, place, event)| match event {
        Event::Joined(member) => Some(format!("{place}: {} joined", member.name)),
        Event::Left(member) => Some(format!("{place}: {} left", member.name)),
        Event::Failed(member) => Some(format!("{place}: {} failed", member.name)),
        Event::Updated(member) => Some(format!("{place}: {} changed", member.name)),
        Event::Disputed { known, other } => Some(format!("{place}: {} is claimed by {other}", known.name)),
        Event::Departed => Some(format!("{place}: departed")),
        Event::Refuted { .. } | Event::User { .. } => None,
    };
    network.take_events().into_iter().filter_map(word).collect()
}

#[test]
fn those_who_know_one_member_know_all_of_them_after_a_push_pull_at_the_latest() {
    for (size, seed) in [(2, 1), (3, 2), (10, 3), (40, 4)] {
        let mut network = Network::new(Conditions::LAN, seed);
        for place in 0..size {
            network.add(machine(name(place), place, seed * 1_000 + place as u64));
        }
        tell_peers(&mut network, 1);
        let joined = network.run_while(secs(61), |network| !all_know(network, &(0..size).collect()));
        assert!(joined.is_some(), "{size} members");
    }
}

#[test]
fn a_dead_member_is_declared_dead_by_everybody_and_not_before_it_had_time_to_object() {
    for (size, seed) in [(2, 1), (3, 2), (5, 3), (12, 4)] {
        let mut network = cluster(size, Conditions::LAN, seed);
        network.kill(0);
        network.run(secs(4));
        assert_eq!(words(&mut network), Vec::<String>::new(), "{size} members");
        let others: BTreeSet<Place> = (1..size).collect();
        // A round of probes of all, a probe, and the suspicion.
        let most = secs(size as u64 + 1 + 6);
        let noticed = network.run_while(most, |network| !all_know(network, &others));
        assert!(noticed.is_some(), "{size} members");
        let failures = words(&mut network);
        assert_eq!(failures.len(), size - 1);
        assert!(
            failures.iter().all(|word| word.ends_with("node-0 failed")),
            "{failures:?}"
        );
    }
}

#[test]
fn a_member_that_one_other_cannot_reach_is_not_declared_dead() {
    let mut network = cluster(4, Conditions::LAN, 5);
    network.cut(0, 1);
    network.run(secs(60));
    assert_eq!(words(&mut network), Vec::<String>::new());
}

#[test]
fn lost_datagrams_do_not_kill_anybody() {
    for (loss, size) in [(0.05, 10), (0.2, 3), (0.2, 10)] {
        let conditions = Conditions {
            loss,
            ..Conditions::ROUGH
        };
        let mut network = cluster(size, Conditions::LAN, 6);
        network.set_conditions(conditions);
        network.run(secs(300));
        assert_eq!(
            words(&mut network),
            Vec::<String>::new(),
            "{size} members, {loss} lost"
        );
    }
}

#[test]
fn who_leaves_is_known_to_have_left_within_a_second() {
    let mut network = cluster(5, Conditions::LAN, 7);
    network.handle(2, Input::Leave);
    network.run(secs(1));
    let mut found = words(&mut network);
    found.sort();
    let left = |place| format!("{place}: node-2 left");
    assert_eq!(
        found,
        [left(0), left(1), "2: departed".to_owned(), left(3), left(4)]
    );
    network.kill(2);
    network.run(secs(30));
    assert_eq!(words(&mut network), Vec::<String>::new(), "and nobody fails");
}

#[test]
fn the_last_one_leaves_without_waiting_for_anybody() {
    let mut network = Network::new(Conditions::LAN, 1);
    network.add(machine(name(0), 0, 1));
    network.handle(0, Input::Leave);
    assert_eq!(words(&mut network), ["0: departed"]);
}

#[test]
fn both_sides_of_a_partition_go_on_and_find_each_other_when_it_heals() {
    let mut network = cluster(5, Conditions::LAN, 8);
    network.part(&[3, 4]);
    network.run(secs(90));
    assert!(all_know(&network, &BTreeSet::from([0, 1, 2])));
    assert!(all_know(&network, &BTreeSet::from([3, 4])));
    network.heal();
    let found = network.run_while(secs(15), |network| !all_know(network, &(0..5).collect()));
    assert!(found.is_some());
}

#[test]
fn a_process_that_was_stopped_blames_nobody() {
    let mut network = cluster(5, Conditions::LAN, 9);
    for pause in [100, 2_000, 5_000, 60_000] {
        network.stop(1);
        network.run(Duration::from_millis(pause));
        network.go_on(1);
        network.run(secs(40));
        let found = words(&mut network);
        assert!(
            !found
                .iter()
                .any(|word| word.starts_with("1: ") && word.ends_with("failed")),
            "{found:?}"
        );
        assert!(all_know(&network, &(0..5).collect()), "{pause} ms");
    }
}

#[test]
fn a_member_that_starts_anew_is_taken_back_at_once() {
    let mut network = cluster(4, Conditions::LAN, 10);
    for after in [1, 20] {
        network.kill(3);
        network.run(secs(after));
        network.restart(3, machine(name(3), 3, 77 + after));
        network.handle(3, Input::Peers(BTreeSet::from([address(0)])));
        let back = network.run_while(secs(3), |network| !all_know(network, &(0..4).collect()));
        assert!(back.is_some(), "killed {after} s before");
    }
}

#[test]
fn the_first_of_two_with_one_name_keeps_it() {
    let mut network = cluster(3, Conditions::LAN, 11);
    let place = network.add(machine(name(1), 3, 99));
    network.handle(place, Input::Peers(BTreeSet::from([address(0)])));
    network.run(secs(30));
    let found = words(&mut network);
    assert!(
        found.contains(&format!("0: node-1 is claimed by {}", address(3))),
        "{found:?}"
    );
    assert!(!found.iter().any(|word| word.contains("failed")), "{found:?}");
    assert!(all_know(&network, &(0..3).collect()));
}

#[test]
fn datagrams_fit_into_a_frame_when_everybody_joins_at_once() {
    let size = 60;
    let mut network = cluster(size, Conditions::LAN, 12);
    for place in 1..size / 2 {
        network.kill(place);
    }
    network.run(secs(120));
    let left: BTreeSet<Place> = [0].into_iter().chain(size / 2..size).collect();
    assert!(all_know(&network, &left));
}

/// Something that goes wrong, and for how long.
#[derive(Clone, Debug)]
enum Fault {
    Part(Vec<Place>),
    Cut(Place, Place),
    Stop(Place),
    Lose(f64),
    Restart(Place),
}

fn faults(size: usize) -> impl Strategy<Value = Vec<(Fault, u64)>> {
    let fault = prop_oneof![
        prop::collection::vec(0..size, 1..size).prop_map(Fault::Part),
        (0..size, 0..size).prop_map(|(from, to)| Fault::Cut(from, to)),
        (0..size).prop_map(Fault::Stop),
        (0.0..0.5_f64).prop_map(Fault::Lose),
        (0..size).prop_map(Fault::Restart),
    ];
    prop::collection::vec((fault, 1..20_u64), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_they_agree_soon_after_it_is_over(faults in faults(5), seed in 0..1_000_u64) {
        let mut network = cluster(5, Conditions::LAN, seed);
        for (round, (fault, length)) in faults.into_iter().enumerate() {
            let mut stopped = None;
            match fault {
                Fault::Part(group) => network.part(&group),
                Fault::Cut(from, to) => network.cut(from, to),
                Fault::Stop(place) => {
                    network.stop(place);
                    stopped = Some(place);
                }
                Fault::Lose(loss) => network.set_conditions(Conditions { loss, ..Conditions::ROUGH }),
                Fault::Restart(place) => {
                    network.restart(place, machine(name(place), place, seed + 7_000 + round as u64));
                    tell_peers(&mut network, 5);
                }
            }
            network.run(secs(length));
            if let Some(place) = stopped {
                network.go_on(place);
            }
            network.heal();
            network.set_conditions(Conditions::LAN);
        }
        let agreed = network.run_while(secs(60), |network| !all_know(network, &(0..5).collect()));
        prop_assert!(agreed.is_some());
    }
}
