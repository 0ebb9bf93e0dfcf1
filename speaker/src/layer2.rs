//! Layer 2 on the wire: answers ARP and NDP for a set of addresses, on the interfaces of this node.
//!
//! ```text
//!                       thread "layer2"
//!  announce/withdraw ─► desired set ─► driver ◄──► packet sockets (one per interface and protocol)
//!                                      │    ▲
//!          interface names ◄───────────│─── interfaces ◄── netlink
//!                                      ▼
//!                         the announcer machine of metallb-protocol
//! ```
//!
//! It has a thread of its own, with a runtime of its own: the main thread may be busy for many milliseconds with the
//! first list of a large cluster, and no ARP answer waits for that. What must be served crosses over as a set that is
//! changed in place (level, not edge): however many changes arrive while the driver is busy, it sees the last state.
//!
//! Owns the thread and its handle. Never decides which address is served where.

mod asked;
mod driver;
mod exclusions;
mod groups;
mod interfaces;
#[cfg(test)]
mod lab;
mod links;
mod port;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use metallb_runtime::metrics::{Asker, Questions, questions};
use metallb_runtime::tasks::Tasks;
use tokio::sync::{oneshot, watch};

pub(crate) use exclusions::Exclusions;
pub(crate) use metallb_protocol::layer2::InterfaceChoice;
use metallb_protocol::layer2::{Assignment, Counters};

/// The addresses to be served.
type Desired = BTreeMap<IpAddr, Assignment>;

/// What was counted for each address that is served.
pub(crate) type Counted = Vec<(IpAddr, Counters)>;

/// What the rest of the speaker holds of the layer 2 thread.
#[derive(Debug)]
pub(crate) struct Handle {
    desired: watch::Sender<Desired>,
    /// The next term. The driver sees only the last state, so that this alone tells an address which was withdrawn and
    /// announced again from one which was there all the time.
    next_term: AtomicU64,
    names: watch::Receiver<Option<BTreeSet<String>>>,
    counters: Asker<Counted>,
}

impl Handle {
    /// Serves `ip` on the interfaces of `choice` from now on. Neighbours hear of it where it was not served before;
    /// the same again does nothing.
    pub(crate) fn announce(&self, ip: IpAddr, choice: InterfaceChoice) {
        self.desired.send_if_modified(|desired| {
            if let Some(assignment) = desired.get_mut(&ip) {
                let changed = assignment.choice != choice;
                assignment.choice = choice;
                changed
            } else {
                let term = self.new_term();
                desired.insert(ip, Assignment { choice, term });
                true
            }
        });
    }

    /// Tells the neighbours again where `ip` is, if it is served: another node may have told them otherwise.
    pub(crate) fn remind(&self, ip: IpAddr) {
        self.desired.send_if_modified(|desired| {
            let assignment = desired.get_mut(&ip);
            let served = assignment.is_some();
            if let Some(assignment) = assignment {
                assignment.term = self.new_term();
            }
            served
        });
    }

    /// Serves `ip` no more. Nothing is sent for it from now on.
    pub(crate) fn withdraw(&self, ip: IpAddr) {
        self.desired
            .send_if_modified(|desired| desired.remove(&ip).is_some());
    }

    /// Asks what was counted.
    pub(crate) fn counters(&self) -> Asker<Counted> {
        self.counters.clone()
    }

    fn new_term(&self) -> u64 {
        self.next_term.fetch_add(1, Ordering::Relaxed)
    }

    /// The names of the interfaces that exist on this node and are not excluded, whether they are up or not. `None`
    /// until the first list has been read.
    pub(crate) fn interfaces(&self) -> watch::Receiver<Option<BTreeSet<String>>> {
        self.names.clone()
    }
}

/// Starts the layer 2 thread. Its end is the end of a task in `tasks`.
///
/// # Errors
/// The system refuses another thread.
pub(crate) fn spawn(tasks: &mut Tasks, exclusions: Exclusions) -> anyhow::Result<Handle> {
    let (handle, end) = start(exclusions)?;
    tasks.spawn("layer2", async {
        end.await.context("the layer 2 thread panicked")?
    });
    Ok(handle)
}

fn start(exclusions: Exclusions) -> anyhow::Result<(Handle, oneshot::Receiver<anyhow::Result<()>>)> {
    let (desired, desired_changes) = watch::channel(Desired::new());
    let (names_out, names) = watch::channel(None);
    let (counters, questions) = questions();
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("layer2".into())
        .spawn(move || {
            // The receiver is gone when the process ends: then nobody asks why.
            let outputs = Outputs {
                names: names_out,
                questions,
            };
            let _ = ended.send(run(desired_changes, outputs, exclusions));
        })
        .context("start the layer 2 thread")?;
    let next_term = AtomicU64::new(0);
    Ok((
        Handle {
            desired,
            next_term,
            names,
            counters,
        },
        end,
    ))
}

/// What the thread tells, unasked and asked.
struct Outputs {
    names: watch::Sender<Option<BTreeSet<String>>>,
    questions: Questions<Counted>,
}

/// The thread: runs until one of its tasks ends.
fn run(
    desired: watch::Receiver<Desired>,
    Outputs { names, questions }: Outputs,
    exclusions: Exclusions,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("start the layer 2 runtime")?;
    runtime.block_on(async {
        let (list, list_changes) = watch::channel(Vec::new());
        let mut tasks = Tasks::new();
        interfaces::spawn(&mut tasks, exclusions, interfaces::Outputs { list, names })?;
        tasks.spawn("answers", driver::run(desired, list_changes, questions));
        tasks.run(std::future::pending()).await
    })
}

#[cfg(test)]
mod tests;
