//! A real Kubernetes cluster in network namespaces, without a container engine.
//!
//! ```text
//!                      host: etcd, kube-apiserver, kube-controller-manager, kube-scheduler
//!                        │ br-lab 172.30.0.1/16  fd30::1/64
//!       ┌────────────────┼──────────────┬────────────────────┐
//!  node1 .11 ::11   node2 .12 ::12     ...          client .50 ::50
//!  kubelet, containerd, kube-proxy, pods            curl, arping, ndisc6
//! ```
//!
//! Owns: one cluster per machine, from nothing to ready and back to nothing.
//! Never: knows MetalLB: it is any cluster, on which the tests install what they test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::geteuid;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub mod address;
pub mod cgroup;
pub mod component;
pub mod components;
pub mod control_plane;
pub mod health;
pub mod images;
pub mod layout;
pub mod network;
pub mod node;
pub mod outdated;
pub mod owner;
pub mod pki;
pub mod prerequisites;
pub mod process;
pub mod progress;
pub mod startup;
pub mod teardown;

use address::Node;
use components::Components;
use layout::Layout;
use node::Entry;
use owner::{Lock, Phase, ProxyMode, Record};
use progress::Progress;
use startup::Startup;

/// What `up` is to do.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose cluster it will be
    pub layout: Layout,
    /// Number of nodes
    pub nodes: u8,
    /// kube-proxy's mode
    pub proxy_mode: ProxyMode,
    /// Whether a cluster of another checkout, or another shape, may be taken down for it
    pub replace: bool,
}

/// Brings a cluster up, or finds it running. After an error or an interruption nothing of it is left.
///
/// # Errors
/// If the machine lacks something, another cluster is in the way, or a component fails.
pub async fn up(wanted: &Wanted) -> Result<()> {
    let progress = Progress::start();
    if !geteuid().is_root() {
        prerequisites::check(&wanted.layout, &Node::first(wanted.nodes)?).await?; // which says so, and what else
    }
    let mut interruption = Interruption::listen()?;
    let lock = tokio::select! {
        lock = Lock::acquire(&progress) => lock?,
        name = interruption.next() => bail!("interrupted by {name}; nothing was started"),
    };
    let outcome = tokio::select! {
        outcome = bring_up(wanted, &lock, &progress) => outcome,
        name = interruption.next() => Err(anyhow!("interrupted by {name}")),
    };
    // From here on signals are received but not looked at: a second Ctrl-C does not stop the cleaning up.
    if let (Err(_), Some(record)) = (
        &outcome,
        Record::read()?.filter(|record| record.phase == Phase::Unfinished),
    ) {
        progress.step("taking down what was started");
        teardown::run(&record, &lock).await?;
    }
    outcome
}

/// Takes the cluster of a checkout down; with `force`, the one of whichever checkout.
///
/// # Errors
/// If it belongs to another checkout, or something of it cannot be removed.
pub async fn down(layout: &Layout, force: bool) -> Result<()> {
    let progress = Progress::start();
    if !geteuid().is_root() {
        bail!("only root can take a cluster down: run this with sudo");
    }
    let lock = Lock::acquire(&progress).await?;
    let Some(record) = Record::read()? else {
        teardown::remove_files(layout).await?; // a reboot ends a cluster, but does not remove its files
        progress.step("no cluster is running");
        return Ok(());
    };
    if record.checkout != layout.checkout() && !force {
        bail!("{}", foreign(&record.checkout));
    }
    take_down(record, &lock, &progress, "taking the cluster down").await?;
    progress.step("the cluster is gone");
    Ok(())
}

/// Describes the cluster of this machine.
///
/// # Errors
/// If none is running, or it does not work; the text says what is wrong.
pub async fn status(layout: &Layout) -> Result<String> {
    let record = running(layout)?;
    health::check(&record)
        .await
        .context("the cluster does not work")?;
    Ok(format!(
        "{} nodes, kube-proxy in mode {}\nexport KUBECONFIG={}\nkubectl: {}/kubectl\nlogs: {}",
        record.nodes,
        record.proxy_mode.as_str(),
        layout.kubeconfig().display(),
        layout.programs().display(),
        layout.logs().display(),
    ))
}

/// Imports image archives into every node, and replaces the pods that run an older image of the same name.
///
/// # Errors
/// If no cluster is running, a node does not take an image, or the new pods do not become ready.
pub async fn load(layout: &Layout, archives: &[PathBuf]) -> Result<()> {
    let progress = Progress::start();
    let record = running(layout)?;
    let entries: Vec<_> = record
        .all_nodes()?
        .iter()
        .map(|node| Entry::named(&record, &node.name()))
        .collect::<Result<_>>()?;
    images::load(&entries, archives).await?;
    progress.step(format!(
        "loaded {} images into {} nodes",
        archives.len(),
        entries.len()
    ));
    let loaded: Vec<_> = archives
        .iter()
        .map(|archive| images::identity(archive))
        .collect::<Result<_>>()?;
    let replaced = outdated::replace(&health::client(layout).await?, &loaded).await?;
    if replaced > 0 {
        progress.step(format!("replaced {replaced} pods that ran older ones"));
    }
    Ok(())
}

