//! The controller's process: starts what lasts as long as it does, and serves terms until a signal ends it.

use std::time::Duration;

use metallb_api::names::{event, object};
use metallb_runtime::admin::{self, Health};
use metallb_runtime::configuration_state::Author;
use metallb_runtime::events::Recorder;
use metallb_runtime::lease::{Candidate, Leadership};
use metallb_runtime::metrics::Metrics;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::{args::own_namespace, client, shutdown};
use tokio::sync::{oneshot, watch as latest};

use crate::args::{Args, WebhookMode};
use crate::metrics::ControllerMetrics;
use crate::term::Terms;
use crate::{memberlist, serving, webhook};

/// The time to finish writes and hand over when the process is asked to end; the kubelet kills it after 5 s. A write
/// takes a second at most, unless an earlier attempt failed.
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
            if tokio::time::timeout(FAREWELL, finished).await.is_err() {
                tracing::warn!(
                    "not all writes were finished, the next leader waits for the end of the lease"
                );
            }
        })
        .await
}
