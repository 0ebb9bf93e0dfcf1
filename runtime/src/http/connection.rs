//! One connection: TLS, HTTP/1.1, and the deadlines of each of its phases.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{Request, Response, Service, text};

/// From the connection to the first whole request head, the TLS handshake included. Clients send both at once; this is
/// ten times what a loaded node and a lost packet take, and short enough that silent connections do not pile up.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// How long a connection may be kept for the next request. More than the 90 s after which Go's clients, the API server
/// among them, give up an idle connection: whoever closes last never closes under a request that is on its way.
const IDLE: Duration = Duration::from_mins(2);
/// From the request's head to the answer, the body included: the longest time the API server can be told to wait for a
/// webhook.
const REQUEST: Duration = Duration::from_secs(30);
/// Bytes of a request's head. A service account's token takes 1 KB, a client with many cookies 8 KB.
const HEAD_BYTES: usize = 16 * 1024;

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// It has not yet sent a request.
    New,
    /// A request is being answered.
    Busy,
    /// It has had its answer.
    Idle,
    /// It ends as soon as its answer is out.
    Leaving,
}

/// Serves one connection until the client closes it, a deadline passes, or it is idle when others need its place.
pub(super) async fn serve(stream: TcpStream, service: &Service, crowded: &Notify) -> anyhow::Result<()> {
    // Answers are written at once, so that waiting for more to send only delays them.
    stream.set_nodelay(true).context("the connection is gone")?;
    match &service.tls {
        None => converse(stream, service, crowded).await,
        Some(tls) => {
            let stream = timeout(FIRST_HEAD, TlsAcceptor::from(tls.config()).accept(stream))
                .await
                .context("no TLS handshake in time")?
                .context("the TLS handshake failed")?;
            converse(stream, service, crowded).await
        }
    }
}

async fn converse<S>(stream: S, service: &Service, crowded: &Notify) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (phase, mut phases) = watch::channel(Phase::New);
    let handler = service_fn(|request: hyper::Request<Incoming>| {
        phase.send_replace(Phase::Busy);
        let phase = &phase;
        async move {
            let response = answer(request, service).await;
            phase.send_replace(Phase::Idle);
            Ok::<_, Infallible>(response.map(Full::new))
        }
    });
    let mut connection = pin!(
        hyper::server::conn::http1::Builder::new()
            .max_header_size(HEAD_BYTES)
            .header_read_timeout(None) // the phases below have deadlines of their own
            .serve_connection(TokioIo::new(stream), handler)
    );
    loop {
        let now = *phases.borrow_and_update();
        tokio::select! {
            served = &mut connection => return served.context("the conversation broke off"),
            changed = phases.changed() => changed.context("the handler is gone")?,
            () = sleep(FIRST_HEAD), if now == Phase::New => bail!("no request in time"),
            // An answer that the client does not read counts as idle, too: then this is how long it is kept.
            () = sleep(IDLE), if now == Phase::Idle => return Ok(()),
            () = crowded.notified(), if now == Phase::Idle => {
                // The answer may still be on its way out.
                connection.as_mut().graceful_shutdown();
                phase.send_replace(Phase::Leaving);
            }
            () = sleep(FIRST_HEAD), if now == Phase::Leaving => return Ok(()),
        }
    }
}

async fn answer(request: hyper::Request<Incoming>, service: &Service) -> Response {
    let answered = timeout(REQUEST, async {
        match whole(request, service.body_bytes).await {
            Ok(request) => service.routes.answer(request).await,
            Err(refusal) => refusal,
        }
    });
    answered
        .await
        .unwrap_or_else(|_| text(StatusCode::SERVICE_UNAVAILABLE, "took too long\n"))
}

/// The request with its whole body, or the answer to one that has no end in sight.
async fn whole(request: hyper::Request<Incoming>, body_bytes: usize) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    match Limited::new(body, body_bytes).collect().await {
        Ok(body) => Ok(Request::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let mut response = text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the limit is {body_bytes} bytes\n"),
            );
            // The rest of the body is not read.
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
            Err(response)
        }
        Err(_) => Err(text(
            StatusCode::BAD_REQUEST,
            Bytes::from_static(b"the body broke off\n"),
        )),
    }
}
