//! The first process of a container, as the host sees it: killed as the kernel does when memory runs out, or stopped as on
//! a machine that is suspended.
//!
//! Owns: finding it, and letting it go on, also when the test fails in between.
//! Never: asks the node: a signal is sent at the moment that the test asks for it.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The kernel of the host sees the processes of all nodes; a container's are in control groups that carry its id.
pub(super) fn first(id: &str) -> Result<Pid> {
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

/// The TCP ports that its network listens on for others than itself.
pub(super) fn listens(id: &str) -> Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for file in ["tcp", "tcp6"] {
        let path = format!("/proc/{}/net/{file}", first(id)?);
        let table = fs::read_to_string(&path).with_context(|| path)?;
        ports.extend(table.lines().filter_map(listening));
    }
    Ok(ports)
}

/// From a line of proc(5) `net/tcp`: `0: 0100007F:1F90 00000000:0000 0A ...`, the port if the state is LISTEN and the address is
/// not that of the loopback interface.
fn listening(line: &str) -> Option<u16> {
    const LISTEN: &str = "0A";
    const LOOPBACK: [&str; 2] = ["0100007F", "00000000000000000000000001000000"];
    let mut words = line.split_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    let counts = state == LISTEN && !LOOPBACK.contains(&address);
    counts.then(|| u16::from_str_radix(port, 16).ok()).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_that_others_can_reach() {
        for (line, expected) in [
            ("  sl  local_address rem_address   st tx_queue rx_queue", None),
            (
                "   0: 00000000:23A0 00000000:0000 0A 00000000:00000000",
                Some(9120),
            ),
            ("   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000", None),
            ("   2: 0A00F40A:23A0 0100F40A:C350 01 00000000:00000000", None),
            (
                "   0: 00000000000000000000000000000000:24E3 00000000000000000000000000000000:0000 0A 0:0",
                Some(9443),
            ),
            (
                "   0: 00000000000000000000000001000000:24E3 00000000000000000000000000000000:0000 0A 0:0",
                None,
            ),
        ] {
            assert_eq!(listening(line), expected, "{line}");
        }
    }
}
