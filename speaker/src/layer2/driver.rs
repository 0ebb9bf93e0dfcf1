//! The loop around the announcer machine. Owns the sockets, the clock and the machine; turns what arrives into inputs and
//! puts what the machine wants on the wire. Never decides anything itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use metallb_protocol::Time;
use metallb_protocol::layer2::{
    Announcer, Assignment, Event, Input, Interface, InterfaceIndex, Tenure, Unsent,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::asked::Asked;
use super::port::Port;
use super::{Counted, Desired, Inputs};
use crate::entitlement::Entitlement;

/// Longer than any frame that gets an answer. A longer one is cut off, and its checksum then refuses it.
const FRAME_LEN: usize = 2048;

/// Frames sent before the sockets are looked at again. A node that takes over thousands of addresses has tens of
/// thousands of frames to send, and answers questions meanwhile.
const SENT_PER_TURN: usize = 32;

/// How soon a socket or a group that did not work is tried again. Only memory pressure and interfaces that change just
/// then make it fail, so this is rarely needed and cheap.
const RETRY: Duration = Duration::from_secs(1);

/// From the first address that has left to taking it out, together with all others that have by then: each look at what
/// is wanted goes through all of it, and a node that is drained hands thousands over, one after the other. Nobody waits for
/// it but the end of the process.
const GIVE_BACK: Duration = Duration::from_millis(10);

/// How often at most a full send queue is mentioned in the log: enough to see that it lasts.
const QUIET: Duration = Duration::from_secs(10);

/// Runs for ever, or until the other ends of the channels have gone.
pub(super) async fn run(
    inputs: Inputs,
    sender: Weak<watch::Sender<Desired>>,
    mut interfaces: watch::Receiver<Vec<Interface>>,
) -> anyhow::Result<()> {
    let Inputs {
        mut desired,
        mut questions,
        entitlement,
    } = inputs;
    let mut driver = Driver::new(sender);
    driver.obey(&entitlement);
    let mut buffer = [0; FRAME_LEN];
    loop {
        let deadline = driver.deadline();
        // Not biased: a flood on one interface must not keep a change waiting.
        tokio::select! {
            (interface, len) = poll_fn(|context| driver.ports.poll_receive(context, &mut buffer)) => match len {
                Some(len) => {
                    // This thread may have been stopped, and the question may be old.
                    driver.obey(&entitlement);
                    driver.handle(Input::Frame { interface, bytes: &buffer[..len] });
                }
                None => driver.retry_soon(),
            },
            () = entitlement.changed() => driver.obey(&entitlement),
            changed = desired.changed() => {
                changed.context("nobody says any more which addresses to serve")?;
                let addresses = &desired.borrow_and_update().addresses;
                tracing::debug!(addresses = addresses.len(), "addresses changed");
                driver.set_addresses(addresses);
            }
            changed = interfaces.changed() => {
                changed.context("nobody says any more which interfaces there are")?;
                driver.set_interfaces(&interfaces.borrow_and_update());
            }
            Some(question) = questions.recv() => question.answer(driver.counted()),
            () = at(deadline) => driver.timeout(),
        }
        driver.give_back();
        let idle = driver.transmit(&entitlement);
        driver.report_unsent();
        if !idle {
            // More is due. Let the runtime look at the sockets first.
            tokio::task::yield_now().await;
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

struct Driver {
    start: Instant,
    machine: Announcer,
    ports: Ports,
    asked: Asked,
    /// To take out what has left. Without a hold on it: when its owners are gone, nobody wants anything any more.
    desired: Weak<watch::Sender<Desired>>,
    /// What has left, and the term in which it did. Bounded by the addresses there are.
    left: Vec<(IpAddr, u64)>,
    /// When that is taken out of what is wanted.
    give_back: Option<Instant>,
    retry: Option<Instant>,
    /// What was last said to be unsent.
    reported: Unsent,
    quiet_until: Instant,
}

impl Driver {
    fn new(desired: Weak<watch::Sender<Desired>>) -> Self {
        let start = Instant::now();
        Self {
            start,
            machine: Announcer::new(),
            ports: Ports::default(),
            asked: Asked::default(),
            desired,
            left: Vec::new(),
            give_back: None,
            retry: None,
            reported: Unsent::default(),
            quiet_until: start,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let machine = self
            .machine
            .next_deadline()
            .map(|time| self.start + time.elapsed());
        machine.into_iter().chain(self.retry).chain(self.give_back).min()
    }

    /// Is silent if this node may not answer, and speaks again when it may.
    fn obey(&mut self, entitlement: &Entitlement) {
        let entitled = entitlement.holds();
        if entitled != self.machine.is_entitled() {
            if entitled {
                tracing::info!("answering");
            } else {
                tracing::info!("answering nobody until the other speakers reckon with this one");
            }
            self.handle(Input::Entitled(entitled));
        }
        let cut_off = entitlement.is_cut_off();
        if cut_off != self.machine.is_cut_off() {
            self.handle(Input::CutOff(cut_off));
        }
    }

    fn counted(&self) -> Counted {
        Counted {
            entitled: self.machine.is_entitled(),
            addresses: self.machine.counters().collect(),
            yielded: self.machine.yielded().collect(),
        }
    }

    fn timeout(&mut self) {
        if self.retry.is_some_and(|retry| retry <= Instant::now()) {
            self.settle();
        }
        self.handle(Input::Timeout);
    }

    fn handle(&mut self, input: Input<'_>) {
        self.machine
            .handle(input, Time::since_start(self.start.elapsed()));
        let mut changed = false;
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Join { interface, group } => {
                    changed = true;
                    self.ports.with(interface, |port| port.groups.want(group));
                }
                Event::Leave { interface, group } => {
                    changed = true;
                    self.ports.with(interface, |port| port.groups.drop(group));
                }
                Event::Withdrawn { ip, counters } => tracing::debug!(
                    %ip,
                    requests = counters.requests,
                    responses = counters.responses,
                    gratuitous = counters.gratuitous,
                    "address no longer served"
                ),
                Event::HandedOver { ip, term, outcome } => {
                    self.left.push((ip, term));
                    self.give_back.get_or_insert_with(|| Instant::now() + GIVE_BACK);
                    tracing::info!(%ip, outcome = outcome.as_str(), "handed over");
                }
                Event::Contested { ip, interface, mac } => tracing::warn!(
                    %ip,
                    interface = self.ports.name(interface),
                    other = %mac,
                    "another station answers for this address, too; its clients reach one of the two by chance"
                ),
                Event::Yielded { ip, interface, mac } => tracing::warn!(
                    %ip,
                    interface = self.ports.name(interface),
                    other = %mac,
                    "half of the speakers or more are not heard, and another station has this address; leaving it to that one"
                ),
            }
        }
        if changed {
            self.settle();
        }
    }

    fn set_addresses(&mut self, addresses: &BTreeMap<IpAddr, Assignment>) {
        let asked = Asked::of(addresses);
        if asked != self.asked {
            self.asked = asked;
            // Before the link is told: whoever hears of the address may ask at once.
            for port in self.ports.ports.values_mut() {
                port.aim(&self.asked);
            }
            self.settle();
        }
        self.handle(Input::Addresses(addresses));
    }

    /// Takes out of what is wanted what has left, if that is due, unless something else was said about it in the meantime.
    fn give_back(&mut self) {
        if self.give_back.is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.give_back = None;
        let left = std::mem::take(&mut self.left);
        let Some(desired) = self.desired.upgrade() else {
            return;
        };
        desired.send_modify(|desired| {
            for leaving in left {
                if let Entry::Occupied(entry) = desired.addresses.entry(leaving.0)
                    && (entry.get().tenure, entry.get().term) == (Tenure::Leaving, leaving.1)
                {
                    entry.remove();
                }
            }
        });
    }

    fn set_interfaces(&mut self, list: &[Interface]) {
        if self.ports.replace(list) {
            let names: Vec<&str> = list.iter().map(|interface| interface.name.as_str()).collect();
            tracing::info!(interfaces = names.join(","), "answering on these interfaces");
        }
        // The sockets are open before the machine speaks, and the groups are joined once it has said which.
        self.settle();
        self.handle(Input::Interfaces(list));
    }

    /// Sends what is due, up to the limit for one turn. False if there is more.
    fn transmit(&mut self, entitlement: &Entitlement) -> bool {
        for _ in 0..SENT_PER_TURN {
            self.obey(entitlement);
            let Some(transmit) = self.machine.poll_transmit() else {
                return true;
            };
            let port = self.ports.ports.get(&transmit.interface);
            if port.is_some_and(|port| !port.send(transmit.protocol, &transmit.frame)) {
                self.machine.refused(&transmit);
            }
        }
        false
    }

    /// Says what the send queues did not take, at most once a [`QUIET`].
    fn report_unsent(&mut self) {
        let Unsent {
            answers,
            delayed,
            given_up,
        } = self.machine.unsent();
        if self.reported == self.machine.unsent() || self.quiet_until > Instant::now() {
            return;
        }
        tracing::warn!(
            answers_dropped = answers,
            announcements_delayed = delayed,
            announcements_dropped = given_up,
            "the send queue of an interface was full; these are the totals since the start"
        );
        self.reported = self.machine.unsent();
        self.quiet_until = Instant::now() + QUIET;
    }

    fn settle(&mut self) {
        self.retry = None;
        let mut settled = true;
        for port in self.ports.ports.values_mut() {
            settled &= port.settle(&self.asked);
        }
        if !settled {
            self.retry_soon();
        }
    }

    fn retry_soon(&mut self) {
        self.retry = Some(Instant::now() + RETRY);
    }
}

/// The interfaces in use.
#[derive(Default)]
struct Ports {
    ports: BTreeMap<InterfaceIndex, Port>,
    /// The one that received last. The others are looked at before it, so that a flood there does not silence them.
    last: InterfaceIndex,
}

impl Ports {
    fn with(&mut self, interface: InterfaceIndex, act: impl FnOnce(&mut Port)) {
        // An interface that has gone is mentioned once more by the machine, which leaves its groups.
        if let Some(port) = self.ports.get_mut(&interface) {
            act(port);
        }
    }

    fn name(&self, interface: InterfaceIndex) -> &str {
        self.ports.get(&interface).map_or("", |port| port.name())
    }

    /// Closes the ports of interfaces that are not in `list` and adds those that are new. True if there were any.
    fn replace(&mut self, list: &[Interface]) -> bool {
        let before: Vec<InterfaceIndex> = self.ports.keys().copied().collect();
        self.ports
            .retain(|index, _| list.iter().any(|interface| interface.index == *index));
        for interface in list {
            self.ports
                .entry(interface.index)
                .and_modify(|port| port.update(interface.clone()))
                .or_insert_with(|| Port::new(interface.clone()));
        }
        !self.ports.keys().eq(&before)
    }

    /// The next frame of any port. There are few: container interfaces are not among them.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<(InterfaceIndex, Option<usize>)> {
        for after_last in [true, false] {
            for (index, port) in &mut self.ports {
                if (*index > self.last) == after_last
                    && let Poll::Ready(len) = port.poll_receive(context, buffer)
                {
                    self.last = *index;
                    return Poll::Ready((*index, len));
                }
            }
        }
        Poll::Pending
    }
}
