//! The operator among errors, killed at any write, and beside another one. Each test leaves MetalLB available.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use metallb_api::v1beta1::{ControllerConfig, MetalLB, MetalLBSpec};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::{Hold, Lab, OutsideOperator};
use metallb_e2e::metallb::{self, OPERATORS, absent, available};
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(2);
const STATUS: &str = "metallbs/metallb/status";
/// What the operator makes, in its namespace and outside. Secrets are left out: what is in them is made once and at random.
const MADE: &str =
    "deployments,daemonsets,configmaps,serviceaccounts,services,poddisruptionbudgets,networkpolicies";
const MADE_OUTSIDE: [&str; 2] = [
    "validatingwebhookconfiguration/metallb-webhook-configuration",
    "crd/bgppeers.metallb.io",
];

/// Runs the body with an operator outside of the cluster and none inside, and brings back the one inside.
async fn outside(body: impl AsyncFnOnce(&Cluster, &mut OutsideOperator) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    let mut operator = lab.operator_outside(&cluster).await?;
    metallb::operators(&cluster, 0).await?;
    let outcome = body(&cluster, &mut operator).await;
    if let Err(error) = &outcome {
        eprintln!(
            "{error:#}\nwritten: {:?}\n{}",
            operator.written(),
            operator.said()
        );
    }
    drop(operator);
    metallb::operators(&cluster, 1).await?;
    available(&cluster).await.and(outcome)
}

/// Waits until the MetalLB has the condition, with all of these texts in its message.
async fn condition(cluster: &Cluster, name: &str, texts: &[&str]) -> Result<()> {
    let resources: Api<MetalLB> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    wait::until(format!("{name} with {texts:?}"), LIMIT, async || {
        let status = resources.get("metallb").await?.status;
        let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
        let found = conditions
            .iter()
            .find(|one| one.type_ == name && one.status == "True");
        let right = found.is_some_and(|found| texts.iter().all(|text| found.message.contains(text)));
        Ok::<_, kube::Error>(if right {
            Look::Done(())
        } else {
            Look::NotYet(format!("{conditions:?}"))
        })
    })
    .await
}

