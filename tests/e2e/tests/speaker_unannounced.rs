//! What the owner of a Service reads when nobody announces its address, and that it is gone when somebody does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ListParams;
use metallb_api::names::condition::ANNOUNCED;
use metallb_api::v1beta1::MetalLBSpec;
use metallb_e2e::fixtures::{self, WEB_PORT, l2_advertisement, pool};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::metallb::{available, condition, on_the_wire, ordinary, resource, serve_web};
use metallb_e2e::wait::{self, Look};

/// Pods are given half a minute to start before it is told that they do not.
const LIMIT: Duration = Duration::from_mins(2);

/// Waits until the condition has this status and reason; its message.
async fn until_said(namespace: &TempNamespace, service: &str, status: &str, reason: &str) -> Result<String> {
    let what = format!("{service} to be said to be announced: {status}, {reason}");
    wait::until(what, LIMIT, async || {
        Ok::<_, anyhow::Error>(match condition(namespace, service, ANNOUNCED).await? {
            Some([known, word, message]) if known == status && word == reason => Look::Done(message),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await
}

async fn until_unsaid(namespace: &TempNamespace, service: &str) -> Result<()> {
    wait::until(format!("nothing to be said about {service}"), LIMIT, async || {
        Ok::<_, anyhow::Error>(match condition(namespace, service, ANNOUNCED).await? {
            None => Look::Done(()),
            Some(said) => Look::NotYet(format!("{said:?}")),
        })
    })
    .await
}

/// The messages of the Events that say so.
async fn told(namespace: &TempNamespace, service: &str) -> Result<Vec<String>> {
    let about = ListParams::default().fields(&format!("involvedObject.name={service},reason=notAnnounced"));
    let events = namespace.api::<Event>().list(&about).await?.items;
    Ok(events.into_iter().filter_map(|event| event.message).collect())
}

#[tokio::test]
async fn a_service_without_an_endpoint_and_one_that_no_node_may_announce_say_so_until_it_is_mended()
-> Result<()> {
    on_the_wire("unannounced", async |namespace, lab| {
        namespace
            .apply(pool("unannounced", &["172.30.231.1-172.30.231.2"]))
            .await?;
        let mut advertisement = l2_advertisement("unannounced", &["unannounced"]);
        let nowhere = LabelSelector {
            match_labels: Some(BTreeMap::from([("zone".to_owned(), "mars".to_owned())])),
            ..LabelSelector::default()
        };
        advertisement.spec.node_selectors = Some(vec![nowhere]);
        namespace.apply(advertisement).await?;
        let mut service = fixtures::load_balancer("web")?;
        if let Some(spec) = &mut service.spec {
            spec.external_traffic_policy = Some("Local".to_owned());
            spec.load_balancer_ip = Some("172.30.231.1".to_owned());
        }
        namespace.apply(service).await?;
        let message = until_said(namespace, "web", "False", "NoEligibleNode").await?;
        let start = "nobody announces 172.30.231.1 of pool \"unannounced\": no node may; \
                     the nodeSelectors of L2Advertisement \"unannounced\" do not match \"node";
        ensure!(message.starts_with(start), "{message}");
        ensure!(told(namespace, "web").await? == [message]);

        namespace
            .apply(l2_advertisement("unannounced", &["unannounced"]))
            .await?;
        let message = until_said(namespace, "web", "False", "NoReadyEndpoint").await?;
        ensure!(
            message.contains("it has no ready endpoint; see: kubectl -n"),
            "{message}"
        );
        ensure!(
            told(namespace, "web").await?.len() == 1,
            "another reason is no other Event"
        );

        serve_web(namespace, 1).await?;
        until_unsaid(namespace, "web").await?;
        let client = lab.client()?;
        let address: IpAddr = "172.30.231.1".parse()?;
        wait::until("an answer", LIMIT, async || {
            client
                .http_get(address, WEB_PORT, "/hostname")
                .await
                .map(Look::Done)
        })
        .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn where_all_speakers_are_gone_every_service_says_so_until_they_are_back() -> Result<()> {
    on_the_wire("no-speaker", async |namespace, _lab| {
        serve_web(namespace, 1).await?;
        namespace.apply(pool("no-speaker", &["172.30.232.1/32"])).await?;
        namespace
            .apply(l2_advertisement("no-speaker", &["no-speaker"]))
            .await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        let nowhere = MetalLBSpec {
            node_selector: Some(BTreeMap::from([("zone".to_owned(), "mars".to_owned())])),
            ..ordinary()
        };
        let cluster = namespace.cluster();
        cluster.apply(&resource(nowhere)).await?;
        let said = until_said(namespace, "web", "False", "NoEligibleNode").await;
        available(cluster).await?;
        let message = said?;
        ensure!(
            message.contains("no node may; no speaker runs on \"node"),
            "{message}"
        );
        until_unsaid(namespace, "web").await
    })
    .await
}
