//! What the controller serves over HTTPS: metrics, and the webhooks with their certificate. It answers nothing itself.

use std::sync::Arc;

use anyhow::Context;
use kube::Client;
use metallb_runtime::admin::{Health, every_address};
use metallb_runtime::certificates::{self, Certificates};
use metallb_runtime::http::{Limits, Routes, Server};
use metallb_runtime::metrics::Metrics;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::tls::{Identity, Settings, files};

use crate::args::{Args, WebhookMode, Webhooks};

/// Where the webhooks' Service, and the network policies of existing installations, expect them.
const WEBHOOKS_PORT: u16 = 9443;
/// Of the webhooks. Each API server keeps a few connections; three of them have a dozen. An object has at most 1.5 MB
/// in etcd, and a question is about two of them, the old and the new one; a question to convert is about all of a list.
const LIMITS: Limits = Limits {
    connections: 64,
    body_bytes: 8 * 1024 * 1024,
};

/// Serves what `args` ask for; `webhooks` are the answers to the API server. Returned is whether the process can give
/// them: it is not ready before.
pub(crate) fn start(
    tasks: &mut Tasks,
    client: &Client,
    args: &Args,
    metrics: &Metrics,
    (namespace, webhooks): (&str, Routes),
) -> anyhow::Result<Health> {
    let tls = args.serving.tls()?;
    metrics.serve(tasks, client, &args.serving, &tls)?;
    if args.webhooks.mode == WebhookMode::Disabled {
        return Ok(Health::new());
    }
    let identity = identity(tasks, client, &args.webhooks, namespace);
    let server = server(&tls, Arc::clone(&identity), webhooks)?;
    tasks.spawn("webhooks", async move {
        server
            .run()
            .await
            .context("cannot serve webhooks; --webhook-mode=disabled serves none")
    });
    Ok(Health::if_also("the certificate of the webhooks", move || {
        identity.shown().is_some()
    }))
}

fn identity(tasks: &mut Tasks, client: &Client, args: &Webhooks, namespace: &str) -> Arc<Identity> {
    if !args.disable_cert_rotation {
        let certificates = Certificates {
            namespace: namespace.to_owned(),
            secret: args.webhook_secret.clone(),
            service: args.cert_service_name.clone(),
        };
        return certificates::spawn(tasks, client, certificates);
    }
    let identity = Arc::new(Identity::new());
    let follow = files::follow(args.cert_dir.clone(), Arc::clone(&identity));
    tasks.spawn("webhooks' certificate", follow);
    identity
}

fn server(tls: &Settings, identity: Arc<Identity>, routes: Routes) -> anyhow::Result<Server> {
    Ok(Server {
        address: every_address(WEBHOOKS_PORT),
        tls: Some(
            tls.server(identity)
                .context("the --tls flags do not fit together")?,
        ),
        routes,
        limits: LIMITS,
    })
}
