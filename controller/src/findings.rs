//! What is wrong with the objects beside pools: advertisements, peers, profiles, communities. The webhooks refuse such an
//! object; this is about those that slipped in while nobody could answer, about what became wrong later, and about objects of
//! any kind that do not decode.
//!
//! ```text
//!   watches: something changed ─► a moment's rest ─► list everything ─► core::config ─► findings ─► owner task
//! ```
//!
//! Nothing of this is needed to give addresses, and nothing waits for it: where these objects cannot be listed, Services
//! are served all the same. Owns when to look; the rules are those of `metallb_core::config`, and what is done about a
//! finding is the owner's.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::bail;
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource};
use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use metallb_api::v1beta2::BGPPeer;
use metallb_api::{Change, NamespacedName};
use metallb_core::config::objects::{Kind, Objects};
use metallb_core::config::{Fault, standing};
use metallb_runtime::backoff::Backoff;
use metallb_runtime::log::chain;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::watch::{config, spawn};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::watch::Sender as Latest;
use tokio::time::{Instant, sleep_until};

use crate::existing;

/// From a change to the look at all objects. They often come several at once and in any order: what is complete a moment
/// later is not worth a complaint.
const REST: Duration = Duration::from_secs(1);
/// The longest time between two looks. Whether two advertisements meet depends on the labels of the nodes, too, which are
/// not watched: a hundred nodes write several times a second, and their labels change a few times a year.
const LOOK: Duration = Duration::from_mins(10);
/// Changes on their way. A full queue holds the watches back while a list is under way.
const INPUTS: usize = 16;

/// An object that is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What is wrong with it.
    pub(crate) fault: Fault,
    /// Its uid.
    pub(crate) uid: String,
}

/// What was found at the last look; `None` before the first one.
pub(crate) type Findings = Option<Vec<Finding>>;

/// Looks for ever, and passes on what it finds.
pub(crate) fn start(tasks: &mut Tasks, client: &Client, namespace: &str, findings: Latest<Findings>) {
    let (inputs, changes) = mpsc::channel(INPUTS);
    watch::<BFDProfile>(tasks, client, namespace, &inputs, |change| {
        (Kind::BfdProfile, change)
    });
    watch::<BGPAdvertisement>(tasks, client, namespace, &inputs, |change| {
        (Kind::BgpAdvertisement, change)
    });
    watch::<BGPPeer>(tasks, client, namespace, &inputs, |change| {
        (Kind::BgpPeer, change)
    });
    watch::<Community>(tasks, client, namespace, &inputs, |change| {
        (Kind::Community, change)
    });
    watch::<IPAddressPool>(tasks, client, namespace, &inputs, |change| {
        (Kind::IpAddressPool, change)
    });
    watch::<L2Advertisement>(tasks, client, namespace, &inputs, |change| {
        (Kind::L2Advertisement, change)
    });
    let finder = Finder {
        client: client.clone(),
        namespace: namespace.to_owned(),
        known: BTreeMap::new(),
        findings,
    };
    tasks.spawn("findings", finder.run(changes));
}

/// What tells whether an object has changed in a way that matters. Its status does not, nor do annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    uid: Option<String>,
    generation: Option<i64>,
    labels: BTreeMap<String, String>,
}

type Input = (Kind, Change<Mark>);

fn watch<K>(
    tasks: &mut Tasks,
    client: &Client,
    namespace: &str,
    inputs: &Sender<Input>,
    wrap: fn(Change<Mark>) -> Input,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::namespaced(client.clone(), namespace);
    spawn(tasks, api, config(), mark, inputs.clone(), wrap);
}

fn mark<K>(object: PartialObjectMeta<K>) -> Mark {
    Mark {
        labels: object.metadata.labels.unwrap_or_default(),
        uid: object.metadata.uid,
        generation: object.metadata.generation,
    }
}

struct Finder {
    client: Client,
    namespace: String,
    known: BTreeMap<Kind, BTreeMap<NamespacedName, Mark>>,
    findings: Latest<Findings>,
}

impl Finder {
    async fn run(mut self, mut changes: Receiver<Input>) -> anyhow::Result<()> {
        let mut backoff = Backoff::default();
        // The first lists are the first change; where they fail, it is looked all the same.
        let mut due = Instant::now() + REST;
        loop {
            tokio::select! {
                change = changes.recv() => {
                    let Some((kind, change)) = change else { bail!("every watch ended") };
                    if change.merge_into(self.known.entry(kind).or_default(), |old, new| old == new) {
                        due = due.min(Instant::now() + REST);
                    }
                }
                () = sleep_until(due) => {
                    due = Instant::now() + match self.look().await {
                        Ok(()) => {
                            backoff.succeeded();
                            LOOK
                        }
                        Err(error) => {
                            tracing::warn!(error = chain(&error), "configuration beside pools not examined");
                            // What is known of the pools is told without it.
                            self.findings.send_if_modified(|known| {
                                let first = known.is_none();
                                known.get_or_insert_default();
                                first
                            });
                            backoff.failed()
                        }
                    };
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), existing::ListError> {
        let (objects, unreadable) = existing::list_in_turn(&self.client, &self.namespace).await?;
        let found = Some(findings(&objects, unreadable));
        self.findings.send_if_modified(|known| {
            let news = *known != found;
            *known = found;
            news
        });
        Ok(())
    }
}

/// What is wrong with the objects, beside those that are `unreadable` anyway.
fn findings(objects: &Objects, unreadable: Vec<Finding>) -> Vec<Finding> {
    let finding = |fault: Fault| Finding {
        uid: Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == fault.kind)
            .and_then(|kind| objects.metadata(kind, fault.object.name())?.uid.clone())
            .unwrap_or_default(),
        fault,
    };
    let faults = standing::faults_beside_pools(objects).into_iter();
    unreadable.into_iter().chain(faults.map(finding)).collect()
}
