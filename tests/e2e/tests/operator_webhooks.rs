//! When the webhooks of the controller and of the operator are asked, and that nobody has to wait for them. Each test leaves
//! MetalLB available.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use metallb_api::names::{object, webhook};
use metallb_api::v1beta1::{ControllerConfig, IPAddressPool, MetalLB, MetalLBSpec};
use metallb_e2e::admission::{REFUSES, asked, says};
use metallb_e2e::command;
use metallb_e2e::fixtures::{METALLB_NAMESPACE, pool};
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{self, available, degraded, run_as, webhooks};
use metallb_e2e::wait::{self, Look};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);
/// Of no network, and of no other test.
const ADDRESSES: &str = "203.0.113.64/28";

/// Waits until BGPPeer is converted in this way.
async fn strategy(cluster: &Cluster, wanted: &str) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    wait::until(format!("the conversion {wanted}"), LIMIT, async || {
        let found = definitions.get(object::BGP_PEER_DEFINITION).await?.spec;
        let found = found.conversion.unwrap_or_default().strategy;
        Ok::<_, kube::Error>(if found == wanted {
            Look::Done(())
        } else {
            Look::NotYet(found)
        })
    })
    .await
}

fn pools(cluster: &Cluster) -> Api<IPAddressPool> {
    Api::namespaced(cluster.client(), METALLB_NAMESPACE)
}

/// Applies a pool once, without another attempt, and removes it again.
async fn create_pool(cluster: &Cluster, name: &str) -> Result<()> {
    let outcome = cluster.apply(&pool(name, &[ADDRESSES])).await;
    if outcome.is_ok() {
        pools(cluster).delete(name, &DeleteParams::default()).await?;
    }
    outcome
}

#[tokio::test]
async fn the_first_pool_after_an_installation_is_never_refused() -> Result<()> {
    let cluster = Cluster::connect().await?;
    metallb::absent(&cluster).await?;
    strategy(&cluster, "None").await?;
    create_pool(&cluster, "before").await?;
    cluster.apply(&metallb::resource(metallb::ordinary())).await?;
    // Over and over while the controller comes up, gets its certificate and is registered.
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    wait::until("webhooks that are enforced", LIMIT, async || {
        let refused = create_pool(&cluster, "during").await.err();
        if let Some(error) = refused {
            return Ok(Look::Done(Err(error)));
        }
        let found = registrations.get_opt(object::WEBHOOK_CONFIGURATION).await?;
        let enforced = found.iter().flat_map(|found| found.webhooks.iter().flatten());
        let enforced = enforced
            .filter(|one| one.failure_policy.as_deref() == Some("Fail"))
            .count();
        Ok::<_, kube::Error>(if enforced == 6 {
            Look::Done(Ok(()))
        } else {
            Look::NotYet(format!("{enforced} of 6"))
        })
    })
    .await??;
    create_pool(&cluster, "after").await?;
    strategy(&cluster, "Webhook").await?;
    available(&cluster).await
}

#[tokio::test]
async fn a_contradiction_is_refused_while_a_controller_is_there_and_nothing_while_none_is() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    webhooks(&cluster, "Fail").await?;
    cluster.apply(&pool("first", &[ADDRESSES])).await?;
    let refused = cluster.apply(&pool("second", &[ADDRESSES])).await;
    let said = refused
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    pools(&cluster).delete("first", &DeleteParams::default()).await?;
    ensure!(said.contains("overlaps"), "{said}");

    // A controller that no node may run, and speakers that the API server will not have.
    let nowhere: MetalLBSpec = serde_json::from_value(json!({
        "controllerNodeSelector": { "example.com/nowhere": "true" },
        "speakerConfig": { "resources": { "limits": { "cpu": "1m" }, "requests": { "cpu": "2m" } } },
    }))?;
    cluster.apply(&metallb::resource(nowhere)).await?;
    webhooks(&cluster, "Ignore").await?;
    // What a peer looks like in its other version does not change with that.
    strategy(&cluster, "Webhook").await?;
    create_pool(&cluster, "meanwhile").await?;
    available(&cluster).await?;
    webhooks(&cluster, "Fail").await?;
    Ok(())
}

#[tokio::test]
async fn no_pool_is_refused_while_the_only_controller_is_replaced() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    webhooks(&cluster, "Fail").await?;
    let replaced = AtomicBool::new(false);
    let users = async {
        let mut written = 0;
        while !replaced.load(Ordering::Relaxed) {
            create_pool(&cluster, "meanwhile").await?;
            written += 1;
        }
        Ok::<_, anyhow::Error>(written)
    };
    let upgrade = async {
        for restart in [
            ["rollout", "restart", "deployment/controller"].as_slice(),
            &["rollout", "status", "deployment/controller", "--timeout=60s"],
        ] {
            let words = ["--namespace", METALLB_NAMESPACE].iter().chain(restart);
            cluster.kubectl(words).await?;
        }
        webhooks(&cluster, "Fail").await?;
        replaced.store(true, Ordering::Relaxed);
        Ok(())
    };
    let (written, ()) = tokio::try_join!(users, upgrade)?;
    ensure!(written > 10, "only {written} pools were written");
    Ok(())
}

