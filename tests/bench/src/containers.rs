//! The processes of the implementation under test, as the machine sees them.
//!
//! Owns: finding them from their containers' names; their resident memory, their age, the work they do.
//! Never: counts what belongs to the cluster itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, ListParams};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;

/// Clock ticks of `/proc` in a second: the kernel's USER_HZ, which is 100 everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// A container that runs.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name in the pod: `controller`, `speaker`, `operator`
    pub name: String,
    /// The pod it is in
    pub pod: String,
    pid: u32,
}

/// All containers of MetalLB's namespace.
///
/// # Errors
/// If the API server does not answer or `/proc` cannot be read.
pub async fn running(cluster: &Cluster) -> Result<Vec<Container>> {
    let pods = Api::<Pod>::namespaced(cluster.client(), METALLB_NAMESPACE);
    let pods = pods.list(&ListParams::default()).await?.items;
    let processes = processes()?;
    let statuses = pods.iter().flat_map(|pod| {
        let statuses = pod
            .status
            .as_ref()
            .and_then(|status| status.container_statuses.as_deref());
        let name = pod.metadata.name.clone().unwrap_or_default();
        statuses
            .unwrap_or_default()
            .iter()
            .map(move |status| (name.clone(), status))
    });
    Ok(statuses
        .filter_map(|(pod, status)| container(pod, status, &processes))
        .collect())
}

/// The largest resident memory of the containers of this name, in units of 1,000,000 bytes. None if there are none.
///
/// # Errors
/// If a process ended meanwhile.
pub fn largest(containers: &[Container], name: &str) -> Result<Option<f64>> {
    let of_name = containers.iter().filter(|container| container.name == name);
    let sizes: Vec<f64> = of_name.map(Container::resident_mb).collect::<Result<_>>()?;
    Ok(sizes.into_iter().reduce(f64::max))
}

/// What containers do from a moment on.
pub struct Meter(Vec<(Container, Duration)>);

impl Meter {
    /// From now on.
    ///
    /// # Errors
    /// If one ended.
    pub fn start(containers: Vec<Container>) -> Result<Self> {
        let started = containers.into_iter().map(|container| {
            let before = container.processor_time()?;
            Ok((container, before))
        });
        started.collect::<Result<_>>().map(Self)
    }

    /// The processor time that the busiest container of this name has had since, in percent of one processor for `period`. None
    /// if there are none.
    ///
    /// # Errors
    /// If one ended meanwhile.
    pub fn busiest(&self, name: &str, period: Duration) -> Result<Option<f64>> {
        let mut busiest = None;
        for (container, before) in self.0.iter().filter(|(container, _)| container.name == name) {
            let work = container.processor_time()?.saturating_sub(*before);
            busiest = busiest.max(Some(work));
        }
        Ok(busiest.map(|work| work.as_secs_f64() / period.as_secs_f64() * 100.0))
    }
}

impl Container {
    /// Its resident memory, in units of 1,000,000 bytes.
    ///
    /// # Errors
    /// If it ended.
    pub fn resident_mb(&self) -> Result<f64> {
        let status = self.file("status")?;
        resident_mb(&status).with_context(|| format!("the memory of {} is not in: {status}", self.name))
    }

    /// How long ago its process was started, to a hundredth of a second.
    ///
    /// # Errors
    /// If it ended.
    pub fn age(&self) -> Result<Duration> {
        let uptime = fs::read_to_string("/proc/uptime")?;
        let stat = self.file("stat")?;
        age(&stat, &uptime).with_context(|| format!("the start of {} is not in: {stat}", self.name))
    }

    /// The processor time it has used so far, to a hundredth of a second.
    ///
    /// # Errors
    /// If it ended.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = self.file("stat")?;
        processor_time(&stat).with_context(|| format!("the times of {} are not in: {stat}", self.name))
    }

    fn file(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).with_context(|| format!("{} has ended: cannot read {path}", self.name))
    }
}

/// Every process with its control groups, whose paths end in the container's id.
fn processes() -> Result<Vec<(u32, String)>> {
    let all = fs::read_dir("/proc").context("cannot read /proc")?.flatten();
    let process = |path: &Path| {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        Some((pid, fs::read_to_string(path.join("cgroup")).ok()?))
    };
    Ok(all.filter_map(|entry| process(&entry.path())).collect())
}

fn container(pod: String, status: &ContainerStatus, processes: &[(u32, String)]) -> Option<Container> {
    let id = status.container_id.as_deref()?.strip_prefix("containerd://")?;
    let own = processes.iter().filter(|(_, groups)| groups.contains(id));
    let pid = own.map(|(pid, _)| *pid).min()?;
    let name = status.name.clone();
    Some(Container { name, pod, pid })
}

/// From proc(5) `status`: `VmRSS:   4128 kB`, in units of 1,024 bytes.
fn resident_mb(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// From proc(5) `stat`, whose 14th and 15th fields are ticks in user and system mode.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Duration::try_from_secs_f64((ticks()? + ticks()?) / TICKS_PER_SECOND).ok()
}

/// From proc(5) `stat`, whose 22nd field is the start in ticks since boot. The second may contain blanks and brackets.
fn age(stat: &str, uptime: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let begun: f64 = after_name.split_whitespace().nth(19)?.parse().ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64((now - begun / TICKS_PER_SECOND).max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_age_and_work_are_read_from_proc() {
        let status = "Name:\tspeaker\nVmHWM:\t    9000 kB\nVmRSS:\t    4000 kB\n";
        assert_eq!(resident_mb(status), Some(4.096));
        assert_eq!(resident_mb("Name:\tkthreadd\n"), None);
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 1 0 0 0 150 50 7 7 20 0 3 0 1050 1 2 3";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(age(stat, "12.75 20.00\n"), Some(Duration::from_millis(2250)));
        assert_eq!(age("42 (a) S 1", "12.75 20.00\n"), None);
    }

    #[test]
    fn a_container_is_its_first_process() {
        let status = ContainerStatus {
            name: "speaker".to_owned(),
            container_id: Some("containerd://abc".to_owned()),
            ..ContainerStatus::default()
        };
        let group = |id: &str| format!("0::/cluster/node1/pod/{id}\n");
        let processes = [(9, group("abc")), (7, group("abc")), (5, group("def"))];
        let found = container("speaker-x".to_owned(), &status, &processes).unwrap();
        assert_eq!((found.pid, found.name.as_str()), (7, "speaker"));
        assert!(container("speaker-x".to_owned(), &status, &processes[2..]).is_none());
    }
}
