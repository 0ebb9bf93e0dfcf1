//! Carries bytes and time to the membership machine, and out what it says. Owns the sockets. Never decides who is alive.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metallb_protocol::Time;
use metallb_protocol::failover::{Event, Machine, Standing};
use metallb_protocol::memberlist::datagram::DATAGRAM_MAX;
use metallb_protocol::memberlist::{self, Ignored, Input, Member, Nonce, Refusal, Transmit, Wire};
use metallb_sys::{DatagramSocket, Timer};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::streams::{Said, Streams};
use super::{Config, Counted, Inputs, Outputs, View};
use crate::entitlement::{Grantor, since_boot};

/// What streams have read and the machine has not yet taken in. They wait when it is full; there are no more of them.
const SAID: usize = 32;

/// How long the others have to answer before we believe that there are none. Until then the speakers' Pods tell who
/// announces, as the API server knows them. It covers the connections to peers that are gone and the second attempt.
const SETTLE: Duration = Duration::from_secs(3);

/// How long to wait before the port is tried again: another process has it, or the address is not there yet.
const BIND_AGAIN: Duration = Duration::from_secs(2);

/// The same refusal is logged this often at most: whoever has the wrong secret says so each second.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// 96 random bits.
pub(super) fn nonce() -> Nonce {
    random()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It waits for the kernel's generator, once, and cannot fail later.
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the kernel has random numbers");
    bytes
}

/// Runs a member. It does not begin before it is told where the others are.
pub(super) async fn run(config: Config, mut inputs: Inputs, outputs: Outputs) -> anyhow::Result<()> {
    let ready = inputs.peers.wait_for(Option::is_some);
    tokio::select! {
        ready = ready => drop(ready.context("the owner task is gone")?),
        // Nobody has heard of us.
        Some(told) = inputs.leave.recv() => return leave_without(told).await,
    }
    let sockets = tokio::select! {
        sockets = bind(config.own.address, &outputs.grantor) => sockets,
        Some(told) = inputs.leave.recv() => return leave_without(told).await,
    };
    tracing::info!(address = %config.own.address, "member of the speakers' cluster");
    Driver::new(config, outputs).drive(sockets, inputs).await
}

async fn leave_without(told: oneshot::Sender<()>) -> anyhow::Result<()> {
    let _ = told.send(());
    std::future::pending().await
}

async fn bind(address: SocketAddr, grantor: &Grantor) -> (DatagramSocket, TcpListener) {
    let mut complained = false;
    loop {
        let bound = async {
            let datagrams = DatagramSocket::bind(address)?;
            let listener = TcpListener::bind(address).await?;
            io::Result::Ok((datagrams, listener))
        };
        match bound.await {
            Ok(sockets) => return sockets,
            Err(error) if !complained => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(%address, error, "cannot listen for the other speakers, trying again; until then the API server tells which are there");
                complained = true;
                // Whoever listens to nobody cannot be told to be silent, and an address that nobody has helps nobody.
                grantor.grant_for_ever();
            }
            Err(_) => {}
        }
        sleep(BIND_AGAIN).await;
    }
}

struct Driver {
    machine: Machine,
    wire: Arc<Wire>,
    streams: Streams,
    said: mpsc::Receiver<Said>,
    own: String,
    own_address: SocketAddr,
    /// By the clock that goes on while the machine sleeps.
    start: Duration,
    /// Until when others may answer; `None` once it is known who there is.
    settling: Option<Duration>,
    view: watch::Sender<Option<View>>,
    grantor: Grantor,
    /// Who waits for us to have left.
    leaving: Option<oneshot::Sender<()>>,
    dropped: BTreeMap<&'static str, u64>,
    complained: BTreeMap<Refusal, Instant>,
}

impl Driver {
    fn new(config: Config, outputs: Outputs) -> Self {
        let Config {
            own,
            settings,
            failover,
            wire,
            stream_timeout,
        } = config;
        let Outputs { view, grantor } = outputs;
        let (says, said) = mpsc::channel(SAID);
        let wire = Arc::new(wire);
        Self {
            streams: Streams::new(Arc::clone(&wire), stream_timeout, says),
            wire,
            said,
            own: own.name.clone(),
            own_address: own.address,
            machine: Machine::new(failover, settings, own, u64::from_ne_bytes(random())),
            start: since_boot(),
            settling: Some(since_boot() + SETTLE),
            view,
            grantor,
            leaving: None,
            dropped: BTreeMap::new(),
            complained: BTreeMap::new(),
        }
    }

