//! The health endpoints of a process. Owns `/healthz` and `/readyz`, nothing else.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections served at once. The kubelet opens two; the next ones wait in the kernel's accept queue.
const CONNECTIONS: usize = 16;
/// A client that does not send its request within this time is cut off, so that it cannot hold a connection for ever.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether this process is ready to do its work. Cheap to clone; all clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<AtomicBool>);

impl Health {
    /// Alive, not yet ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything this process needs to know is known: `/readyz` answers 200 from now on.
    pub fn set_ready(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Health::set_ready`] was called.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The answer to a request for `path`. Being answered at all is the liveness proof: the runtime has one thread,
    /// so an owner task that loops or blocks keeps this from running, and the kubelet's probe times out.
    fn answer(&self, path: &str) -> (StatusCode, &'static str) {
        match path {
            "/healthz" => (StatusCode::OK, "ok\n"),
            "/readyz" if self.is_ready() => (StatusCode::OK, "ok\n"),
            "/readyz" => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: waiting for the first list of every watch\n",
            ),
            _ => (StatusCode::NOT_FOUND, "try /healthz or /readyz\n"),
        }
    }
}

/// Where a pod listens: on every address, because the kubelet asks the pod's, of whatever family it is.
pub fn every_address(port: u16) -> SocketAddr {
    // A socket of IPv6 serves IPv4 too. A kernel that was booted without IPv6 has none.
    let ipv6 = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    let any: IpAddr = if ipv6 {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    SocketAddr::new(any, port)
}

/// Serves the health endpoints at `address` for ever.
///
/// # Errors
/// The address cannot be bound (in use, or not of this host).
pub async fn serve(address: SocketAddr, health: Health) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve health at {address}; choose another port with --health-probe-port")
    })?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots)
            .acquire_owned()
            .await
            .context("the semaphore is never closed")?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let health = health.clone();
                tokio::spawn(async move {
                    converse(stream, health).await;
                    drop(slot);
                });
            }
            // The peer went away before it was accepted, or file descriptors ran out: neither is ours to die of.
            Err(error) => {
                tracing::warn!(%error, "accepting a health connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, health: Health) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (status, text) = health.answer(request.uri().path());
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        async move { Ok::<_, Infallible>(response) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "health connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The status line of a real request over a real connection.
    async fn get(health: Health, path: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let ((), read) = tokio::join!(converse(server, health), client.read_to_string(&mut answer));
        read.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn alive_at_once_and_ready_when_told() {
        let health = Health::new();
        assert_eq!(get(health.clone(), "/healthz").await, "HTTP/1.1 200 OK");
        assert_eq!(
            get(health.clone(), "/readyz").await,
            "HTTP/1.1 503 Service Unavailable"
        );
        health.set_ready();
        assert_eq!(get(health.clone(), "/readyz").await, "HTTP/1.1 200 OK");
        assert_eq!(get(health, "/secrets").await, "HTTP/1.1 404 Not Found");
    }

    #[tokio::test]
    async fn a_port_in_use_names_the_flag_to_change() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = serve(taken.local_addr().unwrap(), Health::new())
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("--health-probe-port"), "{error:#}");
    }
}
