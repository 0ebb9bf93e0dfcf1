//! Installing, changing, rolling back and uninstalling without the operator: with Helm, and from the plain manifests.
//! Each test takes away the operator that other tests share, and brings it back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Api, Patch, PatchParams};
use metallb_api::v1beta1::IPAddressPool;
use metallb_e2e::fixtures::{METALLB_NAMESPACE, load_balancer, pool};
use metallb_e2e::helm::{Helm, chart};
use metallb_e2e::installation::{left, path, remove_all, without_metallb};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{WEB, addresses, all_addresses, answer, serve_web};
use metallb_e2e::upstream;
use metallb_e2e::wait::{self, Look};
use serde_json::json;

const LIMIT: Duration = Duration::from_mins(1);

/// What the tutorial applies; the range is one of the test network.
const POOL: &str = r"
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: ip-pool
  namespace: metallb-system
spec:
  addresses:
  - 172.30.221.10-172.30.221.250
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata:
  name: l2advertise
  namespace: metallb-system
";

/// Helm with the release of these tests.
struct Release<'a> {
    helm: &'a Helm,
    cluster: &'a Cluster,
}

impl Release<'_> {
    async fn run(&self, words: &[&str]) -> Result<String> {
        let place = ["--namespace", METALLB_NAMESPACE];
        self.helm.on(self.cluster, words.iter().chain(&place)).await
    }

    /// Installs the chart, or upgrades to it, and waits until it runs.
    async fn upgrade(&self, more: &[&str]) -> Result<String> {
        let chart = chart();
        let chart = chart.to_str().context("a path that is text")?;
        let words = [
            "upgrade",
            "--install",
            "--create-namespace",
            "metallb",
            chart,
            "--wait",
            "--timeout=2m",
        ];
        self.run(&[&words[..], more].concat()).await
    }

    async fn uninstall(&self) -> Result<String> {
        self.run(&["uninstall", "metallb", "--wait", "--timeout=2m"])
            .await
    }
}

/// Runs the body on our own cluster, without any MetalLB, and with a namespace for Services.
async fn bare(test: &str, body: impl AsyncFnOnce(&TempNamespace, &Lab) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    without_metallb(&cluster, async || {
        cluster
            .in_namespace(test, async |namespace| body(namespace, &lab).await)
            .await
    })
    .await
}

fn in_metallb<K>(cluster: &Cluster) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(cluster.client(), METALLB_NAMESPACE)
}

/// What must outlive an upgrade: the key of the speakers, the certificate of the webhooks, and the word to the API server
/// whom to trust.
async fn secrets(cluster: &Cluster) -> Result<String> {
    let secrets: Api<Secret> = in_metallb(cluster);
    let key = secrets.get("metallb-memberlist").await?.data;
    let certificate = secrets.get("metallb-webhook-cert").await?.data;
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let webhooks = webhooks
        .get("metallb-webhook-configuration")
        .await?
        .webhooks
        .unwrap_or_default();
    let trusted: Vec<_> = webhooks
        .into_iter()
        .map(|webhook| webhook.client_config.ca_bundle)
        .collect();
    ensure!(key.is_some() && certificate.is_some(), "{key:?} {certificate:?}");
    ensure!(trusted.iter().all(Option::is_some), "{trusted:?}");
    Ok(format!("{key:?} {certificate:?} {trusted:?}"))
}

/// Waits until nothing is there that an installation brings; it may take a moment until Kubernetes has collected it.
async fn nothing_is_left(cluster: &Cluster) -> Result<()> {
    wait::until_none("MetalLB to be gone", LIMIT, async || left(cluster).await).await
}

/// The webhooks are asked as soon as the API server knows whom to trust.
async fn webhooks_refuse(cluster: &Cluster) -> Result<()> {
    let overlapping = pool("overlapping", &["172.30.221.100/32"]);
    let pools: Api<IPAddressPool> = in_metallb(cluster);
    wait::until("a webhook to refuse a pool that overlaps", LIMIT, async || {
        let applied = cluster.apply(&overlapping).await;
        if applied.is_ok() {
            pools
                .delete("overlapping", &kube::api::DeleteParams::default())
                .await?;
        }
        Ok::<_, kube::Error>(match applied {
            Err(error) if format!("{error:#}").contains("overlaps") => Look::Done(()),
            Err(error) => Look::NotYet(format!("{error:#}")),
            Ok(()) => Look::NotYet("it is accepted".to_owned()),
        })
    })
    .await
}

