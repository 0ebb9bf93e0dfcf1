//! A station that may not speak for a while.

use super::*;

const BOTH: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

fn questions() -> [Vec<u8>; 2] {
    [arp_request(BOTH[0]), solicitation(BOTH[1], PEER.ip)]
}

fn ask(party: &mut Party) -> Vec<String> {
    let ask = |bytes: Vec<u8>| {
        party.handle(Input::Frame {
            interface: 1,
            bytes: &bytes,
        })
    };
    questions().into_iter().flat_map(ask).collect()
}

#[test]
fn who_may_not_speak_answers_nothing_and_tells_nothing() {
    let mut party = Party::new(&[interface(1)], &everywhere(&BOTH));
    assert_eq!(ask(&mut party).len(), 2);
    assert_eq!(party.handle(Input::Entitled(false)), [""; 0]);
    assert_eq!(ask(&mut party), [""; 0]);
    assert_eq!(party.machine.dropped()[&Drop::NotEntitled], 2);
    assert_eq!(party.machine.next_deadline(), None, "nothing is told later");
    // Nor of an address that is new, or on an interface that is.
    let more = everywhere(&["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
    assert_eq!(party.handle(Input::Addresses(&more)), [""; 0]);
    let acts = party.handle(Input::Interfaces(&[interface(1), interface(2)]));
    assert_eq!(acts, ["eth2: join ff02::1:ff00:1"]);
    assert_eq!(party.machine.next_deadline(), None);
}

#[test]
fn what_was_about_to_be_said_is_not_said() {
    let mut machine = Announcer::new();
    machine.handle(Input::Interfaces(&[interface(1)]), at(0));
    machine.handle(Input::Addresses(&everywhere(&BOTH)), at(0));
    for bytes in &questions() {
        machine.handle(Input::Frame { interface: 1, bytes }, at(0));
    }
    machine.handle(Input::Entitled(false), at(0));
    assert_eq!(machine.poll_transmit(), None);
}

#[test]
fn who_may_speak_again_tells_where_everything_is() {
    let mut party = Party::new(&[interface(1)], &everywhere(&BOTH)).settled();
    party.handle(Input::Entitled(false));
    assert_eq!(party.handle(Input::Entitled(false)), [""; 0]);
    let told = [
        "eth1: arp request 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
        "eth1: arp reply 192.0.2.1 is at 1 to ff:ff:ff:ff:ff:ff",
        "eth1: na 20 2001:db8::1 is at 1 to 33:33:00:00:00:01",
    ];
    assert_eq!(party.handle(Input::Entitled(true)), told);
    assert_eq!(
        party.handle(Input::Entitled(true)),
        [""; 0],
        "the same again is no news"
    );
    assert_eq!(party.run_until(at(60_000)).len(), 5 * told.len());
    assert_eq!(ask(&mut party).len(), 2);
}

#[test]
fn whoever_has_an_address_while_its_owner_may_not_speak_does_not_contest_it() {
    let mut party = Party::new(&[interface(1)], &everywhere(&BOTH[..1])).settled();
    let [_, claim] = arp::gratuitous("192.0.2.1".parse().unwrap(), mac(9));
    let claimed = Input::Frame {
        interface: 1,
        bytes: &claim,
    };
    // It takes over just before its former owner hears of it, and falls silent just after that may speak again.
    party.handle(claimed);
    party.handle(Input::Entitled(false));
    for ms in (10_000..20_000).step_by(500) {
        party.run_until(at(ms));
        party.handle(claimed);
    }
    party.handle(Input::Entitled(true));
    party.run_until(at(20_900));
    party.handle(claimed);
    let acts = party.run_until(at(60_000));
    assert!(acts.iter().all(|(_, act)| !act.contains("contested")), "{acts:?}");
}
