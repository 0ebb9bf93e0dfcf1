//! The task that writes. Owns what is known of the objects, and the pace.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
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
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Desk;
use super::objects::Objects;

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
    desk: Arc<Desk>,
    objects: Objects,
    listed: bool,
    /// No write before this.
    write_after: Instant,
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
    pub(super) fn new(api: Api<ServiceL2Status>, desk: Arc<Desk>) -> Self {
        let now = Instant::now();
        Self {
            api,
            desk,
            objects: Objects::default(),
            listed: false,
            write_after: now,
            backoff: Backoff::default(),
            sweep_at: None,
            last_sweep: now,
            swept: 0,
        }
    }

    pub(super) async fn run(mut self, mut heard: mpsc::Receiver<Change<StatusFacts>>) -> anyhow::Result<()> {
        let desk = Arc::clone(&self.desk);
        loop {
            let (unsettled, gained) = desk.with(|wanted| {
                let unsettled = wanted.complete && !wanted.unsettled.is_empty();
                (unsettled, wanted.gained)
            });
            if gained != self.swept && self.sweep_at.is_none() {
                let earliest = self.last_sweep + SWEEP_INTERVAL;
                self.sweep_at = Some(earliest.max(Instant::now() + GRACE));
            }
            tokio::select! {
                () = desk.news.notified() => {}
                change = heard.recv() => match change {
                    Some(change) => self.observe(change),
                    None => bail!("the watch of statuses is gone"),
                },
                () = sleep_until(self.write_after), if unsettled && self.listed => self.write().await,
                () = at(self.sweep_at) => self.sweep().await,
            }
        }
    }

    fn observe(&mut self, change: Change<StatusFacts>) {
        self.listed |= matches!(change, Change::Reset(_));
        let concerned = self.objects.observe(change);
        self.desk.with(|wanted| wanted.unsettled.extend(concerned));
    }

    /// The next few writes. Their Services are looked at again afterwards: what was made says nothing yet.
    async fn write(&mut self) {
        let writes = self.next_writes();
        let outcomes: Vec<_> = stream::iter(writes)
            .map(|(service, write)| {
                let api = &self.api;
                async move { (service, perform(api, write).await) }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut failure = None;
        for (service, outcome) in outcomes {
            match outcome {
                Ok(Written::Done(object)) => {
                    let name = object.name_any();
                    self.objects.learn(&name, StatusFacts::from(*object));
                }
                Ok(Written::Gone(name)) => {
                    self.objects.forget(&name);
                }
                Err(error) => failure = Some(error),
            }
            self.desk.with(|wanted| wanted.unsettled.insert(service));
        }
        if let Some(error) = failure {
            let wait = self.backoff.failed();
            self.write_after = Instant::now() + wait;
            tracing::warn!(
                error = chain(&error),
                ?wait,
                "a status was not written, trying again"
            );
        } else {
            self.backoff.succeeded();
        }
    }

    fn next_writes(&self) -> Vec<(NamespacedName, StatusWrite)> {
        self.desk.with(|wanted| {
            let mut writes = Vec::new();
            while writes.len() < ROUND
                && let Some(service) = wanted.unsettled.pop_first()
            {
                let objects = self.objects.of(&service);
                let of_this = wanted.report.writes(&service, objects);
                writes.extend(of_this.into_iter().map(|write| (service.clone(), write)));
            }
            writes
        })
    }

    /// Deletes what dead nodes wrote about Services that are announced here now.
    async fn sweep(&mut self) {
        let (gained, node) = self
            .desk
            .with(|wanted| (wanted.gained, wanted.report.node.clone()));
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
                let ours = |service| {
                    self.desk
                        .with(|wanted| wanted.report.services.contains_key(&service))
                };
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
