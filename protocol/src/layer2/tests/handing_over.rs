//! An address that moves to another station: who answers meanwhile.

use proptest::prelude::*;

use super::*;

fn assigned(tenure: Tenure, term: u64) -> BTreeMap<IpAddr, Assignment> {
    let one = |text: &&str| {
        let choice = InterfaceChoice::All;
        (ip(text), Assignment { choice, tenure, term })
    };
    ["192.0.2.1", "2001:db8::1"].iter().map(one).collect()
}

fn staying() -> BTreeMap<IpAddr, Assignment> {
    assigned(Tenure::Staying, 0)
}

fn leaving() -> BTreeMap<IpAddr, Assignment> {
    assigned(Tenure::Leaving, 0)
}

/// What another station sends when it takes an address over.
fn claims(text: &str, own: MacAddr) -> Vec<Vec<u8>> {
    match ip(text) {
        IpAddr::V4(ip) => arp::gratuitous(ip, own).into(),
        IpAddr::V6(ip) => vec![ndp::advertisement(
            own,
            Station::all_nodes(),
            ip,
            Kind::Announcement,
        )],
    }
}

fn hear(party: &mut Party, index: InterfaceIndex, frame: &[u8]) -> Vec<String> {
    party.handle(Input::Frame {
        interface: index,
        bytes: frame,
    })
}

fn answers(party: &mut Party, index: InterfaceIndex, text: &str) -> bool {
    let question = match ip(text) {
        IpAddr::V4(_) => arp_request(text),
        IpAddr::V6(_) => solicitation(text, PEER.ip),
    };
    !hear(party, index, &question).is_empty()
}

const OVER: [&str; 5] = [
    "handed over 192.0.2.1 of term 0: Taken",
    "withdrawn 192.0.2.1 after 1 answers",
    "handed over 2001:db8::1 of term 0: Taken",
    "eth1: leave ff02::1:ff00:1",
    "withdrawn 2001:db8::1 after 1 answers",
];

#[test]
fn a_leaving_address_is_answered_for_and_told_to_nobody_until_another_station_claims_it() {
    let mut party = Party::new(&[interface(1)], &staying());
    // It came a moment ago, so that it is asked whether the next one is there already.
    let asked = [
        "eth1: arp probe for 192.0.2.1 by 1 to ff:ff:ff:ff:ff:ff",
        "eth1: ns probe for 2001:db8::1 by 1 to 33:33:ff:00:00:01",
    ];
    assert_eq!(party.handle(Input::Addresses(&leaving())), asked);
    assert_eq!(party.run_until(at(500)), [], "the gratuitous schedule is over");
    let mut acts = Vec::new();
    for text in ["192.0.2.1", "2001:db8::1"] {
        assert!(answers(&mut party, 1, text));
        for claim in claims(text, mac(9)) {
            acts.extend(hear(&mut party, 1, &claim));
        }
        assert!(!answers(&mut party, 1, text));
    }
    assert_eq!(acts, OVER);
    assert_eq!(party.machine.next_deadline(), None);
}

#[test]
fn a_leaving_address_that_nobody_claims_is_answered_for_until_the_limit() {
    let mut party = Party::new(&[interface(1)], &staying()).settled();
    party.handle(Input::Addresses(&leaving()));
    party.now = party.now + Duration::from_millis(799);
    assert!(answers(&mut party, 1, "192.0.2.1") && answers(&mut party, 1, "2001:db8::1"));
    // The timer of a driver may be late. The frame that comes before it gets no answer all the same.
    party.now = party.now + Duration::from_millis(1);
    let acts = hear(&mut party, 1, &arp_request("192.0.2.1"));
    assert_eq!(acts, OVER.map(|act| act.replace("Taken", "Expired")));
    assert_eq!(party.machine.counters().count(), 0);
}

