//! The architecture's dependency directions, and the purity of the crates that decide.
//!
//! Owns: the table of allowed edges. Never: runs cargo; `tests/repository.rs` hands over what cargo printed.

use serde_json::Value;

use crate::{Finding, Sources};

const CHECK: &str = "layers";

/// What each crate may depend on inside the workspace, also in its tests.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("metallb-api", &[]),
    ("metallb-core", &["metallb-api"]),
    ("metallb-protocol", &[]),
    ("metallb-sys", &[]),
    ("metallb-runtime", &["metallb-api", "metallb-sys"]),
    (
        "metallb-operator",
        &["metallb-api", "metallb-core", "metallb-runtime"],
    ),
    (
        "metallb-controller",
        &["metallb-api", "metallb-core", "metallb-runtime"],
    ),
    (
        "metallb-speaker",
        &[
            "metallb-api",
            "metallb-core",
            "metallb-protocol",
            "metallb-sys",
            "metallb-runtime",
        ],
    ),
    ("metallb-images", &[]),
    ("metallb-e2e", &["metallb-api", "metallb-images"]),
    ("metallb-bench", &["metallb-e2e", "metallb-sys"]),
    ("metallb-simulation", &["metallb-protocol"]),
    ("metallb-fuzz", &["metallb-protocol"]),
    ("metallb-tidy", &[]),
];

/// The crates that decide: no clock, no socket, no client, no randomness.
pub const PURE: [&str; 3] = ["metallb-api", "metallb-core", "metallb-protocol"];
/// What would give a pure crate one of these.
const IMPURE: [&str; 8] = [
    "tokio",
    "mio",
    "socket2",
    "hyper",
    "kube-client",
    "kube-runtime",
    "rand",
    "fastrand",
];

/// The one crate with lints of its own: it may contain unsafe code.
const OWN_LINTS: &str = "sys/Cargo.toml";

/// A crate of the workspace, as `cargo metadata --no-deps` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its `Cargo.toml`, relative to the root.
    pub manifest: String,
    /// The names of its direct dependencies of every kind.
    pub dependencies: Vec<String>,
    /// The root file of every target, relative to the root.
    pub targets: Vec<String>,
}

/// Reads the output of `cargo metadata --no-deps --format-version 1`. None if it is not that.
pub fn packages(metadata: &Value) -> Option<Vec<Package>> {
    let root = format!("{}/", metadata["workspace_root"].as_str()?);
    let relative = |path: &Value| path.as_str()?.strip_prefix(&root).map(str::to_owned);
    let list = |value: &Value, item: &dyn Fn(&Value) -> Option<String>| -> Option<Vec<String>> {
        value.as_array()?.iter().map(item).collect()
    };
    let package = |value: &Value| {
        Some(Package {
            name: value["name"].as_str()?.to_owned(),
            manifest: relative(&value["manifest_path"])?,
            dependencies: list(&value["dependencies"], &|value| {
                value["name"].as_str().map(str::to_owned)
            })?,
            targets: list(&value["targets"], &|value| relative(&value["src_path"]))?,
        })
    };
    metadata["packages"].as_array()?.iter().map(package).collect()
}

/// Dependencies between the crates that the table does not allow, and crates it does not know.
pub fn check_edges(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            findings.push(finding(
                &package.manifest,
                "a new crate: give it a place in the table of layers",
            ));
            continue;
        };
        let ours = |name: &str| packages.iter().any(|package| package.name == name);
        for other in package.dependencies.iter().filter(|name| ours(name)) {
            if !allowed.contains(&other.as_str()) {
                let message = format!("{} must not depend on {other}: see ARCHITECTURE.md", package.name);
                findings.push(finding(&package.manifest, &message));
            }
        }
    }
    findings
}

/// Impure crates in the tree of a pure one, from `cargo tree --edges normal --prefix none --format {p}`.
pub fn check_purity(package: &Package, tree: &str) -> Vec<Finding> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    let impure = names.into_iter().filter(|name| IMPURE.contains(name));
    let complain = |name| {
        let advice = format!(
            "`cargo tree -p {} -e normal -i {name}` shows the way",
            package.name
        );
        finding(
            &package.manifest,
            &format!("{} is pure, but contains {name}; {advice}", package.name),
        )
    };
    impure.map(complain).collect()
}

