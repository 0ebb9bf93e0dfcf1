//! A pod that computes all the time: processes of ours in the control groups of one of its containers, with its share of the
//! processors.
//!
//! Owns: their start, and their end, also when the test fails in between.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result};

use super::process;
use crate::cluster::cgroup::{self, Hierarchy};

/// For each processor. One alone would be moved to the processor that is idle for a moment.
const PROCESSES: usize = 2;

/// A container that keeps all processors busy until this is dropped.
#[derive(Debug)]
pub struct Busy(Vec<Child>);

impl Busy {
    pub(super) fn like(id: &str) -> Result<Self> {
        let path = format!("/proc/{}/cgroup", process::first(id)?);
        let groups = fs::read_to_string(&path).with_context(|| path)?;
        let groups: Vec<PathBuf> = cgroup::hierarchies()
            .iter()
            .filter_map(|hierarchy| group(hierarchy, &groups))
            .collect();
        let mut busy = Self(Vec::new());
        for _ in 0..available_parallelism()?.get() * PROCESSES {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            let child = command.spawn().context("cannot start a shell")?;
            let pid = child.id().to_string();
            busy.0.push(child);
            for group in &groups {
                let path = group.join("cgroup.procs");
                fs::write(&path, &pid).with_context(|| format!("cannot join {}", path.display()))?;
            }
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // The cluster may have been taken down meanwhile, with all that is in its groups.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The group in this hierarchy, of those in `/proc/[pid]/cgroup` (cgroups(7)): `4:cpu,cpuacct:/path`, or `0::/path`.
fn group(hierarchy: &Hierarchy, groups: &str) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_of = |names: &Vec<String>| {
            controllers
                .split(',')
                .all(|name| names.iter().any(|one| one == name))
        };
        let is_it = hierarchy.version_1.as_ref().map_or(controllers.is_empty(), is_of);
        is_it.then(|| hierarchy.mount.join(path.trim_start_matches('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_looked_for_in_its_own_hierarchy() {
        let groups = "5:cpuset:/a/pod\n3:cpu,cpuacct:/b/pod\n0::/c/pod\n";
        for (version_1, expected) in [
            (Some(vec!["rw", "cpu", "cpuacct"]), Some("/sys/fs/cgroup/b/pod")),
            (Some(vec!["memory"]), None),
            (None, Some("/sys/fs/cgroup/c/pod")),
        ] {
            let hierarchy = Hierarchy {
                mount: "/sys/fs/cgroup".into(),
                version_1: version_1.map(|names| names.into_iter().map(str::to_owned).collect()),
            };
            assert_eq!(group(&hierarchy, groups), expected.map(PathBuf::from));
        }
    }
}
