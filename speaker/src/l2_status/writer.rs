//! The task that writes. Owns what is known of the objects, and the pace.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Error, ResourceExt};
use metallb_api::names::{field_manager, label};
use metallb_api::v1beta1::ServiceL2Status;
use metallb_api::{Change, NamespacedName};
use metallb_core::plan::{StatusFacts, StatusWrite, reported_service};
use metallb_runtime::backoff::Backoff;
use metallb_runtime::log::chain;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Wanted;

/// Writes under way at once: at a few milliseconds each a node that takes over 1,000 Services has written them within a
/// few seconds, and a hundred such nodes do not crowd out the controller.
const AT_ONCE: usize = 4;
/// Writes between two looks at what has changed meanwhile.
const ROUND: usize = 32;
/// After a Service came to this node its former one deletes what it wrote, unless it died. What is left after this time
/// is deleted here.
const GRACE: Duration = Duration::from_secs(1);
/// The least time between two looks at the objects of all other nodes, which costs a list of them.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Objects per page of that list.
const PAGE: u32 = 200;

pub(super) struct Writer {
    api: Api<ServiceL2Status>,
    wanted: watch::Receiver<Wanted>,
    /// By name, from the watch and from the answers to writes, whichever is newer.
    objects: BTreeMap<String, StatusFacts>,
    listed: bool,
    /// When to write, if there is something to write.
    write_at: Option<Instant>,
    backoff: Backoff,
    /// When to look at the objects of other nodes.
    sweep_at: Option<Instant>,
    last_sweep: Instant,
    /// The gain at the last look.
    swept: u64,
}

/// What came of a write.
enum Written {
    /// The object as it is now.
    Done(Box<ServiceL2Status>),
    /// There is no such object.
    Gone(String),
}

impl Writer {
    pub(super) fn new(api: Api<ServiceL2Status>, wanted: watch::Receiver<Wanted>) -> Self {
        Self {
            api,
            wanted,
            objects: BTreeMap::new(),
            listed: false,
            write_at: None,
            backoff: Backoff::default(),
            sweep_at: None,
            last_sweep: Instant::now(),
            swept: 0,
        }
    }

