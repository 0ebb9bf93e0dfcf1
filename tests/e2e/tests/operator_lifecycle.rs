//! What the operator makes of a MetalLB resource, and that it keeps it so. Each test leaves MetalLB available.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount, Toleration};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use metallb_api::names::annotation::SERVICE_ACCOUNT_UID;
use metallb_api::v1beta1::{ComponentConfig, ControllerConfig, MetalLB, MetalLBSpec};
use metallb_e2e::fixtures::{METALLB_NAMESPACE, load_balancer, pool};
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::metallb::{self, available, degraded, run_as};
use metallb_e2e::wait::{self, Look};
use serde_json::json;

const LIMIT: Duration = Duration::from_mins(1);
/// One speaker after the other.
const ROLLOUT_LIMIT: Duration = Duration::from_mins(2);
/// Everything the operator makes carries it.
const MADE_BY_OPERATOR: &str = "app.kubernetes.io/managed-by=metallb-operator";

fn api<K>(cluster: &Cluster) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(cluster.client(), METALLB_NAMESPACE)
}

/// Kind and name of everything the operator made, as a user would list it.
async fn made(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let words = [
        "--namespace",
        METALLB_NAMESPACE,
        "get",
        "--output=name",
        "--selector",
        MADE_BY_OPERATOR,
    ];
    let kinds = "deployments,daemonsets,secrets,configmaps,serviceaccounts,services,poddisruptionbudgets,\
                 networkpolicies";
    let listed = cluster.kubectl(words.into_iter().chain([kinds])).await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

async fn everything_is_back(cluster: &Cluster, expected: &BTreeSet<String>) -> Result<()> {
    wait::until("everything the operator makes", LIMIT, async || {
        let found = made(cluster).await?;
        Ok::<_, anyhow::Error>(if found == *expected {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await?;
    available(cluster).await
}

#[tokio::test]
async fn s1_speakers_run_on_the_chosen_nodes_only() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let nodes: Api<Node> = Api::all(cluster.client());
    let first = nodes.list(&ListParams::default()).await?.items.remove(0);
    let hostname = first.metadata.labels.unwrap_or_default()["kubernetes.io/hostname"].clone();
    let toleration = Toleration {
        key: Some("Example".into()),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        ..Toleration::default()
    };
    run_as(
        &cluster,
        MetalLBSpec {
            node_selector: Some([("kubernetes.io/hostname".to_owned(), hostname)].into()),
            speaker_tolerations: Some(vec![toleration.clone()]),
            ..metallb::ordinary()
        },
    )
    .await?;
    let speakers = metallb::pods(&cluster, "app=metallb,component=speaker").await?;
    let expected = BTreeSet::from([first.metadata.name.clone().unwrap_or_default()]);
    ensure!(
        speakers.values().cloned().collect::<BTreeSet<_>>() == expected,
        "{speakers:?}"
    );
    let daemon_set = api::<DaemonSet>(&cluster).get("speaker").await?;
    let pod = daemon_set
        .spec
        .and_then(|spec| spec.template.spec)
        .context("a pod template")?;
    ensure!(pod.tolerations.unwrap_or_default().contains(&toleration));
    api::<Deployment>(&cluster).get("controller").await?;

    available(&cluster).await?;
    let speakers = metallb::pods(&cluster, "app=metallb,component=speaker").await?;
    ensure!(
        speakers.len() == nodes.list(&ListParams::default()).await?.items.len(),
        "{speakers:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_deleted_comes_back() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let all = made(&cluster).await?;
    ensure!(all.len() >= 10, "{all:?}");
    for object in &all {
        cluster
            .kubectl(["--namespace", METALLB_NAMESPACE, "delete", object, "--wait=false"])
            .await?;
    }
    everything_is_back(&cluster, &all).await
}

/// A token dies with the account it was made for, also if one of the same name comes back.
#[tokio::test]
async fn pods_work_on_after_their_service_accounts_were_deleted() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let accounts = api::<ServiceAccount>(&cluster);
    let pods = api::<Pod>(&cluster);
    for component in ["controller", "speaker"] {
        accounts.delete(component, &DeleteParams::default()).await?;
    }
    for component in ["controller", "speaker"] {
        let labels = ListParams::default().labels(&format!("app=metallb,component={component}"));
        wait::until(
            format!("every {component} to run with a token of today"),
            ROLLOUT_LIMIT,
            async || {
                let Some(account) = accounts.get_opt(component).await? else {
                    return Ok(Look::NotYet("no ServiceAccount".to_owned()));
                };
                let uid = account.metadata.uid.unwrap_or_default();
                let found = pods.list(&labels).await?.items;
                let fresh = |pod: &Pod| pod.annotations().get(SERVICE_ACCOUNT_UID) == Some(&uid);
                Ok::<_, kube::Error>(if !found.is_empty() && found.iter().all(fresh) {
                    Look::Done(())
                } else {
                    Look::NotYet(format!(
                        "{} of {}",
                        found.iter().filter(|pod| fresh(pod)).count(),
                        found.len()
                    ))
                })
            },
        )
        .await?;
    }
    available(&cluster).await?;

    cluster
        .in_namespace("fresh-accounts", async |namespace| {
            namespace
                .apply(pool("fresh-accounts", &["172.30.120.0/24"]))
                .await?;
            namespace.apply(load_balancer("web")?).await?;
            metallb::addresses(namespace, "web", 1).await.map(drop)
        })
        .await
}

#[tokio::test]
async fn what_is_edited_is_set_right() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let daemon_sets = api::<DaemonSet>(&cluster);
    let image = |daemon_set: &DaemonSet| {
        let pod = daemon_set.spec.as_ref()?.template.spec.as_ref()?;
        pod.containers[0].image.clone()
    };
    let wanted = image(&daemon_sets.get("speaker").await?).context("an image")?;
    let edit = json!({"spec": {"template": {"spec": {"containers": [{"name": "speaker", "image": "example.org/other:1"}]}}}});
    daemon_sets
        .patch("speaker", &PatchParams::default(), &Patch::Strategic(edit))
        .await?;
    wait::until("the speaker's image to be set right", LIMIT, async || {
        let found = image(&daemon_sets.get("speaker").await?);
        let right = found.as_ref() == Some(&wanted);
        Ok::<_, kube::Error>(if right {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found:?}"))
        })
    })
    .await?;
    available(&cluster).await
}

/// The names of the containers and the variables of the speaker's pods, and whether somebody asked for a restart.
async fn speaker_pod(cluster: &Cluster) -> Result<(Vec<String>, Vec<String>, bool)> {
    let daemon_set = api::<DaemonSet>(cluster).get("speaker").await?;
    let template = daemon_set.spec.context("a specification")?.template;
    let annotations = template.metadata.and_then(|metadata| metadata.annotations);
    let containers = template.spec.context("a pod template")?.containers;
    let variables = containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    let variables = variables.map(|variable| variable.name.clone()).collect();
    let names = containers
        .iter()
        .map(|container| container.name.clone())
        .collect();
    let restarted =
        annotations.is_some_and(|annotations| annotations.contains_key("kubectl.kubernetes.io/restartedAt"));
    Ok((names, variables, restarted))
}

#[tokio::test]
async fn what_is_added_to_pods_is_removed_and_a_restart_by_hand_is_not() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let (containers, variables, _) = speaker_pod(&cluster).await?;
    let add = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "sidecar", "image": "example.org/other:1"},
        {"name": "speaker", "env": [{"name": "ADDED", "value": "1"}]},
    ]}}}});
    let add = add.to_string();
    for words in [
        vec!["rollout", "restart", "daemonset/speaker"],
        vec!["patch", "daemonset", "speaker", "--patch", &add],
        vec!["rollout", "pause", "deployment/controller"],
    ] {
        cluster
            .kubectl(["--namespace", METALLB_NAMESPACE].into_iter().chain(words))
            .await?;
    }
    wait::until(
        "the additions to go, and the restart to stay",
        LIMIT,
        async || {
            let found = speaker_pod(&cluster).await?;
            let paused = api::<Deployment>(&cluster)
                .get("controller")
                .await?
                .spec
                .and_then(|spec| spec.paused);
            let right = found == (containers.clone(), variables.clone(), true) && paused != Some(true);
            Ok::<_, anyhow::Error>(if right {
                Look::Done(())
            } else {
                Look::NotYet(format!("{found:?} {paused:?}"))
            })
        },
    )
    .await?;
    available(&cluster).await
}