#[test]
fn an_address_that_comes_back_while_it_leaves_is_told_and_stays() {
    let mut party = Party::new(&[interface(1)], &staying()).settled();
    party.handle(Input::Addresses(&leaving()));
    let told = party.handle(Input::Addresses(&assigned(Tenure::Staying, 1)));
    assert_eq!(told.len(), 3, "two forms of ARP and one advertisement: {told:?}");
    party.run_until(at(60_000));
    assert!(answers(&mut party, 1, "192.0.2.1"));
}

#[test]
fn what_is_withdrawn_while_it_leaves_ends_at_once() {
    let mut party = Party::new(&[interface(1)], &staying()).settled();
    party.handle(Input::Addresses(&leaving()));
    party.handle(Input::Addresses(&BTreeMap::new()));
    assert!(!answers(&mut party, 1, "192.0.2.1"));
    assert_eq!(party.machine.next_deadline(), None);
}

#[test]
fn what_is_not_served_is_not_handed_over() {
    let mut party = Party::new(&[interface(1)], &BTreeMap::new());
    let expected = ["192.0.2.1", "2001:db8::1"].map(|ip| format!("handed over {ip} of term 0: NotServed"));
    assert_eq!(party.handle(Input::Addresses(&leaving())), expected);
    assert!(!answers(&mut party, 1, "192.0.2.1"));
}

#[test]
fn each_interface_is_left_when_the_next_owner_is_heard_there() {
    let dark = Interface {
        carrier: false,
        ..interface(3)
    };
    let mut party = Party::new(&[interface(1), interface(2), dark], &staying()).settled();
    party.handle(Input::Addresses(&leaving()));
    let claim = &claims("192.0.2.1", mac(9))[1];
    hear(&mut party, 1, claim);
    assert!(!answers(&mut party, 1, "192.0.2.1") && answers(&mut party, 2, "192.0.2.1"));
    // Nobody is to be heard where there is no link.
    let acts = hear(&mut party, 2, claim);
    assert_eq!(acts[0], "handed over 192.0.2.1 of term 0: Taken");

    // Nor where there is no interface any more.
    hear(&mut party, 1, &claims("2001:db8::1", mac(9))[0]);
    assert!(answers(&mut party, 2, "2001:db8::1"));
    let acts = party.handle(Input::Interfaces(&[interface(1)]));
    assert!(acts.contains(&"handed over 2001:db8::1 of term 0: Taken".to_owned()));
}

#[test]
fn only_another_station_with_the_same_address_counts() {
    let [_, foreign] = arp::gratuitous(ASKER, mac(9));
    let two = || [interface(1), interface(2)];
    let frames = [
        ("another address", foreign),
        ("our other interface", claims("192.0.2.1", mac(2)).remove(1)),
        ("a question", arp_request("192.0.2.1")),
        ("a probe for duplicates", {
            let mut probe = arp_request("192.0.2.1");
            probe[28..32].fill(0);
            probe
        }),
        (
            "to another station",
            to(&claims("192.0.2.1", mac(9)).remove(1), mac(7)),
        ),
    ];
    for (name, frame) in frames {
        let mut party = Party::new(&two(), &staying()).settled();
        party.handle(Input::Addresses(&leaving()));
        hear(&mut party, 1, &frame);
        assert!(answers(&mut party, 1, "192.0.2.1"), "{name}");
    }
    // A host that uses the address asks for another one.
    let mut party = Party::new(&two(), &staying()).settled();
    party.handle(Input::Addresses(&leaving()));
    let mut question = arp_request("192.0.2.77");
    question[28..32].copy_from_slice(&[192, 0, 2, 1]);
    hear(&mut party, 1, &question);
    assert!(!answers(&mut party, 1, "192.0.2.1"));
}

#[test]
fn a_next_owner_that_spoke_before_we_heard_of_the_move_is_not_waited_for() {
    for (ago_ms, known) in [(1, true), (1_499, true), (1_500, false)] {
        let mut party = Party::new(&[interface(1)], &staying()).settled();
        hear(&mut party, 1, &claims("192.0.2.1", mac(9))[0]);
        party.now = party.now + Duration::from_millis(ago_ms);
        party.handle(Input::Addresses(&leaving()));
        assert_eq!(
            answers(&mut party, 1, "192.0.2.1"),
            !known,
            "heard {ago_ms} ms ago"
        );
        assert!(answers(&mut party, 1, "2001:db8::1"), "that one was not claimed");
    }
}

