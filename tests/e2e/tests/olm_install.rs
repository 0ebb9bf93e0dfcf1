//! The Operator Lifecycle Manager installs, upgrades and removes the operator with the commands of docs/olm.md as they are
//! printed there. Only where the images come from is the test cluster's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use metallb_e2e::admission::{REFUSES, says};
use metallb_e2e::fixtures::{METALLB_NAMESPACE, l2_advertisement, load_balancer, pool};
use metallb_e2e::installation::{checkout, left, without_metallb};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{addresses, answer, serve_web, stopped};
use metallb_e2e::olm::Olm;
use metallb_e2e::page::{Manual, Page};
use metallb_e2e::wait;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(2);
const REGISTRY: &str = "quay.io/metallb-rs";
const CURRENT: &str = env!("CARGO_PKG_VERSION");
/// A version that is made up here: later than every release.
const NEXT: &str = "99.0.0";
const ADDRESS: &str = "172.30.237.10";

static MANUAL: Manual = Manual {
    path: "docs/olm.md",
    not_run: &[("make images bundle", "it needs podman, and a registry to push to")],
    adapted: &[(
        "REGISTRY=registry.example.com/metallb TAG=v0.2.0",
        "REGISTRY=quay.io/metallb-rs TAG=v99.0.0",
    )],
};

fn of_version(version: &str) -> String {
    format!("metallb-operator.v{version}")
}

/// Makes the bundle and the catalog of a version out of a directory, as the manual does, and puts them on the nodes.
async fn publish(olm: &Olm, directory: &Path, version: &str) -> Result<()> {
    for image in ["bundle", "catalog"] {
        let reference = format!("{REGISTRY}/{image}:v{version}");
        olm.build(&format!("{image}.Dockerfile"), directory, reference)
            .await?;
    }
    Ok(())
}

fn documents(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_saphyr::from_multiple(&text)?)
}

/// What a release after this one would have in `bundle/` and `catalog/`: the same, called [`NEXT`].
fn next_release(scratch: &Path) -> Result<PathBuf> {
    let directory = scratch.join("next");
    for inside in [
        "bundle/manifests",
        "bundle/metadata",
        "bundle/tests/scorecard",
        "catalog/metallb-operator",
    ] {
        fs::create_dir_all(directory.join(inside))?;
        for entry in fs::read_dir(checkout(inside))? {
            let entry = entry?;
            fs::copy(entry.path(), directory.join(inside).join(entry.file_name()))?;
        }
    }
    let skipped = format!(">=0.0.1 <{NEXT}");

    let path = directory.join("bundle/manifests/metallb-operator.clusterserviceversion.yaml");
    let mut csv = documents(&path)?.pop().context("a document")?;
    csv["metadata"]["name"] = json!(of_version(NEXT));
    csv["metadata"]["annotations"]["olm.skipRange"] = json!(skipped);
    csv["spec"]["version"] = json!(NEXT);
    csv["spec"]["replaces"] = json!(of_version(CURRENT));
    fs::write(path, csv.to_string())?;

    let path = directory.join("catalog/metallb-operator/catalog.yaml");
    let mut blobs = documents(&path)?;
    let of = |schema: &str| {
        let found = blobs.iter().position(|blob| blob["schema"] == schema);
        found.with_context(|| schema.to_owned())
    };
    let (channel, bundle) = (of("olm.channel")?, of("olm.bundle")?);
    let entry = json!({ "name": of_version(NEXT), "replaces": of_version(CURRENT), "skipRange": skipped });
    let entries = blobs[channel]["entries"].as_array_mut().context("entries")?;
    entries.push(entry);
    let mut next = blobs[bundle].clone();
    next["name"] = json!(of_version(NEXT));
    next["image"] = json!(format!("{REGISTRY}/bundle:v{NEXT}"));
    for property in next["properties"].as_array_mut().context("properties")? {
        if property["type"] == "olm.package" {
            property["value"]["version"] = json!(NEXT);
        }
    }
    blobs.push(next);
    let text: Vec<String> = blobs.iter().map(Value::to_string).collect();
    fs::write(path, text.join("\n---\n"))?;
    Ok(directory)
}

