//! The health endpoints of a process. Owns `/healthz` and `/readyz`, nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use hyper::{Method, StatusCode};

use crate::http::{Limits, Response, Routes, Server, text};

/// The kubelet opens two connections and sends no body.
const LIMITS: Limits = Limits {
    connections: 16,
    body_bytes: 1024,
};

/// What has to be true besides, and what it is called.
type Condition = (&'static str, Box<dyn Fn() -> bool + Send + Sync>);

/// Whether this process is ready to do its work. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Health(Arc<State>);

#[derive(Default)]
struct State {
    knows: AtomicBool,
    condition: Option<Condition>,
}

impl Health {
    /// Alive, not yet ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and ready only if `condition` holds as well. `what` is it that is waited for.
    pub fn if_also(what: &'static str, condition: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(State {
            knows: AtomicBool::new(false),
            condition: Some((what, Box::new(condition))),
        }))
    }

    /// Everything this process needs to know is known: `/readyz` answers 200 from now on, or as soon as the condition
    /// holds.
    pub fn set_ready(&self) {
        self.0.knows.store(true, Ordering::Relaxed);
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.missing().is_none()
    }

    /// What it waits for.
    fn missing(&self) -> Option<&'static str> {
        if !self.0.knows.load(Ordering::Relaxed) {
            return Some("the first list of every watch");
        }
        let (what, holds) = self.0.condition.as_ref()?;
        (!holds()).then_some(*what)
    }

    /// `/healthz` and `/readyz`. Being answered at all is the liveness proof: the runtime has one thread, so an owner
    /// task that loops or blocks keeps this from running, and the kubelet's probe times out.
    pub fn routes(&self) -> Routes {
        let health = self.clone();
        Routes::new()
            .on(Method::GET, "/healthz", async |_| text(StatusCode::OK, "ok\n"))
            .on(Method::GET, "/readyz", move |_| {
                let readiness = health.readiness();
                async { readiness }
            })
    }

    fn readiness(&self) -> Response {
        match self.missing() {
            None => text(StatusCode::OK, "ok\n"),
            Some(what) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: waiting for {what}\n"),
            ),
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
    let server = Server {
        address,
        tls: None,
        routes: health.routes(),
        limits: LIMITS,
    };
    server.run().await.with_context(|| {
        format!("cannot serve health at {address}; choose another port with --health-probe-port")
    })
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    async fn get(health: &Health, path: &str) -> StatusCode {
        let request = Request::get(path).body(bytes::Bytes::new()).unwrap();
        health.routes().answer(request).await.status()
    }

    #[tokio::test]
    async fn alive_at_once_and_ready_when_told() {
        let health = Health::new();
        assert_eq!(get(&health, "/healthz").await, StatusCode::OK);
        assert_eq!(get(&health, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        health.set_ready();
        assert_eq!(get(&health, "/readyz").await, StatusCode::OK);
        assert_eq!(get(&health, "/secrets").await, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn ready_only_while_its_condition_holds() {
        let holds = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&holds);
        let health = Health::if_also("the certificate", move || seen.load(Ordering::Relaxed));
        assert_eq!(health.missing(), Some("the first list of every watch"));
        health.set_ready();
        assert_eq!(health.missing(), Some("the certificate"));
        assert_eq!(get(&health, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        holds.store(true, Ordering::Relaxed);
        assert_eq!(get(&health, "/readyz").await, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_port_in_use_names_the_flag_to_change() {
        let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = serve(taken.local_addr().unwrap(), Health::new())
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("--health-probe-port"), "{error:#}");
    }
}
