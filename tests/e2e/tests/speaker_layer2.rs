//! What a client on the same segment gets from the addresses of Services.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use metallb_api::names::label;
use metallb_api::v1beta1::{BGPAdvertisement, BGPAdvertisementSpec, ServiceL2Status};
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, l2_advertisement, pool};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{addresses, answer, event, on_the_wire, serve_web};
use metallb_e2e::wait::{self, Look};

const LIMIT: Duration = Duration::from_secs(20);

/// Runs the body on the wire, with two web servers called `web`.
async fn with_web(test: &str, body: impl AsyncFnOnce(&TempNamespace, &Lab) -> Result<()>) -> Result<()> {
    on_the_wire(test, async |namespace, lab| {
        serve_web(namespace, 2).await?;
        body(namespace, lab).await
    })
    .await
}

/// The node that announces, as the Event says.
async fn assigned_node(namespace: &TempNamespace, service: &str) -> Result<String> {
    let message = event(namespace, service, "nodeAssigned")
        .await?
        .message
        .unwrap_or_default();
    let node = message.split('"').nth(1).context("a node in quotation marks")?;
    ensure!(
        message == format!("announcing from node \"{node}\" with protocol \"layer2\""),
        "{message}"
    );
    Ok(node.to_owned())
}

#[tokio::test]
async fn s9_exposed_deployments_get_ascending_addresses_that_answer() -> Result<()> {
    with_web("s9", async |namespace, lab| {
        namespace
            .apply(pool("ip-pool", &["172.30.203.10-172.30.203.20"]))
            .await?;
        namespace
            .apply(l2_advertisement("l2advertise", &["ip-pool"]))
            .await?;
        let cluster = namespace.cluster();
        for (name, expected) in [
            ("nginx", "172.30.203.10"),
            ("nginx-2", "172.30.203.11"),
            ("nginx-3", "172.30.203.12"),
        ] {
            let expose = [
                "expose",
                "deployment",
                "web",
                "--type",
                "LoadBalancer",
                "--port",
                "80",
                "--name",
                name,
            ];
            cluster
                .kubectl(["--namespace", namespace.name()].into_iter().chain(expose))
                .await?;
            ensure!(addresses(namespace, name, 1).await? == [expected], "{name}");
            ensure!(answer(lab, expected, LIMIT).await?.starts_with("web-"), "{name}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_dual_stack_service_answers_over_ipv4_and_ipv6_from_the_node_in_its_event() -> Result<()> {
    with_web("dual", async |namespace, lab| {
        namespace
            .apply(pool("dual", &["172.30.204.0/24", "fd30::204:0/112"]))
            .await?;
        namespace.apply(l2_advertisement("dual", &["dual"])).await?;
        namespace
            .apply(fixtures::dual_stack_load_balancer("web")?)
            .await?;
        let given = addresses(namespace, "web", 2).await?;
        ensure!(given == ["172.30.204.0", "fd30::204:0"], "{given:?}");
        let node = assigned_node(namespace, "web").await?;
        let macs = lab.nodes_by_mac().await?;
        for address in &given {
            ensure!(
                answer(lab, address, LIMIT).await?.starts_with("web-"),
                "{address}"
            );
            let owners = lab.client()?.who_has(address.parse()?).await?;
            let owners: BTreeSet<_> = owners.iter().filter_map(|mac| macs.get(mac)).collect();
            ensure!(
                owners == BTreeSet::from([&node]),
                "{address}: {owners:?} answer, and the Event says {node}"
            );
        }
        // One event, however often the Service and its endpoints are looked at.
        let about = ListParams::default().fields("involvedObject.name=web,reason=nodeAssigned");
        let told = namespace.api::<Event>().list(&about).await?.items;
        ensure!(told.len() == 1 && told[0].count == Some(1), "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn neighbours_are_told_when_an_address_comes_and_nothing_answers_when_it_went() -> Result<()> {
    with_web("comes-goes", async |namespace, lab| {
        namespace.apply(pool("comes-goes", &["172.30.205.1/32"])).await?;
        namespace
            .apply(l2_advertisement("comes-goes", &["comes-goes"]))
            .await?;
        let client = lab.client()?;
        let capture = client.capture("arp src 172.30.205.1").await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        answer(lab, "172.30.205.1", LIMIT).await?;
        let seen = capture.stop().await?;
        let broadcast = |line: &&String| line.contains("> ff:ff:ff:ff:ff:ff");
        ensure!(
            seen.iter().filter(broadcast).count() >= 2,
            "no gratuitous frames: {seen:#?}"
        );

        let delete = ["--namespace", namespace.name(), "delete", "service", "web"];
        namespace.cluster().kubectl(delete).await?;
        wait::until("silence", LIMIT, async || {
            let owners = client.arp("172.30.205.1".parse()?).await?;
            let silent = owners.is_empty();
            Ok::<_, anyhow::Error>(if silent {
                Look::Done(())
            } else {
                Look::NotYet(format!("{owners:?}"))
            })
        })
        .await
    })
    .await
}

#[tokio::test]
async fn an_advertisement_for_a_missing_interface_is_told() -> Result<()> {
    with_web("interface", async |namespace, _lab| {
        namespace.apply(pool("interface", &["172.30.206.1/32"])).await?;
        let mut advertisement = l2_advertisement("interface", &["interface"]);
        advertisement.spec.interfaces = Some(vec!["eth9".to_owned()]);
        namespace.apply(advertisement).await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        let told = event(namespace, "web", "announceFailed")
            .await?
            .message
            .unwrap_or_default();
        let start =
            "the interfaces specified by LB IP \"172.30.206.1\" doesn't exist in assigned node \"node";
        ensure!(
            told.starts_with(start) && told.ends_with("with protocol \"layer2\""),
            "{told}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_address_that_only_bgp_would_announce_is_reported() -> Result<()> {
    with_web("bgp-only", async |namespace, lab| {
        namespace.apply(pool("bgp-only", &["172.30.207.1/32"])).await?;
        let spec = BGPAdvertisementSpec {
            ip_address_pools: Some(vec!["bgp-only".to_owned()]),
            ..BGPAdvertisementSpec::default()
        };
        let mut advertisement = BGPAdvertisement::new("bgp-only", spec);
        advertisement.metadata.namespace = Some(METALLB_NAMESPACE.to_owned());
        namespace.apply(advertisement).await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        ensure!(addresses(namespace, "web", 1).await? == ["172.30.207.1"]);
        let told = event(namespace, "web", "notAnnounced").await?;
        ensure!(told.type_.as_deref() == Some("Warning"));
        let message = told.message.unwrap_or_default();
        for part in ["BGP", "bgp-only", "L2Advertisement"] {
            ensure!(message.contains(part), "no {part} in: {message}");
        }
        ensure!(lab.client()?.arp("172.30.207.1".parse()?).await?.is_empty());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_address_without_any_advertisement_is_reported_and_served_once_there_is_one() -> Result<()> {
    with_web("no-ad", async |namespace, lab| {
        namespace.apply(pool("no-ad", &["172.30.208.1/32"])).await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        let told = event(namespace, "web", "notAnnounced")
            .await?
            .message
            .unwrap_or_default();
        ensure!(
            told.contains("no-ad") && told.contains("L2Advertisement"),
            "{told}"
        );
        namespace.apply(l2_advertisement("no-ad", &["no-ad"])).await?;
        ensure!(answer(lab, "172.30.208.1", LIMIT).await?.starts_with("web-"));
        Ok(())
    })
    .await
}

/// What the ServiceL2Status objects of a Service say, as `node2 on eth0`; ` on ` and nothing is on all interfaces.
async fn statuses(namespace: &TempNamespace, service: &str) -> Result<Vec<String>> {
    let api: Api<ServiceL2Status> = Api::namespaced(namespace.cluster().client(), METALLB_NAMESPACE);
    let about = format!(
        "{}={service},{}={}",
        label::SERVICE_NAME,
        label::SERVICE_NAMESPACE,
        namespace.name()
    );
    let found = api.list(&ListParams::default().labels(&about)).await?.items;
    let says = |object: ServiceL2Status| {
        let owners = object.metadata.owner_references.unwrap_or_default();
        let owner = owners.first().map(|owner| owner.kind.clone()).unwrap_or_default();
        let labelled = object.metadata.labels.unwrap_or_default().remove(label::NODE);
        let status = object.status.unwrap_or_default();
        let names = status
            .interfaces
            .into_iter()
            .flatten()
            .filter_map(|interface| interface.name);
        let names = names.collect::<Vec<_>>().join(",");
        let consistent = labelled == status.node
            && status.service_name.as_deref() == Some(service)
            && status.service_namespace.as_deref() == Some(namespace.name())
            && owner == "Pod";
        if consistent {
            format!("{} on {names}", status.node.unwrap_or_default())
        } else {
            "incomplete".to_owned()
        }
    };
    Ok(found.into_iter().map(says).collect())
}

async fn until_statuses(
    namespace: &TempNamespace,
    what: &str,
    content: impl Fn(&[String]) -> bool,
) -> Result<Vec<String>> {
    wait::until(format!("the statuses of web {what}"), LIMIT, async || {
        let seen = statuses(namespace, "web").await?;
        Ok::<_, anyhow::Error>(if content(&seen) {
            Look::Done(seen)
        } else {
            Look::NotYet(format!("{seen:?}"))
        })
    })
    .await
}

#[tokio::test]
async fn a_status_says_which_node_announces_and_on_which_interfaces() -> Result<()> {
    with_web("l2-status", async |namespace, _lab| {
        namespace.apply(pool("l2-status", &["172.30.209.1/32"])).await?;
        let mut advertisement = l2_advertisement("l2-status", &["l2-status"]);
        namespace.apply(advertisement.clone()).await?;
        namespace.apply(fixtures::load_balancer("web")?).await?;
        let first = assigned_node(namespace, "web").await?;
        let on_all = format!("{first} on ");
        until_statuses(namespace, "to name the node", |seen| seen == [on_all.clone()]).await?;

        advertisement.spec.interfaces = Some(vec!["eth0".to_owned()]);
        namespace.apply(advertisement).await?;
        let on_eth0 = format!("{first} on eth0");
        until_statuses(namespace, "to name the interface", |seen| {
            seen == [on_eth0.clone()]
        })
        .await?;

        let exclude = label::EXCLUDE_FROM_EXTERNAL_LOAD_BALANCERS;
        let cluster = namespace.cluster();
        cluster
            .kubectl(["label", "node", &first, &format!("{exclude}=")])
            .await?;
        let moved = until_statuses(namespace, "to follow the Service", |seen| {
            seen.len() == 1 && seen[0].ends_with(" on eth0") && seen[0] != on_eth0
        })
        .await;
        cluster
            .kubectl(["label", "node", &first, &format!("{exclude}-")])
            .await?;
        moved?;
        until_statuses(namespace, "to come back", |seen| seen == [on_eth0.clone()]).await?;

        let delete = ["--namespace", namespace.name(), "delete", "service", "web"];
        cluster.kubectl(delete).await?;
        until_statuses(namespace, "to go with the Service", <[String]>::is_empty).await?;
        Ok(())
    })
    .await
}
