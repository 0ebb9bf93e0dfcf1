//! What Prometheus gets from the controller and from the speakers, and who gets nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, ListParams};
use metallb_api::v1beta1::IPAddressPool;
use metallb_e2e::fixtures::{METALLB_NAMESPACE, l2_advertisement, load_balancer, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{addresses, available, event, serve_web};
use metallb_e2e::wait::{self, Look};

const LIMIT: Duration = Duration::from_secs(30);
const SERVICES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Where one process serves its metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    node: String,
    address: String,
}

/// Both components, and the tokens to ask them with.
struct Scraper {
    lab: Lab,
    node: String,
    reader: String,
    stranger: String,
}

/// The targets of a component.
async fn targets(cluster: &Cluster, component: &str) -> Result<BTreeSet<Target>> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let labels = format!("app=metallb,component={component}");
    let pods = api.list(&ListParams::default().labels(&labels)).await?;
    let target = |pod: Pod| {
        if pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        Some(Target {
            node: pod.spec?.node_name?,
            address: pod.status?.pod_ip?,
        })
    };
    Ok(pods.items.into_iter().filter_map(target).collect())
}

impl Scraper {
    /// Makes two accounts, of which one may read metrics.
    async fn new(namespace: &TempNamespace, lab: Lab, node: String) -> Result<Self> {
        let name = namespace.name();
        namespace
            .kubectl_apply_elsewhere(&format!(
                "{{kind: ClusterRole, apiVersion: rbac.authorization.k8s.io/v1, metadata: {{name: {name}}},
                   rules: [{{nonResourceURLs: [/metrics], verbs: [get]}}]}}
---
{{kind: ClusterRoleBinding, apiVersion: rbac.authorization.k8s.io/v1, metadata: {{name: {name}}},
  roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}},
  subjects: [{{kind: ServiceAccount, name: reader, namespace: {name}}}]}}
"
            ))
            .await?;
        let mut tokens = Vec::new();
        for account in ["reader", "stranger"] {
            namespace.kubectl(["create", "serviceaccount", account]).await?;
            tokens.push(
                namespace
                    .kubectl(["create", "token", account])
                    .await?
                    .trim()
                    .to_owned(),
            );
        }
        let [reader, stranger] = tokens.try_into().ok().context("two tokens")?;
        Ok(Self {
            lab,
            node,
            reader,
            stranger,
        })
    }

    /// The status and the body that a target answers with.
    async fn ask(&self, target: &Target, token: &str) -> Result<(String, String)> {
        let url = format!("https://{}:9120/metrics", target.address);
        let header = format!("Authorization: Bearer {token}");
        let mut words = vec![
            "curl",
            "--insecure",
            "--silent",
            "--show-error",
            "--max-time",
            "5",
        ];
        words.extend(["--noproxy", "*", "--write-out", "%{http_code}"]);
        if !token.is_empty() {
            words.extend(["--header", &header]);
        }
        words.push(&url);
        let mut body = self.lab.node(&self.node)?.run(words).await?;
        let status = body.split_off(body.len().saturating_sub(3));
        Ok((status, body))
    }

    /// The metrics of a target.
    async fn scrape(&self, target: &Target) -> Result<String> {
        wait::until(format!("the metrics of {target:?}"), LIMIT, async || {
            let (status, body) = self.ask(target, &self.reader).await?;
            Ok::<_, anyhow::Error>(if status == "200" {
                Look::Done(body)
            } else {
                Look::NotYet(format!("{status} {body}"))
            })
        })
        .await
    }
}

/// The value of a sample, given with its labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line?.parse().ok()
}

/// A Service of this name for the pods of the one web server.
fn of_web(name: &str) -> Result<Service> {
    let mut service = load_balancer(name)?;
    let web = load_balancer("web")?;
    if let (Some(spec), Some(web)) = (&mut service.spec, web.spec) {
        spec.selector = web.selector;
    }
    Ok(service)
}

/// Runs the body with MetalLB available, five announced Services of a pool called after the namespace, and a scraper.
async fn with_services(body: impl AsyncFnOnce(&TempNamespace, &Scraper) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    cluster
        .in_namespace("metrics", async |namespace| {
            let name = namespace.name();
            serve_web(namespace, 1).await?;
            namespace
                .apply(pool(name, &["172.30.212.0/28", "fd30::212:0/112"]))
                .await?;
            namespace.apply(l2_advertisement(name, &[name])).await?;
            for service in SERVICES {
                namespace.apply(of_web(service)?).await?;
                addresses(namespace, service, 1).await?;
                event(namespace, service, "nodeAssigned").await?;
            }
            let of_node = targets(&cluster, "speaker").await?;
            let node = of_node.first().context("a speaker")?.node.clone();
            body(namespace, &Scraper::new(namespace, lab, node).await?).await
        })
        .await
}

