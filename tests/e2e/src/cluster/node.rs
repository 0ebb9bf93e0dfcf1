//! A machine of the cluster: namespaces around a first process, and containerd, kubelet and kube-proxy in them.
//!
//! ```text
//! host ── launch ──► init (first process: the program `pause`)   pid, mount, UTS, IPC namespaces + network namespace
//!                      ├── containerd ── shims ── pods
//!                      ├── kubelet
//!                      └── kube-proxy
//! ```
//!
//! Owns: what runs on a node and in which order. Whatever runs there is a descendant of its first process: when that is
//! killed, the kernel ends the whole machine, as if its power failed.
//! Never: changes the host; every mount stays inside the node's mount namespace.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node as NodeObject;
use serde_json::json;
use tokio::process::Command;

use super::address::{CLIENT, Node};
use super::components::Components;
use super::layout::Layout;
use super::owner::{ProxyMode, Record};
use super::process::{Place, Process, Start};
use crate::{command, wait};

pub mod config;
pub mod init;

/// Directories of the system that a node replaces by its own; they are made if the system has none.
pub const MOUNT_POINTS: [&str; 2] = ["/var/lib/kubelet", "/var/lib/cni"];

const START_LIMIT: Duration = Duration::from_secs(30);

/// The way into a machine's namespaces.
#[derive(Clone, Debug)]
pub struct Entry {
    name: String,
    namespaces: Vec<String>,
    search_path: String,
}

impl Entry {
    /// The way into a node, through its first process.
    pub fn node(node: Node, first_process: &Process, search_path: &str) -> Self {
        let target = ["--target".to_owned(), first_process.pid.to_string()];
        let kinds = ["--mount", "--uts", "--ipc", "--net", "--pid"].map(str::to_owned);
        Self {
            name: node.name(),
            namespaces: target.into_iter().chain(kinds).collect(),
            search_path: search_path.to_owned(),
        }
    }

    /// The way into the client's network namespace.
    pub fn client(search_path: &str) -> Self {
        Self {
            name: CLIENT.to_owned(),
            namespaces: vec![format!("--net=/run/netns/{CLIENT}")],
            search_path: search_path.to_owned(),
        }
    }