/// The running cluster of this checkout.
///
/// # Errors
/// If there is none, or that of another checkout.
pub fn running(layout: &Layout) -> Result<Record> {
    match Record::read()? {
        None => bail!("no cluster is running; start one with: make cluster-up"),
        Some(record) if record.checkout != layout.checkout() => bail!("{}", foreign(&record.checkout)),
        Some(record) => Ok(record),
    }
}

async fn bring_up(wanted: &Wanted, lock: &Lock, progress: &Progress) -> Result<()> {
    let nodes = Node::first(wanted.nodes)?;
    if let Some(record) = Record::read()? {
        match room_for(wanted, &record).await? {
            Room::Taken => {
                progress.step(format!(
                    "already up: export KUBECONFIG={}",
                    wanted.layout.kubeconfig().display()
                ));
                return Ok(());
            }
            Room::AfterRemoval(why) => take_down(record, lock, progress, &why).await?,
        }
    }
    let found = prerequisites::check(&wanted.layout, &nodes).await?;
    let components = Components::prepare(progress).await?;
    let undo = teardown::plan_undo().await;
    let record = Record::new(&wanted.layout, wanted.nodes, wanted.proxy_mode, undo);
    record.write(lock)?;
    Startup {
        record,
        lock,
        components,
        found,
        progress,
    }
    .run()
    .await?;
    let kubeconfig = wanted.layout.kubeconfig();
    progress.step(format!(
        "{} nodes are ready: export KUBECONFIG={}",
        nodes.len(),
        kubeconfig.display()
    ));
    Ok(())
}

/// What a running cluster means for a new one.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    /// It is the one that is wanted
    Taken,
    /// It has to go first; the text says why
    AfterRemoval(String),
}

async fn room_for(wanted: &Wanted, record: &Record) -> Result<Room> {
    let whose = record.checkout.display();
    let remove = |why: String| Ok(Room::AfterRemoval(why));
    if record.phase == Phase::Unfinished {
        return remove(format!("removing what a killed command of {whose} left behind"));
    }
    if record.checkout != wanted.layout.checkout() {
        return match (record.checkout.exists(), wanted.replace) {
            (false, _) => remove(format!(
                "removing the cluster of {whose}, which does not exist any more"
            )),
            (true, true) => remove(format!("replacing the cluster of another checkout: {whose}")),
            (true, false) => bail!("{}", foreign(&record.checkout)),
        };
    }
    if let Err(reason) = health::check(record).await {
        return remove(format!("replacing the cluster, which does not work: {reason:#}"));
    }
    let shape =
        |nodes: u8, mode: ProxyMode| format!("{nodes} nodes with kube-proxy in mode {}", mode.as_str());
    let (is, wants) = (
        shape(record.nodes, record.proxy_mode),
        shape(wanted.nodes, wanted.proxy_mode),
    );
    match (is == wants, wanted.replace) {
        (true, _) => Ok(Room::Taken),
        (false, true) => remove(format!("replacing the cluster of {is} by one of {wants}")),
        (false, false) => {
            bail!("a cluster of {is} is running, not one of {wants}; take it down with: make cluster-down")
        }
    }
}

async fn take_down(mut record: Record, lock: &Lock, progress: &Progress, why: &str) -> Result<()> {
    progress.step(why);
    record.phase = Phase::Unfinished;
    record.write(lock)?;
    teardown::run(&record, lock).await
}

fn foreign(checkout: &Path) -> String {
    let path = checkout.display();
    format!(
        "the cluster on this machine belongs to another checkout: {path}\ntake it down with: make -C {path} cluster-down"
    )
}

/// The signals that ask a command to end.
struct Interruption {
    signals: [(&'static str, Signal); 3],
}

impl Interruption {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            signals: [
                ("Ctrl-C", listen(SignalKind::interrupt())?),
                ("SIGTERM", listen(SignalKind::terminate())?),
                ("SIGHUP", listen(SignalKind::hangup())?),
            ],
        })
    }

    async fn next(&mut self) -> &'static str {
        let [(interrupt, first), (terminate, second), (hangup, third)] = &mut self.signals;
        tokio::select! {
            _ = first.recv() => interrupt,
            _ = second.recv() => terminate,
            _ = third.recv() => hangup,
        }
    }
}
