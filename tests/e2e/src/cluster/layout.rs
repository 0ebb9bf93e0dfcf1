//! Where the files of a checkout's cluster are.
//!
//! Owns: the tree under `target/cluster`.
//! Never: decides what is in the files.

use std::path::{Path, PathBuf};

use super::address::Node;

/// The directory tree of one checkout's cluster. Everything but the logs goes when the cluster goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    checkout: PathBuf,
}

impl Layout {
    /// The tree of the checkout at this path.
    pub fn of(checkout: &Path) -> Self {
        Self {
            checkout: checkout.to_path_buf(),
        }
    }

    /// The checkout this program was built in.
    pub fn of_this_checkout() -> Self {
        let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::of(crate_directory.ancestors().nth(2).unwrap_or(crate_directory))
    }

    /// The checkout itself.
    pub fn checkout(&self) -> &Path {
        &self.checkout
    }

    /// `target/cluster`
    pub fn root(&self) -> PathBuf {
        self.checkout.join("target/cluster")
    }

    /// What users point `KUBECONFIG` at.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root().join("kubeconfig")
    }

    /// A link to the components in use, for people's `PATH`.
    pub fn programs(&self) -> PathBuf {
        self.root().join("bin")
    }

    /// Keys, certificates and the kubeconfigs of the components.
    pub fn pki(&self) -> PathBuf {
        self.root().join("pki")
    }

    /// What the API server notes of the requests it gets.
    pub fn audit_policy(&self) -> PathBuf {
        self.root().join("audit-policy.yaml")
    }

    /// etcd's data.
    pub fn etcd(&self) -> PathBuf {
        self.root().join("etcd")
    }

    /// The disk of a node.
    pub fn node(&self, node: Node) -> PathBuf {
        self.root().join(node.name())
    }

    /// All logs. They stay when the cluster goes, to be read after a failure.
    pub fn logs(&self) -> PathBuf {
        self.root().join("log")
    }

    /// The log of one component.
    pub fn log(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }
}