#[test]
fn an_owner_that_had_just_begun_hears_its_successor_at_the_first_repetition() {
    let mut former = Party::new(&[interface(1)], &staying());
    let mut next = Party::new(&[interface(2)], &BTreeMap::new());
    next.machine.handle(Input::Addresses(&staying()), at(0));
    let mut over_ms = None;
    for ms in 0..1_000 {
        next.machine.handle(Input::Timeout, at(ms));
        former.run_until(at(ms));
        // The first claim may as well be its predecessor's, which is late to hear of the move.
        while let Some(told) = next.machine.poll_transmit() {
            hear(&mut former, 1, &told.frame);
        }
        if ms == 3 {
            former.handle(Input::Addresses(&leaving()));
        }
        if !answers(&mut former, 1, "192.0.2.1") {
            over_ms = Some(ms);
            break;
        }
    }
    assert_eq!(over_ms, Some(200));
}

#[test]
fn two_owners_are_told_once_unless_one_gives_in() {
    let contested = |acts: &[(u128, String)]| {
        let said = acts.iter().filter(|(_, act)| act.contains("contested"));
        said.cloned().collect::<Vec<_>>()
    };
    let count = |party: &Party| {
        let mut counters = party.machine.counters();
        counters.next().map(|(_, counters)| counters.contested)
    };
    let claim = &claims("192.0.2.1", mac(9))[0];

    // The former owner had not heard yet that it is ours.
    let mut party = Party::new(&[interface(1)], &staying());
    party.now = at(1_000);
    hear(&mut party, 1, claim);
    assert_eq!(contested(&party.run_until(at(20_000))), []);

    // A host that uses our address: it goes on.
    let mut acts = Vec::new();
    for second in 20..24 {
        acts.extend(party.run_until(at(1_000 * second)));
        hear(&mut party, 1, claim);
    }
    acts.extend(party.run_until(at(60_000)));
    assert_eq!(
        contested(&acts),
        [(
            21_500,
            "eth1: 192.0.2.1 contested by 02:00:00:00:00:09".to_owned()
        )]
    );
    assert_eq!(count(&party), Some(4));
    assert_eq!(party.machine.next_deadline(), None);
    assert!(answers(&mut party, 1, "192.0.2.1"), "an owner never gives in");
}

/// The next owner was told first, and of an address that came a moment ago nobody's claim counts.
#[test]
fn who_hands_over_what_came_a_moment_ago_asks_whether_the_next_owner_is_there() {
    for (ms, probes) in [(527, 1), (1_499, 1), (1_501, 0)] {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let mut old = Party::new(&[interface(1)], &BTreeMap::new()).settled();
            let begun = old.now;
            old.handle(Input::Addresses(&staying()));
            old.run_until(begun + Duration::from_millis(ms));
            let mut next = Party::new(&[interface(2)], &BTreeMap::new());
            next.now = old.now;
            next.machine.handle(Input::Addresses(&staying()), next.now);
            while let Some(Transmit { frame, .. }) = next.machine.poll_transmit() {
                hear(&mut old, 1, &frame);
            }
            assert!(
                answers(&mut old, 1, text),
                "after {ms} ms it has not heard that it is over"
            );
            old.machine.handle(Input::Addresses(&leaving()), old.now);
            let asked: Vec<Transmit> = std::iter::from_fn(|| old.machine.poll_transmit()).collect();
            assert_eq!(asked.len(), 2 * probes, "{ms} ms");
            for Transmit { frame, .. } in asked {
                let (interface, bytes) = (2, &frame[..]);
                next.machine.handle(Input::Frame { interface, bytes }, next.now);
            }
            while let Some(Transmit { frame, .. }) = next.machine.poll_transmit() {
                hear(&mut old, 1, &frame);
            }
            old.handle(Input::Timeout);
            assert!(!answers(&mut old, 1, text), "{text} after {ms} ms");
        }
    }
}