    /// The way into the machine of this name in a running cluster.
    ///
    /// # Errors
    /// If there is no such machine.
    pub fn named(record: &Record, name: &str) -> Result<Self> {
        let programs = record.layout().programs();
        let search_path = format!(
            "{}:{}",
            programs.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        if name == CLIENT {
            return Ok(Self::client(&search_path));
        }
        let nodes = record.all_nodes()?;
        let Some(node) = nodes.iter().find(|node| node.name() == name) else {
            let known: Vec<_> = nodes.iter().map(|node| node.name()).collect();
            bail!(
                "there is no machine {name:?}; there are {CLIENT} and {}",
                known.join(", ")
            );
        };
        let init = record
            .process(&process_name(*node, "init"))
            .with_context(|| format!("{name} was never started"))?;
        Ok(Self::node(*node, init, &search_path))
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command line that runs there. Not `ip netns exec`: that mounts a /sys without control groups.
    pub fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(&self.namespaces)
            .arg("--")
            .args(words)
            .env("PATH", &self.search_path);
        command
    }

    /// Runs a command there and returns its output.
    ///
    /// # Errors
    /// As [`command::run`].
    pub async fn run<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Result<String> {
        command::finish(self.command(words), None).await
    }
}

/// Name of a process of a node, and of its log.
pub fn process_name(node: Node, what: &str) -> String {
    format!("{}-{what}", node.name())
}

/// Its control group, below the cluster's. The kubelet puts pods beside `system`.
pub fn cgroup(node: Node) -> String {
    format!("{}/system", node.name())
}

/// Writes the configuration of everything on the node.
///
/// # Errors
/// If a file cannot be written.
pub fn configure(layout: &Layout, node: Node, plugins: &str) -> Result<()> {
    let directory = layout.node(node);
    for part in ["kubelet", "cni-state", "log", "cni"] {
        fs::create_dir_all(directory.join(part))?;
    }
    fs::write(directory.join("cni/10-cluster.conflist"), config::cni(node))?;
    fs::write(
        directory.join("containerd.toml"),
        config::containerd(&directory, plugins),
    )?;
    fs::write(directory.join("kubelet.yaml"), config::kubelet(layout, node)?)?;
    fs::write(directory.join("resolv.conf"), config::RESOLV_CONF)?;
    Ok(())
}

/// The first process: it mounts what [`init`] says and becomes `pause`.
///
/// # Errors
/// If this program cannot be found.
pub fn first_process(layout: &Layout, components: &Components, node: Node) -> Result<Start> {
    let own = std::env::current_exe()
        .context("cannot find this program")?
        .to_string_lossy()
        .into_owned();
    let directory = layout.node(node).display().to_string();
    let pause = components.program("pause");
    Ok(Start {
        name: process_name(node, "init"),
        cgroup: cgroup(node),
        place: Place::NewNode {
            network_namespace: node.name(),
        },
        log: layout.log(&process_name(node, "init")),
        command: vec![own, "node-init".to_owned(), node.name(), directory, pause],
        search_path: components.search_path(),
    })
}

/// Waits until the first process has mounted everything: it then is another program.
///
/// # Errors
/// If it ends instead, with its log.
pub async fn wait_for_first_process(layout: &Layout, process: &Process) -> Result<()> {
    let program = PathBuf::from(format!("/proc/{}/exe", process.pid));
    let what = format!("{} to set up its machine", process.name);
    let outcome = wait::until(what, START_LIMIT, async || {
        if !process.alive() {
            return Ok(wait::Look::Done(false));
        }
        let now = fs::read_link(&program)?;
        Ok::<_, std::io::Error>(if now.ends_with("pause") {
            wait::Look::Done(true)
        } else {
            wait::Look::NotYet(format!("it still runs {}", now.display()))
        })
    });
    if outcome.await? {
        return Ok(());
    }
    super::process::all_alive(std::slice::from_ref(process), |name| layout.log(name))
}

/// containerd.
pub fn runtime(layout: &Layout, components: &Components, node: Node, init: &Process) -> Start {
    let config = layout.node(node).join("containerd.toml").display().to_string();
    inside(
        layout,
        components,
        node,
        init,
        "containerd",
        vec![format!("--config={config}")],
    )
}

/// Waits until containerd answers.
///
/// # Errors
/// If it does not.
pub async fn wait_for_runtime(entry: &Entry) -> Result<()> {
    wait::until(
        format!("containerd on {}", entry.name()),
        START_LIMIT,
        async || entry.run(["ctr", "version"]).await.map(wait::Look::Done),
    )
    .await
    .map(drop)
}

/// kubelet and kube-proxy.
pub fn agents(
    layout: &Layout,
    components: &Components,
    node: Node,
    init: &Process,
    proxy_mode: ProxyMode,
) -> [Start; 2] {
    [
        inside(
            layout,
            components,
            node,
            init,
            "kubelet",
            config::kubelet_flags(layout, node),
        ),
        inside(
            layout,
            components,
            node,
            init,
            "kube-proxy",
            config::proxy_flags(layout, node, proxy_mode),
        ),
    ]
}

/// The node as Kubernetes knows it. It is made before its kubelet registers, which then finds its pod networks there.
///
/// # Errors
/// Never: the JSON is complete.
pub fn object(node: Node) -> Result<NodeObject> {
    let name = node.name();
    let networks = [node.pods_ipv4(), node.pods_ipv6()];
    Ok(serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": networks[0], "podCIDRs": networks},
    }))?)
}

fn inside(
    layout: &Layout,
    components: &Components,
    node: Node,
    init: &Process,
    what: &str,
    flags: Vec<String>,
) -> Start {
    let name = process_name(node, what);
    Start {
        cgroup: cgroup(node),
        place: Place::Node { pid: init.pid },
        log: layout.log(&name),
        command: std::iter::once(components.program(what)).chain(flags).collect(),
        search_path: components.search_path(),
        name,
    }
}
