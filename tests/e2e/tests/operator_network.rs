//! Who may talk to our pods. The network plugin of this cluster enforces no policies, so that they are compared with what
//! there is to talk to.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::Api;
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{available, pods, webhooks};

/// The TCP ports that it opens, each for everybody.
fn opened(policy: &NetworkPolicySpec) -> Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for rule in policy.ingress.iter().flatten() {
        ensure!(rule.from.is_none(), "{rule:?}");
        for port in rule.ports.iter().flatten() {
            ensure!(
                port.protocol.as_deref() == Some("TCP") && port.end_port.is_none(),
                "{port:?}"
            );
            let Some(IntOrString::Int(number)) = port.port else {
                anyhow::bail!("{port:?}");
            };
            ports.insert(number.try_into()?);
        }
    }
    Ok(ports)
}

#[tokio::test]
async fn a_policy_opens_the_ports_that_its_pods_listen_on_and_no_others() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    webhooks(&cluster, "Fail").await?; // all listen
    let policies: Api<NetworkPolicy> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    for name in ["controller", "operator"] {
        let policy = policies.get(name).await?.spec.context("a specification")?;
        ensure!(
            policy.policy_types.as_deref() == Some(&["Ingress".to_owned()]),
            "{policy:?}"
        );
        let selector = policy
            .pod_selector
            .as_ref()
            .and_then(|selector| selector.match_labels.as_ref());
        let labels: Vec<String> = selector
            .context("labels")?
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let pods = pods(&cluster, &labels.join(",")).await?;
        ensure!(!pods.is_empty(), "{name} selects no pod");
        for pod in pods.keys() {
            let container = lab.container(&cluster, METALLB_NAMESPACE, pod, name).await?;
            let (listens, opened) = (lab.listens(&container)?, opened(&policy)?);
            ensure!(
                listens == opened,
                "{pod} listens on {listens:?}, {name} opens {opened:?}"
            );
        }
    }
    Ok(())
}
