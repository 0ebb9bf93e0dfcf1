//! What the controller serves over HTTPS: metrics, and the webhooks with their certificate. It answers nothing itself.

use kube::Client;
use metallb_api::names::object;
use metallb_runtime::admin::Health;
use metallb_runtime::certificates::Certificates;
use metallb_runtime::http::Routes;
use metallb_runtime::metrics::Metrics;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::tls::files::Pair;
use metallb_runtime::webhooks::{self, Certificate};

use crate::args::{Args, WebhookMode, Webhooks};

/// Serves what `args` ask for; `routes` are the answers to the API server. Returned is whether the process can give
/// them: it is not ready before.
pub(crate) fn start(
    tasks: &mut Tasks,
    client: &Client,
    args: &Args,
    metrics: &Metrics,
    (namespace, routes): (&str, Routes),
) -> anyhow::Result<Health> {
    let tls = args.serving.tls()?;
    metrics.serve(tasks, client, &args.serving, &tls)?;
    if args.webhooks.mode == WebhookMode::Disabled {
        return Ok(Health::new());
    }
    let webhooks = webhooks::Webhooks {
        port: webhooks::PORT,
        routes,
        certificate: certificate(&args.webhooks, namespace),
        off: "--webhook-mode=disabled",
    };
    Ok(webhooks.spawn(tasks, client, &tls)?.health)
}

fn certificate(args: &Webhooks, namespace: &str) -> Certificate {
    if args.disable_cert_rotation {
        return Certificate::Provided(Pair::inside(&args.cert_dir));
    }
    Certificate::Own(Certificates {
        namespace: namespace.to_owned(),
        secret: args.webhook_secret.clone(),
        service: args.cert_service_name.clone(),
        webhooks: object::WEBHOOK_CONFIGURATION,
        conversion: Some(object::BGP_PEER_DEFINITION),
    })
}
