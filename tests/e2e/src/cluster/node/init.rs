//! The hidden subcommands: what runs between the host and a process of the cluster.
//!
//! Owns: entering control groups and namespaces, and the mounts of a node.
//! Never: runs in a process with threads: the kernel changes namespaces of one thread only.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{sethostname, setsid};

use super::MOUNT_POINTS;
use crate::cluster::cgroup;

/// `cluster launch`: see [`Start`](crate::cluster::process::Start).
#[derive(Debug, clap::Args)]
pub struct Launch {
    /// Control group below the cluster's
    #[arg(long)]
    cgroup: String,
    /// File for the output
    #[arg(long)]
    log: PathBuf,
    /// Start a node around this network namespace
    #[arg(long, conflicts_with = "into")]
    new_node: Option<String>,
    /// Start on the node with this first process
    #[arg(long)]
    into: Option<u32>,
    /// Program and arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Launch {
    /// Starts the program detached and prints its pid as the host sees it.
    ///
    /// # Errors
    /// If the kernel refuses a step.
    pub fn run(&self) -> Result<()> {
        // If `cluster up` is killed, nothing more is to be started. Children do not inherit this.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        setsid().context("cannot leave the terminal")?;
        cgroup::join(&self.cgroup)?;
        // Appended: what was said before a restart is as interesting.
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        if let Some(name) = &self.new_node {
            let file = format!("/run/netns/{name}");
            setns(File::open(&file).context(file)?, CloneFlags::CLONE_NEWNET)?;
            let others = CloneFlags::CLONE_NEWNS
                | CloneFlags::CLONE_NEWUTS
                | CloneFlags::CLONE_NEWIPC
                | CloneFlags::CLONE_NEWPID;
            unshare(others).context("cannot create namespaces")?;
        }
        if let Some(pid) = self.into {
            enter(pid)?;
        }
        let (program, arguments) = self.command.split_first().ok_or_else(|| anyhow!("no program"))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        println!("{}", child.id());
        Ok(())
    }
}

/// Enters the namespaces of a node. The files are opened first: /proc is another one after the mount namespace.
fn enter(pid: u32) -> Result<()> {
    let open = |kind: &str| {
        let file = format!("/proc/{pid}/ns/{kind}");
        File::open(&file).with_context(|| format!("cannot open {file}: has the node stopped?"))
    };
    let files = ["ipc", "uts", "net", "pid", "mnt"].map(open);
    for file in files {
        setns(file?, CloneFlags::empty()).context("cannot enter a namespace")?;
    }
    Ok(())
}

/// `cluster node-init`: the first process of a node.
#[derive(Debug, clap::Args)]
pub struct NodeInit {
    /// The node's name
    name: String,
    /// The node's directory
    directory: PathBuf,
    /// The program to become
    pause: PathBuf,
}

impl NodeInit {
    /// Sets up the machine and becomes `pause`; returns only if that fails.
    ///
    /// # Errors
    /// If the kernel refuses a step.
    pub fn run(&self) -> Result<()> {
        sethostname(&self.name).context("cannot set the host name")?;
        // From here on no mount reaches the host.
        remount(MsFlags::MS_PRIVATE)?;
        attach("proc", "/proc", "proc")?;
        attach("tmpfs", "/run", "tmpfs")?;
        self.mount_sys()?;
        for (target, source) in MOUNT_POINTS.iter().zip(["kubelet", "cni-state"]) {
            bind(&self.directory.join(source), target)?;
        }
        bind(&self.directory.join("log"), "/var/log")?;
        // As on any machine with systemd: mounts of pods and of the CNI reach each other.
        remount(MsFlags::MS_SHARED)?;
        for setting in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            let file = Path::new("/proc/sys").join(setting);
            fs::write(&file, "1").with_context(|| format!("cannot write {}", file.display()))?;
        }
        let error = Command::new(&self.pause).exec();
        Err(error).with_context(|| format!("cannot become {}", self.pause.display()))
    }

    /// /sys shows the interfaces of the network namespace it was mounted in. A new one lacks the control groups, which
    /// are moved over.
    fn mount_sys(&self) -> Result<()> {
        let groups = Path::new("/sys/fs/cgroup");
        let parking = Path::new("/run/cgroup");
        fs::create_dir(parking)?;
        let rbind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(groups), parking, None::<&str>, rbind, None::<&str>)
            .context("cannot keep the control groups")?;
        attach("sysfs", "/sys", "sysfs")?;
        mount(
            Some(parking),
            groups,
            None::<&str>,
            MsFlags::MS_MOVE,
            None::<&str>,
        )
        .with_context(|| format!("cannot give {} its control groups", self.name))?;
        fs::remove_dir(parking)?;
        Ok(())
    }
}

fn remount(propagation: MsFlags) -> Result<()> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | propagation,
        None::<&str>,
    )
    .with_context(|| format!("cannot set {propagation:?}"))
}

fn attach(source: &str, target: &str, kind: &str) -> Result<()> {
    mount(Some(source), target, Some(kind), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("cannot mount {kind} on {target}"))
}

fn bind(source: &Path, target: &str) -> Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("cannot mount {} on {target}", source.display()))
}
