//! Terms: what runs from one change of leadership to the next. Owns when a controller starts over, and that it leaves
//! nothing under way.
//!
//! Every replica watches and knows what there is; only the leader decides and writes. **A term starts like a process**:
//! with an empty [`State`] and fresh lists, in which every address is adopted before the first new one is given.
//!
//! # Why no address is given twice
//!
//! 1. A write is started only if it is over, here and in the API server, before the leader's authority ends (see
//!    [`metallb_runtime::lease`]). So all writes of the former leader were done, or never will be, when the next one gets
//!    the lease.
//! 2. The lists of a term are asked for after that, and the API server answers a list that names no version with its
//!    latest state: they hold everything that was ever given. What a follower had seen, perhaps late, is not used.
//! 3. Within a term, one task owns the ledger, and an address that is on its way into a status is given to nobody else.
//! 4. A leader whose authority ends stops and keeps its state. It goes on only if nobody has led meanwhile; otherwise its
//!    next term starts over. A leader that is asked to end finishes its writes first, and hands over only then.
//!
//! A request that the network holds back beyond all limits is left. It carries the version of the Service that it was
//! decided on, and fails if anybody has written the Service since; otherwise the leader sees an address that it did not
//! give, and puts it right before it serves anybody else with it.

use anyhow::bail;
use kube::Client;
use metallb_runtime::admin::Health;
use metallb_runtime::configuration_state::{self, Author};
use metallb_runtime::events::Recorder;
use metallb_runtime::lease::Leadership;
use metallb_runtime::tasks::Tasks;
use tokio::sync::mpsc;
use tokio::sync::watch::{self as latest, Receiver};

use crate::announced::{self, Inquiry};
use crate::findings;
use crate::metrics::ControllerMetrics;
use crate::owner::{End, Owner};
use crate::pool_status::{self, PoolStatuses};
use crate::reasons::{self, Outstanding};
use crate::state::State;
use crate::watch;

/// Changes that wait for the owner task. A full queue holds the watches back, and with them nothing else: enough for
/// one page of a list, so that reading the next page and deciding about this one overlap.
const INPUTS: usize = 256;

/// What all terms of a process have in common.
pub(crate) struct Terms {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The load balancer class to serve.
    pub(crate) class: Option<String>,
    pub(crate) health: Health,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: ControllerMetrics,
    /// Whose ConfigurationState is kept.
    pub(crate) author: Author,
}

impl Terms {
    /// Serves one term after the other until `stopping` says so; then hands over.
    pub(crate) async fn serve(
        &mut self,
        leadership: Leadership,
        stopping: Receiver<bool>,
    ) -> anyhow::Result<()> {
        loop {
            match self.term(leadership.clone(), stopping.clone()).await? {
                End::NewTerm => {}
                End::Stopped { sure: true } => {
                    leadership.release().await;
                    return Ok(());
                }
                End::Stopped { sure: false } => {
                    tracing::info!("a write got no answer: the next leader waits for the end of the lease");
                    return Ok(());
                }
            }
        }
    }

    async fn term(&mut self, leadership: Leadership, stopping: Receiver<bool>) -> anyhow::Result<End> {
        // Before the lists are asked for: they must be later than the beginning of the term.
        let term = leadership.authority().term();
        let mut tasks = Tasks::new();
        let (statuses, wanted) = latest::channel(PoolStatuses::new());
        tasks.spawn(
            "pool status",
            pool_status::run(
                self.client.clone(),
                self.namespace.clone(),
                wanted,
                leadership.clone(),
            ),
        );
        let (reasons, outstanding) = latest::channel(Outstanding::new());
        tasks.spawn(
            "reasons",
            reasons::run(self.client.clone(), outstanding, leadership.clone()),
        );
        let (heard_in, heard) = latest::channel(None);
        let (cases, cases_out) = mpsc::channel(1);
        let inquiry = Inquiry {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            class: self.class.clone(),
            recorder: self.recorder.clone(),
            leadership: leadership.clone(),
        };
        announced::start(&mut tasks, inquiry, cases_out, heard_in);
        let (verdicts, said) = latest::channel(None);
        tasks.spawn(
            "configuration state",
            configuration_state::run(self.client.clone(), self.author.clone(), said),
        );
        let (found, findings) = latest::channel(None);
        findings::start(&mut tasks, &self.client, &self.namespace, found);
        let (sender, inputs) = mpsc::channel(INPUTS);
        watch::start(&mut tasks, &self.client, &self.namespace, &sender);
        drop(sender); // the watches hold their own: when the last one ends, the owner sees it
        let owner = Owner {
            client: self.client.clone(),
            state: State::new(self.class.clone()),
            health: self.health.clone(),
            recorder: self.recorder.clone(),
            metrics: &mut self.metrics,
            statuses,
            findings,
            reasons,
            heard,
            cases,
            verdicts,
            leadership,
            term,
        };
        tokio::select! {
            end = owner.run(inputs, stopping) => end,
            failed = tasks.run(std::future::pending()) => match failed {
                Ok(()) => bail!("the tasks of a term ended, although nobody asked them to"),
                Err(error) => Err(error),
            },
        }
    }
}
