//! The speakers do not hear each other, and their clients hear all of them: nobody but what is seen on the segment can tell
//! who has an address.

use std::time::Duration;

use super::failover::cluster;
use crate::{Cluster, Place, Segment};

const ADDRESSES: u8 = 8;
const MOST: Duration = Duration::from_secs(1);

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Speakers that have settled, and their segment.
fn settled(size: usize, seed: u64) -> (Cluster, Segment) {
    let mut cluster = cluster(size, 0, seed);
    let mut segment = Segment::of(size, ADDRESSES);
    segment.run(&mut cluster.network, secs(8));
    segment.forget();
    (cluster, segment)
}

/// Who answers for each address. None for one that nobody or more than one answers for.
fn owners(cluster: &Cluster, segment: &mut Segment) -> Vec<Option<Place>> {
    let one = |found: Vec<Place>| (found.len() == 1).then(|| found[0]);
    (0..ADDRESSES.into())
        .map(|number| one(segment.owners(&cluster.network, number)))
        .collect()
}

/// Closes the ports by `close` for some time. Nobody answers together with another for long meanwhile, and when they are
/// open again all is as it was.
fn holds(what: &str, size: usize, close: impl Fn(&mut Cluster)) {
    for (length, seed) in [(1, 1), (3, 2), (12, 3), (40, 4)] {
        let (mut cluster, mut segment) = settled(size, seed);
        let before = owners(&cluster, &mut segment);
        assert!(before.iter().all(Option::is_some), "{before:?}");
        close(&mut cluster);
        segment.run(&mut cluster.network, secs(length));
        cluster.network.heal();
        segment.run(&mut cluster.network, secs(20));
        let (overlap, silence) = (segment.longest_overlap(), segment.longest_silence());
        println!("{what}, {size} speakers, {length} s: {overlap:?} two, {silence:?} nobody");
        assert!(
            overlap <= MOST,
            "{what}, {size} speakers, {length} s: two answered for {overlap:?}"
        );
        assert!(
            silence <= secs(2),
            "{what}, {size} speakers, {length} s: nobody answered for {silence:?}"
        );
        assert_eq!(
            owners(&cluster, &mut segment),
            before,
            "{what}, {size} speakers, {length} s"
        );
    }
}

fn others(size: usize) -> impl Iterator<Item = Place> {
    1..size
}

#[test]
fn who_hears_nobody_yields_to_whoever_takes_over() {
    for size in [3, 5] {
        holds("deaf", size, |cluster| {
            others(size).for_each(|other| cluster.network.cut(other, 0));
        });
    }
}

#[test]
fn who_is_not_heard_yields_to_whoever_takes_over() {
    for size in [3, 5] {
        holds("mute", size, |cluster| {
            others(size).for_each(|other| cluster.network.cut(0, other));
        });
    }
}

#[test]
fn one_whose_port_is_closed_yields_to_whoever_takes_over() {
    for size in [2, 3, 5] {
        holds("closed", size, |cluster| cluster.network.part(&[0]));
    }
}

#[test]
fn groups_that_do_not_hear_each_other_yield_to_whoever_takes_over() {
    for (size, group) in [(4, 2), (5, 2), (6, 3), (7, 3)] {
        let group: Vec<Place> = (0..group).collect();
        holds("groups", size, |cluster| cluster.network.part(&group));
    }
}

#[test]
fn where_all_ports_are_closed_one_answers_for_each_address() {
    let (mut cluster, mut segment) = settled(3, 5);
    for place in 0..3 {
        cluster.network.part(&[place]);
    }
    segment.run(&mut cluster.network, secs(120));
    let now = owners(&cluster, &mut segment);
    assert!(now.iter().all(Option::is_some), "{now:?}");
    assert!(
        segment.longest_overlap() <= MOST,
        "{:?}",
        segment.longest_overlap()
    );
    assert!(
        segment.longest_silence() <= secs(2),
        "{:?}",
        segment.longest_silence()
    );
}

#[test]
fn the_last_one_goes_on_answering_and_takes_over_the_rest() {
    let (mut cluster, mut segment) = settled(3, 6);
    let before = owners(&cluster, &mut segment);
    for place in [1, 2] {
        cluster.network.kill(place);
    }
    for _ in 0..200 {
        segment.run(&mut cluster.network, ms(100));
        let now = owners(&cluster, &mut segment);
        let kept = before
            .iter()
            .zip(&now)
            .all(|(before, now)| *before != Some(0) || *now == Some(0));
        assert!(kept, "{before:?} became {now:?}");
    }
    assert_eq!(owners(&cluster, &mut segment), [Some(0); 8]);
}

#[test]
fn who_was_replaced_because_it_hears_nobody_is_there_when_the_others_are_gone() {
    let (mut cluster, mut segment) = settled(3, 7);
    others(3).for_each(|other| cluster.network.cut(other, 0));
    segment.run(&mut cluster.network, secs(30));
    assert!(
        owners(&cluster, &mut segment)
            .iter()
            .all(|owner| owner.is_some_and(|owner| owner != 0))
    );
    for place in [1, 2] {
        cluster.network.kill(place);
    }
    segment.run(&mut cluster.network, secs(25));
    assert_eq!(owners(&cluster, &mut segment), [Some(0); 8]);
}

#[test]
fn who_starts_and_hears_nobody_takes_nothing_from_whoever_has_it() {
    let (mut cluster, mut segment) = settled(3, 8);
    cluster.network.kill(0);
    segment.run(&mut cluster.network, secs(1));
    segment.forget();
    others(3).for_each(|other| cluster.network.cut(other, 0));
    cluster.restart(0);
    segment.restart(0);
    segment.run(&mut cluster.network, secs(30));
    assert!(
        owners(&cluster, &mut segment)
            .iter()
            .all(|owner| owner.is_some_and(|owner| owner != 0))
    );
    assert!(
        segment.longest_overlap() <= MOST,
        "{:?}",
        segment.longest_overlap()
    );
}
