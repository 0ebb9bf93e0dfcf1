//! A small HTTP server for health, metrics and webhooks, with or without TLS.
//!
//! It owns connections, their limits and their deadlines. It knows no route by itself and takes no decision about what
//! is answered. A bad client costs its own connection and nothing else; a [`Server::run`] that ends is a dead task and
//! ends the process.

mod connection;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::tls::Endpoint;

pub use self::routes::Routes;

/// What a handler gets: the whole request, its body within the limit of the server.
pub type Request = hyper::Request<Bytes>;
/// What a handler gives.
pub type Response = hyper::Response<Bytes>;

/// How much of this process one server may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. When all are in use, the next one takes the place of the one that is idle the longest; if
    /// none is idle it waits, and others in the kernel's accept queue, at most until a deadline of one has passed.
    pub connections: usize,
    /// Bytes of a request's body. A longer one is answered with 413.
    pub body_bytes: usize,
}

/// A server before it listens.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its TLS settings and certificate; `None` serves plain HTTP.
    pub tls: Option<Arc<Endpoint>>,
    /// What it answers.
    pub routes: Routes,
    /// What it may take.
    pub limits: Limits,
}

impl Server {
    /// Serves for ever.
    ///
    /// # Errors
    /// The address cannot be bound (in use, or not of this host).
    pub async fn run(self) -> anyhow::Result<()> {
        self.bind().await?.serve().await
    }

    /// Takes the address. Clients that connect from now on wait for [`Listening::serve`].
    ///
    /// # Errors
    /// The address cannot be bound (in use, or not of this host).
    pub async fn bind(self) -> anyhow::Result<Listening> {
        let listener = TcpListener::bind(self.address)
            .await
            .with_context(|| format!("cannot listen at {}", self.address))?;
        Ok(Listening {
            listener,
            slots: Slots::new(self.limits.connections),
            service: Arc::new(Service {
                tls: self.tls,
                routes: self.routes,
                body_bytes: self.limits.body_bytes,
            }),
        })
    }
}

/// What every connection of a server shares.
struct Service {
    tls: Option<Arc<Endpoint>>,
    routes: Routes,
    body_bytes: usize,
}

/// A server that has its address.
pub struct Listening {
    listener: TcpListener,
    slots: Slots,
    service: Arc<Service>,
}

impl Listening {
    /// Where it listens: with port 0 in [`Server::address`], the port the kernel chose.
    ///
    /// # Errors
    /// The kernel does not know the socket; a bug.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever.
    ///
    /// # Errors
    /// None while the process lives.
    pub async fn serve(self) -> anyhow::Result<()> {
        loop {
            let (stream, peer) = self.accept().await;
            let slot = self.slots.take().await?;
            let (service, crowded) = (Arc::clone(&self.service), Arc::clone(&self.slots.crowded));
            tokio::spawn(async move {
                if let Err(error) = connection::serve(stream, &service, &crowded).await {
                    tracing::debug!(%peer, error = format!("{error:#}"), "connection ended early");
                }
                drop(slot);
            });
        }
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                // The peer went away before it was accepted, or file descriptors ran out: neither is ours to die of.
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// The connections there may be.
struct Slots {
    free: Arc<Semaphore>,
    /// Asks the connection that is idle the longest to end.
    crowded: Arc<Notify>,
}

impl Slots {
    fn new(connections: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(connections)),
            crowded: Arc::new(Notify::new()),
        }
    }

    async fn take(&self) -> anyhow::Result<OwnedSemaphorePermit> {
        if self.free.available_permits() == 0 {
            self.crowded.notify_one();
        }
        let free = Arc::clone(&self.free);
        free.acquire_owned()
            .await
            .context("the semaphore is never closed")
    }
}

/// An answer of plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    answer(status, "text/plain; charset=utf-8", body)
}

/// An answer of JSON that is already written.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    answer(status, "application/json", body)
}

/// An answer of any type.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests;