/// Waits until the sample of the controller has this value.
async fn counts(scraper: &Scraper, target: &Target, name: &str, value: f64) -> Result<()> {
    wait::until(format!("{name} {value}"), LIMIT, async || {
        let found = sample(&scraper.scrape(target).await?, name);
        Ok::<_, anyhow::Error>(if found == Some(value) {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await
}

#[tokio::test]
async fn metrics_are_for_those_whom_kubernetes_lets() -> Result<()> {
    with_services(async |namespace, scraper| {
        for component in ["controller", "speaker"] {
            for target in targets(namespace.cluster(), component).await? {
                for (token, status) in [
                    ("", "401"),
                    ("rubbish", "401"),
                    (scraper.stranger.as_str(), "403"),
                ] {
                    let (got, body) = scraper.ask(&target, token).await?;
                    ensure!(got == status, "{target:?}: {got} instead of {status}: {body}");
                    ensure!(!body.contains("metallb_"), "{body}");
                }
                let text = scraper.scrape(&target).await?;
                for name in [
                    "metallb_k8s_client_config_loaded_bool 1",
                    "metallb_k8s_client_config_stale_bool 0",
                    "metallb_k8s_client_updates_total ",
                    "metallb_k8s_client_update_errors_total ",
                    "metallb_build_info{version=",
                    "process_resident_memory_bytes ",
                    "rest_client_requests_total{code=\"200\",host=",
                ] {
                    ensure!(
                        text.lines().any(|line| line.starts_with(name)),
                        "{name} is missing in {text}"
                    );
                }
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_controllers_figures_are_those_of_the_api() -> Result<()> {
    with_services(async |namespace, scraper| {
        let cluster = namespace.cluster();
        let target = targets(cluster, "controller")
            .await?
            .pop_first()
            .context("a controller")?;
        let of_pool = |name: &str| format!("metallb_allocator_{name}{{pool=\"{}\"}}", namespace.name());
        let text = scraper.scrape(&target).await?;
        for (name, value) in [
            ("addresses_total", 65552.0),
            ("ipv4_addresses_total", 16.0),
            ("ipv6_addresses_total", 65536.0),
            ("addresses_in_use_total", 5.0),
            ("ipv4_addresses_in_use_total", 5.0),
            ("ipv6_addresses_in_use_total", 0.0),
            ("services_allocated_total", 5.0),
        ] {
            let name = of_pool(name);
            ensure!(
                sample(&text, &name) == Some(value),
                "{name} is not {value} in {text}"
            );
        }

        namespace
            .api::<Service>()
            .delete("a", &DeleteParams::default())
            .await?;
        counts(scraper, &target, &of_pool("addresses_in_use_total"), 4.0).await?;
        counts(scraper, &target, &of_pool("services_allocated_total"), 4.0).await?;
        let pools: Api<IPAddressPool> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
        wait::until("the status of the pool to say the same", LIMIT, async || {
            let status = pools.get(namespace.name()).await?.status;
            let assigned = status.as_ref().map(|status| status.assigned_ipv4);
            Ok::<_, kube::Error>(if assigned == Some(4) {
                Look::Done(())
            } else {
                Look::NotYet(format!("{status:?}"))
            })
        })
        .await
    })
    .await
}

#[tokio::test]
async fn each_service_is_announced_by_one_speaker_which_counts_who_asks() -> Result<()> {
    with_services(async |namespace, scraper| {
        let speakers = targets(namespace.cluster(), "speaker").await?;
        for service in SERVICES {
            let ip = addresses(namespace, service, 1).await?.remove(0);
            scraper.lab.client()?.who_has(ip.parse()?).await?;
            let mut announcing = Vec::new();
            for speaker in &speakers {
                let text = scraper.scrape(speaker).await?;
                let (node, namespace) = (&speaker.node, namespace.name());
                let announced = format!(
                    "metallb_speaker_announced{{ip=\"{ip}\",node=\"{node}\",protocol=\"layer2\",\
                     service=\"{namespace}/{service}\"}}"
                );
                let layer2 = |name: &str| sample(&text, &format!("metallb_layer2_{name}{{ip=\"{ip}\"}}"));
                if sample(&text, &announced) == Some(1.0) {
                    for name in ["requests_received", "responses_sent", "gratuitous_sent"] {
                        ensure!(layer2(name) >= Some(1.0), "{name} of {ip} in {text}");
                    }
                    announcing.push(node.clone());
                } else {
                    ensure!(layer2("requests_received").is_none(), "{ip} in {text}");
                }
            }
            ensure!(
                announcing.len() == 1,
                "{service} is announced from {announcing:?}"
            );
        }
        Ok(())
    })
    .await
}
