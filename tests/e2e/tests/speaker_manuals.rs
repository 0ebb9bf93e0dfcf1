//! What manuals and tutorials tell users to do about announcements, word for word; only the addresses are those of the
//! test network. The names of the tests carry the scenarios' numbers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use metallb_e2e::cluster::address::CLIENT_IPV4;
use metallb_e2e::fixtures::{WEB_PORT, web};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::lab::{Lab, web_image};
use metallb_e2e::metallb::{addresses, event, on_the_wire};
use metallb_e2e::wait::{self, Look};

const LIMIT: Duration = Duration::from_secs(20);

/// Waits until exactly this node answers for the address.
async fn announced_by(lab: &Lab, address: &str, node: &str) -> Result<()> {
    let client = lab.client()?;
    let address: IpAddr = address.parse()?;
    let macs = lab.nodes_by_mac().await?;
    wait::until(format!("{node} to answer for {address}"), LIMIT, async || {
        let owners = client.who_has(address).await?;
        let owners: BTreeSet<_> = owners.iter().filter_map(|mac| macs.get(mac)).collect();
        Ok::<_, anyhow::Error>(if owners.iter().eq([&node]) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{owners:?}"))
        })
    })
    .await
}

const DNS_POOL: &str = r"
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: doc-example
  namespace: metallb-system
spec:
  addresses:
  - 172.30.210.0/24
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata:
  name: doc-example
  namespace: metallb-system
";

const DNS_SERVICES: &str = r"
apiVersion: v1
kind: Service
metadata:
  name: dns-service-tcp
  annotations:
    metallb.universe.tf/allow-shared-ip: dns
spec:
  type: LoadBalancer
  loadBalancerIP: 172.30.210.53
  ports:
  - name: dnstcp
    protocol: TCP
    port: 53
    targetPort: 53
  selector:
    app: dns
---
apiVersion: v1
kind: Service
metadata:
  name: dns-service-udp
  annotations:
    metallb.universe.tf/allow-shared-ip: dns
spec:
  type: LoadBalancer
  loadBalancerIP: 172.30.210.53
  ports:
  - name: dnsudp
    protocol: UDP
    port: 53
    targetPort: 53
  selector:
    app: dns
";

#[tokio::test]
async fn s8_a_dns_server_answers_over_tcp_and_udp_on_one_address() -> Result<()> {
    on_the_wire("s8", async |namespace, lab| {
        namespace.kubectl_apply_elsewhere(DNS_POOL).await?;
        let mut server = web("dns", 1, web_image(namespace.cluster()))?;
        let pod = server.spec.as_mut().and_then(|spec| spec.template.spec.as_mut());
        let container = &mut pod.context("a pod template")?.containers[0];
        container.args = Some(
            ["netexec", "--http-port=53", "--udp-port=53"]
                .map(str::to_owned)
                .into(),
        );
        container.readiness_probe = None;
        namespace.apply(server).await?;
        namespace.kubectl_apply(DNS_SERVICES).await?;
        for service in ["dns-service-tcp", "dns-service-udp"] {
            ensure!(
                addresses(namespace, service, 1).await? == ["172.30.210.53"],
                "{service}"
            );
        }
        let client = lab.client()?;
        let address: IpAddr = "172.30.210.53".parse()?;
        let over_tcp = wait::until("an answer over TCP", LIMIT, async || {
            client.http_get(address, 53, "/hostname").await.map(Look::Done)
        });
        let over_tcp = over_tcp.await?;
        let over_udp = wait::until("an answer over UDP", LIMIT, async || {
            client.udp_ask(address, 53, "hostname").await.map(Look::Done)
        });
        let over_udp = over_udp.await?;
        ensure!(
            over_tcp.starts_with("dns-") && over_udp.trim() == over_tcp.trim(),
            "{over_tcp} {over_udp}"
        );
        Ok(())
    })
    .await
}

const LOCAL_POOL: &str = r"
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: local
  namespace: metallb-system
spec:
  addresses:
  - 172.30.211.1/32
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata:
  name: local
  namespace: metallb-system
spec:
  ipAddressPools:
  - local
";

const LOCAL_SERVICE: &str = r"
apiVersion: v1
kind: Service
metadata:
  name: nginx
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports:
  - port: 80
  selector:
    app: nginx
";

#[tokio::test]
async fn s13_with_the_policy_local_a_node_with_a_ready_pod_answers_and_the_pod_sees_the_client() -> Result<()>
{
    on_the_wire("s13", async |namespace, lab| {
        let address = "172.30.211.1";
        namespace.kubectl_apply_elsewhere(LOCAL_POOL).await?;
        namespace.kubectl_apply(LOCAL_SERVICE).await?;
        ensure!(addresses(namespace, "nginx", 1).await? == [address]);
        ensure!(
            lab.client()?.who_has(address.parse()?).await?.is_empty(),
            "no pod is ready"
        );
        for node in lab.nodes()? {
            let node = node.name();
            let mut server = web("nginx", 1, web_image(namespace.cluster()))?;
            let pod = server.spec.as_mut().and_then(|spec| spec.template.spec.as_mut());
            pod.context("a pod template")?.node_selector =
                Some([("kubernetes.io/hostname".to_owned(), node.clone())].into());
            namespace.apply(server).await?;
            announced_by(lab, address, &node).await?;
            // The proxy of the node may be later than the speaker.
            let seen = wait::until("an answer", LIMIT, async || {
                let path = "/clientip";
                let answer = lab.client()?.http_get(address.parse()?, WEB_PORT, path).await;
                answer.map(Look::Done)
            });
            let (seen, client) = (seen.await?, format!("{CLIENT_IPV4}:"));
            ensure!(
                seen.starts_with(&client),
                "the pod on {node} saw {seen} instead of {client}"
            );
        }
        Ok(())
    })
    .await
}

