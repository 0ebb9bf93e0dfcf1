//! The processes of the cluster: how they are started, recognised and ended.
//!
//! Owns: a process's identity. A pid alone is none, for the kernel gives it out again: the start time belongs to it.
//! Never: knows what a process does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{command, wait};

/// How long the kernel may take to end processes after SIGKILL; only an uninterruptible write takes longer.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A process that was started for the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// What it is, such as `kubelet-node1`: also the name of its log.
    pub name: String,
    /// Its number as the host sees it.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

impl Process {
    /// The process that has this pid now.
    pub fn with_pid(name: &str, pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self {
            name: name.to_owned(),
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// Whether it still runs. A zombie does not.
    pub fn alive(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && !stat.ended)
    }

    /// Sends SIGKILL, if it still is the same process.
    pub fn kill(&self) {
        if self.alive() {
            kill_pid(self.pid);
        }
    }
}

/// Where a process is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the namespaces of the caller.
    Host,
    /// As the first process of new namespaces around this network namespace.
    NewNode {
        /// Name of the network namespace
        network_namespace: String,
    },
    /// In the namespaces of a node, whose first process has this pid.
    Node {
        /// Pid as the host sees it
        pid: u32,
    },
}

/// A process to be started.
#[derive(Clone, Debug)]
pub struct Start {
    /// See [`Process::name`].
    pub name: String,
    /// Its place below the cluster's control group.
    pub cgroup: String,
    /// Its namespaces.
    pub place: Place,
    /// Receives its output.
    pub log: PathBuf,
    /// The command line.
    pub command: Vec<String>,
    /// Its `PATH`.
    pub search_path: String,
}

impl Start {
    /// Starts it, detached from this program and its terminal, through the hidden subcommand `launch`.
    ///
    /// # Errors
    /// If it cannot be started. That it ends at once is no error here: see [`Process::alive`].
    pub async fn start(&self) -> Result<Process> {
        let mut launcher = Command::new(std::env::current_exe().context("cannot find this program")?);
        launcher
            .arg("launch")
            .arg("--cgroup")
            .arg(&self.cgroup)
            .arg("--log")
            .arg(&self.log);
        match &self.place {
            Place::Host => {}
            Place::NewNode { network_namespace } => {
                launcher.arg("--new-node").arg(network_namespace);
            }
            Place::Node { pid } => {
                launcher.arg("--into").arg(pid.to_string());
            }
        }
        // Nothing else of the caller's environment: proxies and Go's own variables change what components do.
        launcher
            .arg("--")
            .args(&self.command)
            .env_clear()
            .env("PATH", &self.search_path)
            .env("HOME", "/root");
        let output = command::finish(launcher, None)
            .await
            .with_context(|| format!("cannot start {}", self.name))?;
        let pid = output
            .trim()
            .parse()
            .with_context(|| format!("pid of {}: {output:?}", self.name))?;
        Process::with_pid(&self.name, pid).ok_or_else(|| anyhow!("{} ended at once", self.name))
    }
}

/// The last lines of a log, for an error message.
pub fn log_tail(log: &Path) -> String {
    const LINES: usize = 12;
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| format!("  | {line}\n"));
    format!("{}  the whole log: {}", tail.collect::<String>(), log.display())
}

/// Kills every process that `find` returns until it returns none.
///
/// # Errors
/// If some survive; they are named.
pub async fn kill_all(find: impl Fn() -> BTreeSet<u32>) -> Result<()> {
    let outcome = wait::until("processes to end", END_LIMIT, async || {
        let left: Vec<_> = find()
            .into_iter()
            .filter(|pid| Stat::read(*pid).is_some_and(|stat| !stat.ended))
            .collect();
        for pid in &left {
            kill_pid(*pid);
        }
        Ok::<_, anyhow::Error>(if left.is_empty() {
            wait::Look::Done(())
        } else {
            let named = left.iter().map(|pid| format!("{} ({pid})", command_name(*pid)));
            wait::Look::NotYet(named.collect::<Vec<_>>().join(", "))
        })
    });
    outcome.await
}

/// Processes in a network namespace, however they got there.
pub fn in_network_namespace(name: &str) -> BTreeSet<u32> {
    use std::os::unix::fs::MetadataExt;
    let Ok(wanted) = fs::metadata(format!("/run/netns/{name}")) else {
        return BTreeSet::new();
    };
    let same = |pid: &u32| {
        fs::metadata(format!("/proc/{pid}/ns/net"))
            .is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    all().filter(same).collect()
}

/// Checks that none of these processes has ended.
///
/// # Errors
/// With the last lines of the log of the first that has.
pub fn all_alive(processes: &[Process], log: impl Fn(&str) -> PathBuf) -> Result<()> {
    match processes.iter().find(|process| !process.alive()) {
        None => Ok(()),
        Some(dead) => bail!("{} ended unexpectedly\n{}", dead.name, log_tail(&log(&dead.name))),
    }
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn kill_pid(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have ended since it was found: the goal is reached then.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn command_name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ended: bool,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc_pid_stat(5): the second field is the name in parentheses and may itself hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<_> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied(); // the first one here is field 3
        // The first thread may be a zombie while others still run.
        let threads: u32 = field(20)?.parse().ok()?;
        Some(Self {
            ended: matches!(field(3)?, "Z" | "X" | "x") && threads <= 1,
            start_ticks: field(22)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_from_its_stat_line_whatever_its_name() {
        let line = "71 (a) b (c) S 1 71 71 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 4242 2867200 360 18446744073709551615";
        let expected = Stat {
            ended: false,
            start_ticks: 4242,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        let zombie = line.replace(") S", ") Z");
        assert_eq!(Stat::parse(&zombie).map(|stat| stat.ended), Some(true));
        assert_eq!(
            Stat::parse(&zombie.replace(" 1 0 4242", " 2 0 4242")).map(|stat| stat.ended),
            Some(false)
        );
        assert_eq!(Stat::parse("71"), None);
    }

    #[test]
    fn a_pid_that_was_given_out_again_is_another_process() {
        let own = Process::with_pid("own", std::process::id()).unwrap();
        assert!(own.alive());
        let other = Process {
            start_ticks: own.start_ticks + 1,
            ..own
        };
        assert!(!other.alive());
    }
}