    async fn drive(
        mut self,
        (datagrams, listener): (DatagramSocket, TcpListener),
        mut inputs: Inputs,
    ) -> anyhow::Result<()> {
        let mut buffer = vec![0; DATAGRAM_MAX + 1];
        inputs.peers.mark_changed();
        let streams = self.streams.clone();
        let mut timer = Timer::new().context("make a timer")?;
        loop {
            self.carry_out(&datagrams);
            let deadline = self.since_boot(self.machine.next_deadline());
            let deadline = self.settling.map_or(deadline, |settled| settled.min(deadline));
            timer.set(deadline).context("set the timer")?;
            tokio::select! {
                received = poll_fn(|context| datagrams.poll_receive(context, &mut buffer)) => match received {
                    Ok((length, from)) => self.hear(&buffer[..length], from),
                    // An answer of ICMP to what we sent: the machine notices by the silence.
                    Err(_) => self.count("receive_failed"),
                },
                accepted = streams.accept(&listener) => if let Ok((stream, from, place)) = accepted {
                    streams.answer(stream, from, place);
                } else {
                    // The connection is gone already, or there are no more file descriptors: it would fail again at once.
                    self.count("accept_failed");
                    sleep(Duration::from_millis(10)).await;
                },
                Some(said) = self.said.recv() => self.take(said),
                changed = inputs.peers.changed() => {
                    changed.context("the owner task is gone")?;
                    let peers = inputs.peers.borrow_and_update().clone().unwrap_or_default();
                    self.expect(&peers);
                }
                Some(told) = inputs.leave.recv() => {
                    self.leaving = Some(told);
                    self.handle(Input::Leave);
                }
                Some(question) = inputs.questions.recv() => question.answer(self.counted()),
                rung = poll_fn(|context| timer.poll_ring(context)) => {
                    rung.context("wait for the timer")?;
                    self.handle(Input::Timeout);
                }
            }
        }
    }

    fn now(&self) -> Time {
        Time::since_start(since_boot().saturating_sub(self.start))
    }

    /// When a moment of the machine is, since boot.
    fn since_boot(&self, time: Time) -> Duration {
        self.start.saturating_add(time.elapsed())
    }

    /// When it is for a timer of tokio.
    fn moment(&self, time: Time) -> Instant {
        Instant::now() + time.elapsed().saturating_sub(self.now().elapsed())
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(input, self.now());
    }

