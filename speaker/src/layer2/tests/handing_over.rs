//! An address that moves from one node to another on the same segment, as a neighbour sees it who asks all the time.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;

use metallb_protocol::arp;
use metallb_protocol::layer2::HANDOVER_LIMIT;
use metallb_sys::{PacketSocket, Targets, Traffic};

use super::super::lab::ip;
use super::*;

/// The neighbour asks so often.
const ASKING: Duration = Duration::from_millis(2);
/// What it may wait for an answer. Both nodes and the neighbour share a machine that may do other things as well. Without
/// a handover it waits until the next owner has heard of the move, here [`LATE`].
const PATIENCE: Duration = Duration::from_millis(100);
/// So much later than the former owner the next one hears of the move.
const LATE: Duration = Duration::from_millis(300);

/// The neighbour is a switch between two nodes, with an address of its own.
struct Segment {
    street: Street,
    other: Space,
    their_layer2: Handle,
}

impl Segment {
    fn new() -> Option<Self> {
        let (street, other) = (Street::new()?, Space::new()?);
        other.sysctl("ipv6/conf/default/dad_transmits", "0");
        let neighbour = &street.neighbour;
        neighbour.ip("link add peer0 address 02:00:00:00:00:50 type bridge mcast_snooping 0");
        for (node, port) in [(&street.node, "port0"), (&other, "port1")] {
            node.connect("lan0", neighbour, port);
            node.ip("link set lan0 up");
            neighbour.ip(&format!("link set {port} up master peer0"));
        }
        street.furnish_neighbour();
        street.serve(&[V4, V6]);
        for ip in [V4, V6] {
            street.finds(ip, "lan0");
        }
        let (their_layer2, _) = other.run(|| start(Exclusions::none(), Entitlement::for_ever()).unwrap());
        Some(Self {
            street,
            other,
            their_layer2,
        })
    }

    fn they_announce(&self) {
        for ip in [V4, V6] {
            self.their_layer2.announce(address(ip), InterfaceChoice::All);
        }
    }

    /// What the neighbour hears while `act` runs: the answers, by their sender.
    fn heard_during(&self, act: impl FnOnce()) -> Vec<(Instant, MacAddr)> {
        let done = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let end = Arc::clone(&done);
            let asker = scope.spawn(|| self.street.neighbour.run(move || ask_until(&end)));
            act();
            done.store(true, Ordering::Relaxed);
            asker.join().unwrap()
        })
    }

    /// The node has nothing left to serve.
    fn left(&self) {
        wait_until("nothing is served by the former owner", || {
            let left = self.street.layer2.desired.borrow().addresses.is_empty();
            left.then_some(()).ok_or_else(String::new)
        });
    }

    /// The neighbour finds the addresses at the other node, even if it has forgotten where they were.
    fn found_at_the_other(&self) {
        let shown = self.other.ip("-brief link show dev lan0");
        let mac = shown.split_whitespace().nth(2).unwrap().to_owned();
        for ip in [V4, V6] {
            wait_until("the neighbour was told", || {
                let known = self.street.known(ip);
                known.contains(&mac).then_some(()).ok_or(known)
            });
            self.street
                .neighbour
                .ip(&format!("neigh flush to {ip} dev peer0"));
            wait_until("the other node answers", || {
                self.street.neighbour.run(move || send_to(ip));
                let known = self.street.known(ip);
                known.contains(&mac).then_some(()).ok_or(known)
            });
        }
    }
}

/// Asks for [`V4`] on `peer0` all the time, until told to end.
fn ask_until(end: &AtomicBool) -> Vec<(Instant, MacAddr)> {
    let shown = ip("-oneline link show dev peer0");
    let index = shown.split(':').next().unwrap().parse().unwrap();
    let [mut question, _] = arp::gratuitous(Ipv4Addr::new(192, 0, 2, 50), MacAddr::new(2, 0, 0, 0, 0, 0x50));
    question[38..42].copy_from_slice(&V4.parse::<Ipv4Addr>().unwrap().octets());
    let mut heard = Vec::new();
    runtime().block_on(async {
        let socket = PacketSocket::open(index, Traffic::ArpReplies, &Targets::all()).unwrap();
        let mut buffer = [0; 2048];
        while !end.load(Ordering::Relaxed) {
            assert!(socket.try_send(&question).unwrap());
            let next = tokio::time::Instant::now() + ASKING;
            loop {
                let answer = poll_fn(|context| socket.poll_receive(context, &mut buffer));
                let Ok(len) = tokio::time::timeout_at(next, answer).await else {
                    break;
                };
                assert!(len.unwrap() >= 42);
                let sender = &buffer[6..12];
                let mac = MacAddr::new(sender[0], sender[1], sender[2], sender[3], sender[4], sender[5]);
                heard.push((Instant::now(), mac));
            }
        }
    });
    heard
}

fn pause(length: Duration) {
    runtime().block_on(async { tokio::time::sleep(length).await });
}

fn longest_silence(heard: &[(Instant, MacAddr)]) -> Duration {
    let gaps = heard.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0));
    gaps.max().expect("there are answers")
}

/// `act` moves the addresses. There is an answer all the time, and in the end only one from the other node.
fn check(segment: &Segment, act: impl FnOnce()) {
    let heard = segment.heard_during(act);
    let silence = longest_silence(&heard);
    assert!(silence < PATIENCE, "{silence:?} without an answer");
    let senders: BTreeSet<_> = heard.iter().map(|(_, mac)| mac.to_string()).collect();
    assert_eq!(senders.len(), 2, "both have answered: {senders:?}");
    segment.found_at_the_other();
}

#[test]
fn a_neighbour_always_gets_an_answer_while_an_address_moves() {
    let Some(segment) = Segment::new() else { return };
    check(&segment, || {
        let start = Instant::now();
        for ip in [V4, V6] {
            segment.street.layer2.hand_over(address(ip));
        }
        pause(LATE);
        segment.they_announce();
        segment.left();
        let took = start.elapsed();
        assert!(took < HANDOVER_LIMIT, "the next owner was not heard: {took:?}");
    });
}

#[test]
fn a_node_that_ends_is_answering_until_the_next_owner_was_heard() {
    let Some(segment) = Segment::new() else { return };
    let parting = segment.street.layer2.parting();
    check(&segment, || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pause(LATE);
                segment.they_announce();
            });
            runtime().block_on(parting.part());
        });
        let took = start.elapsed();
        assert!((LATE..HANDOVER_LIMIT).contains(&took), "{took:?}");
    });
    // What is announced at the end is not begun.
    segment.street.serve(&["192.0.2.3"]);
    assert!(segment.street.layer2.desired.borrow().addresses.is_empty());
}

#[test]
fn a_node_that_ends_without_a_next_owner_waits_no_longer_than_the_limit() {
    let Some(street) = Street::with_cable() else {
        return;
    };
    street.finds(V4, "lan0");
    let start = Instant::now();
    runtime().block_on(street.layer2.parting().part());
    let took = start.elapsed();
    assert!(took >= HANDOVER_LIMIT && took < 2 * HANDOVER_LIMIT, "{took:?}");
    assert!(street.layer2.desired.borrow().addresses.is_empty());
}
