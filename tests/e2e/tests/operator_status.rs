//! What the operator tells about a MetalLB resource that it cannot serve as it is, and what it makes of the settings that
//! upstream's does not have. Each test leaves MetalLB available.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::Resource;
use kube::api::{Api, ListParams};
use metallb_api::names::object;
use metallb_e2e::admission::says;
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::metallb::{self, available, degraded, run_as};
use metallb_e2e::wait::{self, Look};
use serde_json::json;

const LIMIT: Duration = Duration::from_mins(1);
const OPERATOR: &str = "deployment/metallb-operator-controller-manager";

fn api<K>(cluster: &Cluster) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(cluster.client(), METALLB_NAMESPACE)
}

#[tokio::test]
async fn speakers_run_with_the_files_and_arguments_that_the_resource_asks_for() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let speaker_config = json!({
        "tolerateAll": true,
        "updateStrategy": {"maxUnavailable": "100%"},
        "excludedInterfaces": ["^lo$", "it's"],
        "memberlist": {"probeInterval": "2s", "gossipNodes": 2},
        "extraArgs": ["--log-level=debug"],
    });
    let spec = json!({"logLevel": "info", "bgpBackend": "frr-k8s", "speakerConfig": speaker_config});
    run_as(&cluster, serde_json::from_value(spec)?).await?;
    // They are ready, so they have understood all of it.
    let numbers = "metallb-memberlist-config";
    let files = api::<ConfigMap>(&cluster);
    let file = files
        .get(numbers)
        .await?
        .data
        .unwrap_or_default()
        .remove("config.json");
    ensure!(
        file.as_deref() == Some(r#"{"GossipNodes":2,"ProbeInterval":"2s"}"#),
        "{file:?}"
    );
    let template = api::<DaemonSet>(&cluster)
        .get("speaker")
        .await?
        .spec
        .context("a spec")?
        .template;
    let pod = template.spec.context("a pod template")?;
    let args = pod
        .containers
        .first()
        .and_then(|container| container.args.clone())
        .unwrap_or_default();
    ensure!(
        args.last().is_some_and(|last| last == "--log-level=debug"),
        "{args:?}"
    );
    ensure!(!args.contains(&"--log-level=info".to_owned()), "{args:?}");
    told(
        &cluster,
        "BGPBackendNotInstalled",
        "bgpBackend frr-k8s is accepted",
    )
    .await?;

    // What nobody asks for any more goes.
    available(&cluster).await?;
    ensure!(files.get_opt(numbers).await?.is_none());
    Ok(())
}

async fn kubectl<const N: usize>(cluster: &Cluster, words: [&str; N]) -> Result<String> {
    let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(words);
    cluster.kubectl(words).await
}

/// Waits until the MetalLB is Degraded because pods do not run, with this cause.
async fn rollout_failed(cluster: &Cluster, cause: &str) -> Result<()> {
    wait::until(format!("the cause {cause:?}"), LIMIT, async || {
        let condition = degraded(cluster, "metallb").await?;
        Ok::<_, anyhow::Error>(
            if condition.reason == "RolloutFailed" && condition.message.contains(cause) {
                Look::Done(())
            } else {
                Look::NotYet(format!("{condition:?}"))
            },
        )
    })
    .await
}

#[tokio::test]
async fn kubectl_get_shows_how_many_speakers_there_are_and_of_which_version() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let wanted = api::<DaemonSet>(&cluster)
        .get("speaker")
        .await?
        .status
        .context("a status")?;
    let wanted = wanted.desired_number_scheduled.to_string();
    let shown = kubectl(&cluster, ["get", "metallb", "metallb"]).await?;
    let mut rows = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let (titles, cells) = (rows.next().context("titles")?, rows.next().context("a row")?);
    ensure!(
        titles.contains(&"SPEAKERS") && titles.contains(&"VERSION"),
        "{shown}"
    );
    let version = env!("CARGO_PKG_VERSION");
    ensure!(
        cells[1..7] == ["True", "False", "False", &wanted, &wanted, version],
        "{shown}"
    );
    Ok(())
}

#[tokio::test]
async fn pods_that_no_node_can_run_are_told() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let spec = json!({"logLevel": "info", "controllerNodeSelector": {"no": "node"}});
    cluster
        .apply(&metallb::resource(serde_json::from_value(spec)?))
        .await?;
    rollout_failed(&cluster, "no node can run it: 0/").await?;
    available(&cluster).await
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let image = "-o=jsonpath={.spec.template.spec.containers[0].env[?(@.name=='CONTROLLER_IMAGE')].value}";
    let image = kubectl(&cluster, ["get", OPERATOR, image]).await?;
    let set = async |image: &str| {
        let variable = format!("CONTROLLER_IMAGE={image}");
        kubectl(&cluster, ["set", "env", OPERATOR, &variable]).await
    };
    // Nobody listens there, so that the answer comes at once.
    set("127.0.0.1:9/none:1").await?;
    let outcome = rollout_failed(&cluster, "image 127.0.0.1:9/none:1 cannot be pulled").await;
    set(&image).await?;
    kubectl(&cluster, ["rollout", "status", OPERATOR, "--timeout=60s"]).await?;
    outcome.and(available(&cluster).await)
}

