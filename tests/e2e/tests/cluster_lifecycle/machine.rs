//! What a cluster could leave behind on the machine.
//!
//! The machine may be shared: what ticks by itself is left out of the picture, and so is what bears the mark of another
//! program. Whatever bears no such mark counts as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use metallb_e2e::cluster::{cgroup, owner, teardown};
use metallb_e2e::command;

/// Docker, Podman, sessions and package managers make and remove such things at any moment.
const OTHERS: [&str; 10] = [
    "docker",
    "DOCKER",
    "/var/lib/containers",
    "/run/containers",
    "podman",
    "/run/user",
    "/run/systemd",
    "/snap",
    "netns-",
    "veth",
];

/// The clocks in a line, and the flags that follow somebody else's cables.
const RESTLESS: [&str; 2] = ["linkdown", "dead"];

/// A picture of the machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// `ip netns list`
    pub(crate) network_namespaces: BTreeSet<String>,
    /// `ip link`
    pub(crate) interfaces: BTreeSet<String>,
    routes: Vec<String>,
    firewall: Vec<String>,
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
            network_namespaces: names("/run/netns")
                .into_iter()
                .filter(|name| !is_of_others(name))
                .collect(),
            interfaces: names("/sys/class/net")
                .into_iter()
                .filter(|name| !is_of_others(name))
                .collect(),
            routes: routes(&(output("ip", &["-4", "route"]) + &output("ip", &["-6", "route"]))),
            // Neither counters nor the contents of sets, which others fill: a table or a rule of ours is seen all the same.
            firewall: lines(&output("nft", &["--stateless", "--terse", "list", "ruleset"])),
            mounts: lines(&fs::read_to_string("/proc/self/mounts").unwrap())
                .into_iter()
                .collect(),
            control_groups: cgroup::hierarchies()
                .into_iter()
                .flat_map(|hierarchy| tree(&hierarchy.mount.join(cgroup::ROOT)))
                .collect(),
            processes: processes(),
            directories: ["/run", "/var/lib", "/etc", "/opt", "/var/log", "/usr/libexec"]
                .into_iter()
                .flat_map(directories)
                .collect(),
            settings: wait_for(teardown::plan_undo()),
        }
    }

    pub(crate) fn assert_unchanged(&self) {
        let now = Self::look();
        let beyond = |one: &Self, other: &Self| -> Vec<String> {
            let other = format!("{other:#?}");
            let other: BTreeSet<_> = other.lines().collect();
            let one = format!("{one:#?}");
            one.lines()
                .filter(|line| !other.contains(line))
                .map(|line| line.trim().to_owned())
                .collect()
        };
        assert!(
            now == *self,
            "new: {:#?}\ngone: {:#?}",
            beyond(&now, self),
            beyond(self, &now)
        );
    }
}

/// Lines that are not another program's.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !is_of_others(line))
        .map(str::to_owned)
        .collect()
}

/// Routes without those that a router announces, which come and go with it, and without what changes by itself.
fn routes(text: &str) -> Vec<String> {
    let still = |line: String| {
        let mut words = line.split_whitespace();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            if word == "expires" {
                words.next();
            } else if !RESTLESS.contains(&word) {
                kept.push(word);
            }
        }
        kept.join(" ")
    };
    let own = lines(text).into_iter().filter(|line| !line.contains(" proto ra"));
    own.map(still).collect()
}

fn is_of_others(text: &str) -> bool {
    let ours = text.contains("/target/cluster/") || text.contains(cgroup::ROOT);
    !ours && OTHERS.iter().any(|mark| text.contains(mark))
}

/// Processes of these tests' clusters. Each is known by its control group, by the checkout in its command line, or by
/// what it has mounted, which is below a node's directory: one mark alone could be lost. Not by its program: others run
/// those of the cache as well.
fn processes() -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let programs = pids.filter_map(|pid| Some((pid, fs::read_link(format!("/proc/{pid}/exe")).ok()?)));
    programs
        .filter(|(pid, program)| {
            let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let component = program.to_string_lossy().contains("/metallb-cluster/");
            component && file("cmdline").contains(env!("CARGO_TARGET_TMPDIR"))
                || file("cgroup").contains(&format!("/{}", cgroup::ROOT))
                || file("mountinfo").contains("/target/cluster/node")
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

/// What a component could have made; single files in these places are everybody's.
fn directories(parent: &str) -> BTreeSet<PathBuf> {
    let paths = names(parent).into_iter().map(|name| Path::new(parent).join(name));
    paths
        .filter(|path| path.is_dir() && !is_of_others(&path.to_string_lossy()))
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

#[test]
fn a_shared_machine_changes_by_itself_without_looking_different() {
    let before = "default via fe80::1 dev eth0 proto ra metric 100 expires 1799sec pref medium\n\
                  2001:db8::/64 dev eth0 proto kernel metric 256 expires 2591999sec pref medium\n\
                  10.88.0.0/16 dev cni-podman0 proto kernel scope link\n\
                  192.0.2.0/24 dev br0 proto kernel scope link linkdown\n";
    let after = "2001:db8::/64 dev eth0 proto kernel metric 256 expires 12sec pref medium\n\
                 172.17.0.0/16 dev docker0 proto kernel scope link\n\
                 192.0.2.0/24 dev br0 proto kernel scope link\n";
    assert_eq!(routes(before), routes(after));
    for ours in [
        "10.244.0.0/24 via 172.30.0.11 dev br-lab",
        "fd44::/64 via fd30::11 dev br-lab metric 1024",
    ] {
        assert_ne!(routes(&format!("{after}{ours}\n")), routes(after), "{ours}");
    }
}
