//! MetalLB on the cluster under test.
//!
//! Owns: the one MetalLB resource that all tests share, and what tests read of Services and Events.
//! Never: installs the operator: `make deploy` does, as it does for users.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Event, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use metallb_api::names::object;
use metallb_api::v1beta1::{LogLevel, MetalLB, MetalLBSpec};
use serde_json::json;

use crate::fixtures::{self, METALLB_NAMESPACE, WEB_PORT, ingress_addresses};
use crate::kubernetes::{Cluster, TempNamespace};
use crate::lab::{Lab, web_image};
use crate::wait::{self, Look};

/// Images are on the nodes already; what takes time is the kubelet.
const ROLLOUT_LIMIT: Duration = Duration::from_mins(2);
/// An address is given within milliseconds; the limit is for a machine that does other things as well.
const ADDRESS_LIMIT: Duration = Duration::from_secs(20);

/// From a running controller to the last word about its webhooks: a few reconciles.
const WEBHOOKS_LIMIT: Duration = Duration::from_mins(1);

/// Selects the pods of the operator.
pub const OPERATORS: &str = "control-plane=controller-manager";

/// The web servers that Services are made for.
pub const WEB: &str = "web";

/// The MetalLB resource with this specification.
pub fn resource(spec: MetalLBSpec) -> MetalLB {
    let mut resource = MetalLB::new("metallb", spec);
    resource.metadata.namespace = Some(METALLB_NAMESPACE.to_owned());
    resource
}

/// Makes the cluster run MetalLB as `config/samples` asks for it, and waits until it does.
///
/// # Errors
/// If the operator is not installed, or its pods do not become ready.
pub async fn available(cluster: &Cluster) -> Result<()> {
    run_as(cluster, ordinary()).await
}

/// A specification that asks for nothing special. Not an empty one: where server-side apply takes the last field out of
/// an object it leaves null behind, which no CRD accepts.
pub fn ordinary() -> MetalLBSpec {
    MetalLBSpec {
        log_level: Some(LogLevel::Info),
        ..MetalLBSpec::default()
    }
}

/// Makes the cluster run MetalLB as specified, and waits until the operator calls it Available.
///
/// # Errors
/// As [`available`].
pub async fn run_as(cluster: &Cluster, spec: MetalLBSpec) -> Result<()> {
    let wanted = resource(spec);
    cluster
        .apply(&wanted)
        .await
        .context("is the operator installed? `make load deploy` does it")?;
    let api: Api<MetalLB> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    wait::until("MetalLB to be Available", ROLLOUT_LIMIT, async || {
        let found = api.get("metallb").await?;
        let generation = found.metadata.generation;
        let conditions = found
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let holds = conditions.iter().any(|condition| {
            condition.type_ == "Available"
                && condition.status == "True"
                && condition.observed_generation == generation
        });
        let told =
            |condition: &Condition| format!("{}={} {}", condition.type_, condition.status, condition.message);
        let seen = || conditions.iter().map(told).collect::<Vec<_>>().join("; ");
        Ok::<_, kube::Error>(if holds {
            Look::Done(())
        } else {
            Look::NotYet(seen())
        })
    })
    .await
}

/// The condition Degraded of a MetalLB, once it holds.
///
/// # Errors
/// If it does not come to that.
pub async fn degraded(cluster: &Cluster, name: &str) -> Result<Condition> {
    let resources: Api<MetalLB> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    wait::until("its condition Degraded", ROLLOUT_LIMIT, async || {
        let status = resources.get(name).await?.status;
        let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
        let found = conditions
            .into_iter()
            .find(|condition| condition.type_ == "Degraded" && condition.status == "True");
        Ok::<_, kube::Error>(found.map_or(Look::NotYet("no such condition".into()), Look::Done))
    })
    .await
}

/// Makes the cluster run no MetalLB, and waits until nobody asks its webhooks any more.
///
/// # Errors
/// If the operator is not there, or does not clean up.
pub async fn absent(cluster: &Cluster) -> Result<()> {
    let words = ["delete", "metallb", "metallb", "--ignore-not-found"];
    let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(words);
    cluster.kubectl(words).await?;
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    wait::until(
        "the registration of the webhooks to go",
        ROLLOUT_LIMIT,
        async || {
            let found = registrations.get_opt(object::WEBHOOK_CONFIGURATION).await?;
            Ok::<_, kube::Error>(match found {
                None => Look::Done(()),
                Some(_) => Look::NotYet("it is there".to_owned()),
            })
        },
    )
    .await
}

