//! A busy API server refuses, throttles, and forgets versions. Every Service gets its address all the same, and one only.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::DeleteParams;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::{FaultProxy, Lab};
use metallb_e2e::metallb::{available, pods};
use metallb_e2e::pools::until_in_use;
use metallb_e2e::wait::{self, Look};
use metallb_e2e::witness::Witness;

/// Every third write is refused, each second watch expires, and a throttled client waits a second at a time.
const LIMIT: Duration = Duration::from_mins(1);
const SERVICES: usize = 40;

#[tokio::test]
async fn conflicts_throttling_and_expired_watches_lose_nothing() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    let mut proxies = Vec::new();
    for pod in pods(&cluster, "component=controller").await?.into_keys() {
        proxies.push(lab.fault_proxy(&cluster, METALLB_NAMESPACE, &pod).await?);
        lab.kill_container(&cluster, METALLB_NAMESPACE, &pod, "controller")
            .await?;
    }
    let outcome = cluster
        .in_namespace("faults", async |namespace| endure(namespace, &proxies).await)
        .await;
    drop(proxies);
    // New pods: no connection of theirs leads to where the proxies were, and the kubelet starts them at once, however
    // often it was a test that ended them.
    for rest in [
        ["delete", "pod", "--selector=component=controller"].as_slice(),
        &["rollout", "status", "deployment/controller", "--timeout=1m"],
    ] {
        let words = ["--namespace", METALLB_NAMESPACE].into_iter();
        cluster.kubectl(words.chain(rest.iter().copied())).await?;
    }
    available(&cluster).await.and(outcome)
}

fn name(number: usize) -> String {
    format!("web-{number:02}")
}

async fn endure(namespace: &TempNamespace, proxies: &[FaultProxy]) -> Result<()> {
    let cluster = namespace.cluster();
    // The controller starts again, and with it the webhook that is asked about pools.
    wait::until("the pool to be accepted", LIMIT, async || {
        let accepted = namespace.apply(pool("faults", &["172.30.217.0/24"])).await;
        accepted.map(Look::Done)
    })
    .await?;
    let mut witness = Witness::of(namespace);
    for number in 0..SERVICES {
        namespace.apply(fixtures::load_balancer(&name(number))?).await?;
    }
    let given = witness.all_have_addresses(SERVICES, LIMIT).await?;
    let distinct: BTreeSet<_> = given.values().collect();
    ensure!(
        distinct.len() == SERVICES,
        "an address was given twice: {given:?}"
    );
    // What goes is noticed as well, and its address is given again.
    let services = namespace.api::<Service>();
    for number in 0..SERVICES / 2 {
        services.delete(&name(number), &DeleteParams::default()).await?;
    }
    until_in_use(cluster, "faults", SERVICES / 2, LIMIT).await?;
    namespace.apply(fixtures::load_balancer("again")?).await?;
    let now = witness.all_have_addresses(SERVICES + 1, LIMIT).await?;
    let freed = (0..SERVICES / 2).filter_map(|number| given.get(&name(number)));
    ensure!(
        freed.into_iter().any(|freed| now.get("again") == Some(freed)),
        "{now:?}"
    );
    wait::until("every kind of error", LIMIT, async || {
        let seen: Vec<_> = proxies.iter().map(FaultProxy::faults).collect();
        let enough = seen
            .iter()
            .any(|faults| faults.conflicts > 5 && faults.throttled > 5 && faults.expired > 5);
        Ok::<_, anyhow::Error>(if enough {
            println!("the controllers met {seen:?}");
            Look::Done(())
        } else {
            Look::NotYet(format!("{seen:?}"))
        })
    })
    .await
    .context("the errors did not reach the controller")?;
    witness.saw_no_change()
}