#[tokio::test]
async fn the_registration_comes_back_trusted_and_its_certificate_is_the_controllers() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    webhooks(&cluster, "Fail").await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let before = secrets.get(object::WEBHOOK_CERTIFICATE_SECRET).await?.data;
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    registrations
        .delete(object::WEBHOOK_CONFIGURATION, &DeleteParams::default())
        .await?;
    webhooks(&cluster, "Fail").await?;
    // What another MetalLB has registered beside ours is answered by nobody.
    let stranger = json!({"webhooks": [{"name": "stranger.metallb.io", "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://192.0.2.1/"}}]});
    let parameters = PatchParams::default();
    registrations
        .patch(
            object::WEBHOOK_CONFIGURATION,
            &parameters,
            &Patch::Strategic(stranger),
        )
        .await?;
    webhooks(&cluster, "Fail").await?;
    let after = secrets.get(object::WEBHOOK_CERTIFICATE_SECRET).await?.data;
    ensure!(
        before.is_some() && before == after,
        "the operator wrote into the Secret"
    );
    Ok(())
}

/// Asks each controller about a pool, as the API server does, which chooses one of them: also the one that does not lead has
/// the certificate, and sees what else there is.
async fn every_one_answers(cluster: &Cluster, controllers: &BTreeMap<String, String>) -> Result<()> {
    let registration = webhooks(cluster, "Fail").await?;
    let first = registration.webhooks.iter().flatten().next();
    let authority = first.and_then(|one| one.client_config.ca_bundle.clone());
    let authority = String::from_utf8(authority.context("a CA")?.0)?;
    cluster.apply(&pool("first", &[ADDRESSES])).await?;
    let outcome = async {
        for controller in controllers.keys() {
            let refused = ask(cluster, controller, &authority, ADDRESSES).await?;
            let message = refused["status"]["message"].as_str().unwrap_or_default();
            let overlaps = "overlaps with already defined CIDR";
            ensure!(
                refused["allowed"] == json!(false) && message.contains(overlaps),
                "{controller}: {refused}"
            );
            let allowed = ask(cluster, controller, &authority, "203.0.113.80/28").await?;
            ensure!(allowed["allowed"] == json!(true), "{controller}: {allowed}");
        }
        Ok(())
    };
    let outcome = outcome.await;
    pools(cluster).delete("first", &DeleteParams::default()).await?;
    outcome
}

/// What one controller answers when somebody wants to create a pool. Its certificate has to be one that the API server
/// trusts, which knows it under the name of the Service.
async fn ask(cluster: &Cluster, controller: &str, authority: &str, addresses: &str) -> Result<Value> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let status = pods.get(controller).await?.status;
    let address = status
        .and_then(|status| status.pod_ip)
        .context("a pod that runs")?;
    let server = format!("{}.{METALLB_NAMESPACE}.svc", object::WEBHOOK_SERVICE);
    let kind = json!({ "group": "metallb.io", "version": "v1beta1", "kind": "IPAddressPool" });
    let resource = json!({ "group": "metallb.io", "version": "v1beta1", "resource": "ipaddresspools" });
    let mut object = serde_json::to_value(pool("second", &[addresses]))?;
    object["apiVersion"] = "metallb.io/v1beta1".into();
    object["kind"] = "IPAddressPool".into();
    let question = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": controller, "kind": kind, "resource": resource, "name": "second",
        "namespace": METALLB_NAMESPACE, "operation": "CREATE", "userInfo": {}, "object": object,
    } });
    let said = command::run_with_input(
        "curl",
        [
            "--silent",
            "--show-error",
            "--fail",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            "--cacert",
            "/dev/stdin",
            "--connect-to",
            &format!("{server}:443:{address}:9443"),
            "--header",
            "Content-Type: application/json",
            "--data",
            &question.to_string(),
            &format!("https://{server}{}", webhook::IP_ADDRESS_POOL.path),
        ],
        authority,
    )
    .await?;
    let mut review: Value = serde_json::from_str(&said)?;
    let answer = review["response"].take();
    ensure!(answer["uid"] == json!(controller), "{answer}");
    Ok(answer)
}

