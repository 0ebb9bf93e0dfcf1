//! Any process may be killed at any moment: no Service's address changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, ingress_addresses, l2_advertisement, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{available, pods};
use metallb_e2e::wait::{self, Look};
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_mins(2);
const SERVICES: usize = 50;

/// Every address list that each Service was ever seen with.
type Seen = BTreeMap<String, BTreeSet<Vec<String>>>;

/// Watches the Services of the test for as long as the result lives.
fn observe(namespace: &TempNamespace) -> (watch::Receiver<Seen>, tokio::task::JoinHandle<()>) {
    let (sender, seen) = watch::channel(Seen::new());
    let services = watcher(namespace.api::<Service>(), watcher::Config::default()).default_backoff();
    let task = tokio::spawn(async move {
        let noted = services.applied_objects().try_for_each(|service| {
            let name = service.metadata.name.clone().unwrap_or_default();
            sender.send_modify(|seen| {
                seen.entry(name).or_default().insert(ingress_addresses(&service));
            });
            futures::future::ok(())
        });
        if let Err(error) = noted.await {
            eprintln!("the watch ended: {error}");
        }
    });
    (seen, task)
}

async fn all_have_addresses(
    seen: &mut watch::Receiver<Seen>,
    count: usize,
) -> Result<BTreeMap<String, Vec<String>>> {
    let complete = seen.wait_for(|seen| {
        seen.len() == count
            && seen
                .values()
                .all(|lists| lists.iter().any(|list| !list.is_empty()))
    });
    let seen = tokio::time::timeout(LIMIT, complete).await??;
    let last = |lists: &BTreeSet<Vec<String>>| lists.iter().next_back().cloned().unwrap_or_default();
    Ok(seen
        .iter()
        .map(|(name, lists)| (name.clone(), last(lists)))
        .collect())
}

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
        let again = statuses
            .iter()
            .all(|status| status.restart_count > before && status.ready);
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
            let (mut seen, watching) = observe(namespace);
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
            let given = all_have_addresses(&mut seen, SERVICES).await?;
            let distinct: BTreeSet<_> = given.values().collect();
            ensure!(
                distinct.len() == SERVICES,
                "an address was given twice: {given:?}"
            );

            for (labels, container) in [
                ("control-plane=controller-manager", "operator"),
                ("component=controller", "controller"),
                ("component=speaker", "speaker"),
            ] {
                for pod in pods(&cluster, labels).await?.into_keys() {
                    kill(&cluster, &lab, &pod, container).await?;
                }
            }
            available(&cluster).await?;

            watching.abort();
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
            for (service, lists) in &*seen.borrow() {
                let addresses: Vec<_> = lists.iter().filter(|list| !list.is_empty()).collect();
                ensure!(addresses.len() == 1, "{service} had {addresses:?} in between");
            }
            Ok(())
        })
        .await
}
