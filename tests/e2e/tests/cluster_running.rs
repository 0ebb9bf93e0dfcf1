//! What a running cluster offers to the tests of MetalLB: these fail before those would fail in stranger ways.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, ListParams};
use metallb_e2e::cluster::address::{CLIENT_IPV4, CLIENT_IPV6, HOST_IPV4, HOST_IPV6};
use metallb_e2e::fixtures::{self, WEB_PORT};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::{Lab, web_image};
use metallb_e2e::wait::{self, Look};

const LIMIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_node_port_answers_in_both_families() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    cluster
        .in_namespace("node-port", async |namespace| {
            run_web(namespace, 2).await?;
            let mut service = fixtures::dual_stack_load_balancer("web")?;
            service.spec.get_or_insert_default().type_ = Some("NodePort".to_owned());
            namespace.apply(service).await?;
            let service = namespace.api::<Service>().get("web").await?;
            let ports = service.spec.and_then(|spec| spec.ports).unwrap_or_default();
            let port = u16::try_from(ports[0].node_port.unwrap_or_default())?;
            for node in lab.nodes()? {
                for address in [IpAddr::from(node.ipv4()), IpAddr::from(node.ipv6())] {
                    let answer = web_answer(&lab, address, port).await?;
                    ensure!(answer.starts_with("web-"), "{address}: {answer}");
                }
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_killed_container_is_started_again() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    cluster
        .in_namespace("killed", async |namespace| {
            run_web(namespace, 1).await?;
            let pods = namespace.api::<Pod>();
            let pod = pods
                .list(&ListParams::default())
                .await?
                .items
                .remove(0)
                .metadata
                .name
                .unwrap_or_default();
            lab.kill_container(&cluster, namespace.name(), &pod, "web")
                .await?;
            wait::until("a restart of the container", LIMIT, async || {
                let status = pods.get(&pod).await?.status.unwrap_or_default();
                let restarts: i32 = status
                    .container_statuses
                    .iter()
                    .flatten()
                    .map(|status| status.restart_count)
                    .sum();
                Ok::<_, kube::Error>(if restarts > 0 {
                    Look::Done(())
                } else {
                    Look::NotYet("none".to_owned())
                })
            })
            .await
        })
        .await
}

#[tokio::test]
async fn the_client_sees_who_has_an_address() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    let client = lab.client()?;
    for (mac, name) in lab.nodes_by_mac().await? {
        let node = lab
            .nodes()?
            .into_iter()
            .find(|node| node.name() == name)
            .unwrap_or_else(|| unreachable!());
        let expected = BTreeSet::from([mac]);
        assert_eq!(client.arp(node.ipv4()).await?, expected, "{name}");
        assert_eq!(client.ndp(node.ipv6()).await?, expected, "{name}");
    }
    assert_eq!(client.arp(Ipv4Addr::new(172, 30, 250, 1)).await?, BTreeSet::new());
    assert_eq!(
        client
            .ndp(Ipv6Addr::new(0xfd30, 0, 0, 0, 0, 0, 0, 0xdead))
            .await?,
        BTreeSet::new()
    );
    Ok(())
}

#[tokio::test]
async fn a_node_without_its_cable_is_silent_until_it_is_plugged_in_again() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    let client = lab.client()?;
    let node = lab.nodes()?.remove(0);
    let cable = lab.pull_cable(&node.name()).await?;
    assert_eq!(client.arp(node.ipv4()).await?, BTreeSet::new());
    cable.plug().await?;
    for address in [IpAddr::from(node.ipv4()), IpAddr::from(node.ipv6())] {
        wait::until(format!("an answer of {address}"), LIMIT, async || {
            let found = client.who_has(address).await?;
            Ok::<_, anyhow::Error>(if found.len() == 1 {
                Look::Done(())
            } else {
                Look::NotYet(format!("{found:?}"))
            })
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn packets_are_captured() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    let client = lab.client()?;
    client.flush_neighbours().await?;
    let capture = client.capture("arp").await?;
    client.arp(HOST_IPV4).await?;
    let packets = capture.stop().await?;
    assert!(
        packets.iter().any(|packet| packet.contains("who-has 172.30.0.1")),
        "{packets:?}"
    );
    Ok(())
}

#[tokio::test]
async fn addresses_of_the_segment_are_the_documented_ones() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    let addresses = lab
        .client()?
        .run(["ip", "-brief", "address", "show", "eth0"])
        .await?;
    for address in [IpAddr::from(CLIENT_IPV4), IpAddr::from(CLIENT_IPV6)] {
        assert!(addresses.contains(&format!("{address}/")), "{addresses}");
    }
    let client = lab.client()?;
    assert_eq!(
        client.who_has(HOST_IPV4.into()).await?,
        client.who_has(HOST_IPV6.into()).await?
    );
    let nodes: Api<Node> = Api::all(cluster.client());
    for node in lab.nodes()? {
        let found = nodes
            .get(&node.name())
            .await?
            .status
            .unwrap_or_default()
            .addresses
            .unwrap_or_default();
        for address in [node.ipv4().to_string(), node.ipv6().to_string()] {
            assert!(
                found.iter().any(|found| found.address == address),
                "{address} in {found:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_goes_with_its_test_also_when_that_fails() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let mut name = String::new();
    let outcome = cluster
        .in_namespace("fails", async |namespace| {
            name = namespace.name().to_owned();
            anyhow::bail!("on purpose")
        })
        .await;
    assert_eq!(outcome.unwrap_err().to_string(), "on purpose");
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(cluster.client());
    wait::until(format!("{name} to go"), LIMIT, async || {
        let found = namespaces.get_opt(&name).await?;
        Ok::<_, kube::Error>(found.map_or(Look::Done(()), |_| Look::NotYet("it is there".to_owned())))
    })
    .await
}

async fn run_web(namespace: &TempNamespace, replicas: u8) -> Result<()> {
    namespace
        .apply(fixtures::web("web", replicas, web_image(namespace.cluster()))?)
        .await?;
    let deployments = namespace.api::<Deployment>();
    wait::until("the web servers", LIMIT, async || {
        let ready = deployments
            .get("web")
            .await?
            .status
            .and_then(|status| status.ready_replicas)
            .unwrap_or_default();
        Ok::<_, kube::Error>(if ready == i32::from(replicas) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{ready} are ready"))
        })
    })
    .await
}

/// kube-proxy needs a moment after the pods are ready.
async fn web_answer(lab: &Lab, address: IpAddr, port: u16) -> Result<String> {
    let client = lab.client()?;
    wait::until(
        format!("an answer of [{address}]:{port} (pods listen on {WEB_PORT})"),
        LIMIT,
        async || client.http_get(address, port, "/hostname").await.map(Look::Done),
    )
    .await
}
