//! An address moves from one node to another because somebody planned it: who asks, and who talks to it, notices nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use metallb_api::names::{label, object};
use metallb_e2e::announced::Announced;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, WEB_PORT, l2_advertisement, pool};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::lab::{Connections, Heard, Visitor, web_image};
use metallb_e2e::metallb::{WEB, on_the_wire, pods, serve_web, speakers_rolled_out};
use metallb_e2e::wait::{self, Look};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
/// The longest that a client who asks all 5 milliseconds may wait for the next answer. Whether one was due at every moment
/// show the questions without one; this bound is for an answer that hangs, on a machine where three nodes, the API server
/// and the client share two processors.
const PATIENCE: Duration = Duration::from_millis(500);
/// Questions that may be without an answer: those that were on their way when the client stopped.
const UNDER_WAY: usize = 2;
/// The longest that two nodes may answer.
const TWO_OWNERS: Duration = Duration::from_secs(1);
/// How long a server goes on when it is told to end: until everybody has heard of it.
const GOES_ON_SECONDS: u8 = 5;

/// What becomes of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    AwayAndBack,
    Nowhere,
}

/// Makes a Service, moves it to another node and back by `act`, and holds against it what its clients saw.
async fn nothing_is_lost(
    test: &str,
    address: Ipv4Addr,
    act: impl AsyncFnOnce(&Announced<'_>) -> Result<()>,
) -> Result<()> {
    let serve = async |namespace: &TempNamespace| {
        serve_web(namespace, 2).await?;
        namespace.apply(fixtures::load_balancer(WEB)?).await
    };
    nothing_is_lost_of((test, address, Moves::AwayAndBack), serve, act).await
}

/// The same of a Service that `serve` makes.
async fn nothing_is_lost_of(
    (test, address, moves): (&str, Ipv4Addr, Moves),
    serve: impl AsyncFnOnce(&TempNamespace) -> Result<()>,
    act: impl AsyncFnOnce(&Announced<'_>) -> Result<()>,
) -> Result<()> {
    on_the_wire(test, async |namespace, lab| {
        namespace.apply(pool(test, &[&format!("{address}/32")])).await?;
        namespace.apply(l2_advertisement(test, &[test])).await?;
        serve(namespace).await?;
        let service = Announced::web(namespace, lab, address, LIMIT).await?;
        service.answered_by_the_owner().await?;
        service.served_through_each_node().await?;

        let server = SocketAddr::new(address.into(), WEB_PORT);
        let visitors = [Connections::Kept, Connections::New]
            .map(|connections| (connections, Visitor::start(server, connections)));
        let asker = lab.client()?.ask_all_the_time(address).await?;
        let acted = async {
            act(&service).await?;
            service.answered_by_the_owner().await
        }
        .await;
        let heard = asker.stop().await?;
        let mut seen = Vec::new();
        for (connections, visitor) in visitors {
            seen.push((connections, visitor.stop().await?));
        }
        eprintln!("{test}: {heard:?}; {seen:?}");
        acted?;

        let Heard {
            longest_silence,
            longest_overlap,
            owners,
            questions,
            answers,
            outdated: _,
        } = heard;
        match moves {
            Moves::AwayAndBack => ensure!(owners.len() >= 3, "it moved away and back: {owners:?}"),
            Moves::Nowhere => ensure!(owners.len() == 1, "it moved: {owners:?}"),
        }
        ensure!(
            answers + UNDER_WAY >= questions,
            "{answers} answers to {questions} questions"
        );
        ensure!(longest_silence <= PATIENCE, "no answer for {longest_silence:?}");
        ensure!(
            longest_overlap <= TWO_OWNERS,
            "two owners for {longest_overlap:?}"
        );
        for (connections, visits) in seen {
            let lost = visits.lost;
            ensure!(lost.is_empty(), "lost with {connections:?} connections: {lost:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_speaker_that_is_told_to_end_hands_over_and_its_successor_takes_back() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 216, 1);
    nothing_is_lost("handover-pod", address, async |service| {
        let speakers = pods(service.namespace.cluster(), "component=speaker").await?;
        let of_owner = speakers.into_iter().find(|(_, node)| *node == service.owner);
        let (pod, _) = of_owner.context("the owner has a speaker")?;
        // It waits until the pod is gone.
        let delete = ["--namespace", METALLB_NAMESPACE, "delete", "pod", &pod];
        service.namespace.cluster().kubectl(delete).await?;
        speakers_rolled_out(service.namespace.cluster()).await
    })
    .await
}

#[tokio::test]
async fn a_node_that_is_kept_out_of_load_balancing_hands_over_and_takes_back() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 217, 1);
    nothing_is_lost("handover-label", address, async |service| {
        let exclude = label::EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS;
        let (set, unset) = (format!("{exclude}="), format!("{exclude}-"));
        service
            .namespace
            .cluster()
            .kubectl(["label", "node", &service.owner, &set])
            .await?;
        let moved = service.answered_by_another().await;
        service
            .namespace
            .cluster()
            .kubectl(["label", "node", &service.owner, &unset])
            .await?;
        moved?;
        // The second move comes when the label is gone.
        service.answered_by_the_owner().await?;
        let about = ListParams::default().fields("involvedObject.name=web,reason=nodeAssigned");
        wait::until("one Event for each move", LIMIT, async || {
            let told = service.namespace.api::<Event>().list(&about).await?.items;
            let mut counts: Vec<_> = told.iter().filter_map(|event| event.count).collect();
            counts.sort_unstable();
            Ok::<_, kube::Error>(if counts == [1, 2] {
                Look::Done(())
            } else {
                Look::NotYet(format!("{counts:?}"))
            })
        })
        .await
    })
    .await
}

#[tokio::test]
async fn an_update_of_all_speakers_one_after_the_other_loses_nothing() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 218, 1);
    nothing_is_lost("handover-update", address, async |service| {
        let speakers = format!("daemonset/{}", object::SPEAKER);
        let words = ["--namespace", METALLB_NAMESPACE, "rollout", "restart", &speakers];
        service.namespace.cluster().kubectl(words).await?;
        speakers_rolled_out(service.namespace.cluster()).await
    })
    .await
}

/// A web server on each node, which goes on for some seconds when it is told to end, as behind every load balancer it has
/// to; and a Service with this policy for them.
async fn serve_on_each_node(namespace: &TempNamespace, policy: &str) -> Result<()> {
    let cluster = namespace.cluster();
    let mut servers = serde_json::to_value(fixtures::web(WEB, 3, web_image(cluster))?)?;
    let pod = &mut servers["spec"]["template"]["spec"];
    pod["terminationGracePeriodSeconds"] = json!(GOES_ON_SECONDS + 5);
    let args = pod["containers"][0]["args"].as_array_mut();
    args.context("arguments")?
        .push(json!(format!("--delay-shutdown={GOES_ON_SECONDS}")));
    pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!([
        { "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": WEB } } },
    ]);
    namespace
        .apply(serde_json::from_value::<Deployment>(servers)?)
        .await?;
    let rollout = ["rollout", "status", "deployment/web", "--timeout=60s"];
    namespace.kubectl(rollout).await?;
    let mut service = fixtures::load_balancer(WEB)?;
    service.spec.get_or_insert_default().external_traffic_policy = Some(policy.to_owned());
    namespace.apply(service).await
}