#[tokio::test]
async fn a_quota_that_keeps_speakers_from_being_made_is_told() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let quota = ["create", "quota", "no-more-pods", "--hard=pods=0"];
    kubectl(&cluster, quota).await?;
    let (speaker, _) = metallb::pods(&cluster, "app=metallb,component=speaker")
        .await?
        .pop_first()
        .context("a speaker")?;
    let outcome = match kubectl(&cluster, ["delete", "pod", &speaker, "--wait=false"]).await {
        Ok(_) => rollout_failed(&cluster, "exceeded quota: no-more-pods").await,
        Err(error) => Err(error),
    };
    kubectl(&cluster, ["delete", "quota", "no-more-pods"]).await?;
    outcome.and(available(&cluster).await)
}

/// A DaemonSet as a Helm chart of MetalLB makes it, without pods.
fn of_a_chart(namespace: &str) -> serde_json::Value {
    let labels = json!({"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"});
    let template = json!({"metadata": {"labels": labels}, "spec": {
        "nodeSelector": {"no": "node"}, "containers": [{"name": "speaker", "image": "example.org/a:1"}],
    }});
    let mut object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {
        "name": "metallb-speaker", "namespace": namespace, "labels": labels,
    }, "spec": {"selector": {"matchLabels": labels}, "template": template}});
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm".into();
    object
}

/// Waits until an Event with this reason about the MetalLB contains this text.
async fn told(cluster: &Cluster, reason: &str, text: &str) -> Result<()> {
    let about = ListParams::default().fields(&format!("involvedObject.name=metallb,reason={reason}"));
    wait::until(format!("an Event {reason} on MetalLB"), LIMIT, async || {
        let events = api::<Event>(cluster).list(&about).await?.items;
        let messages: Vec<String> = events.into_iter().filter_map(|event| event.message).collect();
        let told = messages.iter().any(|message| message.contains(text));
        Ok::<_, kube::Error>(if told {
            Look::Done(())
        } else {
            Look::NotYet(messages.join("; "))
        })
    })
    .await
}

#[tokio::test]
async fn nothing_is_installed_beside_another_metallb_and_it_goes_on_when_that_is_gone() -> Result<()> {
    let cluster = Cluster::connect().await?;
    // The one before it is gone with all that it had, or its workloads would count as those that were there first.
    available(&cluster).await?;
    metallb::stop(&cluster).await?;
    cluster
        .in_namespace("another-metallb", async |namespace| {
            let other = of_a_chart(namespace.name()).to_string();
            namespace.kubectl_apply(&other).await?;
            let named = format!("DaemonSet {}/metallb-speaker", namespace.name());
            // Its author hears of it, and may have it: what is in the way may be deleted next.
            let warning = format!(
                "Warning: another MetalLB is installed on this cluster, and two would give out the same addresses: {named}"
            );
            says(&cluster, object::METALLB, &json!({"logLevel": "info"}), &warning).await?;
            cluster.apply(&metallb::resource(metallb::ordinary())).await?;
            let condition = degraded(&cluster, "metallb").await?;
            ensure!(condition.reason == "AnotherMetalLBInstalled", "{condition:?}");
            ensure!(condition.message.contains(&named), "{condition:?}");
            told(&cluster, "AnotherMetalLBInstalled", &named).await?;
            ensure!(api::<Deployment>(&cluster).get_opt("controller").await?.is_none());
            ensure!(api::<DaemonSet>(&cluster).get_opt("speaker").await?.is_none());

            // Nothing but its end tells the operator.
            namespace
                .kubectl(["delete", "daemonset", "metallb-speaker"])
                .await?;
            available(&cluster).await?;

            // The one that comes second is told as well, and what was there first is kept as it should be.
            namespace.kubectl_apply(&other).await?;
            let condition = degraded(&cluster, "metallb").await?;
            ensure!(condition.message.contains("goes on"), "{condition:?}");
            let exclude = ["delete", "configmap", "metallb-excludel2", "--wait=false"];
            let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(exclude);
            cluster.kubectl(words).await?;
            let files = api::<ConfigMap>(&cluster);
            wait::until("the ConfigMap to come back", LIMIT, async || {
                let found = files.get_opt("metallb-excludel2").await?;
                let there = found.is_some_and(|found| found.metadata.deletion_timestamp.is_none());
                Ok::<_, kube::Error>(if there {
                    Look::Done(())
                } else {
                    Look::NotYet("it is not there".to_owned())
                })
            })
            .await?;
            namespace
                .kubectl(["delete", "daemonset", "metallb-speaker"])
                .await?;
            available(&cluster).await
        })
        .await
}
