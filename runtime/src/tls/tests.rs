//! Real handshakes with a server whose certificate changes.

use std::net::SocketAddr;

use hyper::{Method, StatusCode};
use rustls::pki_types::ServerName;
use rustls::version::TLS12;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::http::{Limits, Routes, Server, text};

const NAME: &str = "webhook.example.svc";

/// A certificate that is its own authority, in PEM, and what it looks like to a server.
fn made() -> (CertificateDer<'static>, Shown) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let shown = certificate(
        made.cert.pem().as_bytes(),
        made.signing_key.serialize_pem().as_bytes(),
    )
    .unwrap();
    (made.cert.der().clone(), Arc::new(shown))
}

/// A server with the usual settings, and its TLS side.
async fn server(identity: &Arc<Identity>) -> (SocketAddr, Arc<Endpoint>) {
    let settings = Settings::new("", "", "").unwrap();
    let endpoint = Endpoint::new(&settings, Arc::<Identity>::clone(identity)).unwrap();
    let server = Server {
        address: ([127, 0, 0, 1], 0).into(),
        tls: Some(Arc::clone(&endpoint)),
        routes: Routes::new().on(Method::GET, "/", async |_| text(StatusCode::OK, "ok\n")),
        limits: Limits {
            connections: 8,
            body_bytes: 0,
        },
    };
    let listening = server.bind().await.unwrap();
    let address = listening.address().unwrap();
    tokio::spawn(listening.serve());
    (address, endpoint)
}

async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(NAME).unwrap(), stream)
        .await
}

async fn get(stream: &mut TlsStream<TcpStream>) -> String {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8_lossy(&answer[..15]).into_owned()
}

#[tokio::test]
async fn a_new_certificate_is_shown_at_once_and_breaks_no_connection() {
    let ((old, old_shown), (new, new_shown)) = (made(), made());
    let identity = Arc::new(Identity::new());
    let (address, _) = server(&identity).await;
    assert!(
        connect(address, &old, &[&rustls::version::TLS13]).await.is_err(),
        "there is none yet"
    );

    identity.show(old_shown);
    let mut kept = connect(address, &old, &[&rustls::version::TLS13]).await.unwrap();
    assert_eq!(get(&mut kept).await, "HTTP/1.1 200 OK");

    identity.show(new_shown);
    assert!(connect(address, &old, &[&rustls::version::TLS13]).await.is_err());
    let mut fresh = connect(address, &new, &[&rustls::version::TLS13]).await.unwrap();
    for stream in [&mut kept, &mut fresh] {
        assert_eq!(get(stream).await, "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn tls_1_2_is_refused_until_it_is_asked_for_and_again_after_that() {
    let (trusted, shown) = made();
    let identity = Arc::new(Identity::new());
    identity.show(shown);
    let (address, endpoint) = server(&identity).await;
    let refused = async || {
        let error = connect(address, &trusted, &[&TLS12]).await.unwrap_err();
        assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    };
    refused().await;
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    endpoint
        .speak(&Settings::new("VersionTLS12", suite, "").unwrap())
        .unwrap();
    let mut kept = connect(address, &trusted, &[&TLS12]).await.unwrap();
    endpoint.speak(&Settings::new("", "", "").unwrap()).unwrap();
    refused().await;
    assert_eq!(get(&mut kept).await, "HTTP/1.1 200 OK");
}

#[test]
fn what_is_no_certificate_says_why() {
    let (one, other) = (
        rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap(),
        rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap(),
    );
    let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    for (chain, key, message) in [
        ("", key.as_str(), "there is no certificate in it"),
        (&chain, "", "the private key is not PEM text of a known kind"),
        (
            &chain,
            &other.signing_key.serialize_pem(),
            "the private key does not fit the certificate",
        ),
        (
            "-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n",
            &key,
            "the certificate is not PEM text",
        ),
    ] {
        let error = certificate(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_is_followed_and_its_last_good_certificate_stays() {
    let directory = std::env::temp_dir().join(format!("metallb-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let put = |chain: &str, key: &str| {
        std::fs::write(directory.join("tls.crt"), chain).unwrap();
        std::fs::write(directory.join("tls.key"), key).unwrap();
    };
    let shows = |identity: &Identity| identity.shown().map(|shown| shown.cert[0].clone());
    let made: Vec<_> = (0..2)
        .map(|_| rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap())
        .collect();
    let identity = Arc::new(Identity::new());
    let following = tokio::spawn(files::follow(
        files::Pair::inside(&directory),
        Arc::clone(&identity),
    ));
    let look = || tokio::time::sleep(std::time::Duration::from_secs(11));

    look().await;
    assert_eq!(shows(&identity), None);
    for made in &made {
        put(&made.cert.pem(), &made.signing_key.serialize_pem());
        look().await;
        assert_eq!(shows(&identity).as_ref(), Some(made.cert.der()));
        put(&made.cert.pem(), "");
        look().await;
        assert_eq!(shows(&identity).as_ref(), Some(made.cert.der()));
    }
    following.abort();
    std::fs::remove_dir_all(&directory).unwrap();
}
