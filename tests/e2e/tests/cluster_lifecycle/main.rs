//! The cluster tool itself: whatever happens to it, the machine afterwards is as it was before.
//!
//! These tests take clusters up and down, also one that was there before: `make test` runs them before all others.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot look at the machine has failed"
)]

mod machine;
mod tool;

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use machine::{Machine, wait_for};
use metallb_e2e::cluster::owner::Record;
use metallb_e2e::cluster::prerequisites;
use metallb_e2e::wait;
use nix::sys::signal::Signal;
use tool::{Checkout, alone};

#[test]
fn nothing_is_left_after_down() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("down");
    let before = Machine::look();

    checkout.cluster(["up", "--nodes", "2"]).succeeds();
    let during = Machine::look();
    assert!(
        during
            .network_namespaces
            .is_superset(&["node1", "node2", "client"].map(str::to_owned).into())
    );
    assert!(
        during.interfaces.contains("br-lab")
            && !during.control_groups.is_empty()
            && !during.processes.is_empty()
    );
    checkout.run_pods(4);
    // Somebody who forgot a shell in a namespace must not keep the namespace alive.
    let mut shell = checkout.cluster(["exec", "client", "sleep", "600"]).spawn();

    checkout.cluster(["down"]).succeeds();
    before.assert_unchanged();
    assert!(
        !shell.wait().unwrap().success(),
        "the shell in the client's namespace was ended"
    );
    assert!(
        checkout
            .cluster(["down"])
            .succeeds()
            .contains("no cluster is running")
    );
    before.assert_unchanged();
}

#[test]
fn up_twice_is_harmless_and_a_broken_cluster_is_replaced() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("twice");
    let before = Machine::look();

    checkout.cluster(["up", "--nodes", "1"]).succeeds();
    let first = Record::read().unwrap().unwrap();
    assert!(
        checkout
            .cluster(["up", "--nodes", "1"])
            .succeeds()
            .contains("already up")
    );
    assert_eq!(Record::read().unwrap().unwrap(), first);
    assert!(checkout.cluster(["status"]).succeeds().contains("KUBECONFIG="));

    let refusal = checkout.cluster(["up", "--nodes", "2"]).fails();
    assert!(
        refusal.contains("1 nodes") && refusal.contains("make cluster-down"),
        "{refusal}"
    );

    let etcd = first.process("etcd").unwrap();
    etcd.kill();
    wait_for(wait::until_true("etcd to end", Duration::from_secs(5), || {
        !etcd.alive()
    }))
    .unwrap();
    let broken = checkout.cluster(["status"]).fails();
    assert!(broken.contains("etcd ended unexpectedly"), "{broken}");
    let repair = checkout.cluster(["up", "--nodes", "1"]).succeeds();
    assert!(repair.contains("does not work: etcd"), "{repair}");

    checkout.cluster(["down"]).succeeds();
    before.assert_unchanged();
}

#[test]
fn iptables_mode_is_a_matter_of_one_variable() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("iptables");
    let mut up = checkout.cluster(["up"]);
    up.env("PROXY_MODE", "iptables").env("NODES", "1").succeeds();
    let rules = checkout
        .cluster(["exec", "node1", "iptables", "-t", "nat", "-S"])
        .succeeds();
    assert!(rules.contains("KUBE-SERVICES"), "{rules}");
    checkout.cluster(["down"]).succeeds();
}

#[test]
fn a_failed_start_shows_why_and_leaves_nothing() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("failed");
    let cache = checkout.cache_with("kubelet", "#!/bin/sh\necho 'broken on purpose' >&2\nexit 1\n");
    let before = Machine::look();

    let mut up = checkout.cluster(["up", "--nodes", "1"]);
    let said = up.env("XDG_CACHE_HOME", &cache).fails();
    let log = checkout.path().join("target/cluster/log/node1-kubelet.log");
    for part in [
        "node1-kubelet ended",
        "broken on purpose",
        &log.display().to_string(),
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    before.assert_unchanged();
}

