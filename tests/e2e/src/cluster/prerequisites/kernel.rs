//! What the kernel must be able to do, found out by trying.
//!
//! Owns: the trials. Each happens in namespaces of its own, or takes back what it did.
//! Never: judges by a version or a list of modules: both lie inside containers.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use super::{Missing, on_path, place_of};
use crate::cluster::address::BRIDGE;
use crate::cluster::{cgroup, layout::Layout};
use crate::command;

/// The kubelet does not start without these. `cpuacct` is part of `cpu` in version 2.
const CONTROLLERS: [&str; 3] = ["cpu", "cpuset", "memory"];

/// The kubelet reads here who was killed for want of memory, and ends without it.
const KERNEL_LOG: &str = "/dev/kmsg";

/// What a trial is about, and the command that tries it.
const TRIALS: [(&str, &[&str]); 5] = [
    ("network namespaces", &["true"]),
    (
        "bridges (module bridge)",
        &["ip", "link", "add", BRIDGE, "type", "bridge"],
    ),
    (
        "virtual cables (module veth)",
        &[
            "ip", "link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b",
        ],
    ),
    ("IPv6", &["ip", "address", "add", "fd30::1/64", "dev", "lo"]),
    (
        "packet filters (module nf_tables)",
        &["nft", "add", "table", "inet", "trial"],
    ),
];

/// Everything that only root can try.
pub(super) async fn trials(layout: &Layout) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (what, trial) in TRIALS {
        if on_path("unshare").is_none() || on_path(trial[0]).is_none() {
            continue; // that the tool is missing is said already
        }
        let words = ["--net", "--"].iter().chain(trial);
        if let Err(error) = command::run("unshare", words).await {
            missing.push(Missing::plain(format!("{what} in the kernel: {error:#}")));
        }
    }
    if on_path("unshare").is_some()
        && on_path("mount").is_some()
        && let Err(error) = overlay(layout).await
    {
        let what = format!("overlay file systems (module overlay; none can lie on another): {error:#}");
        missing.push(Missing::plain(what));
    }
    if let Err(error) = File::open(KERNEL_LOG) {
        missing.push(Missing::plain(format!("{KERNEL_LOG}, for the kubelet: {error}")));
    }
    missing
}

/// Control groups, as far as the caller may find out.
pub(super) fn control_groups() -> Vec<Missing> {
    let hierarchies = cgroup::hierarchies();
    let controllers = cgroup::controllers(&hierarchies);
    let absent = CONTROLLERS
        .iter()
        .filter(|controller| !controllers.contains(**controller));
    let mut missing: Vec<_> = absent
        .map(|controller| Missing::plain(format!("the control group controller {controller} of the kernel")))
        .collect();
    for hierarchy in hierarchies.iter().filter(|_| geteuid().is_root()) {
        if let Err(error) = cgroup::try_out(hierarchy) {
            missing.push(Missing::plain(format!(
                "the right to make control groups in {}: {error:#}",
                hierarchy.mount.display()
            )));
        }
    }
    missing
}

/// A directory that goes with this value.
struct Trial(PathBuf);

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Mounts one where the nodes' images will be, as containerd does for every container.
async fn overlay(layout: &Layout) -> Result<()> {
    let trial = Trial(place_of(layout).join(format!(".overlay-trial-{}", std::process::id())));
    let directory = |name: &str| trial.0.join(name).display().to_string();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(directory(name)).with_context(|| format!("cannot create {}", directory(name)))?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        directory("lower"),
        directory("upper"),
        directory("work")
    );
    let merged = directory("merged");
    let words = [
        "--mount", "--", "mount", "-t", "overlay", "overlay", "-o", &options, &merged,
    ];
    command::run("unshare", words).await.map(drop)
}
