//! The ServiceL2Status objects of this node. Owns their writing: when, how many at once, and what follows a failure.
//! Which objects there must be is decided in [`metallb_core::plan`].
//!
//! They are for people and dashboards. Nothing that is announced waits for them, so they are written a few at a time,
//! beside everything else.

mod writer;

use kube::{Api, Client};
use metallb_api::NamespacedName;
use metallb_api::names::label;
use metallb_api::v1beta1::ServiceL2Status;
use metallb_core::plan::{Decision, Pod, Report, StatusFacts};
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{config, spawn};
use tokio::sync::{mpsc, watch};

use writer::Writer;

/// Changes of the objects on their way to the writer, which empties it after each few writes; the watch waits
/// meanwhile.
const CHANGES: usize = 64;

/// What the writer is to bring about. Changed in place, so that it sees the last state and never a queue.
#[derive(Debug, Default)]
struct Wanted {
    /// Enough is known for it to be complete.
    complete: bool,
    report: Report,
    /// How often a Service came to this node.
    gained: u64,
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Statuses {
    wanted: watch::Sender<Wanted>,
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
        let report = Report {
            node: node.to_owned(),
            ..Report::default()
        };
        let (wanted, news) = watch::channel(Wanted {
            report,
            ..Wanted::default()
        });
        tasks.spawn("statuses", Writer::new(api, news).run(changes));
        Self { wanted }
    }

    /// The reports belong to this pod, and are complete as soon as the actions at hand are carried out.
    pub(crate) fn of_pod(&self, pod: Option<Pod>) {
        self.wanted.send_if_modified(|wanted| {
            let changed = !wanted.complete || wanted.report.pod != pod;
            wanted.complete = true;
            wanted.report.pod = pod;
            changed
        });
    }

    /// The verdict about a Service, `None` if it is gone.
    pub(crate) fn decided(&self, service: &NamespacedName, decision: Option<&Decision>) {
        self.wanted.send_if_modified(|wanted| {
            let services = &mut wanted.report.services;
            match decision {
                Some(Decision::Announce(interfaces)) => {
                    if services.insert(service.clone(), interfaces.clone()).is_none() {
                        wanted.gained += 1;
                    }
                    true
                }
                Some(Decision::Withhold(_)) | None => services.remove(service).is_some(),
            }
        });
    }
}