/// Who serves, and since when: the pods of the controller and the speakers by their identities.
async fn servers(cluster: &Cluster) -> Result<String> {
    let identities = "--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
    let words = ["get", "pods", "--selector=app=metallb", identities];
    let words = ["--namespace", METALLB_NAMESPACE].into_iter().chain(words);
    cluster.kubectl(words).await
}

/// What the manual says that stays, besides the definitions and the pools.
const STAYS: [&str; 3] = [
    "lease.coordination.k8s.io/metallb-controller",
    "role.rbac.authorization.k8s.io/metallb-prometheus",
    "rolebinding.rbac.authorization.k8s.io/metallb-prometheus",
];

/// Waits until nothing is there but what the manual says.
async fn nothing_is_left(cluster: &Cluster) -> Result<()> {
    wait::until_none("MetalLB to be gone", LIMIT, async || {
        let found = left(cluster).await?;
        // The last two are OLM's own: it removes the roles of a version in its own time, and forgets some.
        let stays = |line: &String| {
            STAYS.contains(&line.as_str())
                || line.contains(".metallb.io-")
                || line.contains("/metallb-operator.v")
        };
        anyhow::Ok(found.into_iter().filter(move |line| !stays(line)))
    })
    .await?;
    let words = ["--namespace", METALLB_NAMESPACE, "get", "ipaddresspool", "olm"];
    cluster.kubectl(words).await.map(drop)
}

#[tokio::test]
async fn s16_the_operator_lifecycle_manager_does_what_the_manual_says() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    let olm = Olm::prepare().await?;
    publish(&olm, &checkout(""), CURRENT).await?;
    publish(&olm, &next_release(olm.scratch())?, NEXT).await?;
    without_metallb(&cluster, async || {
        olm.on(&cluster, async || {
            cluster
                .in_namespace("olm", async |namespace| {
                    follow(&mut Page::open(namespace, &MANUAL).await?, &lab).await
                })
                .await
        })
        .await
    })
    .await
}

async fn follow(page: &mut Page<'_>, lab: &Lab) -> Result<()> {
    let (namespace, cluster) = (page.namespace(), page.namespace().cluster());
    page.run("create -f config/olm/install.yaml").await?;
    refuses(cluster).await?;
    serves(namespace, lab).await?;
    let before = servers(cluster).await?;

    page.run("TAG=v0.2.0").await?;
    answer(lab, ADDRESS, LIMIT).await?;
    let after = servers(cluster).await?;
    ensure!(before == after, "the upgrade replaced pods:\n{before}\n{after}");

    page.run("delete metallb metallb").await?;
    stopped(cluster).await?;
    nothing_is_left(cluster).await?;
    page.all_ran()
}

/// The webhook is the one that the Operator Lifecycle Manager has registered, with a certificate of its own.
async fn refuses(cluster: &Cluster) -> Result<()> {
    let owner = format!("--selector=olm.owner={}", of_version(CURRENT));
    let trusted = "--output=jsonpath={.items[*].webhooks[*].clientConfig.caBundle}";
    let words = ["get", "validatingwebhookconfigurations", &owner, trusted];
    let authority = cluster.kubectl(words).await?;
    ensure!(!authority.is_empty(), "no webhook of {}", of_version(CURRENT));
    let refusal = format!("{REFUSES}Incorrect MetalLB resource name: other");
    says(cluster, "other", &json!({ "logLevel": "info" }), &refusal).await
}

/// A Service gets an address, and a client on the segment an answer from there.
async fn serves(namespace: &TempNamespace, lab: &Lab) -> Result<()> {
    serve_web(namespace, 1).await?;
    let range = format!("{ADDRESS}/32");
    namespace.apply(pool("olm", &[&range])).await?;
    namespace.apply(l2_advertisement("olm", &["olm"])).await?;
    namespace.apply(load_balancer("web")?).await?;
    ensure!(addresses(namespace, "web", 1).await? == [ADDRESS]);
    answer(lab, ADDRESS, LIMIT).await.map(drop)
}
