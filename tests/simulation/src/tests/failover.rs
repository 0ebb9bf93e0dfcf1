//! A speaker dies: everybody knows within milliseconds. It does not: nobody says so.

use std::time::Duration;

use metallb_protocol::failover::{Event, Settings, Standing};

use crate::cluster::{Cluster, name};
use crate::{Conditions, Place};

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(super) fn cluster(ours: usize, upstream: usize, seed: u64) -> Cluster {
    let mut cluster = Cluster::start(Settings::default(), ours, upstream, seed).expect("all know each other");
    cluster.network.run(secs(3));
    cluster.noticed();
    cluster
}

/// All that was noticed of deaths, and of standings, since the last time.
pub(super) fn words(cluster: &mut Cluster) -> Vec<String> {
    use metallb_protocol::memberlist::Event::{Failed, Left};
    let word = |noticed: crate::cluster::Noticed| match noticed.what {
        Event::Member(Failed(member)) => Some(format!("{}: {} failed", noticed.by, member.name)),
        Event::Member(Left(member)) => Some(format!("{}: {} left", noticed.by, member.name)),
        Event::Member(_) => None,
        Event::Standing(standing) => Some(format!("{}: {standing:?}", noticed.by)),
    };
    cluster.noticed().into_iter().filter_map(word).collect()
}

fn nothing() -> Vec<String> {
    Vec::new()
}

/// The longest that anybody took to notice the death of `victim`.
fn slowest(cluster: &mut Cluster, victim: Place, most: Duration) -> Duration {
    let running = (0..cluster.network.len())
        .filter(|place| cluster.network.is_running(*place))
        .count();
    let found = cluster.kill_and_measure(&[victim], most).remove(0);
    assert_eq!(found.len(), running - 1, "not all noticed that {victim} died");
    found
        .into_iter()
        .map(|(_, took)| took)
        .max()
        .expect("there are others")
}

#[test]
fn a_dead_speaker_is_known_to_all_within_a_quarter_of_a_second() {
    for (size, seed) in [(3, 1), (4, 2), (5, 3), (8, 4), (40, 5)] {
        let mut cluster = cluster(size, 0, seed);
        for victim in 0..3 {
            let took = slowest(&mut cluster, victim, secs(1));
            assert!((ms(110)..ms(250)).contains(&took), "{size} speakers, {took:?}");
            cluster.restart(victim);
            assert!(cluster.settle(secs(5)));
            cluster.network.run(secs(1));
        }
    }
}

#[test]
fn the_fast_profile_takes_less_than_half_of_that() {
    let mut cluster = Cluster::start(Settings::fast(), 3, 0, 1).expect("all know each other");
    for victim in 0..3 {
        cluster.network.run(secs(2));
        let took = slowest(&mut cluster, victim, secs(1));
        assert!((ms(45)..ms(110)).contains(&took), "{took:?}");
        cluster.restart(victim);
        assert!(cluster.settle(secs(5)));
    }
}

#[test]
fn where_a_part_is_lost_and_everything_takes_longer_it_is_known_within_400_ms() {
    for (size, seed) in [(3, 6), (10, 7)] {
        let mut cluster = cluster(size, 0, seed);
        cluster.network.set_conditions(Conditions::ROUGH);
        for round in 0..10 {
            cluster.network.run(ms(5_000 + 7 * round));
            let victim = usize::try_from(round).expect("small") % size;
            let took = slowest(&mut cluster, victim, secs(2));
            assert!(took < ms(400), "{size} speakers, {took:?}");
            cluster.restart(victim);
            assert!(cluster.settle(secs(5)));
        }
    }
}

#[test]
fn of_two_the_other_one_takes_longer_because_it_has_nobody_to_ask() {
    let mut cluster = cluster(2, 0, 8);
    let took = slowest(&mut cluster, 0, secs(2));
    assert!((ms(550)..ms(650)).contains(&took), "{took:?}");
    assert!(cluster.network.machine(1).may_announce());
}

