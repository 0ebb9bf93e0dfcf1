//! What a Service can ask for and a pool can say about addresses, each through the API server: the fields, annotations and
//! changes that it has rules of its own for.

mod service;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Event, Service};
use kube::api::{ListParams, Patch, PatchParams};
use metallb_api::names::condition::ADDRESS_ALLOCATED;
use metallb_api::v1beta1::{IPAddressPool, MetalLBSpec};
use metallb_e2e::fixtures::{self, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::metallb::{addresses, available, condition, event, ordinary, run_as, served, stop};
use metallb_e2e::pools::{until_in_use, with_pools};
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};
use service::{LIMIT, annotated, change, service, until_given, until_lacking, until_not_lacking};

const IPS: &str = "metallb.io/loadBalancerIPs";
const OLD_IPS: &str = "metallb.universe.tf/loadBalancerIPs";

#[tokio::test]
async fn a_service_gets_the_addresses_that_its_annotation_names() -> Result<()> {
    let both = pool("both", &["172.30.240.0/24", "fd30::240:0/112"]);
    with_pools("named", vec![both], async |namespace| {
        let (prefer, require) = (
            json!({ "ipFamilyPolicy": "PreferDualStack" }),
            json!({ "ipFamilyPolicy": "RequireDualStack" }),
        );
        let ipv6 = json!({ "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"] });
        // In the status they are in the order in which they were asked for.
        for (name, key, spec, given) in [
            ("ipv4", IPS, &json!({}), "172.30.240.10"),
            ("ipv4-old", OLD_IPS, &json!({}), "172.30.240.11"),
            ("ipv6", IPS, &ipv6, "fd30::240:12"),
            ("ipv6-old", OLD_IPS, &ipv6, "fd30::240:13"),
            ("dual", IPS, &require, "172.30.240.14,fd30::240:14"),
            ("dual-old", OLD_IPS, &prefer, "fd30::240:15,172.30.240.15"),
            ("one-of-two", IPS, &prefer, "fd30::240:16"),
        ] {
            let metadata = annotated(&[(key, given)]);
            namespace.apply(service(name, &metadata, spec)?).await?;
            until_given(namespace, name, &given.split(',').collect::<Vec<_>>()).await?;
        }
        // The new prefix counts where both are.
        let metadata = annotated(&[(OLD_IPS, "172.30.240.20"), (IPS, "172.30.240.21")]);
        namespace
            .apply(service("two-prefixes", &metadata, &json!({}))?)
            .await?;
        until_given(namespace, "two-prefixes", &["172.30.240.21"]).await?;
        refused(namespace, &prefer, &require).await
    })
    .await
}

/// Asks for addresses in ways that make no sense, or are too late: it is told twice, and none is given.
async fn refused(namespace: &TempNamespace, prefer: &Value, require: &Value) -> Result<()> {
    let twice = json!({ "loadBalancerIP": "172.30.240.30" });
    let mismatch = "does not match the ipFamily of the service";
    for (name, asked, spec, reason, message) in [
        ("family", "fd30::240:30", &json!({}), "AllocationFailed", mismatch),
        (
            "one-of-both",
            "172.30.240.30",
            require,
            "AllocationFailed",
            mismatch,
        ),
        (
            "taken",
            "172.30.240.10",
            &json!({}),
            "AllocationFailed",
            "also in use by",
        ),
        (
            "text",
            "172.30.240",
            &json!({}),
            "LoadBalancerFailed",
            "invalid metallb.io/loadBalancerIPs",
        ),
        (
            "twice",
            "172.30.240.30",
            &twice,
            "LoadBalancerFailed",
            "can not have both",
        ),
        (
            "same",
            "172.30.240.30,172.30.240.31",
            prefer,
            "LoadBalancerFailed",
            "same address family",
        ),
    ] {
        namespace
            .apply(service(name, &annotated(&[(IPS, asked)]), spec)?)
            .await?;
        let told = event(namespace, name, reason).await?.message.unwrap_or_default();
        ensure!(told.contains(message), "{name}: {told}");
        let [said, why] = until_lacking(namespace, name).await?;
        ensure!(said == reason && why.contains(message), "{name}: {said} {why}");
        until_given(namespace, name, &[]).await?;
    }
    Ok(())
}

/// A condition of somebody else on a Service, which ours must leave alone.
const STRANGER: &str = "example.com/Stranger";