/// Removes MetalLB, as manuals say before a change of versions, and waits until the last of its pods has ended: until then
/// a controller decides about Services.
///
/// # Errors
/// If the operator is not there, or a pod does not end.
pub async fn stop(cluster: &Cluster) -> Result<()> {
    in_metallb(cluster, &["delete", "metallb", "metallb"]).await?;
    stopped(cluster).await
}

/// Makes the cluster run so many operators, and waits until there are no others any more, those neither that are about to
/// end.
///
/// # Errors
/// If it does not come to that.
pub async fn operators(cluster: &Cluster, replicas: usize) -> Result<()> {
    let operator = format!("deployment/{}", object::OPERATOR);
    in_metallb(cluster, &["scale", &operator, &format!("--replicas={replicas}")]).await?;
    in_metallb(cluster, &["rollout", "status", &operator, "--timeout=2m"]).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let all = ListParams::default().labels(OPERATORS);
    let operators = async || Ok::<_, kube::Error>(pods.list(&all).await?.items.len());
    let what = format!("{replicas} operators");
    wait::until_count(what, replicas, ROLLOUT_LIMIT, operators).await
}

/// Waits until the last pod of MetalLB has ended.
///
/// # Errors
/// If one does not end.
pub async fn stopped(cluster: &Cluster) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let all = ListParams::default().labels("app=metallb");
    wait::until_none("no pod of MetalLB", ROLLOUT_LIMIT, async || {
        let left = pods.list(&all).await?.items.into_iter();
        Ok::<_, kube::Error>(left.map(|pod| pod.name_any()))
    })
    .await
}

/// Creates a Service with this address in its status, as another MetalLB, or an earlier controller, has left it.
///
/// # Errors
/// If the API server refuses it.
pub async fn served(namespace: &TempNamespace, service: Service, address: &str) -> Result<()> {
    let name = service.name_any();
    namespace.apply(service).await?;
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    let services = namespace.api::<Service>();
    services
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

/// Starts so many web servers called [`WEB`], and waits until they are ready.
///
/// # Errors
/// If they do not become ready.
pub async fn serve_web(namespace: &TempNamespace, replicas: u8) -> Result<()> {
    let servers = fixtures::web(WEB, replicas, web_image(namespace.cluster()))?;
    namespace.apply(servers).await?;
    let rollout = ["rollout", "status", "deployment/web", "--timeout=60s"];
    namespace.kubectl(rollout).await.map(drop)
}

/// Runs the body with MetalLB available and what a client on the segment can see.
///
/// # Errors
/// Those of the body, and as [`available`].
pub async fn on_the_wire(
    test: &str,
    body: impl AsyncFnOnce(&TempNamespace, &Lab) -> Result<()>,
) -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    available(&cluster).await?;
    cluster
        .in_namespace(test, async |namespace| body(namespace, &lab).await)
        .await
}

/// Gives the speakers these numbers of the membership, in the form of its file, or takes them away; and starts all again,
/// one after the other.
///
/// # Errors
/// If they do not become ready.
pub async fn tune_speakers(cluster: &Cluster, numbers: Option<&str>) -> Result<()> {
    let name = object::MEMBERLIST_CONFIG;
    if let Some(numbers) = numbers {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": METALLB_NAMESPACE},
            "data": {object::MEMBERLIST_CONFIG_FILE: numbers},
        });
        cluster.kubectl_apply(&object.to_string()).await?;
    } else {
        let words = ["delete", "configmap", name, "--ignore-not-found"];
        in_metallb(cluster, &words).await?;
    }
    in_metallb(cluster, &["rollout", "restart", &speakers()]).await?;
    speakers_rolled_out(cluster).await
}

/// Waits until every speaker is of the last version, and ready.
///
/// # Errors
/// If they do not become so.
pub async fn speakers_rolled_out(cluster: &Cluster) -> Result<()> {
    in_metallb(cluster, &["rollout", "status", &speakers(), "--timeout=120s"]).await
}

fn speakers() -> String {
    format!("daemonset/{}", object::SPEAKER)
}

async fn in_metallb(cluster: &Cluster, words: &[&str]) -> Result<()> {
    let all = [&["--namespace", METALLB_NAMESPACE], words].concat();
    cluster.kubectl(all).await.map(drop)
}

