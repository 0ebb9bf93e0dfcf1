//! The Operator Lifecycle Manager, the real one: its operators from its own chart, and the server of catalogs.
//!
//! Owns: the programs, built from the Go modules that `components/olm/go.mod` pins, their images, and what stands in on
//! the test cluster for a registry and for the names of Services. They are a set of their own: only who tests the bundle
//! builds it, and nothing of it is part of this repository or of what we ship.
//! Never: changes it: it runs with the settings of its chart.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures::FutureExt;
use metallb_images::Image;
use serde_json::json;

use crate::cluster;
use crate::cluster::components::modules::{self, Module};
use crate::cluster::components::{Components, Recipe};
use crate::cluster::layout::Layout;
use crate::cluster::progress::Progress;
use crate::helm::Helm;
use crate::installation::checkout;
use crate::kubernetes::Cluster;

mod image;

const MODULE: &str = "github.com/operator-framework/operator-lifecycle-manager";
/// The version that is built: the one of `go.mod`, as a test confirms.
pub const VERSION: &str = "v0.38.0";
/// All of its programs, for its Deployments and for the Jobs that unpack bundles.
const IMAGE: &str = "localhost/metallb-cluster/olm:1";
/// Where its own Deployments are.
const OWN_NAMESPACE: &str = "--namespace=operator-lifecycle-manager";

/// The Service of the catalog in `config/olm`, by its name and by the address that [`STAND_INS`] gives it.
const CATALOG_NAME: &str = "metallb-catalog.metallb-system.svc";
/// See [`CATALOG_NAME`].
const CATALOG_ADDRESS: &str = "10.96.0.50";
/// In place of a registry and of a name server.
const STAND_INS: &str = include_str!("../data/olm/stand-ins.yaml");

macro_rules! file {
    ($file:literal) => {
        ($file, include_str!(concat!("../components/olm/", $file)))
    };
}

static MODULES: [Module; 1] = [Module {
    name: "olm",
    files: &[
        file!("go.mod"),
        file!("go.sum"),
        file!("cp/main.go"),
        file!("grpc_health_probe/main.go"),
    ],
    programs: &[
        (
            "olm",
            "github.com/operator-framework/operator-lifecycle-manager/cmd/olm",
        ),
        (
            "catalog",
            "github.com/operator-framework/operator-lifecycle-manager/cmd/catalog",
        ),
        (
            "cpb",
            "github.com/operator-framework/operator-lifecycle-manager/util/cpb",
        ),
        ("opm", "github.com/operator-framework/operator-registry/cmd/opm"),
        ("cp", "./cp"),
        ("grpc_health_probe", "./grpc_health_probe"),
    ],
    tags: "containers_image_openpgp",
    version: None,
}];

static RECIPE: Recipe = Recipe {
    announcement: "building the Operator Lifecycle Manager, once per machine: about four minutes if Go has not built it before",
    modules: &MODULES,
    images: &[],
    revision: 1,
};

/// What of the chart is installed: not the server of packages for consoles, and no public catalog.
const TEMPLATES: [&str; 6] = [
    "00-namespace",
    "02-olm-operator.serviceaccount",
    "03-olmconfig",
    "07-olm-operator.deployment",
    "08-catalog-operator.deployment",
    "09-aggregated.clusterrole",
];

/// Kinds of the Operator Lifecycle Manager, in the order in which they go: it has finalizers on its own, and what is left
/// would bring the rest back.
const KINDS: [&str; 7] = [
    "subscriptions",
    "catalogsources",
    "clusterserviceversions",
    "installplans",
    "operatorgroups",
    "operatorconditions",
    "operators",
];

/// A directory of its own, which goes with this.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The Operator Lifecycle Manager, built.
#[derive(Debug)]
pub struct Olm {
    programs: PathBuf,
    source: PathBuf,
    helm: Helm,
    scratch: Scratch,
}

