//! Taking a cluster down, whatever state it is in.
//!
//! Owns: the order. Everything is found by what the kernel knows (control groups, namespaces) and not by what a program
//! remembers, so that it also works after any process was killed.
//! Never: asks a component to end by itself: nothing of the cluster is kept, and an API server without etcd hangs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::layout::Layout;
use super::owner::{Lock, Record, Undo};
use super::{cgroup, network, node, process};
use crate::wait;

/// Kernel settings that the kubelet changes for the whole machine.
const SYSCTLS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// A mount namespace may live a moment longer than its last process.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

/// Notes down what the start will change outside of the cluster's own objects.
pub async fn plan_undo() -> Undo {
    let value = |name: &&str| {
        let file = Path::new("/proc/sys").join(name);
        Some((file.clone(), fs::read_to_string(file).ok()?.trim().to_owned()))
    };
    let wanted = node::MOUNT_POINTS
        .iter()
        .map(Path::new)
        .chain([Path::new("/run/netns")]);
    let mut directories: Vec<PathBuf> = wanted
        .flat_map(|path| path.ancestors().take_while(|path| !path.exists()))
        .map(Path::to_path_buf)
        .collect();
    directories.sort_unstable_by_key(|path| std::cmp::Reverse(path.components().count()));
    Undo {
        sysctls: SYSCTLS.iter().filter_map(value).collect(),
        directories,
        netns_mount: network::will_mount_netns(),
        firewalls: network::firewalls_to_open().await,
    }
}

/// Makes the directories that [`plan_undo`] noted down.
///
/// # Errors
/// If one cannot be made.
pub fn make_directories(undo: &Undo) -> Result<()> {
    for directory in undo.directories.iter().rev() {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    }
    Ok(())
}

/// Ends and removes everything that the record tells of, and the record last.
///
/// # Errors
/// If something cannot be removed; the record stays then, and the next attempt starts over.
pub async fn run(record: &Record, lock: &Lock) -> Result<()> {
    let nodes = record.all_nodes()?;
    record.processes.iter().for_each(process::Process::kill);
    let recorded = || {
        record
            .processes
            .iter()
            .filter(|process| process.alive())
            .map(|process| process.pid)
    };
    process::kill_all(|| {
        cgroup::processes()
            .into_iter()
            .chain(recorded())
            .collect::<BTreeSet<_>>()
    })
    .await?;
    network::remove(&nodes).await?;
    cgroup::remove().await?;
    restore(&record.undo).await?;
    remove_files(&record.layout()).await?;
    Record::forget(lock)
}

async fn restore(undo: &Undo) -> Result<()> {
    let Undo {
        sysctls,
        directories,
        netns_mount,
        firewalls,
    } = undo;
    network::close(firewalls).await;
    for (file, value) in sysctls {
        if fs::read_to_string(file).is_ok_and(|now| now.trim() != value) {
            fs::write(file, value).with_context(|| format!("cannot restore {}", file.display()))?;
        }
    }
    if *netns_mount {
        network::unmount_netns()?;
    }
    for directory in directories {
        // Not empty: somebody else uses it by now.
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}

/// Removes the cluster's files but for the logs.
///
/// # Errors
/// If a file stays in use.
pub async fn remove_files(layout: &Layout) -> Result<()> {
    wait::until(
        format!("{} to be removed", layout.root().display()),
        REMOVE_LIMIT,
        async || {
            for entry in fs::read_dir(layout.root()).into_iter().flatten().flatten() {
                if entry.path() == layout.logs() {
                    continue;
                }
                let removed = match entry.file_type() {
                    Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
                    _ => fs::remove_file(entry.path()),
                };
                removed.with_context(|| entry.path().display().to_string())?;
            }
            Ok::<_, anyhow::Error>(wait::Look::Done(()))
        },
    )
    .await
}
