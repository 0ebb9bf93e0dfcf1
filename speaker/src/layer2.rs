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
//! Before each frame it looks whether this node may answer at all, see [`crate::entitlement`].
//!
//! An address that moves to another node stays in the set, marked as leaving, until the driver has seen the other node
//! take it; then the driver takes it out.
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
mod parting;
mod port;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use anyhow::Context;
use metallb_runtime::metrics::{Asker, Questions, questions};
use metallb_runtime::tasks::Tasks;
use tokio::sync::watch;

use crate::entitlement::Entitlement;
use crate::thread::{self, End};

pub(crate) use exclusions::Exclusions;
pub(crate) use metallb_protocol::layer2::InterfaceChoice;
use metallb_protocol::layer2::{Assignment, Counters, Tenure};
pub(crate) use parting::Parting;

/// What the driver is to do.
#[derive(Debug, Default)]
struct Desired {
    /// The addresses to be served.
    addresses: BTreeMap<IpAddr, Assignment>,
    /// The process ends: nothing is served anew.
    closing: bool,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    /// This node may answer for them.
    pub(crate) entitled: bool,
    /// Each address that is served.
    pub(crate) addresses: Vec<(IpAddr, Counters)>,
    /// Those of them that are left to another station, because this one misses half of the others or more.
    pub(crate) yielded: BTreeSet<IpAddr>,
}

/// What the rest of the speaker holds of the layer 2 thread.
#[derive(Debug)]
pub(crate) struct Handle {
    /// Of which the driver has a share, to take out what has left.
    desired: Arc<watch::Sender<Desired>>,
    /// The next term. The driver sees only the last state, so that this alone tells an address which was withdrawn and
    /// announced again from one which was there all the time.
    next_term: AtomicU64,
    names: watch::Receiver<Option<BTreeSet<String>>>,
    counters: Asker<Counted>,
}

impl Handle {
    /// Serves `ip` on the interfaces of `choice` from now on. Neighbours hear of it where it was not served before, or
    /// was about to leave; the same again does nothing.
    pub(crate) fn announce(&self, ip: IpAddr, choice: InterfaceChoice) {
        self.desired.send_if_modified(|Desired { addresses, closing }| {
            if *closing {
                return false;
            }
            let staying = |assignment: &&mut Assignment| assignment.tenure == Tenure::Staying;
            if let Some(assignment) = addresses.get_mut(&ip).filter(staying) {
                let changed = assignment.choice != choice;
                assignment.choice = choice;
                changed
            } else {
                let (tenure, term) = (Tenure::Staying, self.new_term());
                addresses.insert(ip, Assignment { choice, tenure, term });
                true
            }
        });
    }

    /// Tells the neighbours again where `ip` is, if it is served: another node may have told them otherwise.
    pub(crate) fn remind(&self, ip: IpAddr) {
        self.desired.send_if_modified(|desired| {
            let assignment = desired.addresses.get_mut(&ip);
            let served = assignment.is_some();
            if let Some(assignment) = assignment {
                assignment.term = self.new_term();
            }
            served
        });
    }

    /// Serves `ip` until another node is seen to do so, but not for longer than a second.
    pub(crate) fn hand_over(&self, ip: IpAddr) {
        self.desired.send_if_modified(|desired| {
            let assignment = desired.addresses.get_mut(&ip);
            let served = assignment.is_some();
            if let Some(assignment) = assignment {
                assignment.tenure = Tenure::Leaving;
            }
            served
        });
    }

    /// Serves `ip` no more. Nothing is sent for it from now on.
    pub(crate) fn withdraw(&self, ip: IpAddr) {
        self.desired
            .send_if_modified(|desired| desired.addresses.remove(&ip).is_some());
    }

    /// What to do when the process is to end.
    pub(crate) fn parting(&self) -> Parting {
        Parting::new(Arc::clone(&self.desired))
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
pub(crate) fn spawn(
    tasks: &mut Tasks,
    exclusions: Exclusions,
    entitlement: Entitlement,
) -> anyhow::Result<Handle> {
    let (handle, end) = start(exclusions, entitlement)?;
    tasks.spawn("layer2", async {
        end.await.context("the layer 2 thread panicked")?
    });
    Ok(handle)
}

fn start(exclusions: Exclusions, entitlement: Entitlement) -> anyhow::Result<(Handle, End)> {
    let (desired, desired_changes) = watch::channel(Desired::default());
    let desired = Arc::new(desired);
    let share = Arc::downgrade(&desired);
    let (names_out, names) = watch::channel(None);
    let (counters, questions) = questions();
    let inputs = Inputs {
        desired: desired_changes,
        questions,
        entitlement,
    };
    let outputs = Outputs {
        names: names_out,
        desired: share,
    };
    let end = thread::start("layer2", move || run(inputs, outputs, exclusions))?;
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

/// What the thread hears from the rest of the speaker.
struct Inputs {
    desired: watch::Receiver<Desired>,
    questions: Questions<Counted>,
    entitlement: Entitlement,
}

/// What the thread tells, unasked.
struct Outputs {
    names: watch::Sender<Option<BTreeSet<String>>>,
    desired: Weak<watch::Sender<Desired>>,
}

/// The thread: runs until one of its tasks ends.
async fn run(inputs: Inputs, outputs: Outputs, exclusions: Exclusions) -> anyhow::Result<()> {
    let Outputs { names, desired } = outputs;
    let (list, list_changes) = watch::channel(Vec::new());
    let mut tasks = Tasks::new();
    interfaces::spawn(&mut tasks, exclusions, interfaces::Outputs { list, names })?;
    tasks.spawn("answers", driver::run(inputs, desired, list_changes));
    tasks.run(std::future::pending()).await
}

#[cfg(test)]
mod tests;
