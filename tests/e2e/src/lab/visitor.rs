//! A client that asks a web server all the time.
//!
//! Owns: what becomes of each request.
//! Never: hides a failure: a request that had to be repeated is counted as such.

use std::fs::File;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sched::{CloneFlags, setns};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::cluster::address::CLIENT;

/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(5);
/// What a request may take. One that is not answered in this time counts as failed.
const LIMIT: Duration = Duration::from_secs(2);
/// No answer of the test's web server is longer.
const ANSWER_BYTES: usize = 4096;

/// How a client uses its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One for all requests, as long as it lasts.
    Kept,
    /// A new one for each request.
    New,
}

/// Asks until it is stopped, or dropped.
#[derive(Debug)]
pub struct Visitor {
    thread: JoinHandle<Result<Visits>>,
    stop: oneshot::Sender<()>,
}

/// What became of its requests.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    /// Requests that were answered, at once or when they were repeated.
    pub answered: usize,
    /// Those that failed and were repeated on a new connection, as HTTP allows for a GET (RFC 9110, section 9.2.2), and
    /// as browsers and libraries do.
    pub repeated: usize,
    /// Those that failed then as well, and why.
    pub lost: Vec<String>,
    /// The longest time from the first try to the answer.
    pub slowest: Duration,
}

impl Visitor {
    /// Starts to ask the server at `address`, from the client's network.
    pub fn start(address: SocketAddr, connections: Connections) -> Self {
        let (stop, stopped) = oneshot::channel();
        // A thread that has entered a network namespace is of no further use.
        let thread = std::thread::spawn(move || {
            let namespace = File::open(format!("/run/netns/{CLIENT}"))?;
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(visit(address, connections, stopped)))
        });
        Self { thread, stop }
    }

    /// Stops asking.
    ///
    /// # Errors
    /// If nothing was answered.
    pub async fn stop(self) -> Result<Visits> {
        let _ = self.stop.send(()); // it has ended by itself then
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        let visits = ended.map_err(|_| anyhow!("a panic in the visitor"))??;
        ensure!(
            visits.answered > 0,
            "nothing was answered: {:?}",
            visits.lost.first()
        );
        Ok(visits)
    }
}

async fn visit(address: SocketAddr, connections: Connections, mut stopped: oneshot::Receiver<()>) -> Visits {
    let mut visits = Visits::default();
    let mut kept = None;
    while matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
        let start = Instant::now();
        if connections == Connections::New {
            kept = None;
        }
        let mut outcome = ask(&mut kept, address).await;
        if outcome.is_err() {
            visits.repeated += 1;
            outcome = ask(&mut kept, address).await;
        }
        match outcome {
            Ok(()) => visits.answered += 1,
            Err(error) => visits.lost.push(format!("{error:#}")),
        }
        visits.slowest = visits.slowest.max(start.elapsed());
        sleep(INTERVAL).await;
    }
    visits
}

/// One request, on the connection that is there or else a new one, which stays if all goes well.
async fn ask(kept: &mut Option<TcpStream>, address: SocketAddr) -> Result<()> {
    let before = kept.take();
    let asked = async {
        let mut stream = match before {
            Some(stream) => stream,
            None => TcpStream::connect(address).await.context("cannot connect")?,
        };
        exchange(&mut stream).await?;
        Ok::<_, anyhow::Error>(stream)
    };
    let stream = timeout(LIMIT, asked).await.context("no answer in time")??;
    *kept = Some(stream);
    Ok(())
}

async fn exchange(stream: &mut TcpStream) -> Result<()> {
    stream
        .write_all(b"GET /hostname HTTP/1.1\r\nHost: web\r\n\r\n")
        .await?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    while !is_complete(&answer)? {
        ensure!(answer.len() < ANSWER_BYTES, "an endless answer");
        if stream.read_buf(&mut answer).await? == 0 {
            bail!("the connection was closed");
        }
    }
    Ok(())
}

/// Whether the answer is there as a whole.
fn is_complete(answer: &[u8]) -> Result<bool> {
    let text = std::str::from_utf8(answer)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(false);
    };
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>())
    });
    Ok(body.len() >= length.context("an answer without a length")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nweb-1";
        for length in 0..whole.len() {
            assert!(!is_complete(&whole.as_bytes()[..length]).unwrap(), "{length}");
        }
        assert!(is_complete(whole.as_bytes()).unwrap());
        assert!(is_complete(b"HTTP/1.1 503 Busy\r\n\r\n").is_err());
    }
}
