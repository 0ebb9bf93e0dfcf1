//! The ServiceL2Status objects of this node. Owns their writing: when, how many at once, and what follows a failure.
//! Which objects there must be is decided in [`metallb_core::plan`].
//!
//! They are for people and dashboards. Nothing that is announced waits for them, so they are written a few at a time,
//! beside everything else.

mod objects;
mod writer;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use kube::{Api, Client};
use metallb_api::NamespacedName;
use metallb_api::names::label;
use metallb_api::v1beta1::ServiceL2Status;
use metallb_core::plan::{Decision, Pod, Report, StatusFacts};
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{config, spawn};
use tokio::sync::{Notify, mpsc};

use writer::Writer;

/// Changes of the objects on their way to the writer, which empties it after each few writes; the watch waits
/// meanwhile.
const CHANGES: usize = 64;

/// What the writer is to bring about.
#[derive(Debug, Default)]
struct Wanted {
    /// Enough is known for it to be complete.
    complete: bool,
    report: Report,
    /// The Services that the writer has not looked at since something changed. Bounded by the Services there are.
    unsettled: BTreeSet<NamespacedName>,
    /// How often a Service came to this node.
    gained: u64,
}

/// Between the owner task and the writer. Changed in place, so that the writer sees the last state and never a queue.
#[derive(Debug, Default)]
struct Desk {
    wanted: Mutex<Wanted>,
    news: Notify,
}

impl Desk {
    /// Looks at it or changes it. Nobody holds it for longer than that.
    fn with<T>(&self, act: impl FnOnce(&mut Wanted) -> T) -> T {
        act(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Statuses {
    desk: Arc<Desk>,
}

impl Statuses {
    /// Starts the writer for the objects of `node` in `namespace`. It touches nothing before [`Self::of_pod`].
    pub(crate) fn spawn(tasks: &mut Tasks, client: Client, namespace: &str, node: &str) -> Self {
        let api: Api<ServiceL2Status> = Api::namespaced(client, namespace);
        let (changes_in, changes) = mpsc::channel(CHANGES);
        let own = config().labels(&format!("{}={node}", label::NODE));
        spawn::<ServiceL2Status, StatusFacts, _>(tasks, api.clone(), own, Into::into, changes_in, |change| {
            change
        });
        let desk = Arc::new(Desk::default());
        desk.with(|wanted| node.clone_into(&mut wanted.report.node));
        tasks.spawn("statuses", Writer::new(api, Arc::clone(&desk)).run(changes));
        Self { desk }
    }

    /// The reports belong to this pod, and are complete as soon as the actions at hand are carried out.
    pub(crate) fn of_pod(&self, pod: Option<Pod>) {
        self.change(|wanted| {
            let changed = !wanted.complete || wanted.report.pod != pod;
            if changed {
                wanted.complete = true;
                wanted.report.pod = pod;
                wanted.unsettled.extend(wanted.report.services.keys().cloned());
            }
            changed
        });
    }

    /// The verdict about a Service, `None` if it is gone.
    pub(crate) fn decided(&self, service: &NamespacedName, decision: Option<&Decision>) {
        self.change(|wanted| {
            let services = &mut wanted.report.services;
            let changed = match decision {
                Some(Decision::Announce(interfaces)) => {
                    if services.insert(service.clone(), interfaces.clone()).is_none() {
                        wanted.gained += 1;
                    }
                    true
                }
                Some(Decision::Withhold(_)) | None => services.remove(service).is_some(),
            };
            if changed {
                wanted.unsettled.insert(service.clone());
            }
            changed
        });
    }

    /// Changes what is wanted, and wakes the writer if something changed.
    fn change(&self, change: impl FnOnce(&mut Wanted) -> bool) {
        if self.desk.with(change) {
            self.desk.news.notify_one();
        }
    }
}