#[test]
fn one_after_the_other_may_die_and_the_last_goes_on() {
    let mut cluster = cluster(5, 0, 9);
    for victim in 0..4 {
        cluster.network.run(secs(1));
        let most = if victim == 3 { ms(650) } else { ms(250) };
        assert!(slowest(&mut cluster, victim, secs(2)) < most, "{victim}");
    }
    assert!(cluster.network.machine(4).may_announce());
    cluster.network.run(secs(60));
    assert!(cluster.network.machine(4).may_announce());
}

#[test]
fn several_that_die_at_once_are_found_if_most_are_left() {
    for (size, victims) in [(5, 2), (8, 3), (20, 3)] {
        let mut cluster = cluster(size, 0, 10);
        for victim in 0..victims {
            cluster.network.kill(victim);
        }
        cluster.network.run(ms(400));
        assert_eq!(
            cluster.failures().len(),
            victims * (size - victims),
            "{victims} of {size}"
        );
    }
}

#[test]
fn who_dies_together_with_its_first_watcher_is_found_by_the_second() {
    for first in 0..5 {
        for second in first + 1..5 {
            let mut cluster = cluster(5, 0, 24);
            for found in cluster.kill_and_measure(&[first, second], secs(1)) {
                assert_eq!(found.len(), 3, "{first} and {second}");
                let longest = found.into_iter().map(|(_, took)| took).max();
                assert!(longest < Some(ms(250)), "{first} and {second}: {longest:?}");
            }
        }
    }
}

#[test]
fn most_that_die_at_once_are_left_to_memberlist() {
    let mut cluster = cluster(3, 0, 11);
    cluster.network.kill(0);
    cluster.network.kill(1);
    cluster.network.run(secs(3));
    assert_eq!(words(&mut cluster), nothing());
    assert!(cluster.network.machine(2).may_announce(), "it goes on");
    cluster.network.run(secs(12));
    assert_eq!(cluster.network.machine(2).membership().members().count(), 0);
}

#[test]
fn upstreams_speakers_are_told_and_judged_by_their_own_rules() {
    let mut cluster = cluster(3, 2, 12);
    assert!(slowest(&mut cluster, 0, secs(1)) < ms(250));
    cluster.restart(0);
    assert!(cluster.settle(secs(5)));
    cluster.network.run(secs(2));
    let took = slowest(&mut cluster, 4, secs(20));
    assert!(took > secs(4), "{took:?}");
}

#[test]
fn two_of_ours_beside_upstreams_leave_it_to_memberlist() {
    let mut cluster = cluster(2, 1, 13);
    assert!(slowest(&mut cluster, 0, secs(20)) > secs(3));
}

#[test]
fn who_leaves_is_known_to_all_at_once_and_nobody_fails() {
    for (size, seed) in [(3, 14), (100, 15)] {
        let mut cluster = cluster(size, 0, seed);
        cluster
            .network
            .handle(1, metallb_protocol::memberlist::Input::Leave);
        cluster.network.run(ms(20));
        cluster.network.kill(1);
        let found = words(&mut cluster);
        assert_eq!(found.len(), size - 1, "{found:?}");
        assert!(
            found.iter().all(|word| word.ends_with("worker-1 left")),
            "{found:?}"
        );
        cluster.network.run(secs(20));
        assert_eq!(words(&mut cluster), nothing());
    }
}

#[test]
fn a_pause_of_100_ms_moves_nothing() {
    for size in [2, 3, 5] {
        let mut cluster = cluster(size, 0, 16);
        for round in 0..60 {
            let place = round % size;
            cluster.network.run(ms(400 + 7 * round as u64));
            cluster.network.stop(place);
            cluster.network.run(ms(100 + round as u64 % 6));
            cluster.network.go_on(place);
        }
        assert_eq!(words(&mut cluster), nothing(), "{size} speakers");
    }
}