impl Olm {
    /// Finds it in the cache of this machine, or builds it.
    ///
    /// # Errors
    /// If Go is missing, a module cannot be downloaded or a program does not build; nothing half-built is left.
    pub async fn prepare() -> Result<Self> {
        let components = Components::of(&RECIPE, &Progress::of("olm")).await?;
        let [helm, _] = Helm::both().await?;
        let scratch = std::env::temp_dir().join(format!("metallb-olm-{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&scratch)
            .with_context(|| scratch.display().to_string())?;
        Ok(Self {
            programs: components.programs(),
            source: modules::source(MODULE, VERSION).await?,
            helm,
            scratch: Scratch(scratch),
        })
    }

    /// A directory that goes with this.
    pub fn scratch(&self) -> &Path {
        &self.scratch.0
    }

    /// Makes what `podman build -f DOCKERFILE` makes of a directory, and puts it on every node.
    ///
    /// # Errors
    /// If the Dockerfile has something that is not imitated, or a node does not take the image.
    pub async fn build(&self, dockerfile: &str, directory: &Path, reference: String) -> Result<()> {
        let dockerfile = fs::read_to_string(checkout(dockerfile))?;
        let image = image::of(&dockerfile, directory, &self.programs, reference)?;
        self.load(&image).await
    }

    async fn load(&self, image: &Image) -> Result<()> {
        let archive = self.scratch().join("image.tar");
        image
            .write_archive(&archive)
            .with_context(|| image.reference.clone())?;
        cluster::load(&Layout::of_this_checkout(), &[archive]).await
    }

    /// Runs the body with it on the cluster. Nothing of it, and nothing that it has installed but CRDs, is there afterwards.
    ///
    /// # Errors
    /// Those of the body, and if it does not start, or something does not go.
    pub async fn on(&self, cluster: &Cluster, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        let manifest = self.manifest().await?;
        let outcome = AssertUnwindSafe(async {
            self.install(cluster, &manifest).await?;
            body().await
        })
        .catch_unwind()
        .await;
        if !matches!(outcome, Ok(Ok(()))) {
            eprintln!("{}", self.describe(cluster).await);
        }
        let removed = self.remove(cluster, &manifest).await;
        match outcome {
            Ok(Ok(())) => removed,
            Ok(Err(error)) => Err(error),
            Err(panic) => resume_unwind(panic),
        }
    }

    async fn manifest(&self) -> Result<String> {
        let values = format!(
            "olm: {{ image: {{ ref: {IMAGE}, pullPolicy: IfNotPresent }} }}\n\
             catalog: {{ image: {{ ref: {IMAGE}, pullPolicy: IfNotPresent }}, opmImageArgs: --opmImage={IMAGE} }}\n"
        );
        let chart = self.source.join("deploy/chart").display().to_string();
        let shown = TEMPLATES.map(|name| format!("--show-only=templates/0000_50_olm_{name}.yaml"));
        let words = ["template".to_owned(), "olm".to_owned(), chart];
        self.helm.run(words.into_iter().chain(shown), &values).await
    }

    fn definitions(&self) -> String {
        format!("--filename={}", self.source.join("deploy/chart/crds").display())
    }

    async fn install(&self, cluster: &Cluster, manifest: &str) -> Result<()> {
        self.load(&Image {
            reference: IMAGE.to_owned(),
            entrypoint: vec!["/bin/olm".to_owned()],
            user: Some(image::USER),
            files: image::programs(&self.programs, &["olm", "catalog", "cpb", "cp", "opm"]),
            ..Image::default()
        })
        .await?;
        cluster.kubectl_apply(STAND_INS).await?;
        let definitions = self.definitions();
        // Too large for the annotation of `apply`.
        cluster.kubectl(["create", &definitions]).await?;
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=1m",
            &definitions,
        ];
        cluster.kubectl(established).await?;
        cluster.kubectl_apply(manifest).await?;
        let names = json!({ "spec": { "template": { "spec": {
            "dnsPolicy": "None",
            "dnsConfig": { "nameservers": ["127.0.0.1"] }, // says at once that it knows nothing
            "hostAliases": [{ "ip": CATALOG_ADDRESS, "hostnames": [CATALOG_NAME] }],
        } } } });
        let patch = format!("--patch={names}");
        cluster
            .kubectl([OWN_NAMESPACE, "patch", "deployment/catalog-operator", &patch])
            .await?;
        for operator in ["deployment/olm-operator", "deployment/catalog-operator"] {
            let rollout = [OWN_NAMESPACE, "rollout", "status", operator, "--timeout=2m"];
            cluster.kubectl(rollout).await?;
        }
        Ok(())
    }

    async fn remove(&self, cluster: &Cluster, manifest: &str) -> Result<()> {
        let delete = ["delete", "--ignore-not-found", "--timeout=2m"];
        let definitions = self.definitions();
        if !cluster
            .kubectl(["get", "--ignore-not-found", "--output=name", &definitions])
            .await?
            .is_empty()
        {
            for kind in KINDS {
                let all = [
                    &format!("{kind}.operators.coreos.com"),
                    "--all",
                    "--all-namespaces",
                ];
                cluster.kubectl(delete.into_iter().chain(all)).await?;
            }
        }
        cluster
            .kubectl_with_input(delete.into_iter().chain(["--filename=-"]), manifest)
            .await?;
        cluster
            .kubectl(delete.into_iter().chain([definitions.as_str()]))
            .await?;
        let made = ["clusterroles,clusterrolebindings", "--selector=olm.managed=true"];
        cluster.kubectl(delete.into_iter().chain(made)).await?;
        cluster
            .kubectl_with_input(delete.into_iter().chain(["--filename=-"]), STAND_INS)
            .await
            .map(drop)
    }

    /// What it says of what it did, for a test that fails.
    async fn describe(&self, cluster: &Cluster) -> String {
        let mut said = Vec::new();
        let kinds = "catalogsources,subscriptions,installplans,clusterserviceversions,jobs,pods";
        for words in [
            ["get", kinds, "--all-namespaces", "--ignore-not-found"].as_slice(),
            &[
                "get",
                "subscriptions,installplans",
                "--all-namespaces",
                "--output=jsonpath={range .items[*]}{.kind}: {.status.conditions}{\"\\n\"}{end}",
            ],
            &[
                "get",
                "clusterserviceversions",
                "--all-namespaces",
                "--output=jsonpath={range .items[*]}{.metadata.name}: {.status.message} {.status.requirementStatus}{\"\\n\"}{end}",
            ],
            &[OWN_NAMESPACE, "logs", "deployment/catalog-operator", "--tail=30"],
            &[OWN_NAMESPACE, "logs", "deployment/olm-operator", "--tail=30"],
        ] {
            let outcome = cluster.kubectl(words).await;
            said.push(outcome.unwrap_or_else(|error| format!("{error:#}")));
        }
        said.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_is_of_the_version_that_is_built() {
        assert_eq!(MODULES[0].pinned(MODULE), Some(VERSION));
    }

    #[test]
    fn the_catalog_of_the_stand_ins_is_the_one_that_is_installed() {
        let (service, rest) = CATALOG_NAME.split_once('.').unwrap();
        let namespace = rest.strip_suffix(".svc").unwrap();
        let install = fs::read_to_string(checkout("config/olm/install.yaml")).unwrap();
        for text in [service, namespace] {
            assert!(install.contains(&format!("name: {text}\n")), "{text}");
            assert!(STAND_INS.contains(&format!("== '{text}'")), "{text}");
        }
        assert!(STAND_INS.contains(CATALOG_ADDRESS));
    }
}