/// Has the MetalLB looked at again, with nothing to be changed.
async fn touch(cluster: &Cluster, mark: Option<&str>) -> Result<()> {
    let resources: Api<MetalLB> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let patch = json!({"metadata": {"annotations": {"looked-at": mark}}});
    resources
        .patch("metallb", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

/// Waits until the operator has nothing to do, which it says.
async fn at_rest(operator: &OutsideOperator) -> Result<()> {
    let said = async || Ok::<_, anyhow::Error>(operator.said());
    wait::until("the operator to be through", LIMIT, async || {
        let said = said().await?;
        Ok::<_, anyhow::Error>(if said.contains("\"available\"") {
            Look::Done(())
        } else {
            Look::NotYet(said)
        })
    })
    .await
}

/// The versions of everything that the operator writes. A change of any of them is a write.
async fn versions(cluster: &Cluster) -> Result<String> {
    let kinds = format!("metallbs,secrets,{MADE},validatingwebhookconfigurations,customresourcedefinitions");
    let columns = "--output=custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion";
    let listed = cluster
        .kubectl(["--namespace", METALLB_NAMESPACE, "get", &kinds, columns])
        .await?;
    // The one inside is scaled.
    let ours = listed.lines().filter(|line| !line.contains("controller-manager"));
    Ok(ours.collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn an_operator_that_starts_changes_nothing_and_then_asks_for_no_write_at_all() -> Result<()> {
    outside(async |cluster, operator| {
        let quiet = Duration::from_secs(3);
        let before =
            wait::until_steady("a quiet cluster", quiet, LIMIT, async || versions(cluster).await).await?;
        operator.start()?;
        at_rest(operator).await?;
        let quiet = Duration::from_secs(5);
        let count = async || Ok::<_, anyhow::Error>(operator.written().len());
        let asked = wait::until_steady("an operator at rest", quiet, LIMIT, count).await?;
        println!(
            "{asked} requests to write after a start: {:?}",
            operator.written()
        );
        let now = versions(cluster).await?;
        ensure!(now == before, "before: {before}\nafter: {now}");
        operator.kill().await
    })
    .await
}

#[tokio::test]
async fn an_error_at_any_write_is_told_and_the_next_success_clears_it() -> Result<()> {
    outside(async |cluster, operator| {
        let before = made(cluster).await?;
        operator.start()?;
        at_rest(operator).await?;
        let writes: BTreeSet<String> = operator.written().into_iter().collect();
        ensure!(writes.len() > 8, "{writes:?}");
        ensure!(!writes.contains(STATUS), "the status says what it said before");
        for (number, write) in writes.iter().enumerate() {
            let (_, name) = write.split_once('/').context("kind and name")?;
            operator.refuse(&[write]);
            touch(cluster, Some(&number.to_string())).await?;
            condition(cluster, "Degraded", &[name, "etcdserver: no space"]).await?;
            operator.refuse(&[]);
            condition(cluster, "Available", &[]).await?;
        }
        // Where the status cannot be written either, it is as soon as it can.
        let both = ["deployments/controller", STATUS];
        let told = || operator.written().iter().filter(|write| *write == STATUS).count();
        let before_that = told();
        operator.refuse(&both);
        touch(cluster, Some("both")).await?;
        wait::until_true("a status that is refused", LIMIT, || told() > before_that).await?;
        operator.refuse(&both[..1]);
        condition(cluster, "Degraded", &["controller", "etcdserver: no space"]).await?;
        operator.refuse(&[]);
        condition(cluster, "Available", &[]).await?;
        touch(cluster, None).await?;
        let now = made(cluster).await?;
        ensure!(now == before, "{}", differences(&before, &now));
        Ok(())
    })
    .await
}

/// Kind and name of everything the operator makes, and what it says, without what Kubernetes adds or is new in each object.
async fn made(cluster: &Cluster) -> Result<BTreeMap<String, Value>> {
    let labels = "app.kubernetes.io/managed-by=metallb-operator";
    let words = [
        "--namespace",
        METALLB_NAMESPACE,
        "get",
        MADE,
        "--selector",
        labels,
        "--output=json",
    ];
    let inside: Value = serde_json::from_str(&cluster.kubectl(words).await?)?;
    let mut objects: Vec<Value> = serde_json::from_value(inside["items"].clone())?;
    for what in MADE_OUTSIDE {
        let text = cluster.kubectl(["get", what, "--output=json"]).await?;
        let mut object: Value = serde_json::from_str(&text)?;
        if let Some(spec) = object["spec"].as_object_mut() {
            spec.retain(|field, _| field == "conversion");
        }
        objects.push(object);
    }
    Ok(objects
        .into_iter()
        .map(|mut object| {
            let name = format!("{}/{}", object["kind"], object["metadata"]["name"]);
            essence(&mut object);
            (name, object)
        })
        .collect())
}

fn essence(value: &mut Value) {
    const NEW_IN_EACH: [&str; 12] = [
        "status",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
        "clusterIP",
        "clusterIPs",
        "caBundle",
        "metallb.io/service-account-uid",
        "deployment.kubernetes.io/revision",
        "deprecated.daemonset.template.generation",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|field, _| !NEW_IN_EACH.contains(&field.as_str()));
            fields.values_mut().for_each(essence);
        }
        Value::Array(values) => values.iter_mut().for_each(essence),
        _ => {}
    }
}

fn differences(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> String {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| left.get(*name) != right.get(*name));
    let told = differ.map(|name| format!("{name}:\n  {:?}\n  {:?}", left.get(name), right.get(name)));
    told.collect::<Vec<_>>().join("\n")
}

/// Of everything that the operator made, nothing is there.
async fn gone(cluster: &Cluster) -> Result<()> {
    absent(cluster).await?;
    let labels = "app.kubernetes.io/managed-by=metallb-operator";
    let kinds = format!("{MADE},secrets,pods");
    wait::until("everything to go", LIMIT, async || {
        let words = [
            "--namespace",
            METALLB_NAMESPACE,
            "get",
            &kinds,
            "--selector",
            labels,
            "--output=name",
        ];
        let left = cluster.kubectl(words).await?;
        Ok::<_, anyhow::Error>(if left.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(left)
        })
    })
    .await
}

/// What the MetalLB asks for in the end: another Deployment, and one object more.
fn changed() -> MetalLBSpec {
    MetalLBSpec {
        controller_config: Some(ControllerConfig {
            replicas: Some(2),
            ..ControllerConfig::default()
        }),
        ..metallb::ordinary()
    }
}

async fn key(cluster: &Cluster) -> Result<Option<Secret>> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    Ok(secrets.get_opt("metallb-memberlist").await?)
}

