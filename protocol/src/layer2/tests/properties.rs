//! Random histories against a model that knows only the present: whatever happened, groups and answers must follow from
//! the addresses and interfaces of now.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Interfaces(Vec<Interface>),
    Addresses(BTreeMap<IpAddr, Assignment>),
    Wait(u64),
    Entitled(bool),
    Frame(InterfaceIndex, Vec<u8>),
}

fn interfaces() -> impl Strategy<Value = Vec<Interface>> {
    let one = (1..4_u32, any::<[bool; 4]>(), 0..2_u32, 0..2_u64).prop_map(
        |(index, [carrier, arp, v6, renamed], moved, incarnation)| {
            let base = interface(index);
            let name = if renamed { "lan".to_string() } else { base.name };
            Interface {
                name,
                carrier,
                arp,
                ndp: v6,
                mac: mac(index + 100 * moved),
                incarnation,
                ..base
            }
        },
    );
    proptest::collection::btree_map(1..4_u32, one, 0..4).prop_map(|map| {
        map.into_iter()
            .map(|(index, interface)| Interface { index, ..interface })
            .collect()
    })
}

fn addresses() -> impl Strategy<Value = BTreeMap<IpAddr, Assignment>> {
    let choice = proptest::option::of(proptest::collection::btree_set(
        prop_oneof![
            Just("eth1".to_string()),
            Just("eth2".to_string()),
            Just("lan".to_string())
        ],
        0..3,
    ))
    .prop_map(|names| names.map_or(InterfaceChoice::All, |names| InterfaceChoice::Only(names.into())));
    let tenure = prop_oneof![3 => Just(Tenure::Staying), 1 => Just(Tenure::Leaving)];
    let assignment =
        (choice, tenure, 0..3_u64).prop_map(|(choice, tenure, term)| Assignment { choice, tenure, term });
    // The last two share a solicited-node group.
    let all = ["192.0.2.1", "192.0.2.2", "2001:db8:1::5", "2001:db8:2::5"];
    proptest::collection::btree_map(
        proptest::sample::select(all.to_vec()).prop_map(ip),
        assignment,
        0..5,
    )
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(arp_request("192.0.2.1")),
        Just(solicitation("2001:db8:1::5", PEER.ip)),
        Just(solicitation("2001:db8:1::5", Ipv6Addr::UNSPECIFIED)),
        Just(arp::gratuitous("192.0.2.1".parse().unwrap(), PEER.mac)[1].clone()),
        Just(ndp::advertisement(
            PEER.mac,
            Station::all_nodes(),
            "2001:db8:1::5".parse().unwrap(),
            Kind::Announcement
        )),
    ];
    let damaged =
        (valid, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, position, byte)| {
            let position = position.index(frame.len());
            frame[position] = byte;
            frame
        });
    prop_oneof![damaged, proptest::collection::vec(any::<u8>(), 0..200)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        interfaces().prop_map(Step::Interfaces),
        addresses().prop_map(Step::Addresses),
        (0..6_000_u64).prop_map(Step::Wait),
        any::<bool>().prop_map(Step::Entitled),
        (0..5_u32, frames()).prop_map(|(index, frame)| Step::Frame(index, frame)),
    ];
    proptest::collection::vec(step, 0..30)
}

/// The machine, what it sent and when, and the groups that it wants joined.
type Outcome = (
    Announcer,
    Vec<(Time, Transmit)>,
    BTreeSet<(InterfaceIndex, Ipv6Addr)>,
);

