//! `controller migrate` as its users run it, on files like theirs.
//!
//! Beside each `tests/migrate/NAME.yaml` is what it must print: `NAME.out` on standard output for one that can be
//! migrated, and `NAME.err` on standard error. `UPDATE=1 cargo test` writes them anew.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use metallb_api::v1beta2::BGPPeer;
use metallb_core::config::Pools;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some(OsStr::new("yaml")))
        .collect();
    cases.sort();
    assert!(cases.len() > 5, "{cases:?}");
    cases
}

/// Runs the command in the directory of the cases. The variable is one that a pod has; it must not matter.
fn migrate(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_controller"))
        .arg("migrate")
        .args(args)
        .current_dir(directory())
        .env("METALLB_NAMESPACE", "of-the-pod")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone before all of it is written.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    child.wait_with_output().unwrap()
}

fn migrate_file(case: &Path) -> Output {
    let file = case.file_name().unwrap().to_str().unwrap();
    let flags: &[&str] = if file.contains("only-data") {
        &["-only-data"]
    } else {
        &[]
    };
    migrate(&[&[file], flags].concat(), "")
}

fn check(file: &Path, got: &[u8]) {
    let got = String::from_utf8(got.to_vec()).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        if got.is_empty() {
            let _ = fs::remove_file(file);
        } else {
            fs::write(file, &got).unwrap();
        }
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(got, expected, "{}", file.display());
}

#[test]
fn every_file_gives_its_resources_or_its_mistakes() {
    for case in cases() {
        let Output {
            status,
            stdout,
            stderr,
        } = migrate_file(&case);
        check(&case.with_extension("out"), &stdout);
        check(&case.with_extension("err"), &stderr);
        assert_eq!(
            status.code(),
            Some(i32::from(stdout.is_empty())),
            "{}",
            case.display()
        );
    }
}

#[test]
fn what_is_printed_can_be_read_and_its_pools_are_accepted() {
    for case in cases() {
        let text = String::from_utf8(migrate_file(&case).stdout).unwrap();
        if text.is_empty() {
            continue;
        }
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let pools: Vec<IPAddressPool> = documents
            .iter()
            .filter(|document| document["kind"] == "IPAddressPool")
            .map(read)
            .collect();
        assert!(!pools.is_empty(), "{text}");
        let parsed = Pools::parse(&pools, &std::collections::BTreeMap::new()).unwrap();
        assert_eq!(parsed.iter().count(), pools.len(), "{}", case.display());
        for document in &documents {
            assert_complete(document);
        }
    }
}

fn read<T: DeserializeOwned>(document: &Value) -> T {
    serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error}: {document}"))
}

/// Reads the document as its kind, and finds that nothing of it was lost.
fn assert_complete(document: &Value) {
    let again = match document["kind"].as_str().unwrap() {
        "BGPPeer" => serde_json::to_value(read::<BGPPeer>(document)),
        "IPAddressPool" => serde_json::to_value(read::<IPAddressPool>(document)),
        "BGPAdvertisement" => serde_json::to_value(read::<BGPAdvertisement>(document)),
        "L2Advertisement" => serde_json::to_value(read::<L2Advertisement>(document)),
        "BFDProfile" => serde_json::to_value(read::<BFDProfile>(document)),
        "Community" => serde_json::to_value(read::<Community>(document)),
        other => panic!("{other}"),
    };
    assert_eq!(again.unwrap(), *document);
}

#[test]
fn standard_input_is_read_without_a_file_and_for_a_dash() {
    let config_map = fs::read_to_string(directory().join("layer2.yaml")).unwrap();
    let expected = fs::read_to_string(directory().join("layer2.out")).unwrap();
    for args in [vec![], vec!["-"]] {
        let output = migrate(&args, &config_map);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{args:?}");
    }
}

#[test]
fn the_namespace_can_be_chosen() {
    let output = migrate(&["layer2.yaml", "--namespace=chosen"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("namespace: chosen\n").count(), 2, "{text}");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let output = migrate(&["absent.yaml"], "");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("reading absent.yaml"), "{message}");
    assert_eq!(output.status.code(), Some(1));
}
