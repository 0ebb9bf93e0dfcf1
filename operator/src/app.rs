//! The wiring of the process: what starts a reconciliation, and what is done with its outcome.

mod watches;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::{StreamExt, pin_mut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::runtime::controller::{Action, Error as ControllerError};
use kube::{Api, Client, ResourceExt};
use metallb_api::names;
use metallb_runtime::admin::{self, Health};
use metallb_runtime::backoff::Backoff;
use metallb_runtime::events::{EventKind, Note, Recorder};
use metallb_runtime::memberlist_key::FreshKey;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::{client, memory, shutdown};

use crate::args::{Args, Settings};
use crate::leader::Candidate;
use crate::metallb::inputs::{Rest, Versions};
use crate::metallb::status::{Remark, State};
use crate::metallb::{self, Context, Error, Outcome, Retry, explain};
use crate::platform::Kinds;
use crate::webhook;
use watches::{Trigger, watches};

/// Every change is seen by a watch. This only bounds how long one that was missed all the same goes unrepaired; it
/// costs a dozen requests to read, and none to write if nothing was missed.
const SAFETY_NET: Duration = Duration::from_mins(10);

/// How soon the pods that are missing are looked at again: an image that cannot be pulled shows in them alone, and to
/// watch them would mean to hear of every change of a pod on every node.
const PODS_PAUSE: Duration = Duration::from_secs(5);

/// What the API server refuses comes from the resource, and an edit of that is seen. What stands in its way may also be
/// somebody else's object, whose deletion no watch of ours shows.
const REFUSED_PAUSE: Duration = Duration::from_mins(1);

/// Runs the operator until it is told to stop.
///
/// # Errors
/// The installation is incomplete, or a part of the process ended.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = shutdown::signal().context("cannot listen for signals")?;
    let settings = args.settings()?;
    let Settings {
        namespace,
        controller_image,
        speaker_image,
        ..
    } = &settings;
    tracing::info!(namespace, controller_image, speaker_image, "operator starts");
    for flag in args.without_effect() {
        tracing::info!(flag, "accepted for compatibility, has no effect");
    }
    let client = client::connect().await?;
    let mut tasks = Tasks::new();
    memory::spawn(&mut tasks);
    let health = webhook::serve(&mut tasks, &client, &args.webhook, &settings.namespace)?;
    let recorder = Recorder::new(
        client.clone(),
        names::event::OPERATOR,
        args.pod_name.clone(),
        &mut tasks,
    );
    tasks.spawn(
        "health",
        admin::serve(admin::every_address(args.port), health.clone()),
    );
    let operator = Arc::new(Operator {
        context: Context {
            client: client.clone(),
            settings: settings.clone(),
        },
        recorder,
        backoff: Mutex::default(),
        spoken: AtomicBool::new(false),
        rest: Mutex::default(),
    });
    tasks.spawn("ready", ready(client.clone(), settings.namespace.clone(), health));
    let candidate = args
        .enable_leader_election
        .then(|| Candidate::new(&client, &settings.namespace, &args.pod_name));
    tasks.spawn(
        "reconcile",
        operator.lead(candidate.clone(), client, settings.namespace),
    );
    let outcome = tasks.run(shutdown).await;
    // Nothing is under way any more.
    if let Some(candidate) = candidate {
        candidate.release().await;
    }
    outcome
}

/// Declares the process ready once the API server lets it list what it works on: it is there, knows the kind, and the
/// permissions are in place. The watches' own store cannot be asked, because it wakes one waiter only, and that must be
/// the reconciliation.
async fn ready(client: Client, namespace: String, health: Health) -> anyhow::Result<()> {
    let api: Api<Trigger> = Api::namespaced(client, &namespace);
    let mut backoff = Backoff::default();
    while let Err(error) = api.list(&ListParams::default().limit(1)).await {
        tracing::warn!(
            namespace,
            error = explain(&error),
            "cannot list MetalLB resources yet"
        );
        tokio::time::sleep(backoff.failed()).await;
    }
    health.set_ready();
    std::future::pending().await
}