    fn hear(&mut self, datagram: &[u8], from: SocketAddr) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        match self.wire.hear(datagram) {
            Ok(heard) => {
                if let Some((refusal, _)) = heard.skipped {
                    self.refuse(from, refusal);
                }
                self.handle(Input::Datagram {
                    from,
                    messages: heard.messages,
                });
            }
            Err(refusal) => self.refuse(from, refusal),
        }
    }

    fn expect(&mut self, peers: &BTreeSet<IpAddr>) {
        let peers: BTreeSet<SocketAddr> = peers
            .iter()
            .map(|ip| SocketAddr::new(ip.to_canonical(), self.own_address.port()))
            .filter(|peer| *peer != self.own_address)
            .collect();
        if peers.is_empty() {
            self.settling = None;
        }
        self.handle(Input::Peers(peers));
    }

    fn take(&mut self, said: Said) {
        match said {
            Said::Exchange(theirs, reply) => {
                let _ = reply.send(self.machine.membership().state());
                self.handle(Input::Exchanged(theirs));
            }
            Said::Ping(ping, reply) => {
                let _ = reply.send(self.machine.membership().answer(&ping));
            }
            Said::Answered(theirs) => self.handle(Input::Exchanged(theirs)),
            Said::Contacted(sequence) => self.handle(Input::Contacted(sequence)),
            Said::Refused(peer, refusal) => self.refuse(peer, refusal),
        }
    }

    /// Sends what the machine wants to send, and tells what it has found out.
    fn carry_out(&mut self, datagrams: &DatagramSocket) {
        while let Some(transmit) = self.machine.poll_transmit() {
            match transmit {
                Transmit::Datagram { to, messages } => {
                    let checksum = self.machine.membership().knows_checksums(to);
                    for datagram in self.wire.datagrams(&messages, checksum, nonce) {
                        // No route, or no room: the protocol lives with datagrams that are lost.
                        if datagrams.try_send(&datagram, to).is_err() {
                            self.count("send_failed");
                        }
                    }
                }
                Transmit::Exchange { to, state } => {
                    if !self.streams.exchange(to, state) {
                        self.count("too_many_streams");
                    }
                }
                Transmit::StreamPing { to, ping, deadline } => {
                    let deadline = self.moment(deadline);
                    if !self.streams.ping(to, ping, deadline) {
                        self.count("too_many_streams");
                    }
                }
            }
        }
        self.grantor.cut_off(self.machine.is_cut_off());
        // What was sent just now is what the others know.
        let until = self.machine.may_announce_until();
        self.grantor.grant(until.map(|until| self.since_boot(until)));
        // Who is there changes with an event; before the first view the time that passes counts, too.
        let mut news = self.view.borrow().is_none();
        while let Some(event) = self.machine.poll_event() {
            self.tell(event);
            news = true;
        }
        if news {
            self.publish();
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Member(event) => self.tell_of_members(event),
            Event::Standing(Standing::Certain) => tracing::info!("this speaker may announce"),
            Event::Standing(Standing::Doubtful) => {
                tracing::warn!(
                    "this speaker did not run for a while; silent until the others say that they know it"
                );
            }
            Event::Standing(Standing::Deposed) => {
                tracing::warn!("others took this speaker for dead, it has objected; silent until they know");
            }
        }
    }

    fn tell_of_members(&mut self, event: memberlist::Event) {
        use memberlist::Event;
        match event {
            Event::Joined(Member { name, address, .. }) => {
                tracing::info!(node = name, %address, "speaker joined");
            }
            Event::Updated(Member { name, .. }) => tracing::debug!(node = name, "speaker changed"),
            Event::Left(Member { name, .. }) => tracing::info!(node = name, "speaker left"),
            Event::Failed(Member { name, address, .. }) => {
                tracing::warn!(node = name, %address, "speaker does not answer");
            }
            Event::Disputed { known, other } => {
                tracing::error!(node = known.name, address = %known.address, %other, "two speakers claim one node; the second is ignored");
            }
            // That others took us for dead is seen in how we stand.
            Event::User { .. } | Event::Refuted { .. } => {}
            Event::Departed => {
                if let Some(told) = self.leaving.take() {
                    let _ = told.send(());
                }
            }
        }
    }

    /// Tells the rest of the speaker who is there, once that is known.
    fn publish(&mut self) {
        let members = self.machine.membership().members();
        let mut alive: BTreeSet<String> = members.map(|member| member.name.clone()).collect();
        if !alive.is_empty() || self.settling.is_some_and(|settled| settled <= since_boot()) {
            self.settling = None;
        }
        if self.settling.is_some() {
            return;
        }
        alive.insert(self.own.clone());
        let view = View {
            alive,
            ours_only: self.machine.is_among_equals(),
            declared_dead: self.machine.counters().deposed,
        };
        self.view.send_if_modified(|known| {
            let news = known.as_ref() != Some(&view);
            if news {
                *known = Some(view);
            }
            news
        });
    }

    fn refuse(&mut self, from: SocketAddr, refusal: Refusal) {
        self.count(refusal.reason());
        let now = Instant::now();
        let complained = self.complained.get(&refusal);
        if complained.is_none_or(|last| now.duration_since(*last) >= COMPLAIN_EVERY) {
            self.complained.insert(refusal, now);
            tracing::warn!(%from, %refusal, "not read on the port of the membership protocol; further ones are only counted for a minute");
        }
    }

    fn count(&mut self, reason: &'static str) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    fn counted(&self) -> Counted {
        let Ignored {
            too_many_members,
            too_many_requests,
            malformed,
            not_for_us,
        } = self.machine.membership().ignored();
        let failover = self.machine.counters();
        let mut dropped = self.dropped.clone();
        for (reason, times) in [
            ("too_many_members", too_many_members),
            ("too_many_requests", too_many_requests),
            ("invalid_member", malformed),
            ("not_for_us", not_for_us),
            ("too_many_looks", failover.too_many_looks),
        ] {
            if times > 0 {
                dropped.insert(reason, times);
            }
        }
        Counted {
            members: 1 + self.machine.membership().members().count(),
            failover,
            dropped,
        }
    }
}
