//! Our members with members of hashicorp's own library, on 127.0.0.0/8: they join, answer, fail, object and leave, both
//! ways. Each test has a network of its own by its third byte, so that they run beside each other.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metallb_protocol::failover;
use metallb_protocol::memberlist::stream::{Collector, Content, Direction, Progress};
use metallb_protocol::memberlist::{Ack, Dead, Identity, Key, Message, Ping, Refusal, Settings, Wire};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

use super::{Config, Handle, View, start};
use crate::entitlement::{self, Entitlement};

/// Longer than anything here takes on a machine that is many times slower.
const PATIENCE: Duration = Duration::from_secs(30);

/// Members that find a failure in a second or two.
fn brisk() -> Settings {
    Settings {
        probe_interval: Duration::from_millis(200),
        probe_timeout: Duration::from_millis(100),
        gossip_interval: Duration::from_millis(50),
        push_pull_interval: Duration::from_secs(2),
        ..Settings::default()
    }
}

fn port(net: u8) -> u16 {
    17_900 + u16::from(net)
}

fn ip(net: u8, host: u8) -> IpAddr {
    [127, 9, net, host].into()
}

/// One of ours, in a thread of its own as in the speaker.
struct Ours {
    handle: Handle,
    entitlement: Entitlement,
}

impl Ours {
    fn start(net: u8, host: u8, secret: &str) -> Self {
        Self::with(net, host, secret, |_| {})
    }

    fn with(net: u8, host: u8, secret: &str, change: fn(&mut Wire)) -> Self {
        let mut wire = Wire::new(Key::from_secret(secret.as_bytes()).into_iter().collect());
        wire.default_port = port(net);
        change(&mut wire);
        let config = Config {
            own: Identity {
                name: format!("rust{host}"),
                address: (ip(net, host), port(net)).into(),
                meta: Vec::new(),
            },
            settings: Settings {
                datagram_budget: wire.room(),
                ..brisk()
            },
            failover: failover::Settings::default(),
            wire,
            stream_timeout: Duration::from_secs(10),
        };
        let (grantor, entitlement) = entitlement::pair();
        let (handle, _end) = start(config, grantor).unwrap();
        Self { handle, entitlement }
    }

    fn expect(&self, peers: &[IpAddr]) {
        self.handle.expect(Some(peers.iter().copied().collect()));
    }

    /// Waits until these are the members.
    async fn sees(&self, names: &[&str]) -> View {
        let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut view = self.handle.view();
        let seen = view.wait_for(|view| view.as_ref().is_some_and(|view| view.alive == expected));
        let Ok(seen) = tokio::time::timeout(PATIENCE, seen).await else {
            panic!(
                "{expected:?} are not the members, but {:?}",
                *self.handle.view().borrow()
            );
        };
        let view = seen.unwrap().clone().unwrap();
        // Those in Go say nothing of themselves.
        assert_eq!(view.ours_only, names.iter().all(|name| name.starts_with("rust")));
        view
    }

    /// Waits until others have taken it for dead at least once.
    async fn objects(&self) {
        let mut view = self.handle.view();
        let seen = view.wait_for(|view| view.as_ref().is_some_and(|view| view.declared_dead > 0));
        tokio::time::timeout(PATIENCE, seen)
            .await
            .expect("nobody took it for dead")
            .unwrap();
    }

    /// Waits until it may announce, or may not.
    async fn is_entitled(&self, entitled: bool) {
        let changed = async {
            while self.entitlement.holds() != entitled {
                self.entitlement.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, changed)
            .await
            .unwrap_or_else(|_| panic!("entitled: {}", !entitled));
    }

    async fn dropped(&self, reason: &str) -> u64 {
        let counted = self.handle.counted().ask().await.unwrap();
        counted.dropped.get(reason).copied().unwrap_or_default()
    }
}

/// What a member of Go's library has said.
#[derive(Debug, Deserialize)]
struct Said {
    event: String,
    #[serde(default)]
    node: String,
}

/// One of theirs: a process.
struct Theirs {
    process: Child,
    commands: ChildStdin,
    said: mpsc::UnboundedReceiver<Said>,
}

impl Theirs {
    async fn start(net: u8, host: u8, secret: &str, more: &[&str]) -> Self {
        let mut process = Command::new(program())
            .args([
                "--name",
                &format!("go{host}"),
                "--bind",
                &ip(net, host).to_string(),
            ])
            .args(["--port", &port(net).to_string(), "--secret", secret, "--fast"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (says, said) = mpsc::unbounded_channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = says.send(serde_json::from_str(&line).unwrap());
            }
        });
        let commands = process.stdin.take().unwrap();
        let mut theirs = Self {
            process,
            commands,
            said,
        };
        theirs.says("ready", &format!("go{host}")).await;
        theirs
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    /// Waits until it says so of `node`; what it says of others meanwhile is skipped.
    async fn says(&mut self, event: &str, node: &str) {
        let heard = async {
            while let Some(said) = self.said.recv().await {
                if said.event == event && said.node == node {
                    return;
                }
            }
            panic!("it ended before it said {event} of {node}");
        };
        let heard = tokio::time::timeout(PATIENCE, heard).await;
        heard.unwrap_or_else(|_| panic!("it did not say {event} of {node}"));
    }