#[test]
fn a_busy_port_is_found_before_anything_starts() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("port");
    let _listener = TcpListener::bind("127.0.0.1:6443").unwrap();
    let before = Machine::look();

    let said = checkout.cluster(["up"]).fails();
    assert!(
        said.contains("port 6443") && said.contains("kube-apiserver"),
        "{said}"
    );
    assert!(!said.contains("starting"), "{said}");
    before.assert_unchanged();
}

#[test]
fn an_interrupted_start_leaves_nothing() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("interrupted");
    let before = Machine::look();
    for (step, signal) in [
        ("starting etcd", Signal::SIGINT),
        ("starting kubelets", Signal::SIGTERM),
    ] {
        let said = checkout
            .cluster(["up", "--nodes", "2"])
            .signalled(signal, step)
            .fails();
        assert!(said.contains("interrupted by"), "{step}: {said}");
        before.assert_unchanged();
    }
}

#[test]
fn what_a_killed_start_leaves_is_removed_by_the_next_command() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("killed");
    let before = Machine::look();

    checkout
        .cluster(["up", "--nodes", "2"])
        .signalled(Signal::SIGKILL, "starting kubelets")
        .fails();
    checkout.cluster(["down"]).succeeds();
    before.assert_unchanged();

    checkout
        .cluster(["up", "--nodes", "1"])
        .signalled(Signal::SIGKILL, "starting kubelets")
        .fails();
    let said = checkout.cluster(["up", "--nodes", "1"]).succeeds();
    assert!(said.contains("a killed command of"), "{said}");
    checkout.cluster(["down"]).succeeds();
    before.assert_unchanged();
}

#[test]
fn a_missing_program_is_named_with_the_command_that_installs_it() {
    let Some(_turn) = alone() else { return };
    let checkout = Checkout::new("missing");
    let directory = checkout.path().join("bin");
    fs::create_dir_all(&directory).unwrap();
    for program in prerequisites::programs()
        .chain(["go"])
        .filter(|program| *program != "runc")
    {
        symlink(which(program), directory.join(program)).unwrap();
    }
    let before = Machine::look();

    let said = checkout.cluster(["up"]).env("PATH", &directory).fails();
    for part in ["runc (starts containers)", "make deps", "apt-get install -y runc"] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains("nsenter"), "only what is missing is named: {said}");
    before.assert_unchanged();
}

#[test]
fn the_cluster_of_another_checkout_is_noticed_and_replaced_only_on_demand() {
    let Some(_turn) = alone() else { return };
    let (ours, theirs) = (Checkout::new("ours"), Checkout::new("theirs"));
    let before = Machine::look();
    let their_path = theirs.path().display().to_string();

    theirs.cluster(["up", "--nodes", "1"]).succeeds();
    for command in [["up"], ["down"]] {
        let said = ours.cluster(command).fails();
        assert!(
            said.contains(&format!("make -C {their_path} cluster-down")),
            "{said}"
        );
    }
    let said = ours.cluster(["up", "--nodes", "1", "--replace"]).succeeds();
    assert!(
        said.contains("another checkout") && said.contains(&their_path),
        "{said}"
    );
    assert_eq!(Record::read().unwrap().unwrap().checkout, ours.path());

    ours.cluster(["down"]).succeeds();
    before.assert_unchanged();
}

fn which(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    let found = env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{program} is not on PATH"))
}

impl Checkout {
    /// A cache that differs from the machine's in one program.
    fn cache_with(&self, broken: &str, script: &str) -> PathBuf {
        let programs = PathBuf::from(self.cluster(["prepare"]).succeeds_quietly().trim());
        let set = programs.parent().unwrap();
        let copy = self
            .path()
            .join("cache/metallb-cluster")
            .join(set.file_name().unwrap());
        fs::create_dir_all(copy.join("bin")).unwrap();
        symlink(set.join("images"), copy.join("images")).unwrap();
        for entry in fs::read_dir(&programs).unwrap().map(Result::unwrap) {
            symlink(entry.path(), copy.join("bin").join(entry.file_name())).unwrap();
        }
        replace_by_script(&copy.join("bin").join(broken), script);
        self.path().join("cache")
    }
}

fn replace_by_script(program: &Path, script: &str) {
    fs::remove_file(program).unwrap();
    fs::write(program, script).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}