/// The running pods of a component, with their nodes.
///
/// # Errors
/// If the API server does not answer.
pub async fn pods(cluster: &Cluster, labels: &str) -> Result<BTreeMap<String, String>> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let found = api.list(&ListParams::default().labels(labels)).await?;
    let node = |pod: &Pod| Some((pod.metadata.name.clone()?, pod.spec.as_ref()?.node_name.clone()?));
    let stays = found
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    Ok(stays.filter_map(node).collect())
}

/// The addresses of a Service of the test, once it has `count` of them.
///
/// # Errors
/// If it does not get them.
pub async fn addresses(namespace: &TempNamespace, service: &str, count: usize) -> Result<Vec<String>> {
    let api = namespace.api::<Service>();
    wait::until(
        format!("{count} addresses of {service}"),
        ADDRESS_LIMIT,
        async || {
            let found = ingress_addresses(&api.get(service).await?);
            Ok::<_, kube::Error>(if found.len() == count {
                Look::Done(found)
            } else {
                Look::NotYet(format!("{found:?}"))
            })
        },
    )
    .await
}

/// The addresses of all Services of the test, by name.
///
/// # Errors
/// If the API server does not answer.
pub async fn all_addresses(namespace: &TempNamespace) -> Result<BTreeMap<String, Vec<String>>> {
    let services = namespace.api::<Service>().list(&ListParams::default()).await?;
    Ok(services
        .iter()
        .map(|service| (service.name_any(), ingress_addresses(service)))
        .collect())
}

/// The name of the pod that answers at the address, once one does.
///
/// # Errors
/// If none does within `limit`.
pub async fn answer(lab: &Lab, address: &str, limit: Duration) -> Result<String> {
    let client = lab.client()?;
    let address = address.parse()?;
    wait::until(format!("an answer from {address}"), limit, async || {
        client
            .http_get(address, WEB_PORT, "/hostname")
            .await
            .map(Look::Done)
    })
    .await
}

/// The status, reason and message of a condition of a Service of the test, if it has one of this type.
///
/// # Errors
/// If there is no such Service.
pub async fn condition(namespace: &TempNamespace, service: &str, type_: &str) -> Result<Option<[String; 3]>> {
    let status = namespace.api::<Service>().get(service).await?.status;
    let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
    let found = conditions.into_iter().find(|one| one.type_ == type_);
    Ok(found.map(|one| [one.status, one.reason, one.message]))
}

/// The Event about a Service of the test with this reason, once there is one.
///
/// # Errors
/// If there is none in time; the text lists those there are.
pub async fn event(namespace: &TempNamespace, service: &str, reason: &str) -> Result<Event> {
    let api = namespace.api::<Event>();
    let about = ListParams::default().fields(&format!("involvedObject.name={service}"));
    wait::until(
        format!("an Event {reason} on {service}"),
        ADDRESS_LIMIT,
        async || {
            let mut events = api.list(&about).await?.items;
            let place = events
                .iter()
                .position(|event| event.reason.as_deref() == Some(reason));
            let told = |event: &Event| event.reason.clone().unwrap_or_default();
            Ok::<_, kube::Error>(match place {
                Some(place) => Look::Done(events.remove(place)),
                None => Look::NotYet(events.iter().map(told).collect::<Vec<_>>().join(", ")),
            })
        },
    )
    .await
}

/// The registration, once each of its webhooks has this policy and is trusted: before that, everything passes them.
///
/// # Errors
/// It does not come to that.
pub async fn webhooks(cluster: &Cluster, policy: &str) -> Result<ValidatingWebhookConfiguration> {
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    wait::until(
        format!("webhooks with the policy {policy}"),
        WEBHOOKS_LIMIT,
        async || {
            let found = registrations.get(object::WEBHOOK_CONFIGURATION).await?;
            let webhooks = found.webhooks.as_deref().unwrap_or_default();
            let policies: Vec<_> = webhooks
                .iter()
                .map(|one| one.failure_policy.clone().unwrap_or_default())
                .collect();
            let trusted = webhooks.iter().all(|one| one.client_config.ca_bundle.is_some());
            let right = trusted && policies.len() == 6 && policies.iter().all(|one| one == policy);
            Ok::<_, kube::Error>(if right {
                Look::Done(found)
            } else {
                Look::NotYet(format!("{policies:?}, trusted: {trusted}"))
            })
        },
    )
    .await
}