/// The kinds besides those of Kubernetes whose objects are to be watched. One that is installed later is used as well, but
/// what happens to its objects is seen only when something else happens, or after [`SAFETY_NET`].
async fn kinds(client: &Client) -> Kinds {
    let mut backoff = Backoff::default();
    loop {
        match Kinds::discover(client).await {
            Ok(kinds) => return kinds,
            Err(error) => {
                tracing::warn!(error = explain(&error), "cannot see yet which APIs there are");
                tokio::time::sleep(backoff.failed()).await;
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Operator {
    context: Context,
    recorder: Recorder,
    /// One for all resources: only the one that is named right can fail in a way that is worth a retry.
    backoff: Mutex<Backoff>,
    /// Whether this process has told a state yet: the first one is told even if an earlier process did, so that the log
    /// of a restarted operator says where things stand.
    spoken: AtomicBool,
    rest: Mutex<Rest>,
}

/// A reconciliation that has to be repeated soon. It is already logged.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Failed(Error);

impl Operator {
    /// Reconciles while this is the one operator that acts.
    async fn lead(
        self: Arc<Self>,
        candidate: Option<Candidate>,
        client: Client,
        namespace: String,
    ) -> anyhow::Result<()> {
        let Some(candidate) = candidate else {
            return self.run(client, namespace).await;
        };
        candidate.win().await;
        tokio::select! {
            ended = self.run(client, namespace) => ended,
            lost = candidate.lose() => lost,
        }
    }

    async fn run(self: Arc<Self>, client: Client, namespace: String) -> anyhow::Result<()> {
        let controller = watches(&client, &namespace, &kinds(&client).await);
        let reconcile = |metallb: Arc<Trigger>, operator: Arc<Self>| async move {
            operator.reconcile(&metallb.name_any()).await
        };
        let retry = |_: Arc<Trigger>, _: &Failed, operator: Arc<Self>| operator.retry();
        let results = controller.run(reconcile, retry, Arc::clone(&self));
        pin_mut!(results);
        while let Some(result) = results.next().await {
            match result {
                Ok(_) | Err(ControllerError::ReconcilerFailed(..)) => {}
                // There is none, and something of ours is touched: what a deleted one owned goes as well.
                Err(ControllerError::ObjectNotFound(metallb)) => self.clear(&metallb.name).await,
                // Retried by the watch itself.
                Err(error) => tracing::warn!(error = explain(&error), "watch failed"),
            }
        }
        Err(anyhow!("the watches of the operator ended"))
    }

    /// Removes what a MetalLB that is gone could not own. Nothing else is to be done meanwhile: there is none.
    async fn clear(&self, name: &str) {
        let mut backoff = Backoff::default();
        while let Err(Failed(_)) = self.reconcile(name).await {
            tokio::time::sleep(backoff.failed()).await;
        }
    }

    /// Reconciles, unless everything is as the last time left it.
    async fn reconcile(&self, name: &str) -> Result<Action, Failed> {
        if name != names::object::METALLB {
            return self.act(name).await.map(|(action, _)| action);
        }
        let versions = self.versions().await;
        if versions
            .as_ref()
            .is_some_and(|now| locked(&self.rest).is_undisturbed(now))
        {
            return Ok(Action::requeue(SAFETY_NET));
        }
        let acted = self.act(name).await;
        *locked(&self.rest) = match &acted {
            Ok((_, true)) => Rest::Calm(versions),
            _ => Rest::Busy,
        };
        acted.map(|(action, _)| action)
    }

    /// What there is to be compared with the last time; `None` if there is no use in it, or it cannot be read.
    async fn versions(&self) -> Option<Versions> {
        if !locked(&self.rest).is_calm() {
            return None;
        }
        let Context { client, settings } = &self.context;
        let read = Versions::read(client, &settings.namespace).await;
        // The reconciliation meets the same, and tells.
        read.inspect_err(|error| tracing::debug!(error = explain(error), "cannot see what has changed"))
            .ok()
    }

    /// One reconciliation. Returns when the next one is due, and whether there is nothing left to do.
    async fn act(&self, name: &str) -> Result<(Action, bool), Failed> {
        let now = Timestamp::from_second(Timestamp::now().as_second()).expect("it was a timestamp already");
        let outcome = metallb::reconcile(&self.context, name, FreshKey::random(), Time(now)).await;
        let (mut next, mut complete) = (SAFETY_NET, false);
        let failure = match outcome {
            Ok(None) => {
                tracing::info!(metallb = name, "is gone");
                return Ok((Action::await_change(), false));
            }
            Ok(Some(Outcome {
                subject,
                state,
                news,
                failure,
            })) => {
                complete = matches!(state, State::Available { .. });
                if state.waits_for_pods() {
                    next = PODS_PAUSE;
                }
                if news || !self.spoken.swap(true, Ordering::Relaxed) {
                    self.report(name, subject.reference, state);
                }
                failure
            }
            Err(error) => {
                tracing::warn!(metallb = name, error = explain(&error), "not reconciled");
                Some(error)
            }
        };
        let Some(error) = failure else {
            locked(&self.backoff).succeeded();
            return Ok((Action::requeue(next), complete));
        };
        match error.retry() {
            Retry::Soon => Err(Failed(error)),
            Retry::Slowly => Ok((Action::requeue(REFUSED_PAUSE), false)),
            Retry::Never => Ok((Action::await_change(), false)),
        }
    }

    fn retry(&self) -> Action {
        Action::requeue(locked(&self.backoff).failed())
    }

    /// Tells a new state: always in the log, and as an Event if somebody has to act or gets something else than expected.
    fn report(&self, name: &str, regarding: k8s_openapi::api::core::v1::ObjectReference, state: State) {
        let warn = |regarding, reason, message| {
            self.recorder.publish(Note {
                regarding,
                kind: EventKind::Warning,
                reason,
                message,
            });
        };
        match state {
            State::Available { remarks } => {
                let told: Vec<&str> = remarks.iter().map(|remark| remark.message.as_str()).collect();
                tracing::info!(metallb = name, detail = told.join("; "), "available");
                for Remark { event, message } in remarks {
                    if let Some(reason) = event {
                        warn(regarding.clone(), reason, message);
                    }
                }
            }
            State::Progressing { message } => tracing::info!(metallb = name, detail = message, "progressing"),
            State::Degraded { reason, message } => {
                tracing::error!(metallb = name, reason, detail = message, "degraded");
                warn(regarding, reason, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metallb::api_server::Cluster;

    const SPEAKER: &str = "/apis/apps/v1/namespaces/metallb-system/daemonsets/speaker";

    #[tokio::test]
    async fn nothing_is_written_until_something_has_changed() {
        let cluster = Cluster::new(&json!({}));
        let context = cluster.context();
        let operator = Operator {
            recorder: Recorder::new(
                context.client.clone(),
                names::event::OPERATOR,
                "pod".to_owned(),
                &mut Tasks::new(),
            ),
            context,
            backoff: Mutex::default(),
            spoken: AtomicBool::new(false),
            rest: Mutex::default(),
        };
        let reconciled = async || {
            let before = cluster.writes();
            operator.reconcile(names::object::METALLB).await.unwrap();
            cluster.writes() - before
        };
        // It makes everything, enforces the webhooks, and finds that all of it is there.
        let mut rounds = 0;
        while reconciled().await > 0 {
            rounds += 1;
            assert!(rounds <= 4, "it goes on writing");
        }
        assert_eq!(reconciled().await, 0);
        cluster.delete(SPEAKER);
        assert!(reconciled().await > 0);
        assert!(cluster.has(SPEAKER));
        while reconciled().await > 0 {}
        cluster.ask_for(&json!({"logLevel": "debug"}));
        assert!(reconciled().await > 0);
    }
}
