//! Helm, as users run it: both major versions that are in use, and our chart.
//!
//! Owns: the two programs, built from the Go modules that `components/helm/go.mod` pins; they are a set of their own, and
//! only who tests the chart builds it.
//! Never: knows what the chart installs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::process::Command;

use crate::cluster::components::modules::Module;
use crate::cluster::components::{Components, Recipe};
use crate::cluster::progress::Progress;
use crate::command;
use crate::kubernetes::Cluster;

macro_rules! file {
    ($file:literal) => {
        ($file, include_str!(concat!("../components/helm/", $file)))
    };
}

static MODULES: [Module; 1] = [Module {
    name: "helm",
    files: &[file!("go.mod"), file!("go.sum")],
    programs: &[
        ("helm4", "helm.sh/helm/v4/cmd/helm"),
        ("helm3", "helm.sh/helm/v3/cmd/helm"),
    ],
    tags: "",
    version: None,
}];

static RECIPE: Recipe = Recipe {
    announcement: "building Helm, once per machine: about two minutes if Go has not built it before",
    modules: &MODULES,
    images: &[],
    revision: 1,
};

/// The chart of this checkout.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/metallb")
}

/// One version of Helm.
#[derive(Clone, Debug)]
pub struct Helm {
    program: String,
}

impl Helm {
    /// Version 4 and version 3, found in the cache of this machine, or built.
    ///
    /// # Errors
    /// If Go is missing, a module cannot be downloaded or a program does not build; nothing half-built is left.
    pub async fn both() -> Result<[Self; 2]> {
        let components = Components::of(&RECIPE, &Progress::start()).await?;
        Ok(["helm4", "helm3"].map(|name| Self {
            program: components.program(name),
        }))
    }

    /// Where it is.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Runs Helm without a cluster, with `values` as a values file.
    ///
    /// # Errors
    /// If Helm refuses; the text says why.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        values: &str,
    ) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.env_remove("KUBECONFIG").args(arguments);
        command.args(["--values", "-"]);
        command::finish(command, Some(values)).await
    }

    /// Runs Helm on a cluster.
    ///
    /// # Errors
    /// As [`Helm::run`].
    pub async fn on<A: AsRef<OsStr>>(
        &self,
        cluster: &Cluster,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        let mut command = cluster.tool(&self.program);
        command.args(arguments);
        command::finish(command, None).await
    }
}
