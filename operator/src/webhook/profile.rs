//! Which TLS the webhook speaks: what the cluster's servers are to speak, where somebody says so, as the programs that the
//! operator runs do. Owns following it, in every replica.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use metallb_runtime::tls::{Endpoint, Settings};

use crate::metallb::explain;
use crate::platform::{self, Profile};

/// How often it is asked for, with one read: the profile of a cluster is changed once in its life, by somebody who then
/// waits minutes for the API servers to be restarted with it.
const LOOK: Duration = Duration::from_mins(1);

/// Why a task ends that should not: the words of a profile were checked when it was read.
const UNSPOKEN: &str = "the TLS profile of the cluster cannot be spoken";

/// What a server speaks on a cluster with this profile.
///
/// # Errors
/// A bug: a profile that cannot be spoken.
pub(super) fn settings(profile: Option<&Profile>) -> anyhow::Result<Settings> {
    let settings = profile.map_or_else(|| Settings::new("", "", ""), Profile::settings);
    settings.context(UNSPOKEN)
}

/// Has `endpoint`, which speaks what is usual, speak what the cluster asks for, and each later change of it.
///
/// # Errors
/// As [`settings`]. What cannot be read changes nothing.
pub(super) async fn follow(client: Client, endpoint: Arc<Endpoint>) -> anyhow::Result<()> {
    let mut spoken = None;
    loop {
        match platform::profile(&client).await {
            Ok(wanted) if wanted == spoken => {}
            Ok(wanted) => {
                endpoint.speak(&settings(wanted.as_ref())?).context(UNSPOKEN)?;
                tracing::info!(profile = ?wanted, "the webhook speaks the TLS profile of the cluster");
                spoken = wanted;
            }
            Err(error) => tracing::warn!(
                error = explain(&error),
                "cannot see the TLS profile of the cluster, the webhook goes on with the last one"
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
}
