//! The `process_*` metrics that every Prometheus client library exports, under the same names, from `/proc`.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, Gauge, Registry};

/// Ticks of the CPU times in `/proc/self/stat`: 100 in every second on every architecture that Linux runs on, because
/// it is part of its interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process uses.
pub(super) struct Process {
    cpu_seconds: Counter,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    most_virtual_bytes: Gauge,
    received_bytes: Counter,
    sent_bytes: Counter,
    open_files: Gauge,
    most_files: Gauge,
    threads: Gauge,
}

impl Process {
    /// Begins with the time of the start.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = Counter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let start = gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
        )?;
        // The registry is made first of all, so that this is the start to within milliseconds.
        start.set(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
        );
        Ok(Self {
            cpu_seconds: counter(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
            )?,
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            virtual_bytes: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")?,
            most_virtual_bytes: gauge(
                "process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes.",
            )?,
            received_bytes: counter(
                "process_network_receive_bytes_total",
                "Number of bytes received by the process over the network.",
            )?,
            sent_bytes: counter(
                "process_network_transmit_bytes_total",
                "Number of bytes sent by the process over the network.",
            )?,
            open_files: gauge("process_open_fds", "Number of open file descriptors.")?,
            most_files: gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            threads: gauge("process_threads", "Number of OS threads in the process.")?,
        })
    }

    /// Looks what is used now. What `/proc` does not tell keeps its last value.
    pub(super) fn look(&mut self) {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let status = read("/proc/self/status");
        let kibibytes = |key| field(&status, key).map(|size| size * 1024.0);
        set(&self.resident_bytes, kibibytes("VmRSS:"));
        set(&self.virtual_bytes, kibibytes("VmSize:"));
        set(&self.threads, field(&status, "Threads:"));
        let limits = read("/proc/self/limits");
        set(&self.most_files, limit(&limits, "Max open files"));
        set(&self.most_virtual_bytes, limit(&limits, "Max address space"));
        // Of the network that the process is in, the host's or its pod's: the kernel keeps no others.
        let network = read("/proc/self/net/netstat");
        raise(&self.received_bytes, octets(&network, "InOctets"));
        raise(&self.sent_bytes, octets(&network, "OutOctets"));
        let open = fs::read_dir("/proc/self/fd")
            .ok()
            .and_then(|files| u32::try_from(files.count()).ok());
        set(&self.open_files, open.map(f64::from));
        raise(&self.cpu_seconds, cpu_seconds(&read("/proc/self/stat")));
    }
}

fn raise(counter: &Counter, value: Option<f64>) {
    if let Some(value) = value {
        counter.inc_by((value - counter.get()).max(0.0));
    }
}

fn set(gauge: &Gauge, value: Option<f64>) {
    if let Some(value) = value {
        gauge.set(value);
    }
}

/// The first number after `key` at the start of a line.
fn field(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A limit of the process. One that there is none of reads as the largest number, as elsewhere.
fn limit(limits: &str, key: &str) -> Option<f64> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(key))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(2f64.powi(64)),
        number => number.parse().ok(),
    }
}

/// A figure of the network: a line of names, and below it one of numbers.
fn octets(netstat: &str, name: &str) -> Option<f64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
    pairs.find(|(found, _)| *found == name)?.1.parse().ok()
}

/// User and system time: the 12th and 13th field after the program's name, which is in brackets and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_what_the_kernel_writes() {
        let status = "Name:\tx VmRSS: 1\nVmSize:\t   20000 kB\nVmRSS:\t    4200 kB\nThreads:\t2\n";
        assert_eq!(field(status, "VmRSS:"), Some(4200.0));
        assert_eq!(field(status, "VmHWM:"), None);
        let limits = "Max open files            1048576              1048576              files\n\
                      Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(limit(limits, "Max open files"), Some(1_048_576.0));
        assert_eq!(
            limit(limits, "Max address space"),
            Some(18_446_744_073_709_551_616.0)
        );
        assert_eq!(limit(limits, "Max processes"), None);
        let network = "TcpExt: InOctets\nTcpExt: 1\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 700 400\n";
        assert_eq!(octets(network, "InOctets"), Some(700.0));
        assert_eq!(octets(network, "OutOctets"), Some(400.0));
        assert_eq!(octets("IpExt: InOctets\n", "InOctets"), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 2 0 100 200 300\n";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }
}
