//! A machine on the segment that is no node: what it sees is what users see.
//!
//! Owns: requests and probes from the namespace `client`.
//! Never: has routes of its own: an address is reached if somebody on the segment answers for it.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr};
use tokio::task::JoinHandle;

use crate::cluster::address::{CLIENT, INTERFACE};
use crate::cluster::node::Entry;

/// tcpdump opens its socket within milliseconds.
const CAPTURE_START_LIMIT: Duration = Duration::from_secs(10);

/// As long as a request over TCP gets.
const UDP_LIMIT: Duration = Duration::from_secs(3);

/// A probe waits a second for answers.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// The exit code of Thomas Habets' arping when nobody answers; iputils' program of this name does not know `-r`.
const ARPING_SILENCE: i32 = 1;
/// The exit code of ndisc6 when nobody answers.
const NDISC6_SILENCE: i32 = 2;

/// See the module.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) entry: Entry,
}

impl Client {
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry }
    }

    /// The body that a web server answers with.
    ///
    /// # Errors
    /// If it cannot be reached within three seconds, or answers with an error.
    pub async fn http_get(&self, address: IpAddr, port: u16, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", SocketAddr::new(address, port));
        let words = [
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--globoff",
            "--noproxy",
            "*",
            "--max-time",
            "3",
            &url,
        ];
        self.entry.run(words).await
    }

    /// The same through the node with this hardware address, whoever answers for `address`.
    ///
    /// # Errors
    /// As [`Client::http_get`], or if the kernel refuses.
    pub async fn http_get_through(
        &self,
        mac: &str,
        address: IpAddr,
        port: u16,
        path: &str,
    ) -> Result<String> {
        let text = address.to_string();
        let entry = [&text, "dev", INTERFACE, "lladdr", mac, "nud", "permanent"];
        self.entry
            .run(["ip", "neighbour", "replace"].iter().chain(&entry))
            .await?;
        let body = self.http_get(address, port, path).await;
        self.entry
            .run(["ip", "neighbour", "del", &text, "dev", INTERFACE])
            .await?;
        body
    }

    /// What a server of datagrams answers.
    ///
    /// # Errors
    /// If it does not within three seconds.
    pub async fn udp_ask(&self, address: IpAddr, port: u16, question: &str) -> Result<String> {
        // A socket stays in the network namespace it was made in; a thread that has entered one is of no further use.
        let socket = std::thread::spawn(|| {
            let file = File::open(format!("/run/netns/{CLIENT}"))?;
            setns(file, CloneFlags::CLONE_NEWNET)?;
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?; // takes both families
            socket.set_nonblocking(true)?;
            Ok::<_, anyhow::Error>(socket)
        });
        let socket = socket
            .join()
            .map_err(|_| anyhow!("a panic in the client's network"))??;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let address = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        socket.connect((address, port)).await?;
        socket.send(question.as_bytes()).await?;
        let mut answer = [0; 1500];
        let length = tokio::time::timeout(UDP_LIMIT, socket.recv(&mut answer))
            .await
            .with_context(|| format!("no answer of {address} to UDP port {port}"))??;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// The hardware addresses that answer an ARP request: none, one, or several if nodes disagree.
    ///
    /// # Errors
    /// If the probe cannot be sent.
    pub async fn arp(&self, address: Ipv4Addr) -> Result<BTreeSet<String>> {
        // -r prints hardware addresses only.
        let address = address.to_string();
        let words = ["arping", "-r", "-c", "1", "-w", "1", "-i", INTERFACE, &address];
        self.probe(&words, ARPING_SILENCE).await
    }

    /// The hardware addresses that answer a neighbor solicitation: none, one, or several if nodes disagree.
    ///
    /// # Errors
    /// If the probe cannot be sent.
    pub async fn ndp(&self, address: Ipv6Addr) -> Result<BTreeSet<String>> {
        // -q prints hardware addresses only, -m waits for more than one.
        let address = address.to_string();
        let words = ["ndisc6", "-q", "-m", "-r", "1", "-w", "1000", &address, INTERFACE];
        self.probe(&words, NDISC6_SILENCE).await
    }

    /// [`Client::arp`] or [`Client::ndp`].
    ///
    /// # Errors
    /// As theirs.
    pub async fn who_has(&self, address: IpAddr) -> Result<BTreeSet<String>> {
        match address {
            IpAddr::V4(address) => self.arp(address).await,
            IpAddr::V6(address) => self.ndp(address).await,
        }
    }

    /// Forgets who has which address.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn flush_neighbours(&self) -> Result<()> {
        self.entry
            .run(["ip", "neighbour", "flush", "dev", INTERFACE])
            .await
            .map(drop)
    }

    /// Starts to record packets that match a filter of tcpdump.
    ///
    /// # Errors
    /// If the filter is wrong.
    pub async fn capture(&self, filter: &str) -> Result<Capture> {
        let words = [
            "tcpdump",
            "-i",
            INTERFACE,
            "-n",
            "-e",
            "-l",
            "-U",
            "--immediate-mode",
            filter,
        ];
        let mut command = self.entry.command(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start tcpdump")?;
        let stderr = child
            .stderr
            .take()
            .ok_or_else(|| anyhow!("tcpdump without standard error"))?;
        let mut stdout = child
            .stdout
            .take()
            .ok_or_else(|| anyhow!("tcpdump without standard output"))?;
        let stderr = tokio::time::timeout(CAPTURE_START_LIMIT, listening(stderr)).await??;
        let text = tokio::spawn(async move {
            let mut text = String::new();
            stdout.read_to_string(&mut text).await.map(|_| text)
        });
        Ok(Capture {
            child,
            text,
            _stderr: stderr,
        })
    }

    /// Runs any other command on the client.
    ///
    /// # Errors
    /// As [`command::run`](crate::command::run).
    pub async fn run<const N: usize>(&self, words: [&str; N]) -> Result<String> {
        self.entry.run(words).await
    }

    async fn probe(&self, words: &[&str], silence: i32) -> Result<BTreeSet<String>> {
        let mut command = self.entry.command(words);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PROBE_LIMIT, command.output())
            .await
            .with_context(|| format!("`{}` hangs", words.join(" ")))??;
        heard(&output, silence).with_context(|| {
            format!(
                "`{}` is no probe: {}: {} {}",
                words.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout).trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })
    }
}

