//! What the figures were measured on and with: they hold for nothing else.
//!
//! Owns: finding it out.
//! Never: changes anything.

use std::fs;

use anyhow::Result;
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::command;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::upstream;

/// The machine, the versions and the day.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Processors and memory
    pub hardware: String,
    /// The operating system's kernel
    pub kernel: String,
    /// Version of the API server
    pub kubernetes: String,
    /// What upstream was built from, and with
    pub upstream: String,
    /// What ours was built from, and with
    pub ours: String,
    /// The day, in UTC
    pub date: String,
}

impl Machine {
    /// The one this runs on.
    ///
    /// # Errors
    /// If the cluster or a tool does not answer.
    pub async fn describe(cluster: &Cluster) -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let one_line = async |program, words: &[&str]| -> Result<String> {
            Ok(command::run(program, words).await?.trim().to_owned())
        };
        let checkout = Layout::of_this_checkout();
        let checkout = checkout.checkout().to_string_lossy().into_owned();
        let commit = one_line("git", &["-C", &checkout, "describe", "--always", "--dirty"]).await;
        let commit = commit.map_or_else(|_| String::new(), |commit| format!(", commit {commit}"));
        let go = one_line("go", &["env", "GOVERSION"]).await?;
        let rust = one_line("rustc", &["--version"]).await?;
        let rust = rust.split(" (").next().unwrap_or_default();
        Ok(Self {
            hardware: hardware(&processors, &memory),
            kernel: one_line("uname", &["-sr"]).await?,
            kubernetes: cluster.client().apiserver_version().await?.git_version,
            upstream: format!("{}, {go}", upstream::VERSION),
            ours: format!("v{}{commit}, {rust}", env!("CARGO_PKG_VERSION")),
            date: one_line("date", &["-u", "+%F"]).await?,
        })
    }
}

/// From `/proc/cpuinfo` and `/proc/meminfo`.
fn hardware(processors: &str, memory: &str) -> String {
    let field = |text: &str, name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim() == name)?;
        Some(found.1.trim().to_owned())
    };
    let count = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = field(processors, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kibibytes: Option<u64> =
        field(memory, "MemTotal").and_then(|size| size.trim_end_matches("kB").trim().parse().ok());
    let memory = kibibytes.map_or_else(String::new, |size| {
        format!(", {} GB of memory", (size << 10) / 1_000_000_000)
    });
    format!("{count} × {model}{memory}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardware_is_read_from_proc() {
        let processors = "processor\t: 0\nmodel name\t: Fast CPU\n\nprocessor\t: 1\nmodel name\t: Fast CPU\n";
        let memory = "MemTotal:       24000000 kB\nMemFree: 1 kB\n";
        assert_eq!(hardware(processors, memory), "2 × Fast CPU, 24 GB of memory");
        assert_eq!(hardware("", ""), format!("0 × {}", std::env::consts::ARCH));
    }
}