async fn arguments(cluster: &Cluster) -> Result<Vec<String>> {
    let deployment: Deployment = in_metallb(cluster).get("metallb-controller").await?;
    let pod = deployment
        .spec
        .and_then(|spec| spec.template.spec)
        .context("a pod")?;
    Ok(pod
        .containers
        .into_iter()
        .filter_map(|container| container.args)
        .flatten()
        .collect())
}

/// Serves three Services as the tutorial does: their addresses come in order, and each answers.
async fn three_services(namespace: &TempNamespace, lab: &Lab) -> Result<()> {
    serve_web(namespace, 1).await?;
    for number in 1..=3 {
        let name = format!("nginx-{number}");
        let words = [
            "expose",
            "deployment",
            WEB,
            "--type",
            "LoadBalancer",
            "--port",
            "80",
            "--name",
            &name,
        ];
        namespace.kubectl(words).await?;
        let expected = format!("172.30.221.{}", 9 + number);
        let given = addresses(namespace, &name, 1).await?;
        ensure!(given == [expected.as_str()], "{name}: {given:?}");
        answer(lab, &expected, LIMIT).await?;
    }
    Ok(())
}

#[tokio::test]
async fn s9_s16_what_helm_installs_is_upgraded_rolled_back_and_uninstalled() -> Result<()> {
    bare("s9", s9).await
}

async fn s9(namespace: &TempNamespace, lab: &Lab) -> Result<()> {
    let cluster = namespace.cluster();
    let [helm, _] = &Helm::both().await?;
    let release = Release { helm, cluster };
    let said = release.upgrade(&[]).await?;
    ensure!(said.contains("tell it which addresses it may give out"), "{said}");
    cluster.kubectl_apply(POOL).await?;
    three_services(namespace, lab).await?;
    webhooks_refuse(cluster).await?;
    let (before, kept) = (all_addresses(namespace).await?, secrets(cluster).await?);
    let nothing_moved = async |level: &str| -> Result<()> {
        let (given, arguments) = (all_addresses(namespace).await?, arguments(cluster).await?);
        ensure!(arguments.iter().any(|given| given == level), "{arguments:?}");
        ensure!(given == before, "{before:?} became {given:?}");
        // Not shown: there are keys among them.
        ensure!(
            secrets(cluster).await? == kept,
            "a key or a certificate has changed"
        );
        for address in before.values().flatten() {
            answer(lab, address, LIMIT).await?;
        }
        Ok(())
    };

    // More than one controller are replaced in another way than one.
    release
        .upgrade(&["--set", "controller.replicas=2,controller.logLevel=debug"])
        .await?;
    nothing_moved("--log-level=debug").await?;
    release
        .run(&["rollback", "metallb", "1", "--wait", "--timeout=2m"])
        .await?;
    nothing_moved("--log-level=info").await?;

    // The definitions stay, and what was configured with them.
    release.uninstall().await?;
    nothing_is_left(cluster).await?;
    let pool = in_metallb::<IPAddressPool>(cluster).get_opt("ip-pool").await?;
    ensure!(pool.is_some(), "the pool is gone");
    for address in before.values().flatten() {
        let answers = lab.client()?.arp(address.parse()?).await?;
        ensure!(answers.is_empty(), "{address} is announced by {answers:?}");
    }
    release.upgrade(&[]).await?;
    namespace.apply(load_balancer("after")?).await?;
    ensure!(addresses(namespace, "after", 1).await? == ["172.30.221.13"]);
    let mut now = all_addresses(namespace).await?;
    now.remove("after");
    ensure!(now == before, "{before:?} became {now:?}");
    Ok(())
}

/// Our controller answers the webhook that converted them, once it has told the API server whom to trust.
async fn both_versions_of_a_peer_are_served(cluster: &Cluster) -> Result<()> {
    let peer =
        "{apiVersion: metallb.io/v1beta1, kind: BGPPeer, metadata: {name: p, namespace: metallb-system},
        spec: {myASN: 64500, peerASN: 64501, peerAddress: 10.0.0.1}}";
    wait::until("a peer of the former version", LIMIT, async || {
        if let Err(error) = cluster.kubectl_apply(peer).await {
            return Ok(Look::NotYet(format!("{error:#}")));
        }
        let words = ["get", "bgppeers.v1beta2.metallb.io", "p", "--output=name"];
        let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(words);
        cluster.kubectl(words).await.map(|_| Look::Done(()))
    })
    .await
}

