//! What a cluster could leave behind on the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use metallb_e2e::cluster::{cgroup, owner, teardown};
use metallb_e2e::command;

/// A picture of the machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// `ip netns list`
    pub(crate) network_namespaces: BTreeSet<String>,
    /// `ip link`
    pub(crate) interfaces: BTreeSet<String>,
    routes: String,
    firewall: String,
    mounts: BTreeSet<String>,
    /// Below the cluster's own, in any hierarchy
    pub(crate) control_groups: BTreeSet<PathBuf>,
    /// Those that run a program of the cluster
    pub(crate) processes: BTreeMap<u32, PathBuf>,
    directories: BTreeSet<PathBuf>,
    settings: owner::Undo,
}

impl Machine {
    pub(crate) fn look() -> Self {
        Self {
            network_namespaces: names("/run/netns"),
            interfaces: names("/sys/class/net"),
            routes: output("ip", &["-4", "route"]) + &output("ip", &["-6", "route"]),
            firewall: output("nft", &["list", "ruleset"]),
            mounts: fs::read_to_string("/proc/self/mounts")
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect(),
            control_groups: cgroup::hierarchies()
                .into_iter()
                .flat_map(|hierarchy| tree(&hierarchy.mount.join(cgroup::ROOT)))
                .collect(),
            processes: processes(),
            directories: ["/run", "/var/lib", "/etc", "/opt", "/var/log", "/usr/libexec"]
                .into_iter()
                .flat_map(tree_top)
                .collect(),
            settings: wait_for(teardown::plan_undo()),
        }
    }

    pub(crate) fn assert_unchanged(&self) {
        assert_eq!(
            &Self::look(),
            self,
            "left: the machine now; right: as it was before"
        );
    }
}

/// Processes of components, and of anything in a pod: their programs come from the cache or from a node's directory.
fn processes() -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let programs = pids.filter_map(|pid| Some((pid, fs::read_link(format!("/proc/{pid}/exe")).ok()?)));
    programs
        .filter(|(pid, program)| {
            let root = fs::read_link(format!("/proc/{pid}/root")).unwrap_or_default();
            let text = program.to_string_lossy();
            text.contains("metallb-cluster")
                || text == "/pause"
                || text == "/agnhost"
                || root != Path::new("/")
        })
        .collect()
}

fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn tree(directory: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return BTreeSet::new();
    };
    let inner = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .flat_map(|entry| tree(&entry.path()));
    inner.chain([directory.to_path_buf()]).collect()
}

fn tree_top(directory: &str) -> BTreeSet<PathBuf> {
    names(directory)
        .into_iter()
        .map(|name| Path::new(directory).join(name))
        .collect()
}

fn output(program: &str, arguments: &[&str]) -> String {
    wait_for(command::run(program, arguments)).unwrap()
}

pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