/// The hardware addresses that a probe heard, or nothing if it did not work: a broken one must not pass for silence.
fn heard(output: &Output, silence: i32) -> Option<BTreeSet<String>> {
    let said = String::from_utf8_lossy(&output.stdout);
    let found: BTreeSet<_> = said.lines().filter_map(hardware_address).collect();
    match output.status.code() {
        Some(0) if !found.is_empty() => Some(found),
        // Both tools also use these codes for errors, and explain those.
        Some(code) if code == silence && found.is_empty() && output.stderr.is_empty() => Some(found),
        _ => None,
    }
}

/// A recording in progress. Dropping it ends it.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    /// Read all the time: a full pipe, of 443 packets, would be the end of the recording
    text: JoinHandle<std::io::Result<String>>,
    /// Kept open: tcpdump would end at its first message otherwise
    _stderr: BufReader<ChildStderr>,
}

impl Capture {
    /// Ends it and returns one line per packet, with hardware addresses.
    ///
    /// # Errors
    /// If tcpdump cannot be ended.
    pub async fn stop(mut self) -> Result<Vec<String>> {
        let pid = self
            .child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .ok_or_else(|| anyhow!("tcpdump ended early"))?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)?;
        let text = self
            .text
            .await
            .context("the reader of tcpdump's output panicked")??;
        self.child.wait().await?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

async fn listening(stderr: ChildStderr) -> Result<BufReader<ChildStderr>> {
    let mut reader = BufReader::new(stderr);
    let mut said = String::new();
    while !said.contains("listening on") {
        if reader.read_line(&mut said).await? == 0 {
            return Err(anyhow!("tcpdump: {}", said.trim()));
        }
    }
    Ok(reader)
}

/// The first six-byte address of a line, in the form of the kernel. ndisc6 writes it in capitals.
fn hardware_address(line: &str) -> Option<String> {
    let is_address = |word: &&str| {
        word.split(':').count() == 6
            && word
                .split(':')
                .all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
    };
    line.split_whitespace().find(is_address).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn hardware_addresses_are_found_in_what_the_probes_print() {
        for (line, expected) in [
            ("8e:bf:89:17:02:95", Some("8e:bf:89:17:02:95")),
            ("8E:BF:89:17:02:95", Some("8e:bf:89:17:02:95")),
            ("Timeout", None),
            ("fd30::1", None),
        ] {
            assert_eq!(hardware_address(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn only_a_probe_that_worked_tells_of_silence() {
        let mac = "8e:bf:89:17:02:95";
        for (code, stdout, stderr, expected) in [
            (0, "8e:bf:89:17:02:95\n", "", Some(vec![mac])),
            (0, "8E:BF:89:17:02:95\n", "a warning", Some(vec![mac])),
            (ARPING_SILENCE, "", "", Some(vec![])),
            (ARPING_SILENCE, "", "arping: No such device", None),
            (ARPING_SILENCE, "8e:bf:89:17:02:95\n", "", None),
            (0, "", "", None),
            (2, "", "", None),
            (127, "", "", None),
        ] {
            let output = Output {
                status: ExitStatus::from_raw(code << 8),
                stdout: stdout.into(),
                stderr: stderr.into(),
            };
            let expected = expected.map(|found| found.into_iter().map(str::to_owned).collect());
            assert_eq!(
                heard(&output, ARPING_SILENCE),
                expected,
                "{code} {stdout:?} {stderr:?}"
            );
        }
    }
}
