//! Which speakers are alive, as the speakers tell one another over memberlist's protocol; without a round through the
//! API server, and in one cluster with upstream's speakers.
//!
//! ```text
//!                     thread "membership"
//!  addresses of Pods ─► driver ◄──► UDP socket
//!  leave ─────────────►   │    ◄──► streams ◄──► TCP connections
//!          members ◄──────┤
//!   may we announce? ◄────┤
//!                         ▼
//!                     the machine and the codec of metallb-protocol
//! ```
//!
//! It has a thread of its own: a question of another member that waited behind the first list of a large cluster would
//! look like a dead node. What crosses over are latest values (level, not edge).
//!
//! Owns the thread and its handle. Never decides who announces what.

mod config;
mod driver;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use metallb_protocol::failover::Counters;
use metallb_runtime::metrics::{Asker, Questions, questions};
use metallb_runtime::tasks::Tasks;
use tokio::sync::{mpsc, oneshot, watch};

use crate::entitlement::Grantor;
use crate::thread::{self, End};

pub(crate) use config::{Config, ConfigError, Flags};

/// How long the others may take to be told that we go. The Pod's grace period is two seconds.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

/// The members, as the others and we see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Their names, which are those of their nodes. We are always among them.
    pub(crate) alive: BTreeSet<String>,
    /// None of them is upstream's.
    pub(crate) ours_only: bool,
    /// How often we had to object, because others took us for dead.
    pub(crate) declared_dead: u64,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// Members that are alive, we included.
    pub(crate) members: usize,
    /// What was found out about the others, and they about us.
    pub(crate) failover: Counters,
    /// What was not read or not followed, by reason.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
}

/// What the rest of the speaker holds of the membership thread.
#[derive(Debug)]
pub(crate) struct Handle {
    peers: watch::Sender<Option<BTreeSet<IpAddr>>>,
    view: watch::Receiver<Option<View>>,
    leave: mpsc::Sender<oneshot::Sender<()>>,
    counted: Asker<Counted>,
}

impl Handle {
    /// Where speakers are, if that is news. Nobody hears of us before this is called: a member is expected to do its
    /// work. Without a list of Pods it waits for others to find it.
    pub(crate) fn expect(&self, peers: Option<BTreeSet<IpAddr>>) {
        self.peers.send_if_modified(|known| {
            let news = peers.is_some() || known.is_none();
            if news {
                *known = Some(peers.unwrap_or_default());
            }
            news
        });
    }

    /// The members. `None` until it is known who else there is.
    pub(crate) fn view(&self) -> watch::Receiver<Option<View>> {
        self.view.clone()
    }

    /// Asks what was counted.
    pub(crate) fn counted(&self) -> Asker<Counted> {
        self.counted.clone()
    }

    /// What it takes to leave.
    pub(crate) fn exit(&self) -> Exit {
        Exit(self.leave.clone())
    }
}

/// Tells the others that this member goes.
pub(crate) struct Exit(mpsc::Sender<oneshot::Sender<()>>);

impl Exit {
    /// Waits until they were told, a second at most.
    pub(crate) async fn leave(self) {
        let told = async {
            let (done, told) = oneshot::channel();
            if self.0.send(done).await.is_ok() {
                let _ = told.await;
            }
        };
        if tokio::time::timeout(LEAVE_WAIT, told).await.is_err() {
            tracing::warn!("ending before the other speakers were told");
        }
    }
}

/// What the thread hears from the rest of the speaker.
struct Inputs {
    peers: watch::Receiver<Option<BTreeSet<IpAddr>>>,
    leave: mpsc::Receiver<oneshot::Sender<()>>,
    questions: Questions<Counted>,
}

/// What the thread says to the rest of the speaker, unasked.
struct Outputs {
    view: watch::Sender<Option<View>>,
    grantor: Grantor,
}

/// Starts the membership thread. Its end is the end of a task in `tasks`.
///
/// # Errors
/// The system refuses another thread.
pub(crate) fn spawn(tasks: &mut Tasks, config: Config, grantor: Grantor) -> anyhow::Result<Handle> {
    let (handle, end) = start(config, grantor)?;
    tasks.spawn("membership", async {
        end.await.context("the membership thread panicked")?
    });
    Ok(handle)
}

fn start(config: Config, grantor: Grantor) -> anyhow::Result<(Handle, End)> {
    let (peers, peers_changes) = watch::channel(None);
    let (view_out, view) = watch::channel(None);
    let (leave, leave_requests) = mpsc::channel(1);
    let (counted, questions) = questions();
    let inputs = Inputs {
        peers: peers_changes,
        leave: leave_requests,
        questions,
    };
    let outputs = Outputs {
        view: view_out,
        grantor,
    };
    let end = thread::start("membership", move || driver::run(config, inputs, outputs))?;
    let handle = Handle {
        peers,
        view,
        leave,
        counted,
    };
    Ok((handle, end))
}
