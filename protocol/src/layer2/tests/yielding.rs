//! A station that hears none of the others, and may have been replaced.

use super::*;

const BOTH: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

fn claims() -> Vec<Vec<u8>> {
    let [request, reply] = arp::gratuitous("192.0.2.1".parse().unwrap(), mac(9));
    let to_all = Station::all_nodes();
    let advertisement =
        ndp::advertisement(mac(9), to_all, "2001:db8::1".parse().unwrap(), Kind::Announcement);
    vec![request, reply, advertisement]
}

fn hear(party: &mut Party, frames: &[Vec<u8>]) -> Vec<String> {
    let hear = |bytes: &Vec<u8>| party.handle(Input::Frame { interface: 1, bytes });
    frames.iter().flat_map(hear).collect()
}

fn answers(party: &mut Party) -> usize {
    hear(party, &[arp_request(BOTH[0]), solicitation(BOTH[1], PEER.ip)]).len()
}

/// One that is cut off and has given in.
fn yielded() -> Party {
    let mut party = Party::new(&[interface(1)], &everywhere(&BOTH)).settled();
    assert_eq!(party.handle(Input::CutOff(true)), [""; 0]);
    assert_eq!(answers(&mut party), 2, "nobody has taken over");
    let left = BOTH.map(|ip| format!("eth1: {ip} left to 02:00:00:00:00:09"));
    assert_eq!(hear(&mut party, &claims()), left);
    assert_eq!(answers(&mut party), 0);
    party
}

#[test]
fn who_replaced_it_a_moment_before_it_was_cut_off_has_replaced_it() {
    for (ms, left) in [(1_499, 2), (1_501, 0)] {
        let mut party = Party::new(&[interface(1)], &everywhere(&BOTH)).settled();
        hear(&mut party, &claims());
        party.run_until(at(10_000 + ms));
        party.handle(Input::CutOff(true));
        assert_eq!(party.machine.yielded().count(), left, "{ms} ms");
    }
}

const TOLD: [&str; 3] = [
    "eth1: arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
    "eth1: arp reply 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
    "eth1: na 20 2001:db8::1 is at 1 to 33:33:00:00:00:01",
];
const PROBES: [&str; 2] = [
    "eth1: arp probe for 192.0.2.1 by 1 to ff:ff:ff:ff:ff:ff",
    "eth1: ns probe for 2001:db8::1 by 1 to 33:33:ff:00:00:01",
];

#[test]
fn who_is_cut_off_gives_in_to_whoever_has_its_address_for_as_long_as_that_one_has_it() {
    let mut party = yielded();
    for second in (15..100).step_by(5) {
        let probes: Vec<_> = party
            .run_until(at(1_000 * second))
            .into_iter()
            .map(|(_, act)| act)
            .collect();
        assert_eq!(probes, PROBES, "{second} s");
        assert_eq!(hear(&mut party, &claims()), [""; 0]);
        assert_eq!(answers(&mut party), 0);
    }
}

#[test]
fn when_that_one_is_gone_it_takes_the_address_back() {
    let mut party = yielded();
    let acts = party.run_until(at(26_000));
    assert!(
        acts.iter().all(|(_, act)| PROBES.contains(&act.as_str())),
        "{acts:?}"
    );
    assert_eq!(acts.len(), 3 * PROBES.len());
    let acts: Vec<_> = party
        .run_until(at(31_000))
        .into_iter()
        .map(|(_, act)| act)
        .collect();
    // As long as it is cut off it asks in NDP what it asks in ARP by telling.
    let again = [&TOLD[..], &PROBES[1..]].concat();
    assert_eq!(acts[..4], again);
    assert_eq!(answers(&mut party), 2);
}

#[test]
fn when_the_others_are_heard_again_it_serves_what_it_is_told_to() {
    let mut party = yielded();
    assert_eq!(party.handle(Input::CutOff(false)), TOLD);
    assert_eq!(answers(&mut party), 2);
    // They said that it was taken for dead.
    let mut party = yielded();
    party.handle(Input::Entitled(false));
    assert_eq!(party.handle(Input::CutOff(false)), [""; 0]);
    assert_eq!(party.machine.next_deadline(), None);
    assert_eq!(party.handle(Input::Entitled(true)), TOLD);
}

#[test]
fn what_was_left_is_no_more_when_it_is_not_to_be_served() {
    let mut party = yielded();
    let mut leaving = everywhere(&BOTH);
    for assignment in leaving.values_mut() {
        assignment.tenure = Tenure::Leaving;
    }
    let acts = party.handle(Input::Addresses(&leaving));
    assert!(
        acts.iter().any(|act| act.contains("192.0.2.1 of term 0: Taken")),
        "{acts:?}"
    );
    assert_eq!(party.machine.yielded().count(), 0);
    assert_eq!(party.machine.next_deadline(), None);
}

fn carry(from: &mut Party, to: &mut Party, interface: InterfaceIndex) {
    while let Some(Transmit { frame, .. }) = from.machine.poll_transmit() {
        let bytes = &frame;
        to.machine.handle(Input::Frame { interface, bytes }, to.now);
    }
}

#[test]
fn what_a_station_takes_over_though_another_has_it_is_given_back_at_once() {
    // The one is cut off, believes that it is the last, and takes over; the other has the addresses and hears the rest.
    let mut one = Party::new(&[interface(1)], &BTreeMap::new());
    let mut other = Party::new(&[interface(2)], &everywhere(&BOTH)).settled();
    one.handle(Input::CutOff(true));
    one.now = other.now;
    one.machine.handle(Input::Addresses(&everywhere(&BOTH)), one.now);
    while one.machine.poll_event().is_some() {}
    for _ in 0..3 {
        carry(&mut one, &mut other, 2);
        carry(&mut other, &mut one, 1);
    }
    assert_eq!(one.machine.yielded().count(), 2);
    one.drain();
    assert_eq!(answers(&mut one), 0);
}

#[test]
fn two_that_gave_in_to_each_other_do_not_come_back_in_one_moment() {
    let back = |index: InterfaceIndex| {
        let mut party = Party::new(&[interface(index)], &everywhere(&BOTH[..1])).settled();
        party.handle(Input::CutOff(true));
        let [claim, _] = arp::gratuitous("192.0.2.1".parse().unwrap(), mac(9));
        party.handle(Input::Frame {
            interface: index,
            bytes: &claim,
        });
        let acts = party.run_until(at(60_000));
        let told = acts.iter().find(|(_, act)| act.contains("arp reply"));
        told.map(|(ms, _)| *ms).unwrap()
    };
    let mut times: Vec<_> = (1..9).map(back).collect();
    times.sort_unstable();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 100), "{times:?}");
}
