//! What users are told about a faulty configuration: by the webhooks when they write it, and by status and Events when
//! it is there all the same. The API server is the real one, and so are certificate, registration and conversion.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use metallb_api::names::{condition, object};
use metallb_api::v1beta1::{ConfigurationResult, ConfigurationState, MetalLBSpec};
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::metallb::{self, available, webhooks};
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);

/// Runs the body while every webhook is registered with this policy.
async fn with_webhooks(
    test: &str,
    policy: &str,
    body: impl AsyncFnOnce(&TempNamespace) -> Result<()>,
) -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    webhooks(&cluster, policy).await?;
    cluster.in_namespace(test, body).await
}

fn manifest(kind: &str, name: &str, spec: &Value) -> String {
    let version = if kind == "BGPPeer" { "v1beta2" } else { "v1beta1" };
    json!({ "apiVersion": format!("metallb.io/{version}"), "kind": kind,
        "metadata": { "name": name, "namespace": METALLB_NAMESPACE }, "spec": spec })
    .to_string()
}

/// Applies a manifest that has to be refused, and returns what the user reads.
async fn refused(namespace: &TempNamespace, manifest: &str) -> Result<String> {
    match namespace.kubectl_apply_elsewhere(manifest).await {
        Ok(_) => anyhow::bail!("accepted: {manifest}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[tokio::test]
async fn what_contradicts_the_configuration_is_refused_with_the_reason() -> Result<()> {
    with_webhooks("refused", "Fail", async |namespace| {
        let peer = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "fast" });
        for (kind, name, spec) in [
            ("IPAddressPool", "first", json!({ "addresses": ["203.0.113.0/28"] })),
            ("Community", "first", json!({ "communities": [{ "name": "vip", "value": "64500:1" }] })),
            ("BGPAdvertisement", "first", json!({ "localPref": 100 })),
            ("BFDProfile", "fast", json!({})),
            ("BGPPeer", "tor", peer),
        ] {
            namespace.kubectl_apply_elsewhere(&manifest(kind, name, &spec)).await?;
        }
        for (kind, spec, message) in [
            (
                "IPAddressPool",
                json!({ "addresses": ["203.0.113.8/30"] }),
                "CIDR \"203.0.113.8/30\" in pool \"second\" overlaps with already defined CIDR \"203.0.113.0/28\"",
            ),
            (
                "IPAddressPool",
                json!({ "addresses": ["2001:db8::ff-2001:db8::10"] }),
                "start IP \"2001:db8::ff\" is after the end IP \"2001:db8::10\"",
            ),
            (
                "Community",
                json!({ "communities": [{ "name": "vip", "value": "64500:2" }] }),
                "duplicate definition of community \"vip\"",
            ),
            (
                "BGPAdvertisement",
                json!({ "localPref": 200 }),
                "invalid local preference 200: local preferernce 100 was already set",
            ),
            (
                "BGPAdvertisement",
                json!({ "aggregationLength": 26 }),
                "invalid aggregation length 26: prefix 28 in this pool is more specific",
            ),
            (
                "L2Advertisement",
                json!({ "ipAddressPools": ["first", "first"] }),
                "duplicate definition of ipAddressPools \"first\"",
            ),
        ] {
            let said = refused(namespace, &manifest(kind, "second", &spec)).await?;
            ensure!(said.contains(message) && said.contains("denied the request"), "{said}");
        }
        let words = ["--namespace", METALLB_NAMESPACE, "delete", "bfdprofile", "fast"];
        let said = namespace.cluster().kubectl(words).await.err().context("deleted")?;
        ensure!(format!("{said:#}").contains("failed to delete BFDProfile fast, used by BGPPeer tor"), "{said:#}");
        let elsewhere = manifest("IPAddressPool", "stray", &json!({ "addresses": ["203.0.113.0/28"] }));
        let elsewhere = elsewhere.replace(METALLB_NAMESPACE, namespace.name());
        let said = namespace.kubectl_apply(&elsewhere).await.err().context("accepted")?;
        ensure!(format!("{said:#}").contains("resource must be created in metallb-system namespace"), "{said:#}");
        Ok(())
    })
    .await
}

/// The ConfigurationState of this name, once it has the result.
async fn state(cluster: &Cluster, name: &str, result: ConfigurationResult) -> Result<String> {
    let states: Api<ConfigurationState> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    wait::until(format!("{name} to be {result:?}"), LIMIT, async || {
        let found = states.get_opt(name).await?.and_then(|state| state.status);
        let said = found.unwrap_or_default();
        Ok::<_, kube::Error>(if said.result == Some(result) {
            Look::Done(said.error_summary.unwrap_or_default())
        } else {
            Look::NotYet(format!("{said:?}"))
        })
    })
    .await
}

/// One that slipped in while no controller was there to refuse it.
#[tokio::test]
async fn a_faulty_configuration_is_reported_and_the_last_good_one_stays_in_force() -> Result<()> {
    with_webhooks("faulty", "Fail", async |namespace| {
        let cluster = namespace.cluster();
        namespace.apply(pool("good", &["172.30.208.0/28"])).await?;
        state(cluster, object::CONTROLLER, ConfigurationResult::Valid).await?;
        let nodes = metallb::pods(cluster, "app=metallb,component=speaker").await?;
        let node = nodes.values().next().context("a speaker")?;
        let speaker = format!("{}{node}", object::SPEAKER_STATE_PREFIX);
        state(cluster, &speaker, ConfigurationResult::Valid).await?;

        let nowhere = MetalLBSpec {
            controller_node_selector: Some([("example.com/nowhere".to_owned(), "true".to_owned())].into()),
            ..metallb::ordinary()
        };
        cluster.apply(&metallb::resource(nowhere)).await?;
        webhooks(cluster, "Ignore").await?;
        // The controller that ends answers for a moment longer.
        wait::until("an overlapping pool to slip in", LIMIT, async || {
            Ok::<_, anyhow::Error>(match namespace.apply(pool("overlap", &["172.30.208.8-172.30.208.20"])).await {
                Ok(()) => Look::Done(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
        .await?;
        namespace.apply(fixtures::l2_advertisement("twice", &["good", "good"])).await?;
        let beside_pools = [
            ("BGPAdvertisement", "alias", json!({ "communities": ["nowhere"] }), json!({ "communities": ["64500:1"] })),
            (
                "Community",
                "vips",
                json!({ "communities": [{ "name": "a", "value": "64500:1" }, { "name": "a", "value": "64500:2" }] }),
                json!({ "communities": [{ "name": "a", "value": "64500:1" }] }),
            ),
            (
                "BGPPeer",
                "tor",
                json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": "fast" }),
                json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1", "bfdProfile": null }),
            ),
        ];
        for (kind, name, wrong, _) in &beside_pools {
            namespace.kubectl_apply_elsewhere(&manifest(kind, name, wrong)).await?;
        }
        available(cluster).await?;

        let summary = state(cluster, object::CONTROLLER, ConfigurationResult::Invalid).await?;
        let overlap = "configuration error: CIDR \"172.30.208.8/29\" in pool \"overlap\" overlaps with already defined \
                       CIDR \"172.30.208.0/28\"";
        ensure!(summary.starts_with(overlap), "{summary}");
        for name in ["overlap", "twice", "alias", "vips", "tor"] {
            told(cluster, name).await?;
        }
        let summary = state(cluster, &speaker, ConfigurationResult::Invalid).await?;
        ensure!(summary == "configuration error: duplicate definition of ipAddressPools \"good\"", "{summary}");
        namespace.apply(fixtures::l2_advertisement("twice", &["good"])).await?;
        for (kind, name, _, right) in &beside_pools {
            namespace.kubectl_apply_elsewhere(&manifest(kind, name, right)).await?;
        }
        state(cluster, &speaker, ConfigurationResult::Valid).await?;
        namespace.apply(pool("overlap", &["172.30.208.16-172.30.208.20"])).await?;
        state(cluster, object::CONTROLLER, ConfigurationResult::Valid).await?;

        // Whoever deletes it gets it back.
        let words = ["--namespace", METALLB_NAMESPACE, "delete", "configurationstate", "--all"];
        cluster.kubectl(words).await?;
        state(cluster, object::CONTROLLER, ConfigurationResult::Valid).await?;
        state(cluster, &speaker, ConfigurationResult::Valid).await?;
        Ok(())
    })
    .await
}

/// The Event on a faulty object.
async fn told(cluster: &Cluster, name: &str) -> Result<()> {
    let events: Api<Event> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
    wait::until(format!("an Event on {name}"), LIMIT, async || {
        let found = events.list(&about).await?.items;
        let reasons: Vec<_> = found.iter().filter_map(|event| event.reason.clone()).collect();
        Ok::<_, kube::Error>(
            if reasons
                .iter()
                .any(|reason| reason == condition::CONFIGURATION_ERROR)
            {
                Look::Done(())
            } else {
                Look::NotYet(format!("{reasons:?}"))
            },
        )
    })
    .await
}

/// Waits until the definition of BGPPeer names the webhook of the controller, and whom to trust.
async fn converted(cluster: &Cluster) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    wait::until("BGPPeer to be converted by the controller", LIMIT, async || {
        let conversion = definitions
            .get(object::BGP_PEER_DEFINITION)
            .await?
            .spec
            .conversion;
        let client = conversion
            .and_then(|conversion| conversion.webhook)
            .and_then(|webhook| webhook.client_config);
        let client = client.unwrap_or_default();
        let service = client.service.as_ref().map(|service| service.name.as_str());
        let right = service == Some(object::WEBHOOK_SERVICE) && client.ca_bundle.is_some();
        Ok::<_, kube::Error>(if right {
            Look::Done(())
        } else {
            Look::NotYet(format!("{client:?}"))
        })
    })
    .await
}

/// The specification of a BGPPeer as users of this version see it.
async fn spec(namespace: &TempNamespace, version: &str, name: &str) -> Result<Value> {
    let resource = format!("bgppeers.{version}.metallb.io");
    let words = [
        "--namespace",
        METALLB_NAMESPACE,
        "get",
        &resource,
        name,
        "--output=json",
    ];
    let shown = namespace.cluster().kubectl(words).await?;
    Ok(serde_json::from_str::<Value>(&shown)?["spec"].take())
}

/// Everything that the old version can say.
fn old_peer(address: &str) -> Value {
    json!({
        "myASN": 64500, "peerASN": 64501, "peerAddress": address, "peerPort": 1179, "sourceAddress": "192.0.2.100",
        "holdTime": "90s", "keepaliveTime": "30s", "routerID": "192.0.2.3", "password": "secret",
        "bfdProfile": "fast", "ebgpMultiHop": true,
        "nodeSelectors": [
            { "matchLabels": { "rack": "1" }, "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }] },
        ],
    })
}

#[tokio::test]
async fn a_peer_is_the_same_in_both_versions_whichever_it_was_written_or_is_stored_in() -> Result<()> {
    with_webhooks("versions", "Fail", async |namespace| {
        let cluster = namespace.cluster();
        converted(cluster).await?;
        // Whoever applies the definition as another MetalLB had it does not end that.
        // Nor does whoever forgets whom to trust.
        for conversion in [
            json!({ "strategy": "None", "webhook": null }),
            json!({ "webhook": { "clientConfig": { "caBundle": null } } }),
        ] {
            patch_definition(cluster, "merge", &json!({ "spec": { "conversion": conversion } })).await?;
            converted(cluster).await?;
        }

        let old = manifest("BGPPeer", "old", &old_peer("192.0.2.1")).replace("v1beta2", "v1beta1");
        namespace.kubectl_apply_elsewhere(&old).await?;
        both_ways(namespace, "old", "192.0.2.1").await?;
        ensure!(
            spec(namespace, "v1beta2", "old").await?["disableMP"] == false,
            "no defaults of the new version"
        );

        let only_new = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.2", "vrf": "red",
            "passwordSecret": { "name": "tor" }, "connectTime": "5s", "dualStackAddressFamily": true });
        namespace
            .kubectl_apply_elsewhere(&manifest("BGPPeer", "new", &only_new))
            .await?;
        // What cannot be said is no obstacle to an edit.
        let edit = ["--type=merge", "--patch={\"spec\":{\"holdTime\":\"9s\"}}"];
        let words = [
            "--namespace",
            METALLB_NAMESPACE,
            "patch",
            "bgppeers.v1beta1.metallb.io",
            "new",
        ];
        cluster.kubectl(words.into_iter().chain(edit)).await?;
        let read = spec(namespace, "v1beta2", "new").await?;
        ensure!(read["holdTime"] == "9s", "{read}");
        for (field, value) in only_new.as_object().context("a specification")? {
            ensure!(read[field] == *value, "{field}: {read}");
        }

        // As an upstream MetalLB of some years ago has left it.
        store_as(cluster, "v1beta1").await?;
        let ancient = manifest("BGPPeer", "ancient", &old_peer("192.0.2.9")).replace("v1beta2", "v1beta1");
        let outcome = namespace.kubectl_apply_elsewhere(&ancient).await;
        store_as(cluster, "v1beta2").await?;
        outcome?;
        both_ways(namespace, "ancient", "192.0.2.9").await
    })
    .await
}

async fn both_ways(namespace: &TempNamespace, name: &str, address: &str) -> Result<()> {
    for version in ["v1beta1", "v1beta2"] {
        let read = spec(namespace, version, name).await?;
        for (field, value) in old_peer(address).as_object().context("a specification")? {
            ensure!(read[field] == *value, "{version} {name} {field}: {read}");
        }
    }
    Ok(())
}

async fn patch_definition(cluster: &Cluster, kind: &str, patch: &Value) -> Result<()> {
    let (kind, patch) = (format!("--type={kind}"), format!("--patch={patch}"));
    let words = ["patch", "crd", object::BGP_PEER_DEFINITION, &kind, &patch];
    cluster.kubectl(words).await.map(drop)
}

/// Has peers stored in this version, which is another one than before, from now on.
async fn store_as(cluster: &Cluster, version: &str) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let versions = definitions.get(object::BGP_PEER_DEFINITION).await?.spec.versions;
    let before = storage_hash(cluster).await?;
    let changes: Value = (versions.iter().enumerate())
        .map(|(place, one)| {
            json!({ "op": "replace", "path": format!("/spec/versions/{place}/storage"), "value": one.name == version })
        })
        .collect();
    patch_definition(cluster, "json", &changes).await?;
    wait::until(format!("peers to be stored as {version}"), LIMIT, async || {
        let now = storage_hash(cluster).await?;
        Ok::<_, anyhow::Error>(if now == before {
            Look::NotYet(now)
        } else {
            Look::Done(())
        })
    })
    .await
}

/// What the API server says of the version that peers are stored in.
async fn storage_hash(cluster: &Cluster) -> Result<String> {
    let listed = cluster
        .kubectl(["get", "--raw", "/apis/metallb.io/v1beta2"])
        .await?;
    let listed: Value = serde_json::from_str(&listed)?;
    let mut resources = listed["resources"].as_array().context("no resources")?.iter();
    let peers = resources
        .find(|resource| resource["name"] == "bgppeers")
        .context("no peers")?;
    Ok(peers["storageVersionHash"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}
