//! The control groups of the cluster, in every hierarchy that the kernel has.
//!
//! Owns: the group `metallb-cluster` and what is below it. Every process of the cluster is in it from its first
//! instruction on, so that none can get lost.
//! Never: sets a limit; that is the kubelet's business. What the cluster as a whole weighs is ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait;

/// Name of the topmost group.
pub const ROOT: &str = "metallb-cluster";

/// Those that a kubelet uses. One that cannot be handed down makes the kernel refuse all.
const HANDED_DOWN: [&str; 6] = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];
const SUBTREE_CONTROL: &str = "cgroup.subtree_control";

/// Where a hierarchy keeps the weight of a group, and that of a group that nobody gave one: version 1, version 2 (cgroups(7)).
const CPU_WEIGHT: [(&str, usize); 2] = [("cpu.shares", 1024), ("cpu.weight", 100)];

/// A group keeps EBUSY for a moment after its last process ended.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted
    pub mount: PathBuf,
    /// Its controllers, if it is of version 1; the one of version 2 holds all that version 1 does not.
    pub version_1: Option<Vec<String>>,
}

/// All hierarchies of this system.
pub fn hierarchies() -> Vec<Hierarchy> {
    parse_mountinfo(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// The controllers that a kubelet could use.
pub fn controllers(hierarchies: &[Hierarchy]) -> BTreeSet<String> {
    let list = |hierarchy: &Hierarchy| match &hierarchy.version_1 {
        Some(controllers) => controllers.clone(),
        None => words(&hierarchy.mount.join("cgroup.controllers")),
    };
    hierarchies.iter().flat_map(list).collect()
}

/// Makes a group below [`ROOT`] in every hierarchy, ready to hold processes or further groups.
///
/// # Errors
/// If the kernel refuses.
pub fn create(group: &str) -> Result<()> {
    let hierarchies = hierarchies();
    let pure_version_2 = hierarchies.iter().all(|hierarchy| hierarchy.version_1.is_none());
    for hierarchy in hierarchies {
        let mut path = hierarchy.mount.clone();
        for part in Path::new(ROOT).join(group).components() {
            if pure_version_2 {
                enable_controllers(&path)?;
            }
            path.push(part);
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create the control group {}", path.display()))?;
            if hierarchy
                .version_1
                .iter()
                .flatten()
                .any(|controller| controller == "cpuset")
            {
                copy_cpuset(&path)?;
            }
        }
    }
    Ok(())
}

/// Gives the cluster the weight of so many machines, where what runs beside it, such as the clients of a test, is one more.
/// As a whole it would be one otherwise, and each node a part of that: busy clients keep the speakers waiting for a fifth of a
/// second then, whatever their pods ask for.
///
/// # Errors
/// If the kernel refuses.
pub fn weigh(machines: usize) -> Result<()> {
    for hierarchy in hierarchies() {
        for (file, of_one) in CPU_WEIGHT {
            let path = hierarchy.mount.join(ROOT).join(file);
            if path.exists() {
                fs::write(&path, (of_one * machines).to_string())
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Moves the calling process into a group that [`create`] made.
///
/// # Errors
/// If the kernel refuses.
pub fn join(group: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let path = hierarchy.mount.join(ROOT).join(group).join("cgroup.procs");
        fs::write(&path, std::process::id().to_string())
            .with_context(|| format!("cannot join {}", path.display()))?;
    }
    Ok(())
}

/// Every process of the cluster.
pub fn processes() -> BTreeSet<u32> {
    let groups = hierarchies()
        .into_iter()
        .flat_map(|hierarchy| descendants(&hierarchy.mount.join(ROOT)));
    groups
        .flat_map(|group| words(&group.join("cgroup.procs")))
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Removes [`ROOT`] and all below it, once [`processes`] is empty.
///
/// # Errors
/// If a group stays in use.
pub async fn remove() -> Result<()> {
    for hierarchy in hierarchies() {
        let root = hierarchy.mount.join(ROOT);
        let what = format!("the control group {} to be removed", root.display());
        let attempt = wait::until(what, REMOVE_LIMIT, async || {
            for group in descendants(&root) {
                fs::remove_dir(&group).with_context(|| group.display().to_string())?;
            }
            Ok::<_, anyhow::Error>(wait::Look::Done(()))
        });
        attempt.await?;
    }
    Ok(())
}

/// A group and everything below it, the deepest first.
fn descendants(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    let directories = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut found: Vec<_> = directories.flat_map(|entry| descendants(&entry.path())).collect();
    found.push(group.to_path_buf());
    found
}

/// Tries whether groups can be made in a hierarchy and get controllers, and takes everything back.
///
/// # Errors
/// If the kernel refuses, as it does in a container that was not given its control group to manage.
pub fn try_out(hierarchy: &Hierarchy) -> Result<()> {
    let group = &hierarchy.mount;
    let probe = group.join(format!("{ROOT}-probe"));
    fs::create_dir(&probe).with_context(|| format!("cannot create {}", probe.display()))?;
    let control = group.join(SUBTREE_CONTROL);
    let before = words(&control);
    let pure_version_2 = hierarchies()
        .iter()
        .all(|hierarchy| hierarchy.version_1.is_none());
    let outcome = if pure_version_2 {
        enable_controllers(group)
    } else {
        Ok(())
    };
    fs::remove_dir(&probe).with_context(|| format!("cannot remove {}", probe.display()))?;
    let added: Vec<_> = words(&control)
        .into_iter()
        .filter(|controller| !before.contains(controller))
        .map(|controller| format!("-{controller}"))
        .collect();
    if !added.is_empty() {
        fs::write(&control, added.join(" "))
            .with_context(|| format!("cannot restore {}", control.display()))?;
    }
    outcome
}

/// cgroups(7), "Cgroups v2": a child gets only the controllers that its parent hands down.
fn enable_controllers(group: &Path) -> Result<()> {
    let wanted: Vec<_> = words(&group.join("cgroup.controllers"))
        .into_iter()
        .filter(|controller| HANDED_DOWN.contains(&controller.as_str()))
        .map(|controller| format!("+{controller}"))
        .collect();
    let path = group.join(SUBTREE_CONTROL);
    fs::write(&path, wanted.join(" "))
        .with_context(|| format!("cannot hand down controllers in {}", path.display()))
}

/// cgroups(7): a cpuset of version 1 starts empty, and no process can join an empty one.
fn copy_cpuset(group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = group.join(file);
        if words(&own).is_empty() {
            let inherited = fs::read_to_string(group.parent().unwrap_or(group).join(file))?;
            fs::write(&own, inherited.trim()).with_context(|| format!("cannot fill {}", own.display()))?;
        }
    }
    Ok(())
}

fn words(file: &Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// proc_pid_mountinfo(5): the mount point is field 5; type, source and options of the file system follow a lone dash.
fn parse_mountinfo(text: &str) -> Vec<Hierarchy> {
    let parse = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mount = PathBuf::from(mount.split(' ').nth(4)?);
        let mut fields = file_system.split(' ');
        let version_1 = match fields.next()? {
            "cgroup2" => None,
            "cgroup" => Some(fields.nth(1)?.split(',').map(str::to_owned).collect()),
            _ => return None,
        };
        Some(Hierarchy { mount, version_1 })
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_in_mountinfo() {
        let text = "25 20 0:22 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                    31 30 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
                    32 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = parse_mountinfo(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].mount, Path::new("/sys/fs/cgroup/cpu"));
        assert!(
            found[0]
                .version_1
                .as_ref()
                .unwrap()
                .contains(&"cpuacct".to_owned())
        );
        assert_eq!(
            found[1],
            Hierarchy {
                mount: "/sys/fs/cgroup/unified".into(),
                version_1: None
            }
        );
    }
}
