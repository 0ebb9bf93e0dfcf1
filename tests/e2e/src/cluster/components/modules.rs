//! Which programs the cluster has and what pins them.
//!
//! Owns: the cluster's Go modules, and how a set gets its key. Versions are those of the `go.mod` files, nowhere else.
//! Never: builds anything.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Recipe;
use crate::cluster::images;
use crate::command;

/// The set that every cluster is made of.
pub(super) static CLUSTER: Recipe = Recipe {
    announcement: "building the cluster's components, once per machine: about ten minutes if Go has not built them before",
    modules: &MODULES,
    images: &images::IMAGES,
    revision: 1,
};

/// A Go module whose `go.mod` and `go.sum` are part of this repository.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its directory below `components/`
    pub(crate) name: &'static str,
    /// Name and text of its files
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Name and package of the programs that are built from it
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// Build tags, separated by commas
    pub(crate) tags: &'static str,
    /// A Go package that is told its version, as Kubernetes' own build does it, and the module with that version
    pub(crate) version: Option<(&'static str, &'static str)>,
}

macro_rules! file {
    ($module:literal, $file:literal) => {
        (
            $file,
            include_str!(concat!("../../../components/", $module, "/", $file)),
        )
    };
}

static MODULES: [Module; 3] = [
    Module {
        name: "kubernetes",
        files: &[file!("kubernetes", "go.mod"), file!("kubernetes", "go.sum")],
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            (
                "kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
            ),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("etcd", "go.etcd.io/etcd/server/v3"),
            ("agnhost", "k8s.io/kubernetes/test/images/agnhost"),
        ],
        tags: "",
        version: Some(("k8s.io/component-base/version", "k8s.io/kubernetes")),
    },
    Module {
        name: "containerd",
        files: &[file!("containerd", "go.mod"), file!("containerd", "go.sum")],
        programs: &[
            ("containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
            (
                "containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            ),
            ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
        ],
        tags: "no_btrfs,no_zfs,no_devmapper",
        version: Some((
            "github.com/containerd/containerd/v2/version",
            "github.com/containerd/containerd/v2",
        )),
    },
    Module {
        name: "pause",
        files: &[file!("pause", "go.mod"), file!("pause", "main.go")],
        programs: &[("pause", ".")],
        tags: "",
        version: None,
    },
];

impl Module {
    /// Small programs, and for Kubernetes the version that kubelets and the API server report: without it they call
    /// themselves v0.0.0 and refuse each other.
    pub(crate) fn linker_flags(&self) -> String {
        let mut flags = "-s -w".to_owned();
        let Some((package, module)) = self.version else {
            return flags;
        };
        let Some(version) = self.pinned(module) else {
            return flags;
        };
        if self.name == "kubernetes" {
            let mut numbers = version.trim_start_matches('v').split('.');
            let (major, minor) = (
                numbers.next().unwrap_or_default(),
                numbers.next().unwrap_or_default(),
            );
            let _ = write!(flags, " -X {package}.gitVersion={version}");
            let _ = write!(
                flags,
                " -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
            );
        } else {
            let _ = write!(flags, " -X {package}.Version={version}");
        }
        flags
    }

    /// The version that `go.mod` requires of a module.
    pub(crate) fn pinned(&self, module: &str) -> Option<&'static str> {
        let (_, text) = self.files.iter().find(|(name, _)| *name == "go.mod")?;
        let mut lines = text
            .lines()
            .map(|line| line.trim().trim_start_matches("require "));
        lines.find_map(|line| line.strip_prefix(module)?.strip_prefix(' ')?.split(' ').next())
    }
}

/// What `go mod download -json` says.
#[derive(Deserialize)]
struct Download {
    #[serde(rename = "Dir")]
    directory: PathBuf,
}

/// The directory with the source of a module, and what else its authors put there: manifests, charts.
///
/// # Errors
/// If Go is missing, or the module cannot be downloaded.
pub(crate) async fn source(module: &str, version: &str) -> Result<PathBuf> {
    let module = format!("{module}@{version}");
    let said = command::run("go", ["mod", "download", "-json", &module]).await?;
    let download: Download =
        serde_json::from_str(&said).with_context(|| format!("where is {module}? Go said: {said}"))?;
    Ok(download.directory)
}

/// Names a set after everything that goes into it.
pub(super) fn key(recipe: &Recipe, go_version: &str) -> String {
    let mut text = format!("{go_version} {} {}\n", std::env::consts::ARCH, recipe.revision);
    for module in recipe.modules {
        let _ = writeln!(text, "{} {} {}", module.name, module.tags, module.linker_flags());
        for (name, content) in module.files.iter().chain(module.programs) {
            let _ = writeln!(text, "{name} {content}");
        }
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref()[..8].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_stable_and_follows_the_compiler() {
        assert_eq!(key(&CLUSTER, "go1.26.8"), key(&CLUSTER, "go1.26.8"));
        assert_ne!(key(&CLUSTER, "go1.26.8"), key(&CLUSTER, "go1.27.0"));
        assert_eq!(key(&CLUSTER, "go1.26.8").len(), 16);
    }

    #[test]
    fn versions_come_from_go_mod() {
        let flags = MODULES[0].linker_flags();
        let version = MODULES[0].pinned("k8s.io/kubernetes").unwrap();
        assert!(version.starts_with("v1."), "{version}");
        assert!(
            flags.contains(&format!("gitVersion={version}")) && flags.contains("gitMajor=1"),
            "{flags}"
        );
        assert!(MODULES[1].linker_flags().contains("version.Version=v2."));
    }

    #[test]
    fn every_tool_of_a_go_mod_is_built() {
        for module in &MODULES[..2] {
            let (_, text) = module.files[0];
            let tools = text.split_once("tool (").unwrap().1.split_once(')').unwrap().0;
            let mut pinned: Vec<_> = tools.split_whitespace().collect();
            let mut built: Vec<_> = module.programs.iter().map(|(_, package)| *package).collect();
            pinned.sort_unstable();
            built.sort_unstable();
            assert_eq!(pinned, built);
        }
    }
}
