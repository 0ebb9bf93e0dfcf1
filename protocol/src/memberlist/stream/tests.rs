//! Streams of Go's library, and ours there and back, whole and in pieces.

use proptest::prelude::*;

use super::super::examples::{self, upstream, wire};
use super::super::message::{NodeState, Ping, PushPull, Status, Versions};
use super::super::{Refusal, Wire};
use super::{Collector, Content, Direction, MEMBERS_MAX, Progress, STREAM_MAX};

/// The secret of the vectors.
const SECRET: &str = "01234567890123456789012345678901";

fn labelled() -> Wire {
    let mut wire = wire(SECRET);
    wire.label = "lab".into();
    wire
}

fn collect(wire: &Wire, direction: Direction, bytes: &[u8]) -> Result<Progress, Refusal> {
    Collector::new(direction).take(bytes, wire)
}

fn ask(wire: &Wire, bytes: &[u8]) -> Result<Progress, Refusal> {
    collect(wire, Direction::Asking, bytes)
}

fn complete(content: Content) -> Progress {
    Progress::Complete(content)
}

/// What a member `node-a` that also knows `node-b` sends when it joins.
fn joining(user_state: &[u8]) -> Content {
    let node = |name: &str, address: &str, meta: &[u8], incarnation| NodeState {
        name: name.into(),
        address: address.parse().unwrap(),
        meta: meta.into(),
        incarnation,
        status: Status::Alive,
        versions: Versions::OURS,
    };
    Content::PushPull(PushPull {
        join: true,
        nodes: vec![
            node("node-a", "127.0.0.8:7946", b"", 1),
            node("node-b", "127.0.0.7:7946", b"meta", 3),
        ],
        user_state: user_state.into(),
    })
}

fn sorted(progress: Result<Progress, Refusal>) -> Result<Progress, Refusal> {
    progress.map(|progress| match progress {
        Progress::Complete(Content::PushPull(mut state)) => {
            state.nodes.sort_by(|a, b| a.name.cmp(&b.name));
            Progress::Complete(Content::PushPull(state))
        }
        other => other,
    })
}

#[test]
fn what_go_sends_is_read() {
    let ping = || {
        Content::Ping(Ping {
            sequence: 9,
            node: "x".into(),
            origin: None,
        })
    };
    for (vector, wire, state) in [
        ("stream_compressed", wire(""), ""),
        ("stream_plain", wire(""), "state"),
        ("stream_encrypted", wire(SECRET), ""),
        ("stream_labelled", labelled(), ""),
    ] {
        assert_eq!(
            sorted(ask(&wire, &upstream(vector))),
            Ok(complete(joining(state.as_bytes()))),
            "{vector}"
        );
        let named = |what| upstream(&format!("{vector}_{what}"));
        assert_eq!(ask(&wire, &named("ping")), Ok(complete(ping())), "{vector}");
        assert_eq!(
            ask(&wire, &named("user")),
            Ok(complete(Content::User(b"user".into()))),
            "{vector}"
        );
    }
    let expected = Ok(complete(Content::Error("no".into())));
    assert_eq!(
        collect(&wire(""), Direction::Answering, &upstream("error")),
        expected
    );
}

#[test]
fn we_write_what_go_writes() {
    let mut plain = wire("");
    for (compression, vector) in [(true, "stream_compressed_ping"), (false, "stream_plain_ping")] {
        plain.compression = compression;
        let Ok(Progress::Complete(ping)) = ask(&plain, &upstream(vector)) else {
            panic!()
        };
        assert_eq!(plain.stream(&ping, Direction::Asking, [0; 12]), upstream(vector));
    }
    let Ok(Progress::Complete(state)) = ask(&plain, &upstream("stream_plain")) else {
        panic!()
    };
    assert_eq!(
        plain.stream(&state, Direction::Asking, [0; 12]),
        upstream("stream_plain")
    );
}

#[test]
fn a_stream_for_others_is_refused_at_its_first_bytes() {
    assert_eq!(ask(&wire(SECRET), &[6]), Err(Refusal::Unauthenticated));
    assert_eq!(ask(&wire(""), &[10]), Err(Refusal::Encrypted));
    assert_eq!(ask(&wire(""), &[244]), Err(Refusal::Label));
    assert_eq!(ask(&labelled(), &[10]), Err(Refusal::Label));
    assert_eq!(ask(&labelled(), &[244, 3, b'x']), Err(Refusal::Label));
    assert_eq!(ask(&labelled(), &[244, 3]), Ok(Progress::Missing(3)));
    assert_eq!(ask(&wire(""), &[7]), Err(Refusal::Kind));
    assert_eq!(
        ask(&wire("other"), &upstream("stream_encrypted")),
        Err(Refusal::Unauthenticated)
    );
    let mut changing = wire(SECRET);
    changing.verify_incoming = false;
    assert!(matches!(
        ask(&changing, &upstream("stream_plain")),
        Ok(Progress::Complete(_))
    ));
}

