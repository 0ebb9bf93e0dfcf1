//! Address pools of a test, and how much of them is in use.

use std::time::Duration;

use anyhow::Result;
use kube::api::Api;
use metallb_api::v1beta1::IPAddressPool;

use crate::fixtures::METALLB_NAMESPACE;
use crate::kubernetes::{Cluster, TempNamespace};
use crate::metallb::available;
use crate::wait::{self, Look};

/// Runs the body with MetalLB available, and with these pools, which are gone afterwards.
///
/// # Errors
/// Those of the body, and as [`available`].
pub async fn with_pools(
    test: &str,
    pools: Vec<IPAddressPool>,
    body: impl AsyncFnOnce(&TempNamespace) -> Result<()>,
) -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    cluster
        .in_namespace(test, async |namespace| {
            for pool in pools {
                namespace.apply(pool).await?;
            }
            body(namespace).await
        })
        .await
}

/// Waits until this many IPv4 addresses of a pool are in use, as its status tells.
///
/// # Errors
/// If that does not happen in time.
pub async fn until_in_use(cluster: &Cluster, pool: &str, count: usize, limit: Duration) -> Result<()> {
    let api: Api<IPAddressPool> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let wanted = i64::try_from(count)?;
    wait::until(format!("{count} addresses of {pool} in use"), limit, async || {
        let found = api.get(pool).await?.status.map(|status| status.assigned_ipv4);
        Ok::<_, kube::Error>(if found == Some(wanted) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await
}
