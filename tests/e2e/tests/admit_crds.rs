//! What the CRDs accept and refuse, asked of a real API server: every file of `data/admit`. Without MetalLB: its webhooks
//! would refuse every object in the namespaces of these tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::{ApiResource, GroupVersionKind};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::metallb;
use serde_json::Value;

fn manifests(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/admit")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    ensure!(
        files.len() > 10,
        "only {} files in {}",
        files.len(),
        folder.display()
    );
    Ok(files)
}

/// What the API server said: nothing, or why not.
type Verdict = Result<(), String>;

/// Applies the documents in turn, each with its status if it has one, and returns what the API server said to the last
/// one. Nothing is left in the namespace.
///
/// Not with kubectl: that needs longer to start than the API server to answer.
async fn create(namespace: &TempNamespace, text: &str) -> Result<Verdict> {
    let own = format!("namespace: {METALLB_NAMESPACE}");
    let there = format!("namespace: {}", namespace.name());
    let mut last = None;
    let mut made = Vec::new();
    for document in text.split("\n---").filter(|document| document.contains("kind:")) {
        if let Some(Err(reason)) = last {
            bail!("a document before the last one was refused: {reason}");
        }
        let content: Value = serde_saphyr::from_str(&document.replace(&own, &there))?;
        let (api, name) = place(namespace, &content)?;
        last = Some(apply(&api, &name, &content).await?);
        made.push((api, name));
    }
    for (api, name) in made {
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other?),
        }
    }
    last.context("a file without a document")
}

fn place(namespace: &TempNamespace, content: &Value) -> Result<(Api<DynamicObject>, String)> {
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .context("a manifest of one object")
    };
    let api_version = text(&content["apiVersion"])?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let kind = GroupVersionKind::gvk(group, version, &text(&content["kind"])?);
    let client = namespace.cluster().client();
    let api = Api::namespaced_with(client, namespace.name(), &ApiResource::from_gvk(&kind));
    Ok((api, text(&content["metadata"]["name"])?))
}

/// As `kubectl apply --server-side` does: unknown fields are refused.
async fn apply(api: &Api<DynamicObject>, name: &str, content: &Value) -> Result<Verdict> {
    let mut params = PatchParams::apply("admit").force();
    params.field_validation = Some(ValidationDirective::Strict);
    let patch = Patch::Apply(content);
    let mut outcome = api.patch(name, &params, &patch).await;
    if outcome.is_ok() && content.get("status").is_some() {
        outcome = api.patch_status(name, &params, &patch).await;
    }
    match outcome {
        Ok(_) => Ok(Ok(())),
        Err(kube::Error::Api(status)) => Ok(Err(status.message)),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn every_valid_manifest_is_accepted() -> Result<()> {
    let cluster = Cluster::connect().await?;
    metallb::absent(&cluster).await?;
    cluster
        .in_namespace("accept", async |namespace| {
            for file in manifests("accept")? {
                let text = fs::read_to_string(&file)?;
                if let Err(said) = create(namespace, &text).await? {
                    bail!("{}: {said}", file.display());
                }
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn every_invalid_manifest_is_refused_with_its_reason() -> Result<()> {
    let cluster = Cluster::connect().await?;
    metallb::absent(&cluster).await?;
    cluster
        .in_namespace("reject", async |namespace| {
            for file in manifests("reject")? {
                let text = fs::read_to_string(&file)?;
                let expected = text
                    .lines()
                    .next()
                    .and_then(|line| line.strip_prefix("# expect: "));
                let expected =
                    expected.with_context(|| format!("{} says not what to expect", file.display()))?;
                match create(namespace, &text).await? {
                    Ok(()) => bail!("{} was accepted", file.display()),
                    Err(said) => ensure!(said.contains(expected.trim()), "{}: {said}", file.display()),
                }
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_definitions_themselves_cause_no_warning() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd");
    let folder = folder.to_str().context("a path in UTF-8")?;
    cluster
        .kubectl([
            "apply",
            "--dry-run=server",
            "--warnings-as-errors",
            "--kustomize",
            folder,
        ])
        .await?;
    Ok(())
}