/// Each kill is at another write, on its way there or back, so that together they are at all points at which a kill can make
/// a difference: first while the MetalLB is created, then while it is changed.
#[tokio::test]
async fn twenty_kills_while_a_metallb_is_made_and_changed_end_in_the_same_state() -> Result<()> {
    const KILLS: usize = 10;
    outside(async |cluster, operator| {
        operator.start()?;
        gone(cluster).await?; // with what others have added, as a restart by hand does
        metallb::run_as(cluster, changed()).await?;
        metallb::webhooks(cluster, "Fail").await?;
        let undisturbed = made(cluster).await?;
        gone(cluster).await?;
        operator.kill().await?;

        let mut first_key = None;
        for spec in [metallb::ordinary(), changed()] {
            cluster.apply(&metallb::resource(spec)).await?;
            for number in 1..=KILLS {
                let hold = if number % 2 == 0 {
                    Hold::Before
                } else {
                    Hold::After
                };
                operator.hold(number, hold);
                operator.start()?;
                operator.held().await?;
                operator.kill().await?;
            }
            let found = key(cluster).await?.and_then(|secret| secret.data);
            ensure!(found.is_some(), "no key after {KILLS} kills");
            let first = first_key.get_or_insert_with(|| found.clone());
            ensure!(*first == found, "the key of the speakers is another one");
        }
        operator.start()?;
        metallb::run_as(cluster, changed()).await?;
        metallb::webhooks(cluster, "Fail").await?;
        let killed = made(cluster).await?;
        ensure!(killed == undisturbed, "{}", differences(&undisturbed, &killed));
        let found = key(cluster).await?.and_then(|secret| secret.data);
        ensure!(first_key == Some(found), "the key of the speakers is another one");
        operator.kill().await
    })
    .await
}

#[tokio::test]
async fn of_two_operators_one_acts_and_the_other_one_follows_it() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    metallb::operators(&cluster, 2).await?;
    let outcome = one_follows(&cluster).await;
    metallb::operators(&cluster, 1).await?;
    available(&cluster).await.and(outcome)
}

/// The pod that leads.
async fn leader(cluster: &Cluster) -> Result<Option<String>> {
    let leases: Api<Lease> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let lease = leases.get_opt("metallb-operator").await?;
    Ok(lease.and_then(|lease| lease.spec?.holder_identity))
}

async fn one_follows(cluster: &Cluster) -> Result<()> {
    let pods = metallb::pods(cluster, OPERATORS).await?;
    let first = leader(cluster).await?.context("nobody leads")?;
    ensure!(
        pods.len() == 2 && pods.contains_key(&first),
        "{first} leads {pods:?}"
    );
    for pod in pods.keys() {
        let expected = if *pod == first {
            "\"leads\""
        } else {
            "another operator leads"
        };
        wait::until(format!("{pod} to say {expected}"), LIMIT, async || {
            let said = cluster
                .kubectl(["--namespace", METALLB_NAMESPACE, "logs", pod])
                .await?;
            Ok::<_, anyhow::Error>(if said.contains(expected) {
                Look::Done(())
            } else {
                Look::NotYet(said)
            })
        })
        .await?;
    }
    // By force: it cannot hand over.
    let words = ["delete", "pod", &first, "--grace-period=0", "--force"];
    cluster
        .kubectl(["--namespace", METALLB_NAMESPACE].into_iter().chain(words))
        .await?;
    let second = wait::until("another leader", LIMIT, async || {
        let found = leader(cluster).await?;
        Ok::<_, anyhow::Error>(match found {
            Some(found) if found != first => Look::Done(found),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await?;
    ensure!(second != first);
    // It acts.
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    maps.delete("metallb-excludel2", &DeleteParams::default()).await?;
    wait::until("what was deleted to be back", LIMIT, async || {
        maps.get("metallb-excludel2").await.map(|_| Look::Done(()))
    })
    .await
}