/// One probe each millisecond, as a neighbour sends it; who answers: 1 the former owner, 2 the next one.
#[derive(Debug, Clone)]
struct Move {
    /// When the next owner hears of the move, counted from when the former one does.
    lag_ms: i32,
    /// The network keeps the next owner's announcements from the former one.
    deaf: bool,
    /// Half of all stations are missing: whether the former owner knows that, and whether the next one does.
    cut_off: [bool; 2],
}

const LEAVES_AT: u64 = 10_000;

/// Who answers in each millisecond around the move, from 2 seconds before it to 3 seconds after it.
fn watch(
    Move {
        lag_ms,
        deaf,
        cut_off,
    }: &Move,
    text: &str,
) -> Vec<(i64, [bool; 2])> {
    let (mut old, mut new) = (
        Party::new(&[interface(1)], &staying()).settled(),
        Party::new(&[interface(2)], &BTreeMap::new()),
    );
    for (party, cut_off) in [&mut old, &mut new].into_iter().zip(cut_off) {
        party.handle(Input::CutOff(*cut_off));
    }
    let start = LEAVES_AT.strict_add_signed(i64::from(*lag_ms));
    let mut seen = Vec::new();
    for ms in LEAVES_AT - 2_000..LEAVES_AT + 3_000 {
        (old.now, new.now) = (old.now.max(at(ms)), at(ms));
        old.handle(Input::Timeout);
        new.machine.handle(Input::Timeout, at(ms));
        if ms == LEAVES_AT {
            old.handle(Input::Addresses(&leaving()));
        }
        if ms == start {
            new.machine.handle(Input::Addresses(&staying()), at(ms));
        }
        let told: Vec<_> = std::iter::from_fn(|| new.machine.poll_transmit()).collect();
        for Transmit { frame, .. } in told.iter().filter(|_| !deaf) {
            let (interface, bytes) = (1, &frame[..]);
            old.machine.handle(Input::Frame { interface, bytes }, at(ms));
            while let Some(Transmit { frame, .. }) = old.machine.poll_transmit() {
                hear(&mut new, 2, &frame);
            }
            old.handle(Input::Timeout);
        }
        let answering = [answers(&mut old, 1, text), answers(&mut new, 2, text)];
        seen.push((i64::try_from(ms).unwrap() - 10_000, answering));
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn somebody_answers_all_the_time_and_nobody_two_for_a_second(
        lag_ms in -1_400..1_200_i32,
        deaf in prop::bool::weighted(0.2),
        // One that knows it hands over to one that was there when they went missing, and to one that was not.
        cut_off in prop::sample::select(vec![[false, false], [true, true], [true, false]]),
        v6: bool,
    ) {
        let limit = i64::try_from(HANDOVER_LIMIT.as_millis()).unwrap();
        let text = if v6 { "2001:db8::1" } else { "192.0.2.1" };
        let seen = watch(&Move { lag_ms, deaf, cut_off }, text);
        let in_time = i64::from(lag_ms) < limit;
        let mut both = 0;
        for (ms, [old, new]) in seen {
            prop_assert!(old || new || !in_time, "nobody answers at {} ms", ms);
            prop_assert!(!old || ms < limit, "the former owner answers at {} ms", ms);
            prop_assert_eq!(new, ms >= i64::from(lag_ms));
            both += i32::from(old && new);
        }
        // Who is heard is followed at once; the former owner cannot know before it is told, unless it gives in to everybody.
        let expected = match (deaf, lag_ms, cut_off) {
            (false, 0.., _) | (false, _, [true, _]) => 0,
            (false, ..0, [false, _]) => -lag_ms,
            (true, ..) => 800 - lag_ms.min(800),
        };
        prop_assert_eq!(both, expected);
    }
}