#[tokio::test]
async fn what_the_api_server_refuses_is_told_in_its_words_also_at_the_first_install() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    cluster
        .kubectl(["--namespace", METALLB_NAMESPACE, "delete", "metallb", "metallb"])
        .await?;
    wait::until_none("nothing of it to be left", LIMIT, async || made(&cluster).await).await?;
    // The schema cannot know the operators of Kubernetes.
    let affinity = serde_json::from_value(
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Near"}]}]}}}),
    )?;
    let wrong = MetalLBSpec {
        controller_config: Some(ControllerConfig {
            pods: ComponentConfig {
                affinity: Some(affinity),
                ..ComponentConfig::default()
            },
            ..ControllerConfig::default()
        }),
        ..metallb::ordinary()
    };
    cluster.apply(&metallb::resource(wrong)).await?;
    let condition = degraded(&cluster, "metallb").await?;
    ensure!(
        condition.reason == "FailedToSyncMetalLBResources",
        "{condition:?}"
    );
    ensure!(
        condition.message.contains("matchExpressions[0].operator") && condition.message.contains("\"Near\""),
        "{condition:?}"
    );
    available(&cluster).await
}

/// An object of each kind that another version of the operator may have made and this one does not.
fn left_over(owner: &str) -> serde_json::Value {
    let labels = json!({"app": "left-over"});
    let template = json!({"metadata": {"labels": labels}, "spec": {
        "nodeSelector": {"no": "node"}, "containers": [{"name": "a", "image": "example.org/a:1"}],
    }});
    let of = |version: &str, kind: &str, rest: serde_json::Value| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {
            "name": "left-over",
            "namespace": METALLB_NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "metallb-operator"},
            "ownerReferences": [{
                "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": owner,
            }],
        }});
        for (field, value) in rest.as_object().into_iter().flatten() {
            object[field] = value.clone();
        }
        object
    };
    let pods = json!({"spec": {"selector": {"matchLabels": labels}, "template": template}});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        of("apps/v1", "Deployment", pods.clone()),
        of("apps/v1", "DaemonSet", pods),
        of("policy/v1", "PodDisruptionBudget", json!({"spec": {"selector": {"matchLabels": labels}}})),
        of("v1", "Service", json!({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}})),
        of("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"podSelector": {}}})),
        of("v1", "ConfigMap", json!({})),
        of("v1", "ServiceAccount", json!({})),
    ]})
}

