//! The one way to the API server.

mod count;
mod limit;

use std::sync::Arc;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config};
use tower::layer::layer_fn;

use crate::metrics::Metrics;
use count::CountRequests;
use limit::LimitWrites;

/// Gives up on a connection attempt that gets no answer: a dead API server address is then retried by the caller,
/// with backoff, instead of by the kernel for two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives up on a connection that says nothing for this long, so that an API server which accepts and goes silent is
/// noticed. Longer than a watch request lives (see [`crate::watch`]), which may be silent that long in peace.
const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// No client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a service account nor a kubeconfig was found. Not retried: it is how the process was started.
    #[error("found neither a pod's service account nor a kubeconfig; run in a pod, or set KUBECONFIG")]
    Infer(#[source] kube::config::InferConfigError),
    /// The configuration does not make a TLS client. Not retried.
    #[error("the cluster configuration is not usable")]
    Build(#[source] kube::Error),
}

/// A client from the pod's service account, or from `$KUBECONFIG` outside a cluster.
///
/// # Errors
/// See [`ClientError`]. The API server itself is not asked anything yet.
pub async fn connect() -> Result<Client, ClientError> {
    let client = ClientBuilder::try_from(config().await?).map_err(ClientError::Build)?;
    Ok(client.with_layer(&layer_fn(LimitWrites)).build())
}

/// The same, and counts its requests in `metrics`.
///
/// # Errors
/// As [`connect`].
pub async fn connect_counted(metrics: &Metrics) -> Result<Client, ClientError> {
    let config = config().await?;
    let url = &config.cluster_url;
    let port = url.port_u16().unwrap_or(443);
    let host: Arc<str> = format!("{}:{port}", url.host().unwrap_or_default()).into();
    let requests = metrics.kubernetes.requests.clone();
    let counting = layer_fn(move |inner| CountRequests {
        inner,
        requests: requests.clone(),
        host: Arc::clone(&host),
    });
    let client = ClientBuilder::try_from(config).map_err(ClientError::Build)?;
    // Outermost, so that a write that was given up counts as one.
    Ok(client
        .with_layer(&layer_fn(LimitWrites))
        .with_layer(&counting)
        .build())
}

async fn config() -> Result<Config, ClientError> {
    let mut config = Config::infer().await.map_err(ClientError::Infer)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // Counted from the request, not from when the pooled connection went idle.
    config.reset_reader_on_write = true;
    Ok(config)
}
