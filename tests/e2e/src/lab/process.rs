//! The first process of a container, as the host sees it: killed as the kernel does when memory runs out, or stopped as on
//! a machine that is suspended.
//!
//! Owns: finding it, and letting it go on, also when the test fails in between.
//! Never: asks the node: a signal is sent at the moment that the test asks for it.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The kernel of the host sees the processes of all nodes; a container's are in control groups that carry its id.
fn first(id: &str) -> Result<Pid> {
    let all = fs::read_dir("/proc").context("cannot read /proc")?.flatten();
    let pids = all.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let groups = fs::read_to_string(entry.path().join("cgroup")).ok()?;
        groups.contains(id).then_some(pid)
    });
    let first = pids
        .min()
        .with_context(|| format!("container {id} does not run"))?;
    Ok(Pid::from_raw(first))
}

pub(super) fn kill_first(id: &str) -> Result<()> {
    Ok(kill(first(id)?, Signal::SIGKILL)?)
}

/// A stopped process.
#[derive(Debug)]
pub struct Stopped(Pid);

impl Stopped {
    pub(super) fn first(id: &str) -> Result<Self> {
        let pid = first(id)?;
        kill(pid, Signal::SIGSTOP)?;
        Ok(Self(pid))
    }

    /// Lets it run again.
    pub fn go_on(self) {}
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}
