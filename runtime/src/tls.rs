//! The TLS side of the servers: which versions, ciphers and curves they speak, and the certificate they show.
//!
//! It owns [`Settings`], as the flags give them, and what is exchanged while connections live: [`Identity`], a certificate,
//! and [`Endpoint`], what is spoken. Where a certificate comes from is not its business: see [`crate::certificates`] and [`files`].

mod endpoint;
pub mod files;
mod settings;

use std::sync::{Arc, RwLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self};

pub use self::endpoint::Endpoint;
pub use self::settings::{Settings, SettingsError};

/// A certificate with its private key, as a server shows it.
pub type Shown = Arc<CertifiedKey>;

/// The certificate of a server, which may change at any time. Connections that are open keep the one they began with;
/// until there is the first one, handshakes fail.
#[derive(Debug, Default)]
pub struct Identity(RwLock<Option<Shown>>);

impl Identity {
    /// No certificate yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows `certificate` from the next handshake on.
    pub fn show(&self, certificate: Shown) {
        // A poisoned lock holds a certificate as whole as any: it is written by one assignment.
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(certificate);
    }

    /// What is shown now.
    pub fn shown(&self) -> Option<Shown> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Shown> {
        self.shown()
    }
}

/// A certificate and its key cannot be used. The state before stays in force; not retried until they change.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate is not PEM.
    #[error("the certificate is not PEM text")]
    Certificate(#[source] pem::Error),
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The key is not PEM.
    #[error("the private key is not PEM text of a known kind")]
    Key(#[source] pem::Error),
    /// The key is of an unknown kind, or belongs to another certificate.
    #[error("the private key does not fit the certificate")]
    Misfit(#[source] rustls::Error),
}

/// Reads a chain of certificates, the server's own first, and its key.
///
/// # Errors
/// See [`CertificateError`]. That they are in force today is not looked at.
pub fn certificate(chain_pem: &[u8], key_pem: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CertificateError::Certificate)?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(CertificateError::Key)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(CertificateError::Misfit)
}

#[cfg(test)]
mod tests;