/// Applies `steps`, and keeps the set of joined groups as a driver would.
fn run(steps: &[Step]) -> Outcome {
    let (mut machine, mut now) = (Announcer::new(), at(0));
    let (mut sent, mut joined) = (Vec::new(), BTreeSet::new());
    for step in steps {
        match step {
            Step::Interfaces(list) => machine.handle(Input::Interfaces(list), now),
            Step::Addresses(map) => machine.handle(Input::Addresses(map), now),
            Step::Frame(interface, bytes) => machine.handle(
                Input::Frame {
                    interface: *interface,
                    bytes,
                },
                now,
            ),
            Step::Entitled(entitled) => machine.handle(Input::Entitled(*entitled), now),
            Step::Wait(ms) => {
                now = now + Duration::from_millis(*ms);
                machine.handle(Input::Timeout, now);
            }
        }
        while let Some(transmit) = machine.poll_transmit() {
            assert!(machine.is_entitled(), "said while it may not speak");
            sent.push((now, transmit));
        }
        while let Some(event) = machine.poll_event() {
            match event {
                Event::Join { interface, group } => {
                    assert!(joined.insert((interface, group)), "joined twice");
                }
                Event::Leave { interface, group } => {
                    assert!(joined.remove(&(interface, group)), "left twice");
                }
                Event::Withdrawn { .. }
                | Event::HandedOver { .. }
                | Event::Contested { .. }
                | Event::Yielded { .. } => {}
            }
        }
    }
    (machine, sent, joined)
}

fn chosen(choice: &InterfaceChoice, name: &str) -> bool {
    match choice {
        InterfaceChoice::All => true,
        InterfaceChoice::Only(names) => names.contains(name),
    }
}

proptest! {
    #[test]
    fn joined_groups_follow_from_the_present(steps in steps()) {
        let (mut last_interfaces, mut last_addresses) = (Vec::new(), BTreeMap::new());
        for step in &steps {
            match step {
                Step::Interfaces(list) => last_interfaces.clone_from(list),
                Step::Addresses(map) => last_addresses.clone_from(map),
                Step::Wait(_) | Step::Entitled(_) | Step::Frame(..) => {}
            }
        }
        let (machine, _, joined) = run(&steps);
        // Of what leaves the past says whether it has left.
        let held = |(ip, assignment): &(&IpAddr, &Assignment)| {
            assignment.tenure == Tenure::Staying || machine.addresses.contains_key(*ip)
        };
        let mut expected = BTreeSet::new();
        for interface in last_interfaces.iter().filter(|interface| interface.ndp) {
            for (ip, assignment) in last_addresses.iter().filter(held) {
                if let IpAddr::V6(ip) = ip && chosen(&assignment.choice, &interface.name) {
                    expected.insert((interface.index, ndp::solicited_node(*ip)));
                }
            }
        }
        prop_assert_eq!(joined, expected);
    }

    #[test]
    fn what_leaves_has_left_after_the_limit(steps in steps()) {
        let (mut machine, _, _) = run(&steps);
        let end = machine.now + HANDOVER_LIMIT;
        machine.handle(Input::Timeout, end);
        let leaving = |served: &&Served| served.assignment.tenure == Tenure::Leaving;
        prop_assert_eq!(machine.addresses.values().filter(leaving).count(), 0);
    }

    #[test]
    fn five_quiet_seconds_after_the_last_change_nothing_is_sent(steps in steps()) {
        let (mut machine, _, _) = run(&steps);
        let end = machine.now + Duration::from_secs(5);
        machine.handle(Input::Timeout, end);
        while machine.poll_transmit().is_some() {}
        prop_assert_eq!(machine.next_deadline(), None);
    }

    #[test]
    fn the_schedule_only_names_what_is_served_now(steps in steps()) {
        let (mut machine, _, _) = run(&steps);
        let (served, up): (BTreeSet<IpAddr>, BTreeSet<InterfaceIndex>) =
            (machine.addresses.keys().copied().collect(), machine.interfaces.keys().copied().collect());
        while let Some(deadline) = machine.schedule.next_due() {
            let (ip, index) = machine.schedule.pop_due(deadline).unwrap();
            prop_assert!(served.contains(&ip) && up.contains(&index));
        }
    }

    #[test]
    fn the_same_history_sends_the_same_frames(steps in steps()) {
        prop_assert_eq!(run(&steps).1, run(&steps).1);
    }
}
