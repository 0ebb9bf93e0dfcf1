//! Two hundred objects that no one should have written: each has its message, and everything else goes on.
//!
//! What the schemas refuse is told by the API server. What slips in while the webhooks are not asked must not stop the
//! controller, nor change what others have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use k8s_openapi::api::core::v1::{Event, LoadBalancerIngress, Service};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use metallb_api::names::{event, object};
use metallb_api::v1beta1::ConfigurationState;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::metallb::{OPERATORS, addresses, available, pods};
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);
const RESOURCES: usize = 150;
const SERVICES: usize = 50;
/// The same objects in every run.
const SEED: u64 = 0x6d65_7461_6c6c_6221;
/// Marks them, so that they can be removed together.
const LABEL: &str = "malformed";
const KINDS: &str = "ipaddresspools,l2advertisements,bgpadvertisements,bgppeers,communities";

/// A text that is no address, no selector and no number.
fn nonsense(rng: &mut Rng) -> String {
    const SIGNS: &[char] = &[
        'a', 'Z', '0', '9', '.', ':', '/', '-', '_', ' ', '%', '"', '\\', 'ä', '\u{202e}', '💥',
    ];
    let length = rng.usize(0..40);
    let text: String = (0..length).map(|_| SIGNS[rng.usize(0..SIGNS.len())]).collect();
    format!("x{text}")
}

fn wrong_addresses(rng: &mut Rng) -> Value {
    let (low, high) = (rng.u8(0..100), rng.u8(100..200));
    json!(match rng.u8(0..9) {
        0 => vec![nonsense(rng)],
        1 => vec![format!("172.30.218.{low}/32")], // in the pool that is in use
        2 => vec![format!("172.30.219.{high}-172.30.219.{low}")],
        3 => vec!["172.30.219.0/24".to_owned(), format!("172.30.219.{low}/32")],
        4 => vec![format!("172.30.219.{low}-fd30::{high:x}")],
        5 => vec![format!("172.30.219.0/{}", rng.u8(33..200))],
        6 => vec![format!("172.30.{}.0/24", rng.u16(256..999))],
        7 => vec![format!("fd30::/{}", rng.u16(129..999))],
        _ => vec![format!("172.30.219.{low}"), nonsense(rng)],
    })
}

fn wrong_selector(rng: &mut Rng) -> Value {
    match rng.u8(0..4) {
        0 => json!({"matchExpressions": [{"key": "zone", "operator": nonsense(rng), "values": ["east"]}]}),
        1 => json!({"matchExpressions": [{"key": "zone", "operator": "In"}]}),
        2 => json!({"matchExpressions": [{"key": "zone", "operator": "Exists", "values": ["east"]}]}),
        _ => json!({"matchLabels": {"": nonsense(rng)}}),
    }
}

/// A text without a colon would be the name of a Community, and not wrong.
fn wrong_community(rng: &mut Rng) -> String {
    if rng.bool() {
        format!(":{}", nonsense(rng))
    } else {
        format!("large:{}:{}", rng.u32(..), rng.u32(..))
    }
}

/// Kind and specification of an object that is wrong for sure.
fn wrong(rng: &mut Rng) -> (&'static str, &'static str, Value) {
    match rng.u8(0..10) {
        0..=4 => (
            "v1beta1",
            "IPAddressPool",
            json!({"addresses": wrong_addresses(rng)}),
        ),
        5 => {
            let allocation = json!({"namespaceSelectors": [wrong_selector(rng)]});
            let addresses = json!([format!("172.30.220.{}/32", rng.u8(..))]);
            (
                "v1beta1",
                "IPAddressPool",
                json!({"addresses": addresses, "serviceAllocation": allocation}),
            )
        }
        6 => (
            "v1beta1",
            "L2Advertisement",
            json!({"nodeSelectors": [wrong_selector(rng)]}),
        ),
        7 => (
            "v1beta1",
            "BGPAdvertisement",
            json!({"communities": [wrong_community(rng)]}),
        ),
        8 => {
            let community = json!({"name": "same", "value": nonsense(rng)});
            (
                "v1beta1",
                "Community",
                json!({"communities": [community, community]}),
            )
        }
        _ => {
            let spec = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": nonsense(rng)});
            ("v1beta2", "BGPPeer", spec)
        }
    }
}

