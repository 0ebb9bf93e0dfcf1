//! A server that is the API server, as far as a client can tell, and passes on to the real one what it likes.
//!
//! Owns: the encrypted connections on both sides. They end with the proxy.
//! Never: decides what becomes of a request.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::cluster::address::{API_PORT, HOST_IPV4};
use crate::cluster::layout::Layout;
use crate::cluster::pki;

pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// What becomes of a request.
pub(super) trait Answer: Clone + Send + Sync + 'static {
    /// Answers it, with the help of the real API server or without.
    fn answer(
        &self,
        api_server: &ApiServer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>>> + Send;
}

/// The way to the real API server.
#[derive(Clone)]
pub(super) struct ApiServer(TlsConnector);

impl ApiServer {
    /// On a connection of its own: one that a watch was cut off from is of no further use.
    pub(super) async fn send(&self, request: Request<Incoming>) -> Result<Response<Incoming>> {
        let stream = TcpStream::connect((HOST_IPV4, API_PORT)).await?;
        let name = ServerName::IpAddress(IpAddr::from(HOST_IPV4).into());
        let stream = self.0.connect(name, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection); // ends with the answer's body
        Ok(sender.send_request(request).await?)
    }
}

/// See the module. Ends when dropped, with all connections through it.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts to listen.
    pub(super) async fn start(layout: &Layout, answer: impl Answer) -> Result<Self> {
        let listener = TcpListener::bind((HOST_IPV4, 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = acceptor(layout)?;
        let api_server = ApiServer(connector(layout)?);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // A pod that is killed does not say goodbye: errors of a connection tell nothing.
                connections.spawn(serve(
                    stream,
                    acceptor.clone(),
                    api_server.clone(),
                    answer.clone(),
                ));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    api_server: ApiServer,
    answer: impl Answer,
) -> Result<()> {
    let stream = acceptor.accept(stream).await?;
    let service = service_fn(async |request| answer.answer(&api_server, request).await);
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}

/// The answer of an API server that does not do what it was asked for.
pub(super) fn refusal(code: StatusCode) -> Response<Body> {
    let text = Full::new(Bytes::from(status(code).to_string()));
    let mut response = Response::new(text.map_err(|never| match never {}).boxed());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if code == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// As the API server words them.
pub(super) fn status(code: StatusCode) -> Value {
    let (reason, message) = match code {
        StatusCode::GONE => ("Expired", "too old resource version"),
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "the server has received too many requests"),
        StatusCode::INTERNAL_SERVER_ERROR => {
            ("InternalError", "Internal error occurred: etcdserver: no space")
        }
        _ => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code.as_u16(),
    })
}

/// The proxy is the API server, as far as the client can tell.
fn acceptor(layout: &Layout) -> Result<TlsAcceptor> {
    let own = pki::files(layout, "kube-apiserver");
    let chain = CertificateDer::pem_slice_iter(&fs::read(own.certificate)?).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(own.key)?)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config).into())
}

fn connector(layout: &Layout) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(pki::files(layout, "ca").certificate)?) {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}