#[test]
fn a_length_beyond_the_bound_is_refused_when_it_is_seen() {
    let sealed = |length: u32| [&[10][..], &length.to_be_bytes()].concat();
    let bound = u32::try_from(STREAM_MAX).unwrap();
    assert_eq!(
        ask(&wire(SECRET), &sealed(bound)),
        Ok(Progress::Missing(STREAM_MAX))
    );
    assert_eq!(ask(&wire(SECRET), &sealed(bound + 1)), Err(Refusal::TooLong));
    let raw = |name: &str, length: u32| {
        [b"\x09\x81\xa3Buf\xdb", &length.to_be_bytes()[..], name.as_bytes()].concat()
    };
    assert_eq!(
        ask(&wire(""), &raw("ab", bound)),
        Ok(Progress::Missing(STREAM_MAX - 2))
    );
    assert_eq!(ask(&wire(""), &raw("", bound + 1)), Err(Refusal::TooLong));
    for (field, limit) in [("\u{5}Nodes", MEMBERS_MAX), ("\u{c}UserStateLen", STREAM_MAX)] {
        let header = |count: usize| {
            let (length, name) = (0xa0 | field.as_bytes()[0], &field.as_bytes()[1..]);
            [
                &[6, 0x81, length][..],
                name,
                &[0xce],
                &u32::try_from(count).unwrap().to_be_bytes(),
            ]
            .concat()
        };
        assert!(
            matches!(ask(&wire(""), &header(limit)), Ok(Progress::Missing(_))),
            "{field}"
        );
        assert_eq!(
            ask(&wire(""), &header(limit + 1)),
            Err(Refusal::TooLong),
            "{field}"
        );
    }
    let mut collector = Collector::new(Direction::Asking);
    let piece = vec![0xa0; STREAM_MAX];
    assert!(matches!(
        collector.take(b"\x08\x81\xaaUserMsgLen\xce\x00\x20\x00\x00", &wire("")),
        Ok(Progress::Missing(_))
    ));
    assert!(matches!(
        collector.take(&piece, &wire("")),
        Ok(Progress::Complete(_)) | Err(Refusal::TooLong)
    ));
}

#[test]
fn a_bomb_is_refused() {
    let bomb = super::compress::compress(&vec![0; STREAM_MAX + 1]);
    assert_eq!(ask(&wire(""), &bomb), Err(Refusal::TooLong));
}

#[test]
fn a_member_that_cannot_be_one_does_not_hide_the_others() {
    let Content::PushPull(mut state) = joining(b"end") else {
        panic!()
    };
    state.nodes[0].name = "n".repeat(300);
    let bytes = wire("").stream(&Content::PushPull(state.clone()), Direction::Asking, [0; 12]);
    state.nodes.remove(0);
    assert_eq!(ask(&wire(""), &bytes), Ok(complete(Content::PushPull(state))));
}

#[test]
fn an_answer_bears_no_label_but_is_bound_to_it() {
    let content = Content::Error("no".into());
    let answer = labelled().stream(&content, Direction::Answering, [1; 12]);
    assert_eq!(answer[0], 10);
    assert_eq!(
        collect(&labelled(), Direction::Answering, &answer),
        Ok(complete(content))
    );
    assert_eq!(
        collect(&wire(SECRET), Direction::Answering, &answer),
        Err(Refusal::Unauthenticated)
    );
}

/// Five thousand nodes, as many as Kubernetes supports, with names as clouds give them and some words of their own.
#[test]
fn the_largest_cluster_fits() {
    let nodes = (0..5_000).map(|number: u32| NodeState {
        name: format!(
            "ip-10-{}-{}.eu-central-1.compute.internal.example",
            number / 250,
            number % 250
        ),
        address: "[2001:db8:1234:5678::1]:7946".parse().unwrap(),
        meta: vec![b'm'; 200],
        incarnation: u32::MAX,
        status: Status::Suspect,
        versions: Versions::OURS,
    });
    let state = Content::PushPull(PushPull {
        join: true,
        nodes: nodes.collect(),
        user_state: Vec::new(),
    });
    let mut wire = wire(SECRET);
    wire.compression = false;
    let bytes = wire.stream(&state, Direction::Asking, [0; 12]);
    assert_eq!(ask(&wire, &bytes), Ok(complete(state)));
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        examples::ping().prop_map(Content::Ping),
        examples::ack().prop_map(Content::Ack),
        examples::push_pull().prop_map(Content::PushPull),
        ".{0,40}".prop_map(Content::Error),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Content::User),
    ]
}

proptest! {
    #[test]
    fn what_is_sent_arrives_in_any_pieces(
        content in content(),
        secret in prop::sample::select(vec!["", "secret"]),
        label in prop::sample::select(vec!["", "label"]),
        compression in any::<bool>(),
        piece in 1_usize..200,
    ) {
        let mut wire = wire(secret);
        label.clone_into(&mut wire.label);
        wire.compression = compression;
        for direction in [Direction::Asking, Direction::Answering] {
            let bytes = wire.stream(&content, direction, [5; 12]);
            let mut collector = Collector::new(direction);
            let mut sent = 0;
            loop {
                let end = bytes.len().min(sent + piece);
                match collector.take(&bytes[sent..end], &wire).unwrap() {
                    Progress::Complete(read) => {
                        prop_assert_eq!((&read, end), (&content, bytes.len()));
                        break;
                    }
                    Progress::Missing(count) => prop_assert!(count >= 1 && count <= bytes.len() - end, "{count}"),
                }
                sent = end;
            }
        }
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..14) {
        for wire in [wire(""), wire("secret")] {
            let _ = ask(&wire, &bytes);
            let _ = ask(&wire, &[&[kind][..], &bytes].concat());
        }
    }
}