/// A Service of the test, with lines for its annotations.
async fn service(namespace: &TempNamespace, name: &str, annotations: &str) -> Result<()> {
    let manifest = format!(
        r"
apiVersion: v1
kind: Service
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  type: LoadBalancer
  selector:
    app: nginx
  ports:
  - port: {WEB_PORT}
"
    );
    namespace.kubectl_apply(&manifest).await.map(drop)
}

/// The first has every field set. Of the others one is selected by its name, and one not at all.
const POOLS: &str = r"
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: ip-pool
  namespace: metallb-system
  labels:
    zone: east
spec:
  addresses:
  - 172.30.214.254/31
  - 172.30.215.0-172.30.215.2
  autoAssign: false
  avoidBuggyIPs: true
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: another-pool
  namespace: metallb-system
  labels:
    zone: west
spec:
  addresses:
  - 172.30.215.8/32
  autoAssign: false
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: third-pool
  namespace: metallb-system
  labels:
    zone: west
spec:
  addresses:
  - 172.30.215.9/32
  autoAssign: false
";

/// Its every field is set.
fn advertisement(node: &str, interface: &str) -> String {
    format!(
        r"
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata:
  name: l2advertise
  namespace: metallb-system
spec:
  ipAddressPools:
  - another-pool
  ipAddressPoolSelectors:
  - matchLabels:
      zone: east
  nodeSelectors:
  - matchLabels:
      kubernetes.io/hostname: {node}
  interfaces:
  - {interface}
"
    )
}

#[tokio::test]
async fn s10_every_field_of_pool_and_advertisement_does_what_its_description_says() -> Result<()> {
    on_the_wire("s10", async |namespace, lab| {
        let nodes: Vec<String> = lab.nodes()?.iter().map(|node| node.name()).collect();
        let [.., other, chosen] = nodes.as_slice() else {
            bail!("a choice among one node is none: start the cluster with NODES=2 or more");
        };
        namespace.kubectl_apply_elsewhere(POOLS).await?;
        namespace
            .kubectl_apply_elsewhere(&advertisement(chosen, "eth0"))
            .await?;
        namespace
            .apply(web("nginx", 2, web_image(namespace.cluster()))?)
            .await?;

        // autoAssign: false
        service(namespace, "unasked", "").await?;
        let told = event(namespace, "unasked", "AllocationFailed")
            .await?
            .message
            .unwrap_or_default();
        ensure!(told.contains("no available IPs"), "{told}");
        // Both notations of addresses in their order, and avoidBuggyIPs: neither .255 nor .0
        for (name, expected) in [
            ("nginx", "172.30.214.254"),
            ("nginx-2", "172.30.215.1"),
            ("nginx-3", "172.30.215.2"),
        ] {
            service(namespace, name, "metallb.io/address-pool: ip-pool").await?;
            ensure!(addresses(namespace, name, 1).await? == [expected], "{name}");
        }
        service(namespace, "nginx-4", "metallb.io/address-pool: ip-pool").await?;
        event(namespace, "nginx-4", "AllocationFailed").await?;
        // ipAddressPools and ipAddressPoolSelectors: either is enough; nodeSelectors and interfaces
        for (name, pool) in [("named", "another-pool"), ("unselected", "third-pool")] {
            service(namespace, name, &format!("metallb.io/address-pool: {pool}")).await?;
        }
        for address in ["172.30.214.254", "172.30.215.1", "172.30.215.2", "172.30.215.8"] {
            announced_by(lab, address, chosen).await?;
        }
        let told = event(namespace, "unselected", "notAnnounced")
            .await?
            .message
            .unwrap_or_default();
        ensure!(told.contains("third-pool"), "{told}");
        let client = lab.client()?;
        let silent = "172.30.215.9";
        ensure!(addresses(namespace, "unselected", 1).await? == [silent]);
        ensure!(
            client.who_has(silent.parse()?).await?.is_empty(),
            "{silent} is announced"
        );
        namespace
            .kubectl_apply_elsewhere(&advertisement(other, "eth0"))
            .await?;
        announced_by(lab, "172.30.214.254", other).await?;
        namespace
            .kubectl_apply_elsewhere(&advertisement(other, "eth9"))
            .await?;
        wait::until_none("silence", LIMIT, async || {
            client.who_has("172.30.214.254".parse()?).await
        })
        .await?;
        event(namespace, "nginx", "announceFailed").await.map(drop)
    })
    .await
}
