//! Whatever goes wrong, two that can hear each other do not announce one address for longer than a second.

use std::time::Duration;

use proptest::prelude::*;

use super::failover::{cluster, words};
use crate::owners::announcers;
use crate::{Cluster, Conditions, Owners, Place, Speaker};

const ADDRESSES: usize = 8;

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn run(cluster: &mut Cluster, owners: &mut Owners, length: Duration) {
    owners.run(&mut cluster.network, length);
}

/// Each address has exactly one owner now.
fn owned_once(cluster: &Cluster) -> bool {
    (0..ADDRESSES).all(|address| announcers(&cluster.network, address).len() == 1)
}

fn failed(cluster: &mut Cluster) -> Vec<String> {
    let mut all = words(cluster);
    all.retain(|word| word.ends_with("failed"));
    all.sort();
    all
}

#[test]
fn who_was_stopped_for_long_blames_nobody_and_comes_back_only_once_it_is_known() {
    for (pause, seed) in [(300, 1), (5_000, 2), (60_000, 3)] {
        let mut cluster = cluster(3, 0, seed);
        let mut owners = Owners::of(ADDRESSES);
        cluster.network.stop(0);
        run(&mut cluster, &mut owners, ms(pause));
        // What it knew when it was stopped is enough for it to be silent when it wakes, before it is called at all.
        let Speaker::Ours(stopped) = cluster.network.machine(0) else {
            panic!("all are ours")
        };
        assert!(stopped.may_announce_until().unwrap() <= cluster.network.now());
        let found = failed(&mut cluster);
        assert_eq!(
            found,
            ["1: worker-0 failed", "2: worker-0 failed"].map(str::to_owned),
            "{pause} ms"
        );
        cluster.network.go_on(0);
        assert!(!cluster.network.machine(0).may_announce());
        run(&mut cluster, &mut owners, secs(2));
        assert!(cluster.is_settled() && owned_once(&cluster), "{pause} ms");
        assert_eq!(failed(&mut cluster), Vec::<String>::new(), "{pause} ms");
        assert!(owners.longest() <= ms(100), "{:?}", owners.longest());
    }
}

#[test]
fn who_finds_its_clock_far_ahead_asks_first_and_blames_nobody() {
    // As on a machine that was suspended, or moved to another one; of one of them, and of all at once.
    for (leap, seed) in [
        (ms(200), 1),
        (secs(5), 2),
        (secs(3_600), 3),
        (secs(30 * 86_400), 4),
    ] {
        for all in [false, true] {
            let mut cluster = cluster(3, 0, seed);
            let mut owners = Owners::of(ADDRESSES);
            let places = if all { 0..3 } else { 0..1 };
            for place in places.clone() {
                cluster.network.leap(place, leap);
                // What it knew before is enough for it to be silent before it is called.
                let Speaker::Ours(machine) = cluster.network.machine(place) else {
                    panic!("all are ours")
                };
                assert!(
                    machine.may_announce_until().unwrap() <= cluster.network.clock(place),
                    "{leap:?}"
                );
            }
            run(&mut cluster, &mut owners, secs(2));
            let said = words(&mut cluster);
            for place in places {
                let [doubts, knows] = ["Doubtful", "Certain"].map(|word| format!("{place}: {word}"));
                assert!(
                    said.contains(&doubts) && said.contains(&knows),
                    "{leap:?}: {said:?}"
                );
            }
            assert!(
                !said.iter().any(|word| word.ends_with("failed")),
                "{leap:?}: {said:?}"
            );
            assert!(cluster.is_settled() && owned_once(&cluster), "{leap:?}");
            assert_eq!(owners.longest(), Duration::ZERO, "{leap:?}");
        }
    }
}

#[test]
fn of_a_partition_the_larger_side_takes_over_and_the_smaller_one_does_not() {
    for (length, seed) in [(3, 4), (20, 5), (120, 6)] {
        let mut cluster = cluster(3, 0, seed);
        let mut owners = Owners::of(ADDRESSES);
        cluster.network.part(&[2]);
        run(&mut cluster, &mut owners, secs(3));
        let found = failed(&mut cluster);
        assert_eq!(found, ["0: worker-2 failed", "1: worker-2 failed"]);
        assert!(cluster.network.machine(2).may_announce(), "it keeps its own");
        run(&mut cluster, &mut owners, secs(length - 3));
        cluster.network.heal();
        run(&mut cluster, &mut owners, secs(2));
        assert!(owned_once(&cluster), "{length} s");
        assert!(owners.longest() <= ms(500), "{length} s: {:?}", owners.longest());
        assert!(cluster.settle(secs(20)), "{length} s");
    }
}

#[test]
fn halves_of_a_cluster_do_not_depose_each_other_before_memberlist_does() {
    let mut cluster = cluster(4, 0, 7);
    let mut owners = Owners::of(ADDRESSES);
    cluster.network.part(&[0, 1]);
    run(&mut cluster, &mut owners, secs(3));
    assert_eq!(failed(&mut cluster), Vec::<String>::new());
    run(&mut cluster, &mut owners, secs(30));
    cluster.network.heal();
    run(&mut cluster, &mut owners, secs(15));
    assert!(cluster.is_settled() && owned_once(&cluster));
    assert!(owners.longest() <= secs(1), "{:?}", owners.longest());
}

