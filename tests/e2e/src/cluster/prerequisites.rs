//! What this machine must have, checked all at once and before anything is started.
//!
//! Owns: the list, and the words that tell how to get what is missing.
//! Never: installs or changes anything.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use super::address::Node;
use super::{control_plane, layout::Layout, network};
use crate::command;

mod kernel;

/// A program, the Debian package it is in, and what it is for.
struct Tool(&'static str, &'static str, &'static str);

const TOOLS: [Tool; 12] = [
    Tool("ip", "iproute2", "makes the network"),
    Tool("nsenter", "util-linux", "enters nodes"),
    Tool("unshare", "util-linux", "tests what the kernel can do"),
    Tool("runc", "runc", "starts containers"),
    Tool("nft", "nftables", "kube-proxy in its mode nftables"),
    Tool(
        "iptables",
        "iptables",
        "the kubelet, and kube-proxy in its mode iptables",
    ),
    Tool("conntrack", "conntrack", "kube-proxy"),
    Tool("mount", "mount", "the kubelet"),
    Tool("curl", "curl", "the client of the tests"),
    Tool("arping", "arping", "ARP probes of the tests"),
    Tool("ndisc6", "ndisc6", "NDP probes of the tests"),
    Tool("tcpdump", "tcpdump", "packet captures of the tests"),
];

/// Older ones do not fetch the version that `go.mod` asks for.
const GO_MINOR: u32 = 21;

const PLUGIN_PACKAGE: &str = "containernetworking-plugins";
/// Where distributions and upstream's own archives put CNI plugins.
const PLUGIN_DIRECTORIES: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
const PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];

/// Three nodes take 1.5 GB and what the tests put on them about as much again.
const MEMORY_BYTES: u64 = 3 << 30;
/// Images and data of three nodes take less than 1 GB; a cold build of the components takes 7 GB.
const DISK_BYTES: u64 = 2 << 30;

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    what: String,
    /// The Debian package that brings it, if one does
    package: Option<&'static str>,
}

impl Missing {
    fn plain(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            package: None,
        }
    }
}

/// What the checks have found and the start needs.
#[derive(Clone, Debug)]
pub struct Found {
    /// Directory of the CNI plugins
    pub plugins: String,
}

/// Checks everything.
///
/// # Errors
/// With a list of all that is missing and how to get it.
pub async fn check(layout: &Layout, nodes: &[Node]) -> Result<Found> {
    let mut missing = tools(|program| on_path(program).is_some());
    missing.extend(go(command::run("go", ["env", "GOVERSION"]).await.ok().as_deref()));
    let plugins = PLUGIN_DIRECTORIES
        .into_iter()
        .find(|directory| has_plugins(Path::new(directory)));
    if plugins.is_none() {
        let what = format!(
            "the CNI plugins {} (in none of {})",
            PLUGINS.join(", "),
            PLUGIN_DIRECTORIES.join(", ")
        );
        missing.push(Missing {
            what,
            package: Some(PLUGIN_PACKAGE),
        });
    }
    missing.extend(arping().await);
    missing.extend(kernel::control_groups());
    missing.extend(resources(layout));
    missing.extend(free_ports());
    missing.extend(
        network::in_the_way(nodes)
            .into_iter()
            .map(|what| Missing::plain(format!("{what} is in the way"))),
    );
    if geteuid().is_root() {
        missing.extend(kernel::trials(layout).await);
    } else {
        missing.insert(
            0,
            Missing::plain("the right to make namespaces: run this as root, for example with sudo"),
        );
    }
    match (missing.is_empty(), plugins) {
        (true, Some(plugins)) => Ok(Found {
            plugins: plugins.to_owned(),
        }),
        _ => bail!("{}", advice(&missing)),
    }
}

/// The Debian packages of everything above.
pub fn packages() -> Vec<&'static str> {
    let mut packages: Vec<_> = TOOLS.iter().map(|tool| tool.1).chain([PLUGIN_PACKAGE]).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// The programs that must be on `PATH`.
pub fn programs() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.0)
}

fn tools(present: impl Fn(&str) -> bool) -> Vec<Missing> {
    let absent = TOOLS.iter().filter(|tool| !present(tool.0));
    absent
        .map(|Tool(program, package, purpose)| Missing {
            what: format!("{program} ({purpose})"),
            package: Some(package),
        })
        .collect()
}

