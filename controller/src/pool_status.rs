//! How full each pool is, written to its status. Owns the pace of these writes; counting is the allocator's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use metallb_api::names::field_manager;
use metallb_api::v1beta1::{IPAddressPool, IPAddressPoolStatus};
use metallb_runtime::log::chain;
use serde_json::json;
use tokio::sync::watch::Receiver;

/// The least time between two rounds of writes. Counters are for people and dashboards: a burst of a thousand Services
/// costs one write per pool and second, not a thousand.
const PACE: Duration = Duration::from_secs(1);

/// What the status of pools should say and does not, by name.
pub(crate) type PoolStatuses = BTreeMap<String, IPAddressPoolStatus>;

/// Writes what is `wanted`, for ever. What is written leaves `wanted` with the watch's next word on the pool; what could
/// not be written is tried again in the next round.
pub(crate) async fn run(
    client: Client,
    namespace: String,
    mut wanted: Receiver<PoolStatuses>,
) -> anyhow::Result<()> {
    let api: Api<IPAddressPool> = Api::namespaced(client, &namespace);
    loop {
        let latest = wanted.borrow_and_update().clone();
        let mut complete = true;
        for (pool, status) in latest {
            if let Err(error) = write(&api, &pool, &status).await {
                tracing::warn!(pool, error = chain(&error), "pool status not written");
                complete = false;
            }
        }
        tokio::time::sleep(PACE).await;
        if complete {
            wanted
                .changed()
                .await
                .context("the task that owns the pools is gone")?;
        }
    }
}

async fn write(
    api: &Api<IPAddressPool>,
    pool: &str,
    status: &IPAddressPoolStatus,
) -> Result<(), kube::Error> {
    let parameters = PatchParams {
        field_manager: Some(field_manager::CONTROLLER.into()),
        ..PatchParams::default()
    };
    match api
        .patch_status(pool, &parameters, &Patch::Merge(json!({ "status": status })))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()), // deleted meanwhile
        Err(error) => Err(error),
    }
}
