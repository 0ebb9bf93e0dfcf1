//! The record of the one cluster that can run on this machine: whose it is, and how to undo it.
//!
//! Owns: `/run/metallb-cluster`. The record is written before anything is created and removed after everything is
//! gone, so that a program that was killed half-way leaves enough behind for the next one to clean up.
//! Never: acts on what it records.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::address::Node;
use super::layout::Layout;
use super::process::Process;
use super::progress::Progress;
use crate::wait;

const DIRECTORY: &str = "/run/metallb-cluster";
const RECORD: &str = "/run/metallb-cluster/owner.json";
const LOCK: &str = "/run/metallb-cluster/lock";

/// A cold build holds the lock of another command for as long as this.
const LOCK_LIMIT: Duration = Duration::from_hours(1);

/// How kube-proxy translates Service addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProxyMode {
    /// What new clusters use
    #[default]
    Nftables,
    /// What most existing clusters use
    Iptables,
}

impl ProxyMode {
    /// As kube-proxy's flag spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// How far a cluster has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Being started or taken down; if nobody holds the lock, whoever did it was killed.
    Unfinished,
    /// All nodes were ready.
    Ready,
}

/// What was changed outside the cluster's own objects, to be put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Kernel settings that components change for the whole machine, with their values before.
    pub sysctls: BTreeMap<PathBuf, String>,
    /// Directories that had to be made, the deepest first.
    pub directories: Vec<PathBuf>,
    /// Whether `/run/netns` became a mount point by our first network namespace.
    pub netns_mount: bool,
    /// Firewall programs that got a rule to let frames pass the bridge.
    pub firewalls: Vec<String>,
}

/// The cluster of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The checkout it belongs to
    pub checkout: PathBuf,
    /// When it was started, in seconds since 1970
    pub started_unix_seconds: u64,
    /// How far it is
    pub phase: Phase,
    /// Number of nodes
    pub nodes: u8,
    /// kube-proxy's mode
    pub proxy_mode: ProxyMode,
    /// Its processes, except those in pods
    pub processes: Vec<Process>,
    /// See [`Undo`].
    pub undo: Undo,
}

impl Record {
    /// The record of a cluster that starts now.
    pub fn new(layout: &Layout, nodes: u8, proxy_mode: ProxyMode, undo: Undo) -> Self {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            checkout: layout.checkout().to_path_buf(),
            started_unix_seconds: now.as_secs(),
            phase: Phase::Unfinished,
            nodes,
            proxy_mode,
            processes: Vec::new(),
            undo,
        }
    }

    /// Reads the record, if there is a cluster.
    ///
    /// # Errors
    /// If it exists but cannot be read.
    pub fn read() -> Result<Option<Self>> {
        match fs::read_to_string(RECORD) {
            Ok(text) => {
                let advice =
                    "was it written by another version? Remove the cluster with that version, or reboot";
                serde_json::from_str(&text)
                    .with_context(|| format!("cannot understand {RECORD}: {advice}"))
                    .map(Some)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {RECORD}")),
        }
    }

    /// Writes it; a reader sees the old or the new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, _held: &Lock) -> Result<()> {
        let temporary = format!("{RECORD}.new");
        let text = serde_json::to_vec_pretty(self)?;
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, RECORD))
            .with_context(|| format!("cannot write {RECORD}"))
    }

    /// Removes it: the last act of taking a cluster down.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget(_held: &Lock) -> Result<()> {
        fs::remove_file(RECORD).with_context(|| format!("cannot remove {RECORD}"))
    }

    /// Files of the cluster.
    pub fn layout(&self) -> Layout {
        Layout::of(&self.checkout)
    }

    /// Its nodes.
    ///
    /// # Errors
    /// If their number is not one that a cluster can have.
    pub fn all_nodes(&self) -> Result<Vec<Node>> {
        Node::first(self.nodes)
    }

    /// The process of this name.
    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }
}

/// The right to change the cluster of this machine. Given back when dropped, also by the end of the process.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Waits for the right, and says so if somebody has it.
    ///
    /// # Errors
    /// If the lock file cannot be made (not root), or the other command does not end.
    pub async fn acquire(progress: &Progress) -> Result<Self> {
        let mut announced = false;
        wait::until("another `cluster` command to end", LOCK_LIMIT, async || {
            Ok::<_, anyhow::Error>(match Self::try_acquire()? {
                Ok(lock) => wait::Look::Done(lock),
                Err(holder) => {
                    if !announced {
                        progress.step(format!("waiting for another cluster command to end ({holder})"));
                        announced = true;
                    }
                    wait::Look::NotYet(holder)
                }
            })
        })
        .await
    }

    /// The lock, or a description of its holder.
    fn try_acquire() -> Result<Result<Self, String>> {
        loop {
            fs::create_dir_all(DIRECTORY).with_context(|| format!("cannot create {DIRECTORY}"))?;
            let mut file = match File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(LOCK)
            {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue, // removed under our hands
                other => other.with_context(|| format!("cannot open {LOCK}"))?,
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Ok(Err(fs::read_to_string(LOCK).unwrap_or_default()));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {LOCK}"));
                }
                Ok(()) => {}
            }
            // The holder before us removes the file when no cluster is left; a lock on a removed file is worth nothing.
            let current = fs::metadata(LOCK).map(|found| found.ino()).ok();
            if current == Some(file.metadata()?.ino()) {
                file.set_len(0)?;
                write!(file, "pid {}", std::process::id())?;
                return Ok(Ok(Self { file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Without a record the directory tells nothing: leave no trace of a command that found nothing to do.
        if !Path::new(RECORD).exists() {
            let _ = fs::remove_file(LOCK);
            // Another command may have made the next lock file in it already.
            let _ = fs::remove_dir(DIRECTORY);
        }
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_writing_and_reading() {
        let undo = Undo {
            sysctls: [(PathBuf::from("/proc/sys/kernel/panic"), "1".to_owned())].into(),
            netns_mount: true,
            ..Undo::default()
        };
        let record = Record::new(
            &Layout::of(Path::new("/src/metallb")),
            3,
            ProxyMode::Iptables,
            undo,
        );
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(r#""proxy_mode":"iptables""#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