/// Crates without the lints of the workspace.
pub fn check_lints(sources: &Sources, packages: &[Package]) -> Vec<Finding> {
    let without = |package: &&Package| {
        let lines = sources
            .text(&package.manifest)
            .unwrap_or_default()
            .lines()
            .map(str::trim);
        let mut section = lines.skip_while(|line| *line != "[lints]").skip(1);
        let inherits = section
            .by_ref()
            .take_while(|line| !line.starts_with('['))
            .any(|line| line == "workspace = true");
        package.manifest != OWN_LINTS && !inherits
    };
    let message = "needs `[lints] workspace = true`";
    packages
        .iter()
        .filter(without)
        .map(|package| finding(&package.manifest, message))
        .collect()
}

fn finding(path: &str, message: &str) -> Finding {
    Finding {
        path: path.to_owned(),
        line: None,
        check: CHECK,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::places;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let directory = name.trim_start_matches("metallb-");
        Package {
            name: name.to_owned(),
            manifest: format!("{directory}/Cargo.toml"),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
            targets: vec![format!("{directory}/src/lib.rs")],
        }
    }

    #[test]
    fn only_the_edges_of_the_table_pass() {
        let check = |name: &str, dependency: &str, passes: bool| {
            let findings = check_edges(&[package(name, &[dependency, "serde"]), package(dependency, &[])]);
            assert_eq!(
                findings.is_empty(),
                passes,
                "{name} -> {dependency}: {findings:?}"
            );
        };
        check("metallb-core", "metallb-api", true);
        check("metallb-core", "metallb-protocol", false);
        check("metallb-protocol", "metallb-core", false);
        check("metallb-api", "metallb-core", false);
        check("metallb-controller", "metallb-speaker", false);
        check("metallb-e2e", "metallb-operator", false);
    }

    #[test]
    fn the_table_has_no_cycle() {
        let mut placed: Vec<&str> = Vec::new();
        while placed.len() < ALLOWED.len() {
            let ready = |(name, below): &&(&str, &[&str])| {
                !placed.contains(name) && below.iter().all(|other| placed.contains(other))
            };
            let (name, _) = ALLOWED
                .iter()
                .find(ready)
                .expect("a crate whose dependencies are placed");
            placed.push(name);
        }
    }

    #[test]
    fn a_crate_without_a_place_in_the_table_is_found() {
        assert_eq!(
            places(&check_edges(&[package("metallb-common", &[])])),
            ["common/Cargo.toml"]
        );
    }

    #[test]
    fn an_impure_crate_anywhere_in_the_tree_is_found_once() {
        let core = package("metallb-core", &[]);
        let tree = "metallb-core v0.1.0 (/a/core)\nserde v1.0.0\ntokio v1.54.1\ntokio v1.54.1 (*)\n";
        assert_eq!(places(&check_purity(&core, tree)), ["core/Cargo.toml"]);
        let other_name = "metallb-core v0.1.0\ntokio-macros v1.0.0\n";
        assert_eq!(check_purity(&core, other_name), []);
    }

    #[test]
    fn a_crate_without_the_workspace_lints_is_found_unless_it_is_sys() {
        let packages =
            ["metallb-api", "metallb-core", "metallb-runtime", "metallb-sys"].map(|name| package(name, &[]));
        let sources = Sources::of(&[
            (
                "api/Cargo.toml",
                "[package]\n[lints]\nworkspace = true\n[dependencies]\n",
            ),
            (
                "core/Cargo.toml",
                "[package]\n[lints]\n[dependencies.x]\nworkspace = true\n",
            ),
            ("runtime/Cargo.toml", "[package]\nversion.workspace = true\n"),
            ("sys/Cargo.toml", "[lints.rust]\n"),
        ]);
        assert_eq!(
            places(&check_lints(&sources, &packages)),
            ["core/Cargo.toml", "runtime/Cargo.toml"]
        );
    }

    #[test]
    fn metadata_becomes_packages_with_relative_paths() {
        let metadata = json!({
            "workspace_root": "/a",
            "packages": [{
                "name": "metallb-core",
                "manifest_path": "/a/core/Cargo.toml",
                "dependencies": [{"name": "serde", "kind": "dev"}],
                "targets": [{"src_path": "/a/core/src/lib.rs"}],
            }],
        });
        assert_eq!(
            packages(&metadata),
            Some(vec![package("metallb-core", &["serde"])])
        );
        assert_eq!(packages(&json!({"packages": []})), None);
    }
}
