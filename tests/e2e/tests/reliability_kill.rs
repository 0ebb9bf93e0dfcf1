//! Any process may be killed at any moment: no Service's address changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Service};
use kube::api::{Api, ListParams};
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, ingress_addresses, l2_advertisement, pool};
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{OPERATORS, available, pods};
use metallb_e2e::wait::{self, Look};
use metallb_e2e::witness::Witness;

const LIMIT: Duration = Duration::from_mins(2);
const SERVICES: usize = 50;

async fn restarts(cluster: &Cluster, pod: &str) -> Result<i32> {
    let pod = Api::<Pod>::namespaced(cluster.client(), METALLB_NAMESPACE)
        .get(pod)
        .await?;
    let statuses = pod
        .status
        .and_then(|status| status.container_statuses)
        .unwrap_or_default();
    Ok(statuses.iter().map(|status| status.restart_count).sum())
}

/// Kills the container with SIGKILL and waits until the kubelet has started it again and it is ready.
async fn kill(cluster: &Cluster, lab: &Lab, pod: &str, container: &str) -> Result<()> {
    let before = restarts(cluster, pod).await?;
    lab.kill_container(cluster, METALLB_NAMESPACE, pod, container)
        .await?;
    let api = Api::<Pod>::namespaced(cluster.client(), METALLB_NAMESPACE);
    wait::until(format!("{pod} to be ready again"), LIMIT, async || {
        let found = api.get(pod).await?;
        let status = found.status.unwrap_or_default();
        let statuses = status.container_statuses.unwrap_or_default();
        // Without any status the kubelet has not seen the end of the old container yet.
        let started = |status: &ContainerStatus| status.restart_count > before && status.ready;
        let again = !statuses.is_empty() && statuses.iter().all(started);
        Ok::<_, kube::Error>(if again {
            Look::Done(())
        } else {
            Look::NotYet(format!("{:?}", status.phase))
        })
    })
    .await
}

#[tokio::test]
async fn killing_any_process_changes_no_address() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    cluster
        .in_namespace("kill", async |namespace| {
            namespace.apply(pool("kill", &["172.30.209.0/24"])).await?;
            namespace.apply(l2_advertisement("kill", &["kill"])).await?;
            let mut witness = Witness::of(namespace);
            // The controller dies while it is giving the first half, and is back before the second half is made.
            let controller = pods(&cluster, "component=controller")
                .await?
                .into_keys()
                .next()
                .unwrap_or_default();
            for number in 0..SERVICES / 2 {
                namespace
                    .apply(fixtures::load_balancer(&format!("web-{number:02}"))?)
                    .await?;
            }
            kill(&cluster, &lab, &controller, "controller").await?;
            for number in SERVICES / 2..SERVICES {
                namespace
                    .apply(fixtures::load_balancer(&format!("web-{number:02}"))?)
                    .await?;
            }
            let given = witness.all_have_addresses(SERVICES, LIMIT).await?;
            let distinct: BTreeSet<_> = given.values().collect();
            ensure!(
                distinct.len() == SERVICES,
                "an address was given twice: {given:?}"
            );

            for (labels, container) in [
                (OPERATORS, "operator"),
                ("component=controller", "controller"),
                ("component=speaker", "speaker"),
            ] {
                for pod in pods(&cluster, labels).await?.into_keys() {
                    kill(&cluster, &lab, &pod, container).await?;
                }
            }
            available(&cluster).await?;

            let services = namespace
                .api::<Service>()
                .list(&ListParams::default())
                .await?
                .items;
            let now: BTreeMap<_, _> = services
                .iter()
                .map(|service| {
                    (
                        service.metadata.name.clone().unwrap_or_default(),
                        ingress_addresses(service),
                    )
                })
                .collect();
            ensure!(now == given, "before: {given:?}\nafter: {now:?}");
            witness.saw_no_change()
        })
        .await
}