/// A Service with an address in its status, as another controller left it.
async fn served(namespace: &TempNamespace, name: &str, address: &str) -> Result<()> {
    namespace.apply(load_balancer(name)?).await?;
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    let services = namespace.api::<Service>();
    services
        .patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

/// The images of the other project are not on the nodes, so that its pods never start: what is tested is that Helm finds
/// its way from the objects of one chart to those of the other.
#[tokio::test]
async fn a_release_of_upstreams_chart_becomes_ours_by_an_upgrade() -> Result<()> {
    let chart = upstream::source().await?.join("charts/metallb");
    let chart = chart.to_str().context("a path that is text")?;
    bare("becomes-ours", async |namespace, _| {
        for (helm, name) in Helm::both().await?.iter().zip(["new-4", "new-3"]) {
            let cluster = namespace.cluster();
            remove_all(cluster).await?;
            becomes_ours(namespace, &Release { helm, cluster }, chart, name).await?;
        }
        Ok(())
    })
    .await
}

async fn becomes_ours(
    namespace: &TempNamespace,
    release: &Release<'_>,
    upstream: &str,
    name: &str,
) -> Result<()> {
    let cluster = namespace.cluster();
    let values = [
        "--set",
        "frrk8s.enabled=false,crds.validationFailurePolicy=Ignore",
    ];
    let words = ["install", "--create-namespace", "metallb", upstream];
    release.run(&[&words[..], &values[..]].concat()).await?;
    established(cluster, &["ipaddresspools", "l2advertisements", "bgppeers"]).await?;
    // What its controller does once it runs.
    let authority = rcgen::generate_simple_self_signed(["metallb".to_owned()])?
        .cert
        .pem();
    let trust = json!({"caBundle": STANDARD.encode(authority)});
    let bundle = json!({"spec": {"conversion": {"webhook": {"clientConfig": trust}}}}).to_string();
    let words = ["patch", "crd", "bgppeers.metallb.io", "--type=merge", "--patch"];
    cluster
        .kubectl(words.into_iter().chain([bundle.as_str()]))
        .await?;
    cluster.kubectl_apply(POOL).await?;
    served(namespace, "web", "172.30.221.77").await?;

    release.upgrade(&values).await?;
    namespace.apply(load_balancer(name)?).await?;
    ensure!(addresses(namespace, name, 1).await? == ["172.30.221.10"]);
    ensure!(all_addresses(namespace).await?["web"] == ["172.30.221.77"]);
    both_versions_of_a_peer_are_served(cluster).await?;
    release.uninstall().await?;
    nothing_is_left(cluster).await?;
    namespace
        .kubectl(["delete", "service", name, "--output=name"])
        .await
        .map(drop)
}

async fn established(cluster: &Cluster, kinds: &[&str]) -> Result<()> {
    let kinds: Vec<String> = kinds
        .iter()
        .map(|kind| format!("crd/{kind}.metallb.io"))
        .collect();
    let words = ["wait", "--for=condition=Established", "--timeout=60s"];
    cluster
        .kubectl(words.into_iter().chain(kinds.iter().map(String::as_str)))
        .await
        .map(drop)
}

#[tokio::test]
async fn the_plain_manifest_serves_and_leaves_nothing_behind() -> Result<()> {
    bare("plain", async |namespace, lab| {
        let cluster = namespace.cluster();
        let manifest = path("config/manifests/metallb-native.yaml")?;
        cluster.kubectl(["apply", "--filename", &manifest]).await?;
        established(cluster, &["ipaddresspools", "l2advertisements"]).await?;
        // At once: nobody answers the webhooks yet, and the pool is accepted all the same.
        cluster.kubectl_apply(POOL).await?;
        three_services(namespace, lab).await?;
        webhooks_refuse(cluster).await?;
        let secret: Secret = in_metallb(cluster).get("memberlist").await?;
        ensure!(secret.data.unwrap_or_default().contains_key("secretkey"));
        cluster
            .kubectl(["delete", "--filename", &manifest, "--timeout=60s"])
            .await?;
        nothing_is_left(cluster).await
    })
    .await
}