async fn add_stranger(namespace: &TempNamespace, service: &str) -> Result<()> {
    let conditions = json!([{ "type": STRANGER, "status": "True", "reason": "Because", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z" }]);
    let patch = Patch::Strategic(json!({ "status": { "conditions": conditions } }));
    let services = namespace.api::<Service>();
    services
        .patch_status(service, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_second_family_is_given_when_there_is_one_and_the_reason_for_its_lack_goes() -> Result<()> {
    let four = pool("four", &["172.30.241.0/28"]);
    with_pools("families", vec![four], async |namespace| {
        let policy = |policy: &str| json!({ "ipFamilyPolicy": policy });
        for (name, spec) in [
            ("prefer", policy("PreferDualStack")),
            ("require", policy("RequireDualStack")),
        ] {
            namespace.apply(service(name, &json!({}), &spec)?).await?;
            add_stranger(namespace, name).await?;
        }
        until_given(namespace, "prefer", &["172.30.241.0"]).await?;
        let lacks = "pool four has no IPv6 address";
        let [reason, message] = until_lacking(namespace, "require").await?;
        ensure!(
            reason == "AllocationFailed" && message.contains(lacks),
            "{reason} {message}"
        );
        // Who has one address, and would like two, is told in another way.
        let told = event(namespace, "prefer", "AdditionalAssignFailed")
            .await?
            .message;
        ensure!(told.is_some_and(|told| told.contains(lacks)));
        let said = condition(namespace, "prefer", ADDRESS_ALLOCATED).await?;
        ensure!(said.is_none(), "{said:?}");
        until_given(namespace, "require", &[]).await?;

        let both = pool("four", &["172.30.241.0/28", "fd30::241:0/124"]);
        namespace.cluster().apply(&both).await?;
        until_given(namespace, "prefer", &["172.30.241.0", "fd30::241:0"]).await?;
        until_given(namespace, "require", &["172.30.241.1", "fd30::241:1"]).await?;
        for name in ["prefer", "require"] {
            until_not_lacking(namespace, name).await?;
            let stranger = condition(namespace, name, STRANGER).await?;
            ensure!(
                stranger.is_some_and(|[status, ..]| status == "True"),
                "{name} lost a condition"
            );
        }

        // There and back again.
        namespace.apply(fixtures::load_balancer("changes")?).await?;
        until_given(namespace, "changes", &["172.30.241.2"]).await?;
        for changed in ["PreferDualStack", "RequireDualStack"] {
            change(namespace, "changes", &policy(changed)).await?;
            until_given(namespace, "changes", &["172.30.241.2", "fd30::241:2"]).await?;
            change(namespace, "changes", &policy("SingleStack")).await?;
            until_given(namespace, "changes", &["172.30.241.2"]).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_service_that_changes_its_type_gives_its_address_back_and_can_ask_again() -> Result<()> {
    let one = pool("one", &["172.30.242.1/32"]);
    with_pools("type", vec![one], async |namespace| {
        let (cluster, address) = (namespace.cluster(), ["172.30.242.1"]);
        for name in ["first", "second"] {
            namespace.apply(fixtures::load_balancer(name)?).await?;
        }
        until_given(namespace, "first", &address).await?;
        let [reason, message] = until_lacking(namespace, "second").await?;
        ensure!(
            reason == "AllocationFailed" && message.contains("1 of 1 in use"),
            "{message}"
        );

        change(namespace, "first", &json!({ "type": "ClusterIP" })).await?;
        until_given(namespace, "second", &address).await?;
        until_not_lacking(namespace, "second").await?;
        let services = namespace.api::<Service>();
        wait::until("nothing of ours on the first", LIMIT, async || {
            let found = services.get("first").await?;
            let note = found.metadata.annotations.unwrap_or_default();
            let note = note.get("metallb.io/ip-allocated-from-pool").cloned();
            Ok::<_, kube::Error>(note.map_or(Look::Done(()), Look::NotYet))
        })
        .await?;
        until_given(namespace, "first", &[]).await?;

        change(namespace, "first", &json!({ "type": "LoadBalancer" })).await?;
        until_lacking(namespace, "first").await?;
        // One that waits and changes its type has nothing to wait for.
        change(namespace, "first", &json!({ "type": "NodePort" })).await?;
        until_not_lacking(namespace, "first").await?;
        change(namespace, "second", &json!({ "type": "ClusterIP" })).await?;
        until_in_use(cluster, "one", 0, LIMIT).await?;
        change(namespace, "first", &json!({ "type": "LoadBalancer" })).await?;
        until_given(namespace, "first", &address).await
    })
    .await
}

/// A pool that is set aside.
fn set_aside(name: &str, range: &str, allocation: Value) -> Result<IPAddressPool> {
    let mut pool = pool(name, &[range]);
    pool.spec.service_allocation = Some(serde_json::from_value(allocation)?);
    Ok(pool)
}

/// Pools that are set aside for Services of a namespace and others, and one for everybody.
fn aside(here: &str) -> Result<[IPAddressPool; 6]> {
    let by_name = json!({ "matchLabels": { "kubernetes.io/metadata.name": here } });
    let tier = |tier: &str| json!([{ "matchLabels": { "tier": tier } }]);
    Ok([
        set_aside(
            "a-later",
            "172.30.243.0/28",
            json!({ "priority": 20, "namespaces": [here] }),
        )?,
        set_aside(
            "b-vault",
            "172.30.243.16/28",
            json!({ "namespaceSelectors": [{ "matchLabels": { "team": "bank" } }] }),
        )?,
        pool("c-open", &["172.30.243.32/28"]),
        set_aside(
            "k-anywhere",
            "172.30.243.48/28",
            json!({ "serviceSelectors": tier("bronze") }),
        )?,
        set_aside(
            "m-silver",
            "172.30.243.64/28",
            json!({ "priority": 5, "namespaceSelectors": [by_name], "serviceSelectors": tier("silver") }),
        )?,
        set_aside(
            "z-gold",
            "172.30.243.80/28",
            json!({ "priority": 10, "namespaces": [here], "serviceSelectors": tier("gold") }),
        )?,
    ])
}

#[tokio::test]
async fn pools_are_set_aside_for_namespaces_and_services_in_the_order_of_their_priorities() -> Result<()> {
    with_pools("aside", vec![], async |namespace| {
        let here = namespace.name();
        for pool in aside(here)? {
            namespace.apply(pool).await?;
        }
        let labelled = |name: &str| service(name, &json!({ "labels": { "tier": name } }), &json!({}));
        let check = async |namespace: &TempNamespace, expected: [(&str, &str); 4]| -> Result<()> {
            for (tier, address) in expected {
                namespace.apply(labelled(tier)?).await?;
                until_given(namespace, tier, &[address]).await?;
            }
            Ok(())
        };
        check(
            namespace,
            [
                ("gold", "172.30.243.80"),
                ("silver", "172.30.243.64"),
                ("bronze", "172.30.243.0"), // a pool without a priority comes last
                ("plain", "172.30.243.1"),
            ],
        )
        .await?;
        let elsewhere = async |namespace: &TempNamespace| {
            check(
                namespace,
                [
                    ("gold", "172.30.243.32"),
                    ("silver", "172.30.243.33"),
                    ("bronze", "172.30.243.48"),
                    ("plain", "172.30.243.34"),
                ],
            )
            .await
        };
        namespace.cluster().in_namespace("elsewhere", elsewhere).await?;

        let asks = annotated(&[("metallb.io/address-pool", "b-vault")]);
        namespace.apply(service("asks", &asks, &json!({}))?).await?;
        let [reason, message] = until_lacking(namespace, "asks").await?;
        ensure!(
            reason == "AllocationFailed" && message.contains("b-vault"),
            "{reason} {message}"
        );
        let label = ["label", "namespace", here, "team=bank"];
        namespace.cluster().kubectl(label).await?;
        until_given(namespace, "asks", &["172.30.243.16"]).await
    })
    .await
}

const OURS: &str = "example.com/ours";

/// What a crash, a restored backup or an edit by hand leaves behind while no controller is there to put it right.
#[tokio::test]
async fn a_controller_that_starts_settles_a_quarrel_and_leaves_other_classes_alone() -> Result<()> {
    let pool = pool("start", &["172.30.244.0/28"]);
    let outcome = with_pools("start", vec![pool], start).await;
    available(&Cluster::connect().await?).await.and(outcome)
}

async fn start(namespace: &TempNamespace) -> Result<()> {
    let cluster = namespace.cluster();
    let of_class =
        |name: &str, class: &str| service(name, &json!({}), &json!({ "loadBalancerClass": class }));
    // Before MetalLB has ended, so that it is older by more than a second.
    namespace.apply(of_class("z-older", OURS)?).await?;
    stop(cluster).await?;
    for (service, address) in [
        (of_class("z-older", OURS)?, "172.30.244.5"),
        (of_class("a-younger", OURS)?, "172.30.244.5"),
        (of_class("foreign", "example.com/other")?, "172.30.244.6"),
    ] {
        served(namespace, service, address).await?;
    }
    namespace.apply(fixtures::load_balancer("without")?).await?;
    let spec = MetalLBSpec {
        load_balancer_class: Some(OURS.to_owned()),
        ..ordinary()
    };
    run_as(cluster, spec).await?;

    until_given(namespace, "a-younger", &["172.30.244.0"]).await?;
    ensure!(addresses(namespace, "z-older", 1).await? == ["172.30.244.5"]);
    let told = event(namespace, "a-younger", "ClearAssignment").await?;
    let message = told.message.context("a message")?;
    let other = format!("{}/z-older", namespace.name());
    ensure!(
        message.contains(&other),
        "{message} does not say who has the address"
    );
    // Whoever comes now is served after all that were there.
    namespace.apply(of_class("new", OURS)?).await?;
    until_given(namespace, "new", &["172.30.244.1"]).await?;
    until_given(namespace, "foreign", &["172.30.244.6"]).await?;
    until_given(namespace, "without", &[]).await?;
    for stranger in ["foreign", "without"] {
        let about = ListParams::default().fields(&format!("involvedObject.name={stranger}"));
        let told = namespace.api::<Event>().list(&about).await?.items;
        ensure!(told.is_empty(), "{stranger}: {told:?}");
        let said = condition(namespace, stranger, ADDRESS_ALLOCATED).await?;
        ensure!(said.is_none(), "{stranger}: {said:?}");
    }
    let told = namespace
        .api::<Event>()
        .list(&ListParams::default().fields("involvedObject.name=z-older"))
        .await?;
    let cleared = told
        .iter()
        .any(|event| event.reason.as_deref() == Some("ClearAssignment"));
    ensure!(!cleared, "{told:?}");
    Ok(())
}