/// What the API server made of them.
#[derive(Default)]
struct Fates {
    refused: usize,
    /// Kind and name
    slipped_in: BTreeSet<(String, String)>,
}

async fn create_all(client: &Client) -> Result<Fates> {
    let mut rng = Rng::with_seed(SEED);
    let mut fates = Fates::default();
    for number in 0..RESOURCES {
        let (version, kind, spec) = wrong(&mut rng);
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("metallb.io", version, kind));
        let name = format!("{LABEL}-{number:03}");
        let mut object = DynamicObject::new(&name, &resource).data(json!({"spec": spec}));
        object.labels_mut().insert(LABEL.to_owned(), "true".to_owned());
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), METALLB_NAMESPACE, &resource);
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => drop(fates.slipped_in.insert((kind.to_owned(), name))),
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {
                ensure!(
                    status.message.len() > name.len() + kind.len(),
                    "{kind} {spec}: {status:?}"
                );
                fates.refused += 1;
            }
            Err(error) => return Err(error).with_context(|| format!("{kind} {spec}")),
        }
    }
    Ok(fates)
}

/// What slipped in is told by an Event on the object, or by name in the state of a process.
async fn all_are_told(client: &Client, fates: &Fates) -> Result<()> {
    let events: Api<Event> = Api::namespaced(client.clone(), METALLB_NAMESPACE);
    let states: Api<ConfigurationState> = Api::namespaced(client.clone(), METALLB_NAMESPACE);
    let warnings = ListParams::default().fields("type=Warning");
    wait::until("a word about each of them", LIMIT, async || {
        let told = events.list(&warnings).await?.items.into_iter();
        let told: BTreeSet<_> = told
            .filter(|event| event.message.as_ref().is_some_and(|message| !message.is_empty()))
            .filter_map(|event| Some((event.involved_object.kind?, event.involved_object.name?)))
            .collect();
        let summaries = states.list(&ListParams::default()).await?.items.into_iter();
        let summaries: String = summaries
            .filter_map(|state| state.status?.error_summary)
            .collect();
        let silent: Vec<_> = fates
            .slipped_in
            .difference(&told)
            .filter(|(_, name)| !summaries.contains(name))
            .collect();
        Ok::<_, kube::Error>(if silent.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(format!("{} are silent: {silent:?}", silent.len()))
        })
    })
    .await
}

/// Whoever edited a status is told that this was in vain.
async fn all_editors_are_told(
    namespace: &TempNamespace,
    edited: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    let events = namespace.api::<Event>();
    let restored = ListParams::default().fields(&format!("reason={}", event::STATUS_RESTORED));
    wait::until("a word about each edited status", LIMIT, async || {
        let told: BTreeSet<_> = events
            .list(&restored)
            .await?
            .items
            .into_iter()
            .filter_map(|event| event.involved_object.name)
            .collect();
        let silent: Vec<_> = edited.keys().filter(|name| !told.contains(*name)).collect();
        Ok::<_, kube::Error>(if silent.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(format!("{} are silent: {silent:?}", silent.len()))
        })
    })
    .await
}

/// Nobody asks the webhooks while the body runs, as on a day when they are down; the operator would see to it.
async fn without_webhooks(cluster: &Cluster, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    let scale = async |replicas: &str| {
        let words = [
            "--namespace",
            METALLB_NAMESPACE,
            "scale",
            "deployment",
            object::OPERATOR,
            replicas,
        ];
        cluster.kubectl(words).await
    };
    scale("--replicas=0").await?;
    wait::until_none("the operator to go", LIMIT, async || {
        pods(cluster, OPERATORS).await
    })
    .await?;
    let kind = "validatingwebhookconfiguration";
    let words = [
        "delete",
        kind,
        object::WEBHOOK_CONFIGURATION,
        "--ignore-not-found",
    ];
    let outcome = match cluster.kubectl(words).await {
        Ok(_) => body().await,
        Err(error) => Err(error),
    };
    scale("--replicas=1").await?;
    outcome
}

/// What somebody writes into the status of a Service whose addresses are `own`.
fn edited(number: usize, own: &[String], others: &[String]) -> Value {
    match number % 6 {
        0 => json!([]),
        1 => json!([{"ip": "192.0.2.77"}]),
        2 => json!([{"ip": others.first()}]),
        3 => json!([{"hostname": "somewhere.example"}]),
        4 => json!([{"ip": own.first()}, {"ip": "192.0.2.78"}]),
        _ => json!([{"ip": own.first(), "hostname": "also.example", "ipMode": "Proxy"}]),
    }
}

