//! The one task that owns the state. Owns the loop: what is learned, what follows from it, and how much of that is under
//! way at once.

use std::borrow::Cow;

use anyhow::bail;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::{Client, Resource};
use metallb_api::v1beta1::IPAddressPool;
use metallb_api::v1beta2::BGPPeer;
use metallb_core::service::EventKind as Kind;
use metallb_runtime::admin::Health;
use metallb_runtime::configuration_state::Verdict;
use metallb_runtime::events::{EventKind, Note, Recorder};
use metallb_runtime::lease::Leadership;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch::{Receiver as Seen, Sender as Latest};
use tokio::time::{Instant, sleep_until};

use crate::announced::Heard;
use crate::findings::Findings;
use crate::metrics::ControllerMetrics;
use crate::pool_status::PoolStatuses;
use crate::reasons::Outstanding;
use crate::state::{CASES, Case, Input, State, Subject, Tell};
use crate::write::{self, Patience, Write, Written};

/// Changes taken together before the next decision: bounds the wait of a write's result while a list arrives.
const BATCH: usize = 256;
/// Writes under way at once. The API server needs about 4 ms for one, so this is up to 4,000 addresses a second; each
/// takes one of its connections and one of the 600 requests it works on at a time by default.
const WRITES: usize = 16;

/// Owns the state of one term.
pub(crate) struct Owner<'a> {
    pub(crate) client: Client,
    pub(crate) state: State,
    pub(crate) health: Health,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: &'a mut ControllerMetrics,
    pub(crate) statuses: Latest<PoolStatuses>,
    /// What is wrong with objects that no address depends on.
    pub(crate) findings: Seen<Findings>,
    /// To the conditions of Services.
    pub(crate) reasons: Latest<Outstanding>,
    /// Which Services are announced.
    pub(crate) heard: Seen<Option<Heard>>,
    /// To who finds out why others are not.
    pub(crate) cases: Sender<Vec<Case>>,
    /// To the ConfigurationState, which is the leader's.
    pub(crate) verdicts: Latest<Verdict>,
    pub(crate) leadership: Leadership,
    /// The term of leadership that this state is for; `None` while it was never the leader.
    pub(crate) term: Option<u64>,
}

/// Why a term is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// This process leads again, after another one or for the first time.
    NewTerm,
    /// It is about to end, and no write is under way.
    Stopped {
        /// The API server works on none of them any longer, either.
        sure: bool,
    },
}

/// Writes that are under way, and what may be left of earlier ones in the API server.
#[derive(Default)]
struct UnderWay {
    writes: FuturesUnordered<BoxFuture<'static, (Patience, Write, Written)>>,
    /// How many of them are of [`Patience::Long`].
    long: usize,
    /// When the API server will have given up those that got no answer.
    unsure_until: Option<Instant>,
}