/// There are two programs of this name, with different options.
async fn arping() -> Option<Missing> {
    on_path("arping")?;
    let output = tokio::process::Command::new("arping")
        .arg("--help")
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    let said = [output.stdout, output.stderr].concat();
    (!String::from_utf8_lossy(&said).contains("Habets")).then(|| Missing {
        what: "arping by Thomas Habets (ARP probes of the tests), found: the one of iputils or busybox"
            .to_owned(),
        package: Some("arping"),
    })
}

/// Distributions package a Go that is too old: no package is named.
fn go(version: Option<&str>) -> Option<Missing> {
    let minor = |text: &str| {
        text.trim()
            .strip_prefix("go1.")?
            .split(['.', 'r', 'b'])
            .next()?
            .parse::<u32>()
            .ok()
    };
    if version.and_then(minor).is_some_and(|minor| minor >= GO_MINOR) {
        return None;
    }
    let found = version.map_or("none on PATH", str::trim);
    let what = format!("Go 1.{GO_MINOR} or later (builds Kubernetes and containerd), found: {found}");
    Some(Missing::plain(format!("{what}; see https://go.dev/doc/install")))
}

fn advice(missing: &[Missing]) -> String {
    let mut text = "this machine is not ready to run the cluster; missing:\n".to_owned();
    for item in missing {
        let _ = writeln!(text, "  - {}", item.what);
    }
    let mut packages: Vec<_> = missing.iter().filter_map(|item| item.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if !packages.is_empty() {
        let list = packages.join(" ");
        let _ = write!(
            text,
            "install with: make deps\n  (on Debian and Ubuntu: apt-get install -y {list}; elsewhere the packages have similar names)"
        );
    }
    text.trim_end().to_owned()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn has_plugins(directory: &Path) -> bool {
    PLUGINS.iter().all(|plugin| directory.join(plugin).is_file())
}

fn free_ports() -> Vec<Missing> {
    let busy = control_plane::PORTS.iter().filter_map(|(who, port)| {
        let error = TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).err()?;
        Some(Missing::plain(format!(
            "port {port} for {who}: {error} (find out who has it: ss -ltnp sport = {port})"
        )))
    });
    busy.collect()
}

fn resources(layout: &Layout) -> Vec<Missing> {
    let mut missing = Vec::new();
    let memory = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available_bytes(&text));
    if memory.is_some_and(|bytes| bytes < MEMORY_BYTES) {
        missing.push(Missing::plain(format!(
            "memory: {} GB must be available",
            MEMORY_BYTES >> 30
        )));
    }
    let existing = place_of(layout);
    let disk =
        nix::sys::statvfs::statvfs(&existing).map(|disk| disk.blocks_available() * disk.fragment_size());
    if disk.is_ok_and(|bytes| bytes < DISK_BYTES) {
        let what = format!(
            "disk: {} GB must be free in {}",
            DISK_BYTES >> 30,
            existing.display()
        );
        missing.push(Missing::plain(what));
    }
    missing
}

/// The directory nearest to the cluster's files that exists already: it is on the same disk.
fn place_of(layout: &Layout) -> PathBuf {
    let root = layout.root();
    let existing = root.ancestors().find(|path| path.exists());
    existing.map(Path::to_path_buf).unwrap_or_default()
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_named_with_the_command_that_installs_it() {
        let mut missing = tools(|program| !["runc", "nft"].contains(&program));
        missing.push(Missing::plain("port 6443"));
        let text = advice(&missing);
        for part in [
            "runc (starts containers)",
            "nft (",
            "port 6443",
            "make deps",
            "apt-get install -y nftables runc",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn no_package_is_offered_for_what_none_brings() {
        assert!(!advice(&[Missing::plain("port 6443")]).contains("make deps"));
    }

    #[test]
    fn go_must_be_able_to_fetch_the_version_it_needs() {
        for (version, enough) in [
            (Some("go1.26.8\n"), true),
            (Some("go1.21rc2"), true),
            (Some("go1.19.8"), false),
            (Some("devel"), false),
            (None, false),
        ] {
            assert_eq!(go(version).is_none(), enough, "{version:?}");
        }
    }

    #[test]
    fn available_memory_is_read() {
        assert_eq!(
            available_bytes("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"),
            Some(2 << 20)
        );
    }
}