#[test]
fn nobody_is_declared_dead_on_a_rough_network() {
    for (size, minutes) in [(2, 10), (3, 10), (10, 3)] {
        let mut cluster = cluster(size, 0, 17);
        cluster.network.set_conditions(Conditions::ROUGH);
        cluster.network.run(secs(60 * minutes));
        assert_eq!(words(&mut cluster), nothing(), "{size} speakers");
    }
}

#[test]
fn nobody_is_declared_dead_where_a_fifth_is_lost() {
    for size in [3, 6] {
        let mut cluster = cluster(size, 0, 18);
        cluster.network.set_conditions(Conditions {
            loss: 0.2,
            ..Conditions::LAN
        });
        cluster.network.run(secs(120));
        assert_eq!(words(&mut cluster), nothing(), "{size} speakers");
    }
}

#[test]
fn a_process_waits_until_it_is_known_before_it_announces() {
    let mut cluster = cluster(3, 0, 19);
    cluster.network.kill(0);
    cluster.network.run(secs(2));
    words(&mut cluster);
    cluster.restart(0);
    assert!(!cluster.network.machine(0).may_announce());
    let back = cluster
        .network
        .run_while(secs(3), |network| !network.machine(0).may_announce());
    assert!(back.is_some_and(|took| took < ms(100)), "{back:?}");
    for other in [1, 2] {
        let members = cluster.network.machine(other).membership().members();
        assert!(
            members.into_iter().any(|member| member.name == name(0)),
            "{other} knows"
        );
    }
}

#[test]
fn the_only_one_announces_at_once_and_one_that_finds_nobody_soon() {
    for (others, most) in [(0, ms(1)), (2, ms(3_001))] {
        let mut cluster =
            Cluster::start(Settings::default(), 1 + others, 0, 20).expect("all know each other");
        for place in 0..=others {
            cluster.network.kill(place);
        }
        cluster.restart(0);
        let took = cluster
            .network
            .run_while(secs(5), |network| !network.machine(0).may_announce());
        assert!(took.is_some_and(|took| took <= most), "{others} others, {took:?}");
    }
}

#[test]
fn what_one_speaker_sends_does_not_grow_with_the_cluster() {
    for size in [4, 20, 100] {
        let mut cluster = cluster(size, 0, 21);
        cluster.network.run(secs(30));
        let before: Vec<u64> = (0..size).map(|place| cluster.network.datagrams(place)).collect();
        cluster.network.run(secs(10));
        for (place, before) in before.into_iter().enumerate() {
            let per_second = (cluster.network.datagrams(place) - before) / 10;
            assert!(
                (31..=37).contains(&per_second),
                "{size} speakers, {per_second} a second"
            );
            assert!(
                cluster.network.burst(place) <= 200,
                "{} at once",
                cluster.network.burst(place)
            );
        }
    }
}

#[test]
fn who_is_idle_is_not_woken_for_each_beat() {
    // Where the circle is longer the beats of its end come a few milliseconds after those of its beginning.
    for (size, most) in [(3, 24), (10, 40)] {
        let mut cluster = cluster(size, 0, 23);
        cluster.network.run(secs(30));
        let before: Vec<u64> = (0..size).map(|place| cluster.network.wakes(place)).collect();
        cluster.network.run(secs(10));
        for (place, before) in before.into_iter().enumerate() {
            let per_second = (cluster.network.wakes(place) - before) / 10;
            assert!(
                (15..=most).contains(&per_second),
                "{size} speakers, {per_second} a second"
            );
        }
    }
}

#[test]
fn standings_are_told_when_they_change() {
    let mut cluster = cluster(3, 0, 22);
    cluster.network.stop(0);
    cluster.network.run(ms(400));
    cluster.network.go_on(0);
    cluster.network.run(secs(1));
    let of_it: Vec<String> = words(&mut cluster)
        .into_iter()
        .filter(|word| word.starts_with("0: "))
        .collect();
    let expected = [Standing::Doubtful, Standing::Deposed, Standing::Certain];
    assert_eq!(of_it, expected.map(|standing| format!("0: {standing:?}")));
}
