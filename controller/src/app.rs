//! The controller's process: starts the parts and runs the one task that owns the state.

use anyhow::bail;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::{Client, Resource};
use metallb_api::names::event;
use metallb_api::v1beta1::IPAddressPool;
use metallb_core::service::EventKind as Kind;
use metallb_runtime::admin::{self, Health};
use metallb_runtime::events::{EventKind, Note, Recorder};
use metallb_runtime::metrics::Metrics;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::{args::own_namespace, client, shutdown};
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch::{self as latest, Sender as Latest};
use tokio::time::{Instant, sleep_until};

use crate::args::{Args, WebhookMode};
use crate::metrics::ControllerMetrics;
use crate::pool_status::{self, PoolStatuses};
use crate::state::{Input, State, Subject, Tell};
use crate::{serving, watch, webhook, write};

/// Changes that wait for the owner task. A full queue holds the watches back, and with them nothing else: enough for
/// one page of a list, so that reading the next page and deciding about this one overlap.
const INPUTS: usize = 256;
/// Changes taken together before the next decision: bounds the wait of a write's result while a list arrives.
const BATCH: usize = 256;
/// Writes under way at once. The API server needs about 4 ms for one, so this is up to 4,000 addresses a second; each
/// takes one of its connections and one of the 600 requests it works on at a time by default.
const WRITES: usize = 16;

/// Runs the controller until a signal ends it.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = shutdown::signal()?;
    let namespace = own_namespace(args.namespace.clone())?;
    for flag in args.without_effect() {
        tracing::warn!(flag, "accepted, but not in effect in this version");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace,
        "controller starting"
    );
    let client = client::connect().await?;

    let mut tasks = Tasks::new();
    let health = Health::new();
    tasks.spawn(
        "health",
        admin::serve(admin::every_address(args.health_probe_port), health.clone()),
    );
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"))?;
    let webhooks = (namespace.as_str(), webhook::routes(&client, &namespace));
    serving::start(&mut tasks, &client, &args, &metrics, webhooks)?;
    if args.webhooks.mode == WebhookMode::OnlyWebhook {
        health.set_ready();
        return tasks.run(shutdown).await;
    }
    let recorder = Recorder::new(
        client.clone(),
        event::CONTROLLER,
        args.pod_name.clone(),
        &mut tasks,
    );
    let (statuses, wanted) = latest::channel(PoolStatuses::new());
    tasks.spawn(
        "pool status",
        pool_status::run(client.clone(), namespace.clone(), wanted),
    );
    let (sender, inputs) = mpsc::channel(INPUTS);
    watch::start(&mut tasks, &client, &namespace, &sender);
    drop(sender); // the watches hold their own: when the last one ends, the owner sees it

    let state = State::new(args.lb_class().map(str::to_owned));
    tasks.spawn(
        "owner",
        Owner {
            client,
            state,
            health,
            recorder,
            statuses,
            metrics: ControllerMetrics::new(metrics)?,
        }
        .run(inputs),
    );
    tasks.run(shutdown).await
}

/// The one task that owns the state.
struct Owner {
    client: Client,
    state: State,
    health: Health,
    recorder: Recorder,
    statuses: Latest<PoolStatuses>,
    metrics: ControllerMetrics,
}

impl Owner {
    async fn run(mut self, mut inputs: Receiver<Input>) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut writes = FuturesUnordered::new();
        loop {
            let due = self.state.next_due().map(|due| started + due);
            tokio::select! {
                input = inputs.recv() => {
                    let Some(input) = input else { bail!("every watch ended") };
                    self.observe(input);
                    for _ in 1..BATCH {
                        let Ok(input) = inputs.try_recv() else { break };
                        self.observe(input);
                    }
                }
                Some((write, written)) = writes.next(), if !writes.is_empty() => {
                    self.metrics.observe_written(&written);
                    self.state.observe_written(&write, written);
                }
                () = sleep_until(due.unwrap_or(started)), if due.is_some() => {}
            }
            self.state.advance(started.elapsed());
            self.state.decide();
            while writes.len() < WRITES
                && let Some(next) = self.state.next_write()
            {
                writes.push(write::perform(self.client.clone(), next));
            }
            self.report();
        }
    }

    fn observe(&mut self, input: Input) {
        self.metrics.observe(&input);
        self.state.observe(input);
    }

    fn report(&mut self) {
        if self.state.is_complete() {
            self.health.set_ready();
        }
        self.metrics.observe_state(&self.state);
        for tell in self.state.take_tells() {
            if tell.subject == Subject::Pool {
                self.metrics.observe_errors(1);
            }
            self.recorder.publish(note(tell));
        }
        let statuses = self.state.pool_statuses();
        self.statuses.send_if_modified(|known| {
            let changed = *known != statuses;
            *known = statuses;
            changed
        });
    }
}

fn note(tell: Tell) -> Note {
    let Tell {
        subject,
        object,
        uid,
        event,
    } = tell;
    let (api_version, kind) = match subject {
        Subject::Service => (Service::api_version(&()), Service::kind(&())),
        Subject::Pool => (IPAddressPool::api_version(&()), IPAddressPool::kind(&())),
    };
    Note {
        regarding: ObjectReference {
            api_version: Some(api_version.into_owned()),
            kind: Some(kind.into_owned()),
            namespace: Some(object.namespace),
            name: Some(object.name),
            uid: Some(uid),
            ..ObjectReference::default()
        },
        kind: match event.kind {
            Kind::Normal => EventKind::Normal,
            Kind::Warning => EventKind::Warning,
        },
        reason: event.reason,
        message: event.message,
    }
}