    /// Whether it has said so of `node`; what it has said so far is forgotten.
    fn has_said(&mut self, event: &str, node: &str) -> bool {
        let mut found = false;
        while let Ok(said) = self.said.try_recv() {
            found |= said.event == event && said.node == node;
        }
        found
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program in `tests/interop/memberlist`, built once; Go keeps what it has built before.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/memberlist");
        let test = std::env::current_exe().unwrap();
        let program = test.with_file_name("memberlist-interop");
        let built = Command::new("go")
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(".")
            .env("GOFLAGS", "") // a user's -mod or -tags would build something else
            .env("CGO_ENABLED", "0")
            .current_dir(source)
            .output()
            .expect("go is needed for this test: `make deps` tells where to get it");
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{errors}");
        program
    })
}

#[tokio::test]
async fn both_find_each_other_whoever_begins() {
    for (net, secret, compression) in [(1, "", true), (2, "secret", true), (3, "secret", false)] {
        let more: &[&str] = if compression {
            &[]
        } else {
            &["--compression=false"]
        };
        let mut first = Theirs::start(net, 1, secret, more).await;
        let mut second = Theirs::start(net, 2, secret, more).await;
        let ours = Ours::with(
            net,
            3,
            secret,
            if compression {
                |_| {}
            } else {
                |wire| wire.compression = false
            },
        );
        // We find one of them, the other one finds us.
        ours.expect(&[ip(net, 1)]);
        first.says("join", "rust3").await;
        second.tell(&format!("join {}:{}", ip(net, 3), port(net)));
        second.says("join", "rust3").await;
        ours.sees(&["go1", "go2", "rust3"]).await;
        first.says("join", "go2").await;
    }
}

#[tokio::test]
async fn a_label_is_part_of_the_agreement() {
    let net = 4;
    let mut theirs = Theirs::start(net, 1, "secret", &["--label", "lab"]).await;
    let same = Ours::with(net, 2, "secret", |wire| wire.label = "lab".into());
    same.expect(&[ip(net, 1)]);
    theirs.says("join", "rust2").await;
    same.sees(&["go1", "rust2"]).await;
    let other = Ours::start(net, 3, "secret");
    other.expect(&[ip(net, 1)]);
    other.sees(&["rust3"]).await;
}

#[tokio::test]
async fn whoever_has_another_secret_is_nobody() {
    let net = 5;
    let mut theirs = Theirs::start(net, 1, "theirs", &[]).await;
    let ours = Ours::start(net, 2, "ours");
    ours.expect(&[ip(net, 1)]);
    ours.sees(&["rust2"]).await;
    theirs.tell(&format!("join {}:{}", ip(net, 2), port(net)));
    theirs.says("refused", "").await;
    assert!(ours.dropped("unauthenticated").await > 0);
    assert!(!theirs.has_said("join", "rust2"));
}

#[tokio::test]
async fn who_leaves_is_gone_at_once_and_may_come_back() {
    let net = 6;
    let mut theirs = Theirs::start(net, 1, "secret", &[]).await;
    let ours = Ours::start(net, 2, "secret");
    ours.expect(&[ip(net, 1)]);
    theirs.says("join", "rust2").await;
    ours.sees(&["go1", "rust2"]).await;

    let start = Instant::now();
    ours.handle.exit().leave().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    theirs.says("loss", "rust2").await;

    let other = Ours::start(net, 3, "secret");
    other.expect(&[ip(net, 1)]);
    theirs.says("join", "rust3").await;
    other.sees(&["go1", "rust3"]).await;
    theirs.tell("leave");
    other.sees(&["rust3"]).await;
}

#[tokio::test]
async fn who_falls_silent_is_found_and_comes_back_when_it_objects() {
    let net = 7;
    let silent = Theirs::start(net, 1, "secret", &[]).await;
    let mut witness = Theirs::start(net, 2, "secret", &[]).await;
    let ours = Ours::start(net, 3, "secret");
    ours.expect(&[ip(net, 1), ip(net, 2)]);
    ours.sees(&["go1", "go2", "rust3"]).await;
    silent.signal(Signal::SIGSTOP);
    ours.sees(&["go2", "rust3"]).await;
    witness.says("loss", "go1").await;
    // It has not heard that it is dead, objects once it does, and is believed.
    silent.signal(Signal::SIGCONT);
    ours.sees(&["go1", "go2", "rust3"]).await;
    witness.says("join", "go1").await;
}

/// What a member with this secret may send.
fn wire(secret: &str) -> Wire {
    Wire::new(Key::from_secret(secret.as_bytes()).into_iter().collect())
}