impl Owner<'_> {
    pub(crate) async fn run(
        mut self,
        mut inputs: Receiver<Input>,
        mut stopping: Seen<bool>,
    ) -> anyhow::Result<End> {
        let started = Instant::now();
        let mut under_way = UnderWay::default();
        loop {
            if *stopping.borrow() && under_way.writes.is_empty() {
                return Ok(under_way.end(Instant::now()));
            }
            let term = self.leadership.authority().term();
            if term.is_some() && term != self.term {
                return Ok(End::NewTerm);
            }
            let acts = term.is_some() && !*stopping.borrow();
            let due = self.state.next_due().filter(|_| acts);
            let due = due.map(|due| started + due);
            tokio::select! {
                input = inputs.recv() => {
                    let Some(input) = input else { bail!("every watch ended") };
                    self.observe(input);
                    for _ in 1..BATCH {
                        let Ok(input) = inputs.try_recv() else { break };
                        self.observe(input);
                    }
                }
                Some((patience, write, written)) = under_way.writes.next(), if !under_way.writes.is_empty() => {
                    under_way.note(patience, &written, Instant::now());
                    self.metrics.observe_written(&written);
                    self.state.observe_written(&write, written);
                }
                () = sleep_until(due.unwrap_or(started)), if due.is_some() => {}
                Ok(()) = self.findings.changed() => {
                    self.state.observe_findings(self.findings.borrow_and_update().clone());
                }
                Ok(()) = self.heard.changed() => {
                    self.state.observe_heard(self.heard.borrow_and_update().clone());
                }
                () = self.leadership.changed() => {}
                Ok(()) = stopping.changed() => {}
            }
            if self.state.is_complete() {
                self.health.set_ready();
            }
            let term = self.leadership.authority().term();
            if term.is_some() && term == self.term && !*stopping.borrow() {
                self.state.advance(started.elapsed());
                self.state.decide();
                self.start_writes(&mut under_way);
                self.report();
                self.inquire();
            } else {
                if self.term.is_none() {
                    self.state.follow();
                }
                self.state.drop_tells();
                self.metrics.observe_follower(&self.state);
                publish(&self.verdicts, None);
            }
        }
    }

    fn observe(&mut self, input: Input) {
        self.metrics.observe(&input);
        self.state.observe(input);
    }

    fn start_writes(&mut self, under_way: &mut UnderWay) {
        // Before the writes are started: the lease is not made shorter while a long one is under way.
        self.leadership
            .set_patient(self.state.is_patient() || under_way.long > 0);
        while under_way.writes.len() < WRITES {
            let (authority, now) = (self.leadership.authority(), Instant::now());
            let may = |patience: Patience| authority.covers((now + patience.limit()).into_std());
            let Some((write, patience)) = self.state.start_write(may) else {
                break;
            };
            under_way.long += usize::from(patience == Patience::Long);
            let client = self.client.clone();
            let performed = async move {
                let (write, written) = write::perform(client, write, patience).await;
                (patience, write, written)
            };
            under_way.writes.push(performed.boxed());
        }
    }

    /// Has it found out why Services are not announced, if whoever does that is free.
    fn inquire(&mut self) {
        let free = self.cases.try_reserve();
        let cases = self.state.take_cases(if free.is_ok() { CASES } else { 0 });
        if let (Ok(free), false) = (free, cases.is_empty()) {
            free.send(cases);
        }
    }

    fn report(&mut self) {
        self.metrics.observe_state(&self.state);
        for tell in self.state.take_tells() {
            if matches!(tell.subject, Subject::Configuration(_)) {
                self.metrics.observe_errors(1);
            }
            self.recorder.publish(note(tell));
        }
        publish(&self.statuses, self.state.pool_statuses());
        publish(&self.verdicts, self.state.verdict());
        if self.state.has_reasons() {
            self.reasons
                .send_modify(|outstanding| self.state.take_reasons(outstanding));
        }
    }
}

/// Passes `value` on if it is news.
fn publish<T: PartialEq>(to: &Latest<T>, value: T) {
    to.send_if_modified(|known| {
        let changed = *known != value;
        *known = value;
        changed
    });
}

impl UnderWay {
    fn note(&mut self, patience: Patience, written: &Written, now: Instant) {
        self.long -= usize::from(patience == Patience::Long);
        if matches!(written, Written::Failed { answered: false }) {
            let until = now + patience.limit();
            self.unsure_until = Some(self.unsure_until.map_or(until, |earlier| earlier.max(until)));
        }
    }

    fn end(&self, now: Instant) -> End {
        let sure = self.unsure_until.is_none_or(|until| until <= now);
        End::Stopped { sure }
    }
}

fn note(tell: Tell) -> Note {
    let Tell {
        subject,
        object,
        uid,
        event,
    } = tell;
    let (api_version, kind) = match subject {
        Subject::Service => (Service::api_version(&()), Service::kind(&())),
        Subject::Configuration(kind) if kind == BGPPeer::kind(&()) => {
            (BGPPeer::api_version(&()), Cow::Borrowed(kind))
        }
        // All others have one version.
        Subject::Configuration(kind) => (IPAddressPool::api_version(&()), Cow::Borrowed(kind)),
    };
    Note {
        regarding: ObjectReference {
            api_version: Some(api_version.into_owned()),
            kind: Some(kind.into_owned()),
            namespace: Some(object.namespace().to_owned()),
            name: Some(object.name().to_owned()),
            uid: Some(uid),
            ..ObjectReference::default()
        },
        kind: match event.kind {
            Kind::Normal => EventKind::Normal,
            Kind::Warning => EventKind::Warning,
        },
        reason: event.reason,
        message: event.message,
    }
}
