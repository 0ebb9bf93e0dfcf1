//! Three controllers, one of which acts: what happens to addresses when the leader dies, and how long that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use metallb_api::names::object::CONTROLLER_LEASE;
use metallb_api::v1beta1::{ControllerConfig, IPAddressPool, MetalLBSpec};
use metallb_e2e::fixtures::{METALLB_NAMESPACE, ingress_addresses, load_balancer, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{addresses, available, ordinary, run_as};
use metallb_e2e::wait::{self, Look};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_mins(1);
const REPLICAS: i32 = 3;
const KILLS: usize = 20;
/// Made, and others deleted, around each kill: 300 in all.
const CHANGES: usize = 15;
/// A crashed leader is replaced within this time, and a Service made after the crash has its address.
const TAKEOVER: Duration = Duration::from_secs(5);
/// The same for one that ends in peace, from its end on.
const HANDOVER: Duration = Duration::from_secs(1);

/// Who holds the Lease, since when, in the order of sight.
struct Holders {
    seen: watch::Receiver<Vec<(Instant, String)>>,
    task: JoinHandle<()>,
}

impl Holders {
    fn of(cluster: &Cluster) -> Self {
        let (sender, seen) = watch::channel(Vec::new());
        let api: Api<Lease> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
        let only = watcher::Config::default().fields(&format!("metadata.name={CONTROLLER_LEASE}"));
        let leases = watcher(api, only).default_backoff().applied_objects();
        let task = tokio::spawn(async move {
            let noted = leases.try_for_each(|lease| {
                let holder = lease
                    .spec
                    .and_then(|spec| spec.holder_identity)
                    .unwrap_or_default();
                sender.send_if_modified(|seen: &mut Vec<(Instant, String)>| {
                    let new = seen.last().is_none_or(|(_, last)| *last != holder);
                    if new {
                        seen.push((Instant::now(), holder));
                    }
                    new
                });
                std::future::ready(Ok(()))
            });
            if let Err(error) = noted.await {
                eprintln!("the watch of the Lease ended: {error}");
            }
        });
        Self { seen, task }
    }

    /// The holder that comes after `known` ones, and since when.
    async fn after(&mut self, known: usize) -> Result<(Instant, String)> {
        let next =
            |seen: &Vec<(Instant, String)>| seen.iter().skip(known).any(|(_, holder)| !holder.is_empty());
        let seen = tokio::time::timeout(LIMIT, self.seen.wait_for(next))
            .await
            .context("nobody took the lease")??;
        let found = seen.iter().skip(known).find(|(_, holder)| !holder.is_empty());
        found.cloned().context("somebody holds it")
    }

    /// The pod that leads, and how many holders there were until now. One that is about to go, or gone, does not count:
    /// the next holder will be another one.
    async fn leader(&mut self, cluster: &Cluster) -> Result<(String, usize)> {
        let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
        wait::until("a controller that stays to lead", LIMIT, async || {
            let (holder, known) = {
                let seen = self.seen.borrow();
                let holder = seen.last().map(|(_, holder)| holder.clone()).unwrap_or_default();
                (holder, seen.len())
            };
            let Some((pod, _)) = holder.rsplit_once('_') else {
                return Ok::<_, kube::Error>(Look::NotYet("nobody leads".to_owned()));
            };
            Ok(match api.get_opt(pod).await? {
                Some(found) if is_ready(&found) => Look::Done((pod.to_owned(), known)),
                _ => Look::NotYet(format!("{pod} leads, which is not ready")),
            })
        })
        .await
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches that no address is in two statuses at any time, and that no Service changes its own.
struct Auditor {
    findings: watch::Receiver<Vec<String>>,
    task: JoinHandle<()>,
}

impl Auditor {
    fn of(namespace: &TempNamespace) -> Self {
        let (sender, findings) = watch::channel(Vec::new());
        let changes = watcher(namespace.api::<Service>(), watcher::Config::default()).default_backoff();
        let task = tokio::spawn(async move {
            let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let noted = changes.try_for_each(|event| {
                use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
                match event {
                    Init => held.clear(),
                    InitDone => {}
                    Delete(service) => drop(held.remove(&service.name_any())),
                    InitApply(service) | Apply(service) => {
                        let (name, now) = (service.name_any(), ingress_addresses(&service));
                        let twice = held.iter().find(|(other, theirs)| {
                            **other != name && theirs.iter().any(|address| now.contains(address))
                        });
                        if let Some((other, _)) = twice {
                            sender.send_modify(|all| all.push(format!("{name} and {other} have {now:?}")));
                        }
                        let before = held.insert(name.clone(), now.clone()).unwrap_or_default();
                        if !before.is_empty() && before != now {
                            sender.send_modify(|all| all.push(format!("{name} had {before:?}, has {now:?}")));
                        }
                    }
                }
                std::future::ready(Ok(()))
            });
            if let Err(error) = noted.await {
                sender.send_modify(|all| all.push(format!("the watch of Services ended: {error}")));
            }
        });
        Self { findings, task }
    }

    fn found_nothing(&self) -> Result<()> {
        ensure!(!self.task.is_finished(), "the auditor ended before the test");
        let findings = self.findings.borrow();
        ensure!(findings.is_empty(), "{}", findings.join("\n"));
        Ok(())
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs three controllers for the body of a test, and one afterwards.
async fn with_three(cluster: &Cluster, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let controller_config = Some(ControllerConfig {
        replicas: Some(REPLICAS),
        ..ControllerConfig::default()
    });
    let three = MetalLBSpec {
        controller_config,
        ..ordinary()
    };
    run_as(cluster, three).await?;
    let outcome = body().await;
    available(cluster).await?;
    outcome
}

/// Waits until all controllers are ready to take over.
async fn all_ready(cluster: &Cluster) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let controllers = ListParams::default().labels("component=controller");
    wait::until("all controllers to be ready", LIMIT, async || {
        let pods = api.list(&controllers).await?.items;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        Ok::<_, kube::Error>(if i32::try_from(ready) == Ok(REPLICAS) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{ready} of {}", pods.len()))
        })
    })
    .await
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Makes Services and deletes as many of those that were there, all the time.
async fn churn(namespace: &TempNamespace, round: usize) -> Result<()> {
    let api = namespace.api::<Service>();
    for number in 0..CHANGES {
        namespace
            .apply(load_balancer(&format!("web-{round:02}-{number:02}"))?)
            .await?;
        if round > 1 {
            let old = format!("web-{:02}-{number:02}", round - 2);
            api.delete(&old, &DeleteParams::default()).await?;
        }
    }
    Ok(())
}

/// Kills the leader while Services come and go, and returns how long it took until another one led, and until a Service
/// made after the kill had its address.
async fn kill_leader(
    (cluster, lab): (&Cluster, &Lab),
    namespace: &TempNamespace,
    holders: &mut Holders,
    round: usize,
) -> Result<(Duration, Duration)> {
    let (pod, known) = holders.leader(cluster).await?;
    let kill = async {
        // In the middle of the changes, at another place each time.
        let name = format!("web-{round:02}-{:02}", round % CHANGES);
        let api = namespace.api::<Service>();
        wait::until("the changes to be under way", LIMIT, async || {
            Ok::<_, kube::Error>(match api.get_opt(&name).await? {
                Some(_) => Look::Done(()),
                None => Look::NotYet("not there".to_owned()),
            })
        })
        .await?;
        let killed = Instant::now();
        lab.kill_container(cluster, METALLB_NAMESPACE, &pod, "controller")
            .await?;
        let probe = format!("probe-{round:02}");
        namespace.apply(load_balancer(&probe)?).await?;
        let (led, _) = holders.after(known).await?;
        addresses(namespace, &probe, 1).await?;
        Ok((led.saturating_duration_since(killed), killed.elapsed()))
    };
    let ((), took) = tokio::try_join!(churn(namespace, round), kill)?;
    // A container that dies again and again is started later each time; a new pod is not.
    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    api.delete(&pod, &DeleteParams::default().grace_period(0)).await?;
    all_ready(cluster).await?;
    Ok(took)
}

/// Each Service has an address of its own, and the pool counts no more than these.
async fn none_lost_and_none_leaked(cluster: &Cluster, namespace: &TempNamespace) -> Result<()> {
    let services = namespace.api::<Service>();
    let pools: Api<IPAddressPool> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    wait::until(
        "every Service to have an address, and the pool to count them",
        LIMIT,
        async || {
            let found = services.list(&ListParams::default()).await?.items;
            let given: Vec<_> = found.iter().flat_map(ingress_addresses).collect();
            let distinct: BTreeSet<_> = given.iter().collect();
            let status = pools.get("leader").await?.status.unwrap_or_default();
            let complete = found.len() == given.len() && given.len() == distinct.len();
            Ok::<_, kube::Error>(
                if complete && usize::try_from(status.assigned_ipv4) == Ok(given.len()) {
                    Look::Done(())
                } else {
                    let (services, given, distinct) = (found.len(), given.len(), distinct.len());
                    Look::NotYet(format!(
                        "{services} Services, {given} addresses, {distinct} different ones, {status:?}"
                    ))
                },
            )
        },
    )
    .await
}

#[tokio::test]
async fn killing_the_leader_twenty_times_gives_no_address_twice_and_loses_none() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    with_three(&cluster, async || {
        cluster
            .in_namespace("leader", async |namespace| {
                namespace.apply(pool("leader", &["172.30.220.0/22"])).await?;
                all_ready(&cluster).await?;
                let auditor = Auditor::of(namespace);
                let mut holders = Holders::of(&cluster);
                let mut slowest = Duration::ZERO;
                for round in 0..KILLS {
                    let (led, served) = kill_leader((&cluster, &lab), namespace, &mut holders, round).await?;
                    println!("kill {round:2}: another one led after {led:.2?}, a new Service was served after {served:.2?}");
                    slowest = slowest.max(served);
                    auditor.found_nothing()?;
                }
                none_lost_and_none_leaked(&cluster, namespace).await?;
                auditor.found_nothing()?;
                ensure!(slowest <= TAKEOVER, "one takeover took {slowest:?}");
                let services = namespace.api::<Service>();
                services
                    .delete_collection(&DeleteParams::default(), &ListParams::default())
                    .await?;
                none_lost_and_none_leaked(&cluster, namespace).await
            })
            .await
    })
    .await
}

#[tokio::test]
async fn a_leader_that_ends_in_peace_hands_over_within_a_second() -> Result<()> {
    let cluster = Cluster::connect().await?;
    with_three(&cluster, async || {
        cluster
            .in_namespace("handover", async |namespace| {
                namespace.apply(pool("leader", &["172.30.220.0/22"])).await?;
                all_ready(&cluster).await?;
                let mut holders = Holders::of(&cluster);
                for round in 0..3 {
                    let (pod, known) = holders.leader(&cluster).await?;
                    let asked = Instant::now();
                    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
                    api.delete(&pod, &DeleteParams::default()).await?;
                    let (led, _) = holders.after(known).await?;
                    let seen = holders.seen.borrow().clone();
                    let Some((released, _)) = seen.get(known).filter(|(_, holder)| holder.is_empty()) else {
                        bail!("{pod} did not hand over: {seen:?}");
                    };
                    let probe = format!("probe-{round}");
                    namespace.apply(load_balancer(&probe)?).await?;
                    addresses(namespace, &probe, 1).await?;
                    let gap = led.saturating_duration_since(*released);
                    println!(
                        "handover {round}: {gap:.2?} without a leader, {:.2?} since the pod was deleted",
                        led.saturating_duration_since(asked)
                    );
                    ensure!(gap < HANDOVER, "{gap:?} without a leader");
                    all_ready(&cluster).await?;
                }
                Ok(())
            })
            .await
    })
    .await
}