#[tokio::test]
async fn what_an_earlier_version_made_and_nobody_wants_is_removed() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let before = made(&cluster).await?;
    let owner = api::<MetalLB>(&cluster).get("metallb").await?.metadata.uid;
    let owner = owner.context("a uid")?;
    cluster.kubectl_apply(&left_over(&owner).to_string()).await?;
    everything_is_back(&cluster, &before).await
}

#[tokio::test]
async fn deleting_the_resource_removes_everything_the_operator_made() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let before = made(&cluster).await?;
    cluster
        .kubectl(["--namespace", METALLB_NAMESPACE, "delete", "metallb", "metallb"])
        .await?;
    wait::until("nothing of it to be left", LIMIT, async || {
        let left = made(&cluster).await?;
        let pods = metallb::pods(&cluster, "app=metallb").await?;
        let gone = left.is_empty() && pods.is_empty();
        Ok::<_, anyhow::Error>(if gone {
            Look::Done(())
        } else {
            Look::NotYet(format!("{left:?} {pods:?}"))
        })
    })
    .await?;
    available(&cluster).await?;
    ensure!(made(&cluster).await? == before);
    Ok(())
}

#[tokio::test]
async fn pods_run_with_no_more_than_they_need() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    for pod in api::<Pod>(&cluster).list(&ListParams::default()).await?.items {
        let name = pod.metadata.name.unwrap_or_default();
        let spec = pod.spec.context("a pod with a specification")?;
        let speaker = name.starts_with("speaker");
        ensure!(spec.host_network.unwrap_or(false) == speaker, "{name}");
        for container in spec.containers {
            let security = container.security_context.context("a security context")?;
            ensure!(security.read_only_root_filesystem == Some(true), "{name}");
            ensure!(security.allow_privilege_escalation == Some(false), "{name}");
            ensure!(!security.privileged.unwrap_or(false), "{name}");
            let capabilities = security.capabilities.unwrap_or_default();
            ensure!(capabilities.drop == Some(vec!["ALL".into()]), "{name}");
            let added = capabilities.add.unwrap_or_default();
            ensure!(
                added == if speaker { vec!["NET_RAW"] } else { vec![] },
                "{name}: {added:?}"
            );
        }
    }
    Ok(())
}

/// The versions of everything that the operator writes. A change of any of them is a write.
async fn versions(cluster: &Cluster) -> Result<String> {
    let kinds = "metallbs,daemonsets,deployments,secrets,configmaps,serviceaccounts,services,networkpolicies,\
                 validatingwebhookconfigurations,customresourcedefinitions";
    let columns = "--output=custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion";
    let listed = cluster
        .kubectl(["--namespace", METALLB_NAMESPACE, "get", kinds, columns])
        .await?;
    // Its own Deployment changes when it is restarted, as it is below.
    let ours = listed.lines().filter(|line| !line.contains("operator"));
    Ok(ours.collect::<Vec<_>>().join("\n"))
}

/// The versions, once none has changed for a while.
async fn quiet(cluster: &Cluster) -> Result<String> {
    // Kubernetes' controllers and an operator's retries follow one another within a second.
    let period = Duration::from_secs(3);
    wait::until_steady("a quiet moment", period, LIMIT, async || versions(cluster).await).await
}

#[tokio::test]
async fn nothing_is_written_while_nothing_changes() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    // The last writes of a rollout come from Kubernetes itself.
    let settled = quiet(&cluster).await?;
    // A restart makes it look at everything again. Its first look leaves a log line when it is through.
    let operator = "deployment/metallb-operator-controller-manager";
    for words in [
        ["rollout", "restart", operator, "--output=name"],
        ["rollout", "status", operator, "--timeout=60s"],
    ] {
        let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(words);
        cluster.kubectl(words).await?;
    }
    let (pod, _) = metallb::pods(&cluster, metallb::OPERATORS)
        .await?
        .pop_first()
        .context("an operator")?; // the new one: the old one is being deleted
    wait::until("its first look to be over", LIMIT, async || {
        let said = cluster
            .kubectl(["--namespace", METALLB_NAMESPACE, "logs", &pod])
            .await?;
        Ok::<_, anyhow::Error>(if said.contains("\"available\"") {
            Look::Done(())
        } else {
            Look::NotYet(said)
        })
    })
    .await?;
    let now = quiet(&cluster).await?;
    ensure!(now == settled, "before: {settled}\nafter: {now}");
    Ok(())
}
