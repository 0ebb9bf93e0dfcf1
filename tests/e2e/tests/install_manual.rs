//! Each way in, and the way out, with the commands of docs/install.md as they are printed there. Only the addresses and the image
//! of the web server are those of the test cluster, and Services have a namespace of their own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use metallb_e2e::cluster::components::Components;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::command;
use metallb_e2e::fixtures::{METALLB_NAMESPACE, l2_advertisement, pool};
use metallb_e2e::helm::Helm;
use metallb_e2e::installation::{checkout, left, without_metallb};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb::{addresses, answer, serve_web};
use metallb_e2e::wait;

const LIMIT: Duration = Duration::from_mins(1);
const PAGE: &str = "docs/install.md";
/// In the directory of the page.
const KUBECONFIG: &str = "kubeconfig";
/// What a block is known by, and why it is not run.
const NOT_RUN: [(&str, &str); 1] = [("skopeo copy", "it needs a registry to push to")];

/// In place of what the test cluster does not have: line by line, what is there and what is run.
const ADAPTED: [(&str, &str); 2] = [
    ("192.0.2.10-192.0.2.99", "172.30.236.10-172.30.236.99"),
    ("kubectl create deployment web --image=nginx", ""),
];
const FIRST: &str = "172.30.236.10";

/// `kubectl diff` ends with 1 where there is something to be shown.
const PRELUDE: &str = r#"set -euo pipefail
kubectl() {
  case $1 in
    diff) command kubectl "$@" || [ $? = 1 ] ;;
    *) command kubectl "$@" ;;
  esac
}
"#;

/// The commands of the page, and a directory that looks like a checkout to them.
struct Page<'a> {
    namespace: &'a TempNamespace,
    directory: PathBuf,
    path: String,
    blocks: Vec<Vec<String>>,
    ran: BTreeSet<usize>,
}