#[test]
fn who_cannot_be_heard_is_deposed_and_stays_so_until_it_can() {
    let mut cluster = cluster(3, 0, 8);
    let mut owners = Owners::of(ADDRESSES);
    for other in [1, 2] {
        cluster.network.cut(0, other);
    }
    run(&mut cluster, &mut owners, ms(300));
    assert!(!cluster.network.machine(0).may_announce());
    run(&mut cluster, &mut owners, secs(20));
    assert!(!cluster.network.machine(0).may_announce());
    assert!(owned_once(&cluster));
    cluster.network.heal();
    run(&mut cluster, &mut owners, secs(1));
    assert!(owned_once(&cluster) && cluster.network.machine(0).may_announce());
    assert!(owners.longest() <= ms(200), "{:?}", owners.longest());
}

#[test]
fn who_cannot_hear_says_so_and_is_deposed_before_memberlist_would() {
    let mut cluster = cluster(3, 0, 9);
    let mut owners = Owners::of(ADDRESSES);
    for other in [1, 2] {
        cluster.network.cut(other, 0);
    }
    run(&mut cluster, &mut owners, ms(700));
    let found = failed(&mut cluster);
    assert_eq!(found, ["1: worker-0 failed", "2: worker-0 failed"]);
    run(&mut cluster, &mut owners, secs(2));
    cluster.network.heal();
    run(&mut cluster, &mut owners, secs(2));
    assert!(cluster.is_settled() && owned_once(&cluster));
    assert!(owners.longest() <= ms(500), "{:?}", owners.longest());
}

#[test]
fn one_lost_path_moves_nothing() {
    for size in [3, 5] {
        let mut cluster = cluster(size, 0, 10);
        cluster.network.cut(0, 1);
        cluster.network.run(secs(60));
        assert_eq!(words(&mut cluster), Vec::<String>::new());
        cluster.network.cut(1, 0);
        cluster.network.run(secs(60));
        assert_eq!(words(&mut cluster), Vec::<String>::new());
    }
}

#[test]
fn where_everything_takes_200_ms_longer_nothing_moves_and_the_dead_are_found_within_1500_ms() {
    for (size, seed) in [(3, 12), (5, 13)] {
        let mut cluster = cluster(size, 0, seed);
        let mut owners = Owners::of(ADDRESSES);
        for (delay, length) in [
            (ms(200), secs(60)),
            (Conditions::LAN.delay, secs(5)),
            (ms(200), secs(5)),
        ] {
            let conditions = Conditions {
                delay,
                ..Conditions::LAN
            };
            cluster.network.set_conditions(conditions);
            run(&mut cluster, &mut owners, length);
            assert_eq!(
                words(&mut cluster),
                Vec::<String>::new(),
                "{size} speakers, {delay:?}"
            );
        }
        cluster.network.kill(0);
        run(&mut cluster, &mut owners, ms(1_500));
        assert_eq!(failed(&mut cluster).len(), size - 1, "{size} speakers");
        assert!(owned_once(&cluster));
        assert_eq!(owners.longest(), Duration::ZERO, "{size} speakers");
    }
}

#[test]
fn all_restarted_at_once_agree_within_seconds() {
    let mut cluster = cluster(5, 0, 11);
    let mut owners = Owners::of(ADDRESSES);
    for place in 0..5 {
        cluster.network.kill(place);
    }
    cluster.network.run(secs(2));
    for place in 0..5 {
        cluster.restart(place);
        run(&mut cluster, &mut owners, ms(40));
    }
    run(&mut cluster, &mut owners, secs(4));
    assert!(cluster.is_settled() && owned_once(&cluster));
    assert!(owners.longest() <= secs(1), "{:?}", owners.longest());
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
enum Fault {
    Part(Vec<Place>),
    Cut(Vec<(Place, Place)>),
    Stop(Place),
    Lose(f64),
    Kill(Place),
}

fn faults(size: usize) -> impl Strategy<Value = Vec<(Fault, u64)>> {
    let fault = prop_oneof![
        prop::collection::vec(0..size, 1..size).prop_map(Fault::Part),
        prop::collection::vec((0..size, 0..size), 1..5).prop_map(Fault::Cut),
        (0..size).prop_map(Fault::Stop),
        (0.0..0.4_f64).prop_map(Fault::Lose),
        (0..size).prop_map(Fault::Kill),
    ];
    prop::collection::vec((fault, 50..9_000_u64), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_two_owners_that_hear_each_other_for_longer_than_a_second(
        faults in faults(5),
        size in 3..6_usize,
        seed in 0..1_000_u64,
    ) {
        let mut cluster = cluster(size, 0, seed);
        for (fault, length) in faults {
            let mut owners = Owners::of(ADDRESSES);
            let within = |place: Place| place % size;
            let mut again = None;
            match fault {
                Fault::Part(group) => cluster.network.part(&group.into_iter().map(within).collect::<Vec<_>>()),
                Fault::Cut(pairs) => pairs.into_iter().for_each(|(from, to)| cluster.network.cut(within(from), within(to))),
                Fault::Stop(place) => {
                    cluster.network.stop(within(place));
                    again = Some(within(place));
                }
                Fault::Lose(loss) => cluster.network.set_conditions(Conditions { loss, ..Conditions::LAN }),
                Fault::Kill(place) => cluster.network.kill(within(place)),
            }
            run(&mut cluster, &mut owners, ms(length));
            if let Some(place) = again {
                cluster.network.go_on(place);
            }
            for place in (0..size).filter(|place| !cluster.network.is_running(*place)).collect::<Vec<_>>() {
                cluster.restart(place);
            }
            cluster.network.heal();
            cluster.network.set_conditions(Conditions::LAN);
            run(&mut cluster, &mut owners, secs(4));
            prop_assert!(owners.longest() <= secs(1), "{:?}", owners.longest());
        }
        prop_assert!(cluster.settle(secs(60)));
        prop_assert!(owned_once(&cluster));
    }
}
