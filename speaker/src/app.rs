//! The wiring of the process: what feeds the owner task, and what it acts with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use metallb_api::names::{event, object};
use metallb_core::world::{Company, Input, Own};
use metallb_runtime::admin::{self, Health};
use metallb_runtime::configuration_state::{self, Author, Component};
use metallb_runtime::events::Recorder;
use metallb_runtime::metrics::{Metrics, Questions, questions};
use metallb_runtime::tasks::Tasks;
use metallb_runtime::{args::own_namespace, client, memory, shutdown};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::watch as latest;
use tokio::time::Instant;

use crate::apply::Hands;
use crate::args::Args;
use crate::entitlement::{self, Entitlement, Grantor};
use crate::farewell;
use crate::l2_status::Statuses;
use crate::layer2::{self, Exclusions};
use crate::membership::{self, View};
use crate::metrics::{Announced, SpeakerMetrics};
use crate::owner::Owner;
use crate::watch::{self, Sources};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Facts on their way to the owner task. When it is full the watches wait, and with them the API server's connections;
/// nothing is lost. A fact is a few hundred bytes, so that this is well below a megabyte.
const INPUTS: usize = 256;

/// Runs the speaker until it is told to stop.
///
/// Told to stop, it goes on answering until other speakers have taken over, see [`farewell`]. Ended in any other way,
/// answering ends with it, at once; the other speakers notice.
///
/// # Errors
/// Something it cannot do without is missing, or a part of the process ended.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let node = args.node_name()?.to_owned();
    let shutdown = shutdown::signal().context("cannot listen for signals")?;
    let namespace = own_namespace(args.namespace.clone())?;
    tracing::info!(node, namespace, version = VERSION, "speaker starts");
    for flag in args.without_effect() {
        tracing::info!(flag, "accepted, but not in effect in this version");
    }
    let file = Path::new(object::EXCLUDE_L2_DIRECTORY).join(object::EXCLUDE_L2_FILE);
    let exclusions = Exclusions::load(&file).with_context(|| file.display().to_string())?;
    let config = args.membership(&node)?;
    let all_metrics = Metrics::new(VERSION)?;
    let client = client::connect_counted(&all_metrics).await?;

    let mut tasks = Tasks::new();
    memory::spawn(&mut tasks);
    let health = Health::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.health_probe_port));
    tasks.spawn("health", admin::serve(address, health.clone()));
    let recorder = Recorder::new(client.clone(), event::SPEAKER, node.clone(), &mut tasks);
    let (config, entitlement) = entitle(config);
    let layer2 = layer2::spawn(&mut tasks, exclusions, entitlement)?;
    all_metrics.serve(&mut tasks, &client, &args.serving, &args.serving.tls()?)?;
    let (announced, scrapes) = questions();
    let metrics = SpeakerMetrics::new(&all_metrics, &node, layer2.counters(), announced)?;

    let (inputs, queue) = mpsc::channel(INPUTS);
    let interfaces = forward(layer2.interfaces(), Input::Interfaces, inputs.clone());
    tasks.spawn("interfaces", interfaces);
    let membership = match config {
        Some(config) => Some(hear(&mut tasks, config, &all_metrics, &inputs)?),
        None => None,
    };
    let statuses = Statuses::spawn(&mut tasks, client.clone(), &namespace, &node);
    let (verdicts, said) = latest::channel(None);
    let author = Author {
        namespace: namespace.clone(),
        pod: args.pod_name.clone(),
        component: Component::Speaker(node.clone()),
    };
    let state = configuration_state::run(client.clone(), author, said);
    tasks.spawn("configuration state", state);
    let sources = Sources {
        client,
        namespace,
        speaker_labels: args.speaker_labels().to_owned(),
    };
    watch::spawn_all(&mut tasks, sources, inputs);

    let exit = membership.as_ref().map(membership::Handle::exit);
    let farewell = farewell::said(shutdown, exit, layer2.parting());
    let owner = Owner::new(Own {
        node,
        class: args.lb_class().map(str::to_owned),
        ignore_exclude_label: args.ignore_exclude_lb,
    });
    let hands = Hands {
        layer2,
        membership,
        recorder,
        statuses,
        verdicts,
        pod: args.pod_name,
        metrics,
    };
    tasks.spawn("owner", own(owner, (queue, scrapes), hands, health));
    tasks.run(farewell).await
}

/// The one task that decides. It takes in whatever is there before it plans, so that a burst of changes costs one plan
/// for each Service concerned.
async fn own(
    mut owner: Owner,
    (mut queue, mut scrapes): (Receiver<Input>, Questions<Announced>),
    hands: Hands,
    health: Health,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut batch = Vec::with_capacity(INPUTS);
    loop {
        tokio::select! {
            heard = queue.recv_many(&mut batch, INPUTS) => if heard == 0 {
                bail!("every source of facts is gone");
            },
            Some(scrape) = scrapes.recv() => {
                scrape.answer(owner.announced());
                continue;
            }
            () = until(owner.next_deadline().map(|deadline| start + deadline)) => {}
        }
        for input in batch.drain(..) {
            hands.metrics.observe(&input);
            for fault in owner.observe(input, start.elapsed()) {
                hands.metrics.observe_fault();
                tracing::error!(%fault, "configuration object cannot be used, its last good version stays in force");
            }
        }
        let actions = owner.decide(start.elapsed());
        if owner.is_acting() {
            hands.statuses.of_pod(owner.pod(&hands.pod));
            if let Some(membership) = &hands.membership {
                membership.expect(owner.take_peers());
            }
        }
        let verdict = owner.verdict();
        hands.metrics.observe_verdict(&verdict);
        hands.say(verdict);
        for action in actions {
            hands.carry_out(action, &owner);
        }
        if owner.is_acting() && !health.is_ready() {
            tracing::info!(after_ms = millis(start.elapsed()), "ready");
            health.set_ready();
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Who decides whether this node may answer: the membership thread, or nobody if the speakers do not hear of one another.
fn entitle(config: Option<membership::Config>) -> (Option<(membership::Config, Grantor)>, Entitlement) {
    match config {
        Some(config) => {
            let (grantor, entitlement) = entitlement::pair();
            (Some((config, grantor)), entitlement)
        }
        None => (None, Entitlement::for_ever()),
    }
}

/// Starts to hear of the other speakers.
fn hear(
    tasks: &mut Tasks,
    (config, grantor): (membership::Config, Grantor),
    metrics: &Metrics,
    inputs: &Sender<Input>,
) -> anyhow::Result<membership::Handle> {
    let membership = membership::spawn(tasks, config, grantor)?;
    SpeakerMetrics::membership(metrics, membership.counted())?;
    tasks.spawn("members", forward(membership.view(), members, inputs.clone()));
    Ok(membership)
}

/// Tells the owner the latest value of what a thread knows, once there is one.
async fn forward<T: Clone + Send + Sync>(
    mut values: latest::Receiver<Option<T>>,
    input: fn(T) -> Input,
    inputs: Sender<Input>,
) -> anyhow::Result<()> {
    loop {
        let value = values.borrow_and_update().clone();
        if let Some(value) = value {
            inputs
                .send(input(value))
                .await
                .context("the owner task is gone")?;
        }
        values.changed().await.context("the thread that knows is gone")?;
    }
}

fn members(view: View) -> Input {
    let View {
        alive,
        ours_only,
        declared_dead,
    } = view;
    Input::Members {
        alive,
        company: if ours_only {
            Company::OursOnly
        } else {
            Company::Mixed
        },
        declared_dead,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
