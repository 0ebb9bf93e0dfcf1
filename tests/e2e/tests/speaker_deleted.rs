//! What is deleted while a Service is answered for: the pool, the advertisement, MetalLB itself. The names of the tests carry
//! the scenario's number; controller_scenarios.rs has the Service, and install_helm.rs the whole installation.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::ListParams;
use metallb_api::names::condition::{ADDRESS_ALLOCATED, ANNOUNCED};
use metallb_api::names::{condition, label};
use metallb_api::v1beta1::ServiceL2Status;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, l2_advertisement, pool};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{self, WEB, addresses, answer, available, event, on_the_wire, serve_web};
use metallb_e2e::pools::until_in_use;
use metallb_e2e::wait::{self, Look};

const LIMIT: Duration = Duration::from_secs(20);
/// From kubectl's answer, which may be late itself, to the first question that nobody answers, at most.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The same where pods have to end: their node's agent has to be told, and does so one after the other.
const WITH_THE_PODS: Duration = Duration::from_secs(10);
const NAME: &str = "deleted";

/// Runs the body with a Service called [`WEB`] that answers at this address, of a pool and by an advertisement called
/// [`NAME`].
async fn answered_for(
    test: &str,
    address: Ipv4Addr,
    body: impl AsyncFnOnce(&TempNamespace, &Lab) -> Result<()>,
) -> Result<()> {
    on_the_wire(test, async |namespace, lab| {
        serve_web(namespace, 2).await?;
        namespace.apply(pool(NAME, &[&format!("{address}/32")])).await?;
        namespace.apply(l2_advertisement(NAME, &[NAME])).await?;
        namespace.apply(fixtures::load_balancer(WEB)?).await?;
        answer(lab, &address.to_string(), LIMIT).await?;
        until_statuses(namespace, 1).await?;
        body(namespace, lab).await
    })
    .await
}

/// Deletes an object of MetalLB, waits for silence, and runs `then`, after which there has to be silence still: nobody
/// answers, and nobody has said anything in between.
async fn silent_without(
    lab: &Lab,
    namespace: &TempNamespace,
    (address, limit): (Ipv4Addr, Duration),
    (kind, name): (&str, &str),
    then: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let client = lab.client()?;
    let start = Instant::now();
    let delete = [
        "--namespace",
        METALLB_NAMESPACE,
        "delete",
        "--wait=false",
        kind,
        name,
    ];
    namespace.cluster().kubectl(delete).await?;
    let took = wait::until("silence", LIMIT, async || {
        let asked = start.elapsed();
        let owners = client.arp(address).await?;
        Ok::<_, anyhow::Error>(if owners.is_empty() {
            Look::Done(asked)
        } else {
            Look::NotYet(format!("{owners:?}"))
        })
    })
    .await?;
    println!("{kind}: no answer {took:.2?} after kubectl said that it is deleted, or earlier");
    ensure!(took <= limit, "{kind}: still answered after {took:?}");
    let capture = client.capture(&format!("arp src {address}")).await?;
    then().await?;
    let owners = client.arp(address).await?;
    let frames = capture.stop().await?;
    let none = frames.iter().all(String::is_empty); // tcpdump ends its line when it is stopped
    ensure!(owners.is_empty() && none, "{kind}: {owners:?} {frames:#?}");
    Ok(())
}

/// Waits until so many objects say who announces the Service.
async fn until_statuses(namespace: &TempNamespace, count: usize) -> Result<()> {
    let api: Api<ServiceL2Status> = Api::namespaced(namespace.cluster().client(), METALLB_NAMESPACE);
    let about = ListParams::default().labels(&format!(
        "{}={WEB},{}={}",
        label::SERVICE_NAME,
        label::SERVICE_NAMESPACE,
        namespace.name()
    ));
    let objects = async || Ok::<_, kube::Error>(api.list_metadata(&about).await?.items.len());
    let what = format!("{count} objects about {WEB}");
    wait::until_count(what, count, LIMIT, objects).await
}

/// Waits until the Service says this about itself: the reason of a condition.
async fn until_said(namespace: &TempNamespace, type_: &str, expected: &str) -> Result<()> {
    wait::until(format!("{type_}: {expected}"), LIMIT, async || {
        let found = metallb::condition(namespace, WEB, type_).await?;
        Ok::<_, anyhow::Error>(match found {
            Some([_, reason, _]) if reason == expected => Look::Done(()),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await
}

#[tokio::test]
async fn s16_a_deleted_pool_takes_its_addresses_along_and_frames_stop_at_once() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 245, 1);
    answered_for("s16-pool", address, async |namespace, lab| {
        let deleted = ("ipaddresspool", NAME);
        silent_without(lab, namespace, (address, AT_ONCE), deleted, async || {
            addresses(namespace, WEB, 0).await?;
            let cleared = event(namespace, WEB, "ClearAssignment").await?;
            let message = cleared.message.unwrap_or_default();
            ensure!(
                message.contains("[\"172.30.245.1\"] is not allowed in config"),
                "{message}"
            );
            let failed = event(namespace, WEB, "AllocationFailed").await?;
            let message = failed.message.unwrap_or_default();
            ensure!(message.contains("no available IPs"), "{message}");
            until_said(namespace, ADDRESS_ALLOCATED, "AllocationFailed").await?;
            let shown = namespace.kubectl(["get", "service", WEB]).await?;
            ensure!(shown.contains("<pending>"), "{shown}");
            until_statuses(namespace, 0).await
        })
        .await?;
        // It is given again.
        namespace.apply(pool(NAME, &["172.30.245.1/32"])).await?;
        answer(lab, "172.30.245.1", LIMIT).await?;
        until_in_use(namespace.cluster(), NAME, 1, LIMIT).await
    })
    .await
}

#[tokio::test]
async fn s16_without_its_advertisement_an_address_stays_and_frames_stop_at_once() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 245, 2);
    answered_for("s16-l2", address, async |namespace, lab| {
        let deleted = ("l2advertisement", NAME);
        silent_without(lab, namespace, (address, AT_ONCE), deleted, async || {
            let told = event(namespace, WEB, "notAnnounced").await?;
            let message = told.message.unwrap_or_default();
            ensure!(
                message.contains("L2Advertisement") && message.contains(NAME),
                "{message}"
            );
            until_said(namespace, ANNOUNCED, condition::NOT_ADVERTISED).await?;
            ensure!(addresses(namespace, WEB, 1).await? == ["172.30.245.2"]);
            until_statuses(namespace, 0).await
        })
        .await?;
        namespace.apply(l2_advertisement(NAME, &[])).await?;
        answer(lab, "172.30.245.2", LIMIT).await?;
        ensure!(addresses(namespace, WEB, 1).await? == ["172.30.245.2"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s16_without_metallb_frames_stop_and_services_keep_their_addresses_for_its_return() -> Result<()> {
    let address = Ipv4Addr::new(172, 30, 245, 3);
    answered_for("s16-metallb", address, async |namespace, lab| {
        let cluster = namespace.cluster();
        let deleted = ("metallb", "metallb");
        let gone = silent_without(lab, namespace, (address, WITH_THE_PODS), deleted, async || {
            metallb::stopped(cluster).await?;
            until_statuses(namespace, 0).await?;
            ensure!(addresses(namespace, WEB, 1).await? == ["172.30.245.3"]);
            Ok(())
        })
        .await;
        available(cluster).await.and(gone)?;
        answer(lab, "172.30.245.3", LIMIT).await?;
        ensure!(addresses(namespace, WEB, 1).await? == ["172.30.245.3"]);
        Ok(())
    })
    .await
}
