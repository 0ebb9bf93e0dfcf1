//! The controller's process: starts what lasts as long as it does, and serves terms until a signal ends it.

use std::time::Duration;

use futures::FutureExt;
use futures::future::join;
use kube::Client;
use metallb_api::names::{event, object};
use metallb_runtime::admin;
use metallb_runtime::configuration_state::Author;
use metallb_runtime::events::Recorder;
use metallb_runtime::lease::{Candidate, Leadership};
use metallb_runtime::metrics::Metrics;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::{args::own_namespace, client, memory, shutdown};
use tokio::sync::{oneshot, watch as latest};
use tokio::time::timeout;

use crate::args::{Args, WebhookMode};
use crate::metrics::ControllerMetrics;
use crate::term::Terms;
use crate::{memberlist, serving, webhook};

/// The time to finish writes, to hand over and to go on answering when the process is asked to end; the kubelet kills it
/// after 5 s. A write takes a second at most, unless an earlier attempt failed.
const FAREWELL: Duration = Duration::from_secs(3);

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
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"))?;
    let client = client::connect_counted(&metrics).await?;

    let mut tasks = Tasks::new();
    memory::spawn(&mut tasks);
    let webhooks = (namespace.as_str(), webhook::routes(&client, &namespace));
    let health = serving::start(&mut tasks, &client, &args, &metrics, webhooks)?;
    tasks.spawn(
        "health",
        admin::serve(admin::every_address(args.health_probe_port), health.clone()),
    );
    let dismissed = dismissed(client.clone(), args.webhooks.mode).boxed();
    if args.webhooks.mode == WebhookMode::OnlyWebhook {
        health.set_ready();
        return tasks.run(shutdown.then(|()| dismissed)).await;
    }
    memberlist::spawn(&mut tasks, &client, &namespace, &args.memberlist);
    let recorder = Recorder::new(
        client.clone(),
        event::CONTROLLER,
        args.pod_name.clone(),
        &mut tasks,
    );
    let leadership = if args.leader_elect {
        let name = object::CONTROLLER_LEASE;
        let (candidate, leadership) = Candidate::new(client.clone(), &namespace, name, &args.pod_name);
        tasks.spawn("lease", candidate.run());
        leadership
    } else {
        Leadership::always()
    };
    let mut terms = Terms {
        client,
        author: Author::controller(&namespace, &args.pod_name),
        namespace,
        class: args.lb_class().map(str::to_owned),
        health,
        recorder,
        metrics: ControllerMetrics::new(metrics)?,
    };
    let (stop, stopping) = latest::channel(false);
    let (farewell, finished) = oneshot::channel();
    tasks.spawn("terms", async move {
        terms.serve(leadership, stopping).await?;
        let _ = farewell.send(()); // the process is about to end anyway
        std::future::pending().await
    });
    tasks
        .run(async move {
            shutdown.await;
            stop.send_replace(true);
            let (finished, ()) = join(timeout(FAREWELL, finished), dismissed).await;
            if finished.is_err() {
                tracing::warn!(
                    "not all writes were finished, the next leader waits for the end of the lease"
                );
            }
        })
        .await
}

/// Answers the webhooks for as long as somebody may ask this process, within limits: when it is told to end, the API
/// server has yet to learn that it is to ask another one, or, if there is none, to do without.
async fn dismissed(client: Client, mode: WebhookMode) {
    if mode != WebhookMode::Disabled && timeout(FAREWELL, webhook::dismissed(client)).await.is_err() {
        tracing::debug!("the webhooks are asked for to the last, of another controller it is to be hoped");
    }
}
