//! Runs every check on this checkout. What fails is listed with the file, the line and what to do.

use std::path::{Path, PathBuf};
use std::process::Command;

use metallb_tidy::layers::{self, Package};
use metallb_tidy::{
    Finding, Sources, cluster_tests, exceptions, links, machine, messages, modules, names, sizes, toolchain,
    words,
};

#[test]
fn the_repository_is_tidy() {
    let root = root();
    let sources = Sources::of_checkout(&root).unwrap();
    let packages = packages(&root);
    let roots: Vec<String> = packages
        .iter()
        .flat_map(|package| package.targets.clone())
        .collect();
    let reached = modules::reach(&sources, &roots);

    let mut findings = modules::check(&sources, &roots);
    findings.extend(sizes::check(&sources, &reached));
    findings.extend(words::check(&sources));
    findings.extend(names::check(&sources, &reached));
    findings.extend(links::check(&sources));
    findings.extend(messages::check(&sources));
    findings.extend(machine::check(&sources));
    findings.extend(toolchain::check(&sources));
    findings.extend(cluster_tests::check(&sources));
    findings.extend(layers::check_edges(&packages));
    findings.extend(layers::check_lints(&sources, &packages));
    findings.extend(purity(&root, &packages));

    // A check that sees nothing passes everything.
    for path in [names::NAMES, messages::EXPLAINED, cluster_tests::MANIFEST]
        .into_iter()
        .chain(messages::ERRORS)
    {
        assert!(sources.text(path).is_some(), "{path} is gone");
    }
    assert!(
        reached.len() > packages.len(),
        "only {} files are reached",
        reached.len()
    );

    let findings = exceptions::apply(findings, exceptions::EXCEPTIONS);
    let report: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        findings.is_empty(),
        "{} findings:\n  {}",
        findings.len(),
        report.join("\n  ")
    );
}

fn purity(root: &Path, packages: &[Package]) -> Vec<Finding> {
    let of = |name: &str| {
        let package = packages
            .iter()
            .find(|package| package.name == name)
            .expect("a pure crate is gone");
        let tree = [
            "tree",
            "--package",
            name,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ];
        layers::check_purity(package, &cargo(root, &tree))
    };
    layers::PURE.into_iter().flat_map(of).collect()
}

fn packages(root: &Path) -> Vec<Package> {
    let metadata = cargo(root, &["metadata", "--no-deps", "--format-version", "1"]);
    layers::packages(&serde_json::from_str(&metadata).expect("cargo metadata prints JSON"))
        .expect("the form of cargo's metadata")
}

fn cargo(root: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .output();
    let output = output.expect("the cargo that built this test is gone");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .expect("the checkout that this test was built in is gone")
}
