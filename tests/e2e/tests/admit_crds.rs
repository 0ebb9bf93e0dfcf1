//! What the CRDs accept and refuse, asked of a real API server: every file of `data/admit`. Without MetalLB: its webhooks
//! would refuse every object in the namespaces of these tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::metallb;

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

/// Applies the documents in turn, each with its status if it has one, and returns what the API server said to the last
/// one. Nothing is left in the namespace.
async fn create(namespace: &TempNamespace, text: &str) -> Result<Result<String>> {
    let text = text.replace(
        "namespace: metallb-system",
        &format!("namespace: {}", namespace.name()),
    );
    let cluster = namespace.cluster();
    let mut last = None;
    for document in text.split("\n---").filter(|document| document.contains("kind:")) {
        if let Some(Err(error)) = last {
            bail!("a document before the last one was refused: {error:#}");
        }
        let words = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
        let mut outcome = cluster.kubectl_with_input(words, document).await;
        if outcome.is_ok() && document.lines().any(|line| line.starts_with("status:")) {
            let words = words.into_iter().chain(["--subresource=status"]);
            outcome = cluster.kubectl_with_input(words, document).await;
        }
        last = Some(outcome);
    }
    cluster
        .kubectl_with_input(["delete", "--ignore-not-found", "--filename", "-"], &text)
        .await?;
    last.context("a file without a document")
}

#[tokio::test]
async fn every_valid_manifest_is_accepted() -> Result<()> {
    let cluster = Cluster::connect().await?;
    metallb::absent(&cluster).await?;
    cluster
        .in_namespace("accept", async |namespace| {
            for file in manifests("accept")? {
                let text = fs::read_to_string(&file)?;
                create(namespace, &text)
                    .await?
                    .with_context(|| file.display().to_string())?;
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
                    Ok(_) => bail!("{} was accepted", file.display()),
                    Err(error) => {
                        let said = format!("{error:#}");
                        ensure!(said.contains(expected.trim()), "{}: {said}", file.display());
                    }
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