#[tokio::test]
async fn questions_are_answered_by_datagram_and_by_stream() {
    let (net, wire) = (8, wire("secret"));
    let ours = Ours::start(net, 1, "secret");
    ours.expect(&[]);
    ours.sees(&["rust1"]).await;
    let to = (ip(net, 1), port(net));
    let ping = Ping {
        sequence: 7,
        node: "rust1".into(),
        origin: None,
    };
    let ack = Ack {
        sequence: 7,
        payload: Vec::new(),
    };

    let socket = UdpSocket::bind((ip(net, 2), 0)).await.unwrap();
    let [question] = &wire.datagrams(&[Message::Ping(ping.clone())], false, || [1; 12])[..] else {
        panic!()
    };
    socket.send_to(question, to).await.unwrap();
    let mut answer = [0; 1500];
    let length = tokio::time::timeout(PATIENCE, socket.recv(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        wire.hear(&answer[..length]).unwrap().messages,
        [Message::Ack(ack.clone())]
    );

    let mut stream = TcpStream::connect(to).await.unwrap();
    let question = wire.stream(&Content::Ping(ping), Direction::Asking, [2; 12]);
    stream.write_all(&question).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let progress = Collector::new(Direction::Answering).take(&answer, &wire).unwrap();
    assert_eq!(progress, Progress::Complete(Content::Ack(ack)));
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_is_told_so_and_counted() {
    let (net, wire) = (10, wire("secret"));
    let ours = Ours::start(net, 1, "secret");
    ours.expect(&[]);
    ours.sees(&["rust1"]).await;
    let mut stream = TcpStream::connect((ip(net, 1), port(net))).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // It may end in a reset: what was sent was not read to its end.
    let _ = stream.read_to_end(&mut answer).await;
    let progress = Collector::new(Direction::Answering).take(&answer, &wire).unwrap();
    let expected = Refusal::Unauthenticated.to_string();
    assert_eq!(progress, Progress::Complete(Content::Error(expected)));
    while ours.dropped("unauthenticated").await == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn we_object_when_we_are_taken_for_dead() {
    let net = 9;
    let mut judge = Theirs::start(net, 1, "secret", &[]).await;
    let ours = Ours::start(net, 2, "secret");
    ours.expect(&[ip(net, 1)]);
    judge.says("join", "rust2").await;
    ours.sees(&["go1", "rust2"]).await;
    let slander = Message::Dead(Dead {
        incarnation: 1,
        node: "rust2".into(),
        from: "slanderer".into(),
    });
    let socket = UdpSocket::bind((ip(net, 3), 0)).await.unwrap();
    let datagram = wire("secret").datagrams(&[slander], false, || [3; 12]).remove(0);
    socket.send_to(&datagram, (ip(net, 1), port(net))).await.unwrap();
    judge.says("loss", "rust2").await;
    ours.objects().await;
    judge.says("join", "rust2").await;
    ours.sees(&["go1", "rust2"]).await;
}

#[tokio::test]
async fn who_is_alone_may_announce_and_so_may_whoever_is_known() {
    let net = 11;
    let alone = Ours::start(net, 1, "secret");
    assert!(!alone.entitlement.holds(), "not before it has asked");
    alone.expect(&[]);
    alone.is_entitled(true).await;
    // The others know it before it announces; upstream's speakers cannot tell.
    let all: Vec<Ours> = (2..=4).map(|host| Ours::start(net, host, "secret")).collect();
    for ours in &all {
        ours.expect(&[ip(net, 2), ip(net, 3), ip(net, 4)]);
    }
    for ours in &all {
        ours.sees(&["rust2", "rust3", "rust4"]).await;
        ours.is_entitled(true).await;
    }
    let _theirs = Theirs::start(net, 5, "secret", &[]).await;
    let beside = Ours::start(net, 6, "secret");
    beside.expect(&[ip(net, 5)]);
    beside.sees(&["go5", "rust6"]).await;
    beside.is_entitled(true).await;
}

#[tokio::test]
async fn who_is_taken_for_dead_may_not_announce_until_its_watchers_know_that_it_lives() {
    let net = 12;
    let all: Vec<Ours> = (1..=3).map(|host| Ours::start(net, host, "secret")).collect();
    for ours in &all {
        ours.expect(&[ip(net, 1), ip(net, 2), ip(net, 3)]);
    }
    for ours in &all {
        ours.sees(&["rust1", "rust2", "rust3"]).await;
        ours.is_entitled(true).await;
    }
    let slander = Message::Dead(Dead {
        incarnation: 1,
        node: "rust1".into(),
        from: "slanderer".into(),
    });
    let socket = UdpSocket::bind((ip(net, 9), 0)).await.unwrap();
    let datagram = wire("secret").datagrams(&[slander], false, || [3; 12]).remove(0);
    socket.send_to(&datagram, (ip(net, 1), port(net))).await.unwrap();
    all[0].objects().await;
    all[0].is_entitled(true).await;
    let counted = all[0].handle.counted().ask().await.unwrap();
    assert!(counted.failover.deposed >= 1);
}