impl<'a> Page<'a> {
    async fn open(namespace: &'a TempNamespace) -> Result<Self> {
        let text = fs::read_to_string(checkout(PAGE))?;
        let mut blocks = Vec::new();
        let mut lines = text.lines();
        while lines.any(|line| line == "```sh") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            blocks.push(block.map(str::to_owned).collect());
        }
        ensure!(
            blocks.len() > 10,
            "{PAGE} has {} blocks of commands",
            blocks.len()
        );
        let directory = std::env::temp_dir().join(format!("metallb-{}", namespace.name()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .with_context(|| directory.display().to_string())?;
        // With another namespace for what names none.
        let config = namespace
            .cluster()
            .kubectl(["config", "view", "--raw", "--flatten"])
            .await?;
        fs::write(directory.join(KUBECONFIG), config)?;
        for inside in ["config", "charts"] {
            symlink(checkout(inside).canonicalize()?, directory.join(inside))?;
        }
        let [helm, _] = Helm::both().await?;
        symlink(helm.program(), directory.join("helm"))?;
        let kubernetes = Components::prepare(&Progress::start()).await?;
        let path = format!("{}:{}", directory.display(), kubernetes.search_path());
        let page = Self {
            namespace,
            directory,
            path,
            blocks,
            ran: BTreeSet::new(),
        };
        let context = format!(
            "kubectl config set-context --current --namespace={}",
            namespace.name()
        );
        page.lines(&[context]).await?;
        Ok(page)
    }

    /// The one block with this text in it.
    fn find(&self, text: &str) -> Result<usize> {
        let has = |block: &Vec<String>| block.iter().any(|line| line.contains(text));
        let found: Vec<usize> = (0..self.blocks.len())
            .filter(|at| has(&self.blocks[*at]))
            .collect();
        match found[..] {
            [one] => Ok(one),
            _ => bail!("{} blocks of {PAGE} have {text:?}", found.len()),
        }
    }

    /// Runs the block with this text in it.
    async fn run(&mut self, text: &str) -> Result<String> {
        let at = self.find(text)?;
        self.ran.insert(at);
        self.lines(&self.blocks[at]).await
    }

    async fn lines(&self, lines: &[String]) -> Result<String> {
        let mut script = lines.join("\n");
        for (printed, here) in ADAPTED {
            script = script.replace(printed, here);
        }
        let mut bash = self.namespace.cluster().tool("bash");
        bash.args(["-c", &format!("{PRELUDE}{script}")])
            .current_dir(&self.directory)
            .env("PATH", &self.path)
            .env("KUBECONFIG", self.directory.join(KUBECONFIG));
        command::finish(bash, None).await
    }

    /// What was not run has a reason, which still holds.
    fn all_ran(&self) -> Result<()> {
        let mut ran = self.ran.clone();
        for (text, reason) in NOT_RUN {
            ensure!(ran.insert(self.find(text)?), "{text} was run, though {reason}");
        }
        let missing = (0..self.blocks.len()).filter(|at| !ran.contains(at));
        let missing: Vec<String> = missing.map(|at| self.blocks[at].join("\n")).collect();
        ensure!(missing.is_empty(), "not run:\n{}", missing.join("\n--\n"));
        Ok(())
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Waits until nobody answers for the address.
async fn silence(lab: &Lab, address: &str) -> Result<()> {
    let (client, address) = (lab.client()?, address.parse()?);
    let what = format!("silence about {address}");
    wait::until_none(what, LIMIT, async || client.arp(address).await).await
}

/// Waits until nothing is there that an installation brings, and no definition of it.
async fn nothing_is_left(cluster: &Cluster) -> Result<()> {
    wait::until_none("MetalLB to be gone", LIMIT, async || {
        let mut found = left(cluster).await?;
        let definitions = cluster.kubectl(["get", "crd", "--output=name"]).await?;
        let ours = definitions.lines().filter(|line| line.ends_with("metallb.io"));
        found.extend(ours.map(str::to_owned));
        anyhow::Ok(found)
    })
    .await
}

async fn delete(cluster: &Cluster, kind: &str, name: &str) -> Result<()> {
    let words = ["--namespace", METALLB_NAMESPACE, "delete", kind, name];
    cluster.kubectl(words).await.map(drop)
}

#[tokio::test]
async fn s16_each_way_in_and_out_works_as_the_manual_says() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let Some(lab) = Lab::of(&cluster)? else {
        return Ok(());
    };
    without_metallb(&cluster, async || {
        cluster
            .in_namespace("manual", async |namespace| {
                serve_web(namespace, 1).await?;
                let mut page = Page::open(namespace).await?;
                with_the_operator(&mut page, &lab).await?;
                nothing_is_left(&cluster).await?;
                with_helm(&mut page).await?;
                nothing_is_left(&cluster).await?;
                page.run("kubectl apply -f config/manifests/metallb-native.yaml")
                    .await?;
                page.run("kubectl delete -f config/manifests/metallb-native.yaml")
                    .await?;
                nothing_is_left(&cluster).await?;
                page.all_ran()
            })
            .await
    })
    .await
}

/// Also what is deleted before the operator: with each of it the frames stop, and they come back with it.
async fn with_the_operator(page: &mut Page<'_>, lab: &Lab) -> Result<()> {
    let (namespace, cluster) = (page.namespace, page.namespace.cluster());
    page.run("kubectl apply -k config/default").await?;
    let described = page.run("kind: IPAddressPool").await?;
    ensure!(described.contains("LoadBalancer"), "{described}");
    ensure!(addresses(namespace, "web", 1).await? == [FIRST]);
    answer(lab, FIRST, LIMIT).await?;
    page.run("metallb-dashboard").await?;
    let dashboard = fs::read(page.directory.join("metallb.json"))?;
    let _: serde_json::Value = serde_json::from_slice(&dashboard)?;

    delete(cluster, "l2advertisement", "all-pools").await?;
    silence(lab, FIRST).await?;
    cluster.apply(&l2_advertisement("all-pools", &[])).await?;
    answer(lab, FIRST, LIMIT).await?;
    delete(cluster, "ipaddresspool", "first-pool").await?;
    silence(lab, FIRST).await?;
    let range = format!("{FIRST}/32");
    cluster.apply(&pool("first-pool", &[&range])).await?;
    ensure!(addresses(namespace, "web", 1).await? == [FIRST]);
    answer(lab, FIRST, LIMIT).await?;

    let block = page.find("delete metallb metallb")?;
    page.ran.insert(block);
    let (metallb, operator) = page.blocks[block].split_at(1);
    page.lines(metallb).await?;
    silence(lab, FIRST).await?;
    page.lines(operator).await.map(drop)
}

/// The commands for who comes from MetalLB's own chart are the same whosever chart the release is of.
async fn with_helm(page: &mut Page<'_>) -> Result<()> {
    page.run("helm upgrade --install --create-namespace").await?;
    page.run("get values metallb --output yaml").await?;
    page.run("rollback metallb 1").await?;
    page.run("uninstall metallb").await.map(drop)
}