#[tokio::test]
async fn several_controllers_run_on_several_nodes_within_a_budget_and_each_answers_the_api_server()
-> Result<()> {
    let cluster = Cluster::connect().await?;
    let several = MetalLBSpec {
        controller_config: Some(ControllerConfig {
            replicas: Some(2),
            ..ControllerConfig::default()
        }),
        ..metallb::ordinary()
    };
    run_as(&cluster, several).await?;
    let nodes: Api<Node> = Api::all(cluster.client());
    let nodes = nodes.list(&ListParams::default()).await?.items.len();
    let pods = metallb::pods(&cluster, "app=metallb,component=controller").await?;
    let used: std::collections::BTreeSet<_> = pods.values().collect();
    ensure!(pods.len() == 2 && (nodes < 2 || used.len() == 2), "{pods:?}");
    if Lab::of(&cluster)?.is_some() {
        every_one_answers(&cluster, &pods).await?;
    }
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    ensure!(budgets.get_opt("controller").await?.is_some());
    available(&cluster).await?;
    wait::until("the budget to go", LIMIT, async || {
        let found = budgets.get_opt("controller").await?;
        Ok::<_, kube::Error>(found.map_or(Look::Done(()), |found| Look::NotYet(found.name_any())))
    })
    .await?;
    let pods = metallb::pods(&cluster, "app=metallb,component=controller").await?;
    ensure!(pods.len() == 1, "{pods:?}");
    Ok(())
}

#[tokio::test]
async fn a_metallb_that_cannot_be_is_refused_at_once_and_one_that_is_served_otherwise_says_so() -> Result<()>
{
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    // What only the webhook can tell; the schema has gone before.
    let wrong = json!({ "logLevel": "info", "frrk8sConfig": { "alwaysBlock": ["10.0.0.0/33"] } });
    let refusal = format!("{REFUSES}invalid CIDR 10.0.0.0/33 in AlwaysBlock");
    says(&cluster, object::METALLB, &wrong, &refusal).await?;
    let other = format!("{REFUSES}Incorrect MetalLB resource name: other");
    says(&cluster, "other", &json!({ "logLevel": "info" }), &other).await?;
    let frr = json!({ "logLevel": "info", "bgpBackend": "frr" });
    let warning = "Warning: bgpBackend frr is accepted and not installed";
    says(&cluster, object::METALLB, &frr, warning).await?;
    let good = json!({ "logLevel": "info", "bgpBackend": "native" });
    asked(&cluster, object::METALLB, &good).await.map(drop)
}

#[tokio::test]
async fn every_metallb_is_accepted_while_there_is_no_operator_and_its_status_says_what_was_not_asked()
-> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    metallb::operators(&cluster, 0).await?;
    let mut other = metallb::resource(metallb::ordinary());
    other.metadata.name = Some("other".into());
    let accepted = cluster.apply(&other).await;
    metallb::operators(&cluster, 1).await?;
    accepted?;
    let told = degraded(&cluster, "other").await;
    let resources: Api<MetalLB> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    resources.delete("other", &DeleteParams::default()).await?;
    let condition = told?;
    ensure!(
        condition.reason == "IncorrectMetalLBResourceName"
            && condition.message == "Incorrect MetalLB resource name: other",
        "{condition:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_operator_makes_its_certificate_and_tells_the_api_server_of_it_again_and_again() -> Result<()> {
    let cluster = Cluster::connect().await?;
    available(&cluster).await?;
    let other = webhooks(&cluster, "Fail").await?;
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let told = async || {
        let found = registrations.get(object::OPERATOR_WEBHOOK_CONFIGURATION).await?;
        let webhook = found.webhooks.into_iter().flatten().next();
        Ok::<_, kube::Error>(webhook.and_then(|webhook| webhook.client_config.ca_bundle))
    };
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let made = async || {
        let found = secrets.get_opt(object::OPERATOR_CERTIFICATE_SECRET).await?;
        let data = found.and_then(|secret| secret.data).unwrap_or_default();
        Ok::<_, kube::Error>(data.get("ca.crt").cloned())
    };
    let agree = async || {
        wait::until(
            "the authority that is told to be the one there is",
            LIMIT,
            async || {
                let (told, made) = (told().await?, made().await?);
                Ok::<_, kube::Error>(if told.is_some() && told == made {
                    Look::Done(())
                } else {
                    Look::NotYet(format!("told: {}, made: {}", told.is_some(), made.is_some()))
                })
            },
        )
        .await
    };
    agree().await?;
    // Somebody tells of another authority, and somebody throws the own one away.
    let stranger = other.webhooks.into_iter().flatten().next();
    let stranger = stranger.and_then(|webhook| webhook.client_config.ca_bundle);
    let patch =
        json!({ "webhooks": [{ "name": webhook::METALLB.name, "clientConfig": { "caBundle": stranger } }] });
    registrations
        .patch(
            object::OPERATOR_WEBHOOK_CONFIGURATION,
            &PatchParams::default(),
            &Patch::Strategic(patch),
        )
        .await?;
    agree().await?;
    secrets
        .delete(object::OPERATOR_CERTIFICATE_SECRET, &DeleteParams::default())
        .await?;
    agree().await?;
    let wrong = json!({ "logLevel": "info", "frrk8sConfig": { "alwaysBlock": ["x"] } });
    let refusal = format!("{REFUSES}invalid CIDR x in AlwaysBlock");
    says(&cluster, object::METALLB, &wrong, &refusal).await
}