    pub(super) async fn run(mut self, mut heard: mpsc::Receiver<Change<StatusFacts>>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                changed = self.wanted.changed() => changed.context("the owner task is gone")?,
                change = heard.recv() => match change {
                    Some(change) => self.observe(change),
                    None => bail!("the watch of statuses is gone"),
                },
                () = at(self.write_at) => self.write_at = None,
                () = at(self.sweep_at) => self.sweep().await,
            }
            while let Ok(change) = heard.try_recv() {
                self.observe(change);
            }
            let gained = {
                let wanted = self.wanted.borrow_and_update();
                if !self.listed || !wanted.complete {
                    continue;
                }
                wanted.gained
            };
            if gained != self.swept && self.sweep_at.is_none() {
                let earliest = self.last_sweep + SWEEP_INTERVAL;
                self.sweep_at = Some(earliest.max(Instant::now() + GRACE));
            }
            // Something failed just now: the changes that arrive do not make the wait any shorter.
            if self.write_at.is_none() {
                self.write().await;
            }
        }
    }

    fn observe(&mut self, change: Change<StatusFacts>) {
        match change {
            Change::Apply(NamespacedName { name, .. }, facts) => self.learn(name, facts),
            Change::Delete(NamespacedName { name, .. }) => {
                self.objects.remove(&name);
            }
            Change::Reset(all) => {
                self.listed = true;
                self.objects = all.into_iter().map(|(key, facts)| (key.name, facts)).collect();
            }
        }
    }

    /// The watch may be behind the answers to writes.
    fn learn(&mut self, name: String, facts: StatusFacts) {
        if self
            .objects
            .get(&name)
            .is_none_or(|known| known.version <= facts.version)
        {
            self.objects.insert(name, facts);
        }
    }

    /// The next few writes; the others follow at once.
    async fn write(&mut self) {
        let mut writes = self.wanted.borrow().report.writes(&self.objects);
        if writes.is_empty() {
            return;
        }
        writes.truncate(ROUND);
        let outcomes: Vec<_> = stream::iter(writes)
            .map(|write| perform(&self.api, write))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut failure = None;
        for outcome in outcomes {
            match outcome {
                Ok(Written::Done(object)) => self.learn(object.name_any(), StatusFacts::from(*object)),
                Ok(Written::Gone(name)) => {
                    self.objects.remove(&name);
                }
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            let wait = self.backoff.failed();
            self.write_at = Some(Instant::now() + wait);
            tracing::warn!(
                error = chain(&error),
                ?wait,
                "a status was not written, trying again"
            );
        } else {
            self.backoff.succeeded();
            // There may be more, and what was made says nothing yet.
            self.write_at = Some(Instant::now());
        }
    }

    /// Deletes what dead nodes wrote about Services that are announced here now.
    async fn sweep(&mut self) {
        let (gained, node) = {
            let wanted = self.wanted.borrow();
            (wanted.gained, wanted.report.node.clone())
        };
        self.sweep_at = None;
        self.last_sweep = Instant::now();
        match self.delete_others(&node).await {
            Ok(()) => self.swept = gained,
            // `swept` stays behind, which is reason enough for another look.
            Err(error) => tracing::warn!(
                error = chain(&error),
                "the statuses of other nodes cannot be cleaned"
            ),
        }
    }

    async fn delete_others(&self, node: &str) -> Result<(), Error> {
        let mut list = ListParams::default()
            .labels(&format!("{}!={node}", label::NODE))
            .limit(PAGE);
        loop {
            let page = self.api.list_metadata(&list).await?;
            for object in page.items {
                let service = reported_service(&object.metadata);
                let ours = |service| self.wanted.borrow().report.services.contains_key(&service);
                if service.is_some_and(ours) {
                    delete(&self.api, object.name_any()).await?;
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => list = list.continue_token(&token),
                None => return Ok(()),
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn perform(api: &Api<ServiceL2Status>, write: StatusWrite) -> Result<Written, Error> {
    let field_manager = Some(field_manager::SPEAKER.to_owned());
    let patching = PatchParams {
        field_manager: field_manager.clone(),
        ..PatchParams::default()
    };
    let (name, patched) = match write {
        StatusWrite::Create(object) => {
            let creating = PostParams {
                field_manager,
                ..PostParams::default()
            };
            let object = api.create(&creating, &object).await?;
            return Ok(Written::Done(Box::new(object)));
        }
        StatusWrite::Delete(name) => return delete(api, name).await,
        StatusWrite::Say(name, says) => {
            // Null where no interface is named, so that a merge takes former names away.
            let patch = json!({ "status": {
                "node": says.node,
                "serviceName": says.service_name,
                "serviceNamespace": says.service_namespace,
                "interfaces": says.interfaces,
            } });
            let patched = api.patch_status(&name, &patching, &Patch::Merge(patch)).await;
            (name, patched)
        }
        StatusWrite::Adopt(name, owner) => {
            let patch = json!({ "metadata": { "ownerReferences": [owner] } });
            let patched = api.patch(&name, &patching, &Patch::Merge(patch)).await;
            (name, patched)
        }
    };
    match patched {
        Ok(object) => Ok(Written::Done(Box::new(object))),
        Err(Error::Api(status)) if status.is_not_found() => Ok(Written::Gone(name)),
        Err(error) => Err(error),
    }
}

async fn delete(api: &Api<ServiceL2Status>, name: String) -> Result<Written, Error> {
    match api.delete(&name, &DeleteParams::default()).await {
        Ok(_) => Ok(Written::Gone(name)),
        Err(Error::Api(status)) if status.is_not_found() => Ok(Written::Gone(name)),
        Err(error) => Err(error),
    }
}