/// Drains the node that announces, runs the body, and lets pods come back, whatever becomes of it.
async fn while_drained(service: &Announced<'_>, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let (cluster, node) = (service.namespace.cluster(), service.owner.as_str());
    let drain = [
        "drain",
        node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--timeout=90s",
    ];
    let drained = async {
        cluster.kubectl(drain).await?;
        let speakers = pods(cluster, "component=speaker").await?;
        let stays = speakers.values().any(|of| of == node);
        ensure!(stays, "a drain takes the speaker of {node}: {speakers:?}");
        body().await
    }
    .await;
    cluster.kubectl(["uncordon", node]).await?;
    drained
}

#[tokio::test]
async fn a_node_that_is_drained_goes_on_announcing_what_any_node_may() -> Result<()> {
    let drained = ("drain-cluster", Ipv4Addr::new(172, 30, 217, 2), Moves::Nowhere);
    let serve = async |namespace: &TempNamespace| serve_on_each_node(namespace, "Cluster").await;
    nothing_is_lost_of(drained, serve, async |service| {
        while_drained(service, async || service.answered_by_the_owner().await).await
    })
    .await
}

#[tokio::test]
async fn an_address_leaves_a_node_that_is_drained_with_the_last_endpoint_if_traffic_is_local() -> Result<()> {
    let drained = ("drain-local", Ipv4Addr::new(172, 30, 217, 3), Moves::AwayAndBack);
    let serve = async |namespace: &TempNamespace| serve_on_each_node(namespace, "Local").await;
    nothing_is_lost_of(drained, serve, async |service| {
        while_drained(service, async || service.answered_by_another().await).await
    })
    .await
}
