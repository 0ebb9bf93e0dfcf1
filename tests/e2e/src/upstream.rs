//! Upstream's MetalLB, the implementation in Go, to be compared with.
//!
//! Owns: its controller and speaker, built from the Go module that `components/metallb/go.mod` pins, and the manifest
//! of their native mode out of the same module. Nothing of it is part of this repository or of what we ship.
//! Never: changes it: it runs with upstream's own settings.

use std::path::PathBuf;

use anyhow::Result;

use crate::cluster::components::modules::{self, Module};
use crate::cluster::components::{Components, Recipe};
use crate::cluster::progress::Progress;

const MODULE: &str = "go.universe.tf/metallb";
/// The version that is built: the one of `go.mod`, as a test confirms.
pub const VERSION: &str = "v0.16.2";

macro_rules! file {
    ($file:literal) => {
        ($file, include_str!(concat!("../components/metallb/", $file)))
    };
}

static MODULES: [Module; 1] = [Module {
    name: "metallb",
    files: &[
        file!("go.mod"),
        file!("go.sum"),
        file!("frr-k8s/go.mod"),
        file!("frr-k8s/api/v1beta1/types.go"),
    ],
    programs: &[
        ("controller", "go.universe.tf/metallb/controller"),
        ("speaker", "go.universe.tf/metallb/speaker"),
    ],
    tags: "",
    version: None,
}];

/// The images have the names that the manifest asks for.
static RECIPE: Recipe = Recipe {
    announcement: "building upstream's MetalLB, once per machine: about two minutes if Go has not built it before",
    modules: &MODULES,
    images: &[
        ("controller", "quay.io/metallb/controller:v0.16.2"),
        ("speaker", "quay.io/metallb/speaker:v0.16.2"),
    ],
    revision: 1,
};

/// Upstream's MetalLB, built.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Image archives of controller and speaker
    pub archives: Vec<PathBuf>,
    /// What `kubectl apply` installs: CRDs, roles, controller, speakers and webhooks
    pub manifest: PathBuf,
}

impl Upstream {
    /// Finds it in the cache of this machine, or builds it.
    ///
    /// # Errors
    /// If Go is missing, a module cannot be downloaded or a program does not build; nothing half-built is left.
    pub async fn prepare(progress: &Progress) -> Result<Self> {
        let components = Components::of(&RECIPE, progress).await?;
        Ok(Self {
            archives: components.images(),
            manifest: source().await?.join("config/manifests/metallb-native.yaml"),
        })
    }
}

/// The directory with its source, manifests and chart.
///
/// # Errors
/// If Go is missing, or the module cannot be downloaded.
pub async fn source() -> Result<PathBuf> {
    modules::source(MODULE, VERSION).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_and_the_images_are_of_one_version() {
        assert_eq!(MODULES[0].pinned(MODULE), Some(VERSION));
        for (name, reference) in RECIPE.images {
            assert_eq!(*reference, format!("quay.io/metallb/{name}:{VERSION}"));
        }
    }
}
