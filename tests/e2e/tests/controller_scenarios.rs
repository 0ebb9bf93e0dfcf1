//! What tutorials and manuals tell users to type about addresses, word for word; only the addresses are those of the
//! test network. The names of the tests carry the scenarios' numbers.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use metallb_e2e::fixtures::{ingress_addresses, pool};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::lab::web_image;
use metallb_e2e::metallb::{addresses, event};
use metallb_e2e::pools::with_pools;
use metallb_e2e::wait::{self, Look};
use metallb_e2e::{fixtures, metallb};

/// Runs the body with MetalLB available and a pool that is gone afterwards.
async fn with_pool(
    test: &str,
    name: &str,
    range: &str,
    auto_assign: bool,
    body: impl AsyncFnOnce(&TempNamespace) -> Result<()>,
) -> Result<()> {
    let mut pool = pool(name, &[range]);
    pool.spec.auto_assign = Some(auto_assign);
    with_pools(test, vec![pool], body).await
}

#[tokio::test]
async fn s2_a_service_asks_for_an_address_of_a_pool() -> Result<()> {
    with_pool("s2", "doc-example", "172.30.201.0/24", true, async |namespace| {
        namespace
            .apply(fixtures::l2_advertisement("doc-example", &["doc-example"]))
            .await?;
        namespace
            .apply(fixtures::web("resource", 1, web_image(namespace.cluster()))?)
            .await?;
        let manifest = r"
apiVersion: v1
kind: Service
metadata:
  name: service-name
  annotations:
    metallb.universe.tf/address-pool: doc-example
spec:
  selector:
    app: resource
  ports:
    - port: 8080
      targetPort: 80
      protocol: TCP
  type: LoadBalancer
  loadBalancerIP: 172.30.201.100
";
        namespace.kubectl_apply(manifest).await?;
        ensure!(addresses(namespace, "service-name", 1).await? == ["172.30.201.100"]);
        event(namespace, "service-name", "nodeAssigned").await?;
        let text = namespace.kubectl(["describe", "service", "service-name"]).await?;
        let line = |start: &str, part: &str| {
            text.lines()
                .any(|line| line.starts_with(start) && line.contains(part))
        };
        ensure!(line("LoadBalancer Ingress:", "172.30.201.100"), "{text}");
        let assigned = text
            .lines()
            .find(|line| line.contains("nodeAssigned"))
            .unwrap_or_default();
        let words: Vec<&str> = assigned.split_whitespace().collect();
        ensure!(
            words.first() == Some(&"Normal") && words.contains(&"metallb-speaker"),
            "{assigned}"
        );
        ensure!(assigned.contains("announcing from node \""), "{assigned}");
        ensure!(assigned.contains("with protocol \"layer2\""), "{assigned}");
        ensure!(text.contains("IPAllocated"), "{text}");
        // The old prefix is served, and its user is told about the new one.
        let deprecated = event(namespace, "service-name", "deprecatedAnnotation").await?;
        ensure!(deprecated.type_.as_deref() == Some("Warning"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s3_a_service_asks_for_an_address_of_no_pool() -> Result<()> {
    with_pool("s3", "doc-example", "172.30.201.0/24", true, async |namespace| {
        let manifest = r"
apiVersion: v1
kind: Service
metadata:
  name: invalid-request
spec:
  ports:
    - port: 8080
      targetPort: 80
      protocol: TCP
  type: LoadBalancer
  loadBalancerIP: 4.3.2.1
";
        namespace.kubectl_apply(manifest).await?;
        let failed = event(namespace, "invalid-request", "AllocationFailed").await?;
        let message = failed.message.unwrap_or_default();
        let start = format!(
            "Failed to allocate IP for \"{}/invalid-request\": ",
            namespace.name()
        );
        ensure!(message.starts_with(&start), "{message}");
        ensure!(
            message.contains("4.3.2.1") && message.ends_with("is not allowed in config"),
            "{message}"
        );
        ensure!(failed.type_.as_deref() == Some("Warning"));
        ensure!(failed.source.and_then(|source| source.component).as_deref() == Some("metallb-controller"));
        let shown = namespace.kubectl(["get", "service", "invalid-request"]).await?;
        ensure!(shown.contains("<pending>"), "{shown}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s4_a_service_asks_for_any_address_of_a_pool_that_must_be_asked_for() -> Result<()> {
    with_pool("s4", "doc-example", "172.30.201.0/24", false, async |namespace| {
        let mut service = fixtures::load_balancer("service-name")?;
        let annotation = (
            "metallb.universe.tf/address-pool".to_owned(),
            "doc-example".to_owned(),
        );
        service.metadata.annotations = Some([annotation].into());
        namespace.apply(service).await?;
        ensure!(addresses(namespace, "service-name", 1).await? == ["172.30.201.0"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s5_a_service_asks_for_a_pool_that_does_not_exist() -> Result<()> {
    with_pool("s5", "doc-example", "172.30.201.0/24", true, async |namespace| {
        let mut service = fixtures::load_balancer("service-name")?;
        let annotation = (
            "metallb.universe.tf/address-pool".to_owned(),
            "nowhere".to_owned(),
        );
        service.metadata.annotations = Some([annotation].into());
        namespace.apply(service).await?;
        ensure!(addresses(namespace, "service-name", 1).await? == ["172.30.201.0"]);
        let told = event(namespace, "service-name", "addressPoolNotFound").await?;
        ensure!(told.type_.as_deref() == Some("Warning"));
        ensure!(
            told.message
                .as_deref()
                .unwrap_or_default()
                .contains("\"nowhere\""),
            "{told:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s6_a_service_asks_for_nothing_special() -> Result<()> {
    with_pool("s6", "doc-example", "172.30.201.0/24", true, async |namespace| {
        // First by name, and only for those who ask for it: it is passed over.
        let mut reserved = pool("a-reserved", &["172.30.202.0/24"]);
        reserved.spec.auto_assign = Some(false);
        namespace.apply(reserved).await?;
        namespace.apply(fixtures::load_balancer("service-name")?).await?;
        ensure!(addresses(namespace, "service-name", 1).await? == ["172.30.201.0"]);
        let told = event(namespace, "service-name", "IPAllocated").await?;
        ensure!(
            told.message.as_deref() == Some("Assigned IP [\"172.30.201.0\"]"),
            "{told:?}"
        );
        let found = namespace.api::<Service>().get("service-name").await?;
        let noted = found.metadata.annotations.unwrap_or_default();
        ensure!(noted.get("metallb.io/ip-allocated-from-pool").map(String::as_str) == Some("doc-example"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s7_two_services_share_an_address_and_a_third_with_a_taken_port_is_refused() -> Result<()> {
    with_pool("s7", "doc-example", "172.30.201.0/24", true, async |namespace| {
        for (name, port) in [
            ("service-http", 80),
            ("service-https", 443),
            ("service-again", 80),
        ] {
            let mut service = fixtures::load_balancer(name)?;
            let annotation = (
                "metallb.universe.tf/allow-shared-ip".to_owned(),
                "web-server-svc".to_owned(),
            );
            service.metadata.annotations = Some([annotation].into());
            let spec = service.spec.get_or_insert_default();
            spec.load_balancer_ip = Some("172.30.201.7".to_owned());
            spec.ports.get_or_insert_default()[0].port = port;
            namespace.apply(service).await?;
            if name == "service-again" {
                let told = event(namespace, name, "AllocationFailed")
                    .await?
                    .message
                    .unwrap_or_default();
                ensure!(
                    told.contains("port TCP/80 is already in use on \"172.30.201.7\""),
                    "{told}"
                );
            } else {
                ensure!(addresses(namespace, name, 1).await? == ["172.30.201.7"]);
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s7_with_the_policy_local_services_share_an_address_if_their_selectors_are_equal() -> Result<()> {
    with_pool(
        "s7-local",
        "doc-example",
        "172.30.201.0/24",
        true,
        async |namespace| {
            let sharing = |name: &str, port: i32, app: &str| -> Result<Service> {
                let mut service = fixtures::load_balancer(name)?;
                let key = "metallb.universe.tf/allow-shared-ip".to_owned();
                service.metadata.annotations = Some([(key, "web-server-svc".to_owned())].into());
                let spec = service.spec.get_or_insert_default();
                spec.external_traffic_policy = Some("Local".to_owned());
                spec.load_balancer_ip = Some("172.30.201.7".to_owned());
                spec.selector = Some([("app".to_owned(), app.to_owned())].into());
                spec.ports.get_or_insert_default()[0].port = port;
                Ok(service)
            };
            for (name, port) in [("service-http", 80), ("service-https", 443)] {
                namespace.apply(sharing(name, port, "web")?).await?;
                ensure!(addresses(namespace, name, 1).await? == ["172.30.201.7"], "{name}");
            }
            namespace.apply(sharing("service-shop", 8080, "shop")?).await?;
            let told = event(namespace, "service-shop", "AllocationFailed").await?;
            let message = told.message.unwrap_or_default();
            let place = namespace.name();
            let refusal = format!(
                "can't change sharing key for \"{place}/service-shop\", address also in use by {place}/service-http,\
                 {place}/service-https"
            );
            ensure!(message.ends_with(&refusal), "{message}");
            let found = namespace.api::<Service>().get("service-shop").await?;
            ensure!(ingress_addresses(&found).is_empty(), "{:?}", found.status);
            // With the selector of the others it may.
            namespace.apply(sharing("service-shop", 8080, "web")?).await?;
            ensure!(addresses(namespace, "service-shop", 1).await? == ["172.30.201.7"]);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn s12_a_pool_change_moves_a_service_without_any_restart() -> Result<()> {
    with_pool("s12", "doc-example", "172.30.201.0/24", true, async |namespace| {
        namespace.apply(fixtures::load_balancer("service-name")?).await?;
        ensure!(addresses(namespace, "service-name", 1).await? == ["172.30.201.0"]);
        namespace
            .cluster()
            .apply(&pool("doc-example", &["172.30.202.0/24"]))
            .await?;
        let services = namespace.api::<Service>();
        wait::until(
            "an address of the changed pool",
            Duration::from_secs(20),
            async || {
                let found = ingress_addresses(&services.get("service-name").await?);
                let moved = found == ["172.30.202.0"];
                Ok::<_, kube::Error>(if moved {
                    Look::Done(())
                } else {
                    Look::NotYet(format!("{found:?}"))
                })
            },
        )
        .await?;
        metallb::event(namespace, "service-name", "ClearAssignment").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn s16_the_address_of_a_deleted_service_is_given_again() -> Result<()> {
    with_pool("s16", "doc-example", "172.30.201.9/32", true, async |namespace| {
        namespace.apply(fixtures::load_balancer("first")?).await?;
        ensure!(addresses(namespace, "first", 1).await? == ["172.30.201.9"]);
        namespace.apply(fixtures::load_balancer("second")?).await?;
        let told = event(namespace, "second", "AllocationFailed")
            .await?
            .message
            .unwrap_or_default();
        ensure!(told.contains("no available IPs"), "{told}");
        namespace.kubectl(["delete", "service", "first"]).await?;
        ensure!(addresses(namespace, "second", 1).await? == ["172.30.201.9"]);
        Ok(())
    })
    .await
}
