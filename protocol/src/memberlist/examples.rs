//! Messages for the tests of the codec: what Go's library writes, and any at all.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use ring::digest::{SHA256, digest};

use super::message::{
    Ack, Alive, Dead, IndirectPing, Message, Nack, NodeState, Origin, Ping, PushPull, Status, Suspect,
    Versions,
};
use super::{Key, Keyring, Wire};

/// What Go's library writes, by the name that `testdata/memberlist.hex` gives it.
pub(super) fn upstream(name: &str) -> Vec<u8> {
    let text = include_str!("../../testdata/memberlist.hex");
    let hex = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no vector {name}"));
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// With a key that begins with this secret, as the one in which the vectors are sealed; without one if it is empty.
pub(super) fn wire(secret: &str) -> Wire {
    let nothing = digest(&SHA256, &[]);
    let bytes: Vec<u8> = secret.bytes().chain(nothing.as_ref().iter().copied()).collect();
    let key = Key::new(&bytes[..nothing.as_ref().len()]).filter(|_| !secret.is_empty());
    Wire::new(key.into_iter().collect::<Keyring>())
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß]{0,60}"
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

/// What Go would write as an IPv4 address is one.
fn socket() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

fn origin() -> impl Strategy<Value = Option<Origin>> {
    prop::option::of((socket(), text()).prop_map(|(address, node)| Origin { address, node }))
}

fn versions() -> impl Strategy<Value = Versions> {
    any::<[u8; 6]>().prop_map(|v| Versions {
        protocol_min: v[0],
        protocol_max: v[1],
        protocol: v[2],
        delegate_min: v[3],
        delegate_max: v[4],
        delegate: v[5],
    })
}

pub(super) fn ping() -> impl Strategy<Value = Ping> {
    (any::<u32>(), text(), origin()).prop_map(|(sequence, node, origin)| Ping {
        sequence,
        node,
        origin,
    })
}

pub(super) fn ack() -> impl Strategy<Value = Ack> {
    (any::<u32>(), bytes()).prop_map(|(sequence, payload)| Ack { sequence, payload })
}

/// Any message.
pub(super) fn message() -> impl Strategy<Value = Message> {
    let claim = || (any::<u32>(), text(), text());
    prop_oneof![
        ping().prop_map(Message::Ping),
        (ping(), socket(), any::<bool>()).prop_map(|(ping, target, nack)| {
            Message::IndirectPing(IndirectPing {
                sequence: ping.sequence,
                target,
                node: ping.node,
                nack,
                origin: ping.origin,
            })
        }),
        ack().prop_map(Message::Ack),
        any::<u32>().prop_map(|sequence| Message::Nack(Nack { sequence })),
        claim().prop_map(|(incarnation, node, from)| Message::Suspect(Suspect {
            incarnation,
            node,
            from
        })),
        claim().prop_map(|(incarnation, node, from)| Message::Dead(Dead {
            incarnation,
            node,
            from
        })),
        state().prop_map(|state| Message::Alive(Alive {
            incarnation: state.incarnation,
            node: state.name,
            address: state.address,
            meta: state.meta,
            versions: state.versions,
        })),
        bytes().prop_map(Message::User),
    ]
}

fn state() -> impl Strategy<Value = NodeState> {
    let status = prop::sample::select(vec![Status::Alive, Status::Suspect, Status::Dead, Status::Left]);
    (text(), socket(), bytes(), any::<u32>(), status, versions()).prop_map(
        |(name, address, meta, incarnation, status, versions)| NodeState {
            name,
            address,
            meta,
            incarnation,
            status,
            versions,
        },
    )
}

/// Any push-pull.
pub(super) fn push_pull() -> impl Strategy<Value = PushPull> {
    (any::<bool>(), prop::collection::vec(state(), 0..20), bytes()).prop_map(|(join, nodes, user_state)| {
        PushPull {
            join,
            nodes,
            user_state,
        }
    })
}