/// The ingress of each Service's status as text: an address that is not plain looks like no address.
async fn all_addresses(services: &Api<Service>) -> Result<BTreeMap<String, Vec<String>>, kube::Error> {
    let plain = |service: &Service| {
        let status = service.status.as_ref();
        let balancer = status.and_then(|status| status.load_balancer.as_ref());
        let ingress = balancer.and_then(|balancer| balancer.ingress.as_deref());
        let text = |entry: &LoadBalancerIngress| match (&entry.ip, &entry.hostname) {
            (Some(ip), None) => ip.clone(),
            _ => format!("{entry:?}"),
        };
        ingress.unwrap_or_default().iter().map(text).collect()
    };
    let found = services.list(&ListParams::default()).await?;
    Ok(found
        .iter()
        .map(|service| (service.name_any(), plain(service)))
        .collect())
}

async fn until_they_are(services: &Api<Service>, expected: &BTreeMap<String, Vec<String>>) -> Result<()> {
    wait::until("the addresses from before", LIMIT, async || {
        let found = all_addresses(services).await?;
        let other = expected
            .iter()
            .find(|(name, list)| found.get(*name) != Some(list));
        Ok::<_, kube::Error>(match other {
            None => Look::Done(()),
            Some((name, list)) => Look::NotYet(format!("{name}: {:?} and not {list:?}", found.get(name))),
        })
    })
    .await
}

#[tokio::test]
async fn each_of_200_malformed_objects_has_its_message_and_stops_nothing() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    cluster.in_namespace(LABEL, go_on).await
}

async fn go_on(namespace: &TempNamespace) -> Result<()> {
    let cluster = namespace.cluster();
    namespace.apply(pool("good", &["172.30.218.0/24"])).await?;
    let services = namespace.api::<Service>();
    for number in 0..SERVICES {
        namespace
            .apply(fixtures::load_balancer(&format!("web-{number:02}"))?)
            .await?;
    }
    for number in 0..SERVICES {
        addresses(namespace, &format!("web-{number:02}"), 1).await?;
    }
    let given = all_addresses(&services).await?;

    let outcome = without_webhooks(cluster, async || bear(namespace, &given).await).await;
    let words = [
        "--namespace",
        METALLB_NAMESPACE,
        "delete",
        KINDS,
        "--selector",
        LABEL,
    ];
    cluster.kubectl(words).await?;
    outcome?;
    available(cluster).await?;
    namespace.apply(fixtures::load_balancer("afterwards")?).await?;
    addresses(namespace, "afterwards", 1).await?;
    until_they_are(&services, &given).await
}

async fn bear(namespace: &TempNamespace, given: &BTreeMap<String, Vec<String>>) -> Result<()> {
    let cluster = namespace.cluster();
    let services = namespace.api::<Service>();
    let fates = create_all(&cluster.client()).await?;
    eprintln!(
        "{} were refused, {} slipped in",
        fates.refused,
        fates.slipped_in.len()
    );
    ensure!(fates.refused + fates.slipped_in.len() == RESOURCES);
    let lists: Vec<_> = given.iter().collect();
    for (number, (name, own)) in lists.iter().enumerate() {
        let (_, others) = lists[(number + 1) % lists.len()];
        let status = json!({"status": {"loadBalancer": {"ingress": edited(number, own, others)}}});
        services
            .patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await?;
    }
    until_they_are(&services, given).await?;
    all_editors_are_told(namespace, given).await?;
    all_are_told(&cluster.client(), &fates).await?;
    // The last good configuration is in force.
    namespace.apply(fixtures::load_balancer("meanwhile")?).await?;
    addresses(namespace, "meanwhile", 1).await?;
    // Nor does a new process take anything away because of them.
    for rest in [
        ["rollout", "restart", "deployment/controller"].as_slice(),
        &["rollout", "status", "deployment/controller", "--timeout=1m"],
    ] {
        let words = ["--namespace", METALLB_NAMESPACE].into_iter();
        cluster.kubectl(words.chain(rest.iter().copied())).await?;
    }
    until_they_are(&services, given).await
}
