//! The server that the API server asks before it takes an object, and in which form it asks and is answered.
//!
//! It owns the server with its certificate, and that a question always gets an answer with a message, whatever it
//! contains. What is answered is decided by the process.

mod review;

use std::sync::Arc;

use anyhow::Context;
use hyper::StatusCode;
use kube::Client;

use crate::admin::{Health, every_address};
use crate::certificates::{self, Certificates};
use crate::http::{self, Limits, Response, Routes, Server};
use crate::tasks::Tasks;
use crate::tls::files::{self, Pair};
use crate::tls::{Endpoint, Identity, Settings};

pub use self::review::{Answer, Refusal, answer};

/// Where the Services of the webhooks, and the network policies of existing installations, expect them.
pub const PORT: u16 = 9443;
/// Each API server keeps a few connections; three of them have a dozen. An object has at most 1.5 MB in etcd, and a
/// question is about two of them, the old and the new one; a question to convert is about all of a list.
const LIMITS: Limits = Limits {
    connections: 64,
    body_bytes: 8 * 1024 * 1024,
};

/// Where the certificate comes from.
#[derive(Debug)]
pub enum Certificate {
    /// It is made, renewed and told of here.
    Own(Certificates),
    /// Somebody else does that.
    Provided(Pair),
}

/// The server before it listens.
pub struct Webhooks {
    /// Its port
    pub port: u16,
    /// What it answers
    pub routes: Routes,
    /// What it shows
    pub certificate: Certificate,
    /// The flag by which it is not started, for whoever reads that it cannot
    pub off: &'static str,
}

/// The server while it runs.
pub struct Serving {
    /// Whether the process can answer: it is not ready before.
    pub health: Health,
    /// What it speaks
    pub endpoint: Arc<Endpoint>,
}

impl Webhooks {
    /// Serves for as long as the process lives.
    ///
    /// # Errors
    /// The settings contradict each other.
    pub fn spawn(self, tasks: &mut Tasks, client: &Client, tls: &Settings) -> anyhow::Result<Serving> {
        let Self {
            port,
            routes,
            certificate,
            off,
        } = self;
        let identity = identity(tasks, client, certificate);
        let endpoint =
            Endpoint::new(tls, Arc::clone(&identity) as _).context("the --tls flags do not fit together")?;
        let server = Server {
            address: every_address(port),
            tls: Some(Arc::clone(&endpoint)),
            routes,
            limits: LIMITS,
        };
        tasks.spawn("webhooks", async move {
            let ended = server.run().await;
            ended.with_context(|| format!("cannot serve webhooks; {off} serves none"))
        });
        let health = Health::if_also("the certificate of the webhooks", move || {
            identity.shown().is_some()
        });
        Ok(Serving { health, endpoint })
    }
}

fn identity(tasks: &mut Tasks, client: &Client, certificate: Certificate) -> Arc<Identity> {
    match certificate {
        Certificate::Own(certificates) => certificates::spawn(tasks, client, certificates),
        Certificate::Provided(pair) => {
            let identity = Arc::new(Identity::new());
            let follow = files::follow(pair, Arc::clone(&identity));
            tasks.spawn("webhooks' certificate", follow);
            identity
        }
    }
}

/// The body is no review: without its uid there is no answer that the API server takes for one.
pub fn unreadable(what: &str, error: &serde_json::Error) -> Response {
    tracing::warn!(what, %error, "question not understood");
    http::text(StatusCode::BAD_REQUEST, format!("this is no {what}: {error}\n"))
}

/// A review as it is sent back.
pub fn reviewed<T: serde::Serialize>(status: StatusCode, review: &T) -> Response {
    match serde_json::to_vec(review) {
        Ok(body) => http::json(status, body),
        Err(error) => http::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the answer cannot be written: {error}\n"),
        ),
    }
}
