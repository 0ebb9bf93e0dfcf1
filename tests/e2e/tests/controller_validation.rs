//! What users are told about a faulty configuration: by the webhooks when they write it, and by status and Events when
//! it is there all the same. The API server is the real one, and so are certificate, registration and conversion.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use metallb_api::names::{condition, object};
use metallb_api::v1beta1::{ConfigurationResult, ConfigurationState, MetalLBSpec};
use metallb_api::v1beta2::BGPPeer;
use metallb_e2e::fixtures::{self, METALLB_NAMESPACE, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::metallb::{self, available};
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
    registered(&cluster, policy).await?;
    cluster.in_namespace(test, body).await
}

async fn registered(cluster: &Cluster, policy: &str) -> Result<()> {
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    wait::until(format!("webhooks with the policy {policy}"), LIMIT, async || {
        let found = registrations.get_opt(object::WEBHOOK_CONFIGURATION).await?;
        let webhooks = found.and_then(|found| found.webhooks).unwrap_or_default();
        let right = |one: &_| {
            let one: &k8s_openapi::api::admissionregistration::v1::ValidatingWebhook = one;
            one.failure_policy.as_deref() == Some(policy) && one.client_config.ca_bundle.is_some()
        };
        let count = webhooks.iter().filter(|one| right(one)).count();
        Ok::<_, kube::Error>(if count == 6 {
            Look::Done(())
        } else {
            Look::NotYet(format!("{count} of 6"))
        })
    })
    .await
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
                json!({ "addresses": ["203.0.113.99-203.0.113.90"] }),
                "start IP \"203.0.113.99\" is after the end IP \"203.0.113.90\"",
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
        registered(cluster, "Ignore").await?;
        namespace.apply(pool("overlap", &["172.30.208.8-172.30.208.20"])).await?;
        namespace.apply(fixtures::l2_advertisement("twice", &["good", "good"])).await?;
        available(cluster).await?;

        let summary = state(cluster, object::CONTROLLER, ConfigurationResult::Invalid).await?;
        let overlap = "configuration error: CIDR \"172.30.208.8/29\" in pool \"overlap\" overlaps with already defined \
                       CIDR \"172.30.208.0/28\"";
        ensure!(summary.starts_with(overlap), "{summary}");
        let summary = state(cluster, &speaker, ConfigurationResult::Invalid).await?;
        ensure!(summary == "configuration error: duplicate definition of ipAddressPools \"good\"", "{summary}");
        told(cluster, "overlap").await?;
        namespace.apply(fixtures::l2_advertisement("twice", &["good"])).await?;
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

/// The Event on a faulty pool.
async fn told(cluster: &Cluster, pool: &str) -> Result<()> {
    let events: Api<Event> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let about = ListParams::default().fields(&format!("involvedObject.name={pool}"));
    wait::until(format!("an Event on {pool}"), LIMIT, async || {
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

async fn convert_by(cluster: &Cluster, conversion: &Value) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let patch = Patch::Merge(json!({ "spec": { "conversion": conversion } }));
    definitions
        .patch(object::BGP_PEER_DEFINITION, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

#[tokio::test]
async fn an_old_peer_reads_as_a_new_one_with_and_without_the_conversion_webhook() -> Result<()> {
    with_webhooks("versions", "Fail", async |namespace| {
        let cluster = namespace.cluster();
        let old = manifest(
            "BGPPeer",
            "old",
            &json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1" }),
        )
        .replace("v1beta2", "v1beta1");
        let peers: Api<BGPPeer> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
        namespace.kubectl_apply_elsewhere(&old).await?;
        let read = peers.get("old").await?;
        ensure!(
            read.spec.peer_port == Some(179) && read.spec.hold_time.is_none(),
            "{read:?}"
        );

        let service =
            json!({ "namespace": METALLB_NAMESPACE, "name": object::WEBHOOK_SERVICE, "path": "/convert" });
        let webhook = json!({ "strategy": "Webhook",
            "webhook": { "conversionReviewVersions": ["v1"], "clientConfig": { "service": service } } });
        convert_by(cluster, &webhook).await?;
        let outcome = through_the_webhook(namespace, &peers).await;
        convert_by(cluster, &json!({ "strategy": "None", "webhook": null })).await?;
        outcome
    })
    .await
}

async fn through_the_webhook(namespace: &TempNamespace, peers: &Api<BGPPeer>) -> Result<()> {
    let new = json!({ "myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.2", "vrf": "red" });
    namespace
        .kubectl_apply_elsewhere(&manifest("BGPPeer", "new", &new))
        .await?;
    // The controller has to tell the API server first whom to trust.
    let edit = [
        "--namespace",
        METALLB_NAMESPACE,
        "patch",
        "bgppeers.v1beta1.metallb.io",
        "new",
        "--type=merge",
        "--patch={\"spec\":{\"holdTime\":\"9s\"}}",
    ];
    wait::until("an edit of the old version", LIMIT, async || {
        Ok::<_, anyhow::Error>(match namespace.cluster().kubectl(edit).await {
            Ok(_) => Look::Done(()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })
    .await?;
    let read = peers.get("new").await?;
    let kept = (read.spec.vrf.as_deref(), read.spec.hold_time.as_deref());
    ensure!(kept == (Some("red"), Some("9s")), "{read:?}");
    Ok(())
}
