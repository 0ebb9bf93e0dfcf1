//! What the Secret holds, as text and as what it means.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::decision::{Facts, Leaf};
use super::issue::Authority;
use super::validity::{Time, Validity};
use crate::tls::{Shown, certificate};

/// Keys of the Secret, as MetalLB has them.
const AUTHORITIES: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Certificates that are looked at in a bundle. We write two; more come from somebody who knows what they are doing,
/// and a hundred from somebody who does not.
const BUNDLE: usize = 16;

/// The four parts, as text. What is missing is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// PEM of the authorities, the one that signs first.
    pub(super) authorities: Vec<u8>,
    /// PEM of the first one's key.
    pub(super) authority_key: Vec<u8>,
    /// PEM of the server's certificate.
    pub(super) chain: Vec<u8>,
    /// PEM of its key.
    pub(super) key: Vec<u8>,
}

/// Nothing of it goes into a log.
impl std::fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Contents(..)")
    }
}

impl Contents {
    /// Takes them out of a Secret's data.
    pub(super) fn read(mut data: BTreeMap<String, ByteString>) -> Self {
        let mut part = |key: &str| data.remove(key).unwrap_or_default().0;
        Self {
            authorities: part(AUTHORITIES),
            authority_key: part(AUTHORITY_KEY),
            chain: part(CHAIN),
            key: part(KEY),
        }
    }

    /// As a Secret's data.
    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        [
            (AUTHORITIES, &self.authorities),
            (AUTHORITY_KEY, &self.authority_key),
            (CHAIN, &self.chain),
            (KEY, &self.key),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.clone())))
        .collect()
    }
}

/// The contents and their meaning.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// The text.
    pub(super) contents: Contents,
    /// What matters for decisions.
    pub(super) facts: Facts,
    /// PEM of each authority, in the order of the facts.
    pub(super) authorities: Vec<String>,
    /// What servers show.
    pub(super) shown: Option<Shown>,
}

impl Held {
    /// Looks at `contents` for a server that is called `host`. What is not as it should be is as good as missing.
    pub(super) fn examine(contents: Contents, host: &str) -> Self {
        let (authorities, trusted) = authorities(&contents.authorities);
        let shown = certificate(&contents.chain, &contents.key).ok();
        let leaf = shown.as_ref().and_then(|shown| leaf(shown, &trusted, host));
        let can_sign = authorities
            .first()
            .zip(trusted.first())
            .is_some_and(|(pem, (first, validity))| signs(pem, first, *validity, &contents.authority_key));
        Self {
            contents,
            facts: Facts {
                authorities: trusted.iter().map(|(_, validity)| *validity).collect(),
                can_sign,
                leaf,
            },
            authorities,
            shown: shown.filter(|_| leaf.is_some()).map(Shown::new),
        }
    }
}

type Trusted = (CertificateDer<'static>, Validity);

/// The authorities in a bundle; none if a part of it is no certificate.
fn authorities(bundle: &[u8]) -> (Vec<String>, Vec<Trusted>) {
    let mut found: (Vec<String>, Vec<Trusted>) = Default::default();
    for der in CertificateDer::pem_slice_iter(bundle).take(BUNDLE) {
        let Some((der, validity)) = der
            .ok()
            .and_then(|der| Validity::of(&der).map(|validity| (der, validity)))
        else {
            return Default::default();
        };
        found.0.push(pem(&der));
        found.1.push((der, validity));
    }
    found
}

/// RFC 7468.
fn pem(der: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn leaf(shown: &CertifiedKey, trusted: &[Trusted], host: &str) -> Option<Leaf> {
    let validity = Validity::of(shown.cert.first()?)?;
    let signed_by = trusted
        .iter()
        .position(|(authority, _)| is_signed(shown, authority, host, validity.from))?;
    Some(Leaf { validity, signed_by })
}

/// Whether a client that trusts `authority` takes the certificate for `host`, as the library of such clients sees it.
fn is_signed(shown: &CertifiedKey, authority: &CertificateDer<'static>, host: &str, at: Time) -> bool {
    let mut roots = RootCertStore::empty();
    let (Ok(()), Ok(name), Some((leaf, chain))) = (
        roots.add(authority.clone()),
        ServerName::try_from(host),
        shown.cert.split_first(),
    ) else {
        return false;
    };
    WebPkiServerVerifier::builder_with_provider(roots.into(), ring::default_provider().into())
        .build()
        .is_ok_and(|verifier| {
            let at = UnixTime::since_unix_epoch(at);
            verifier.verify_server_cert(leaf, chain, &name, &[], at).is_ok()
        })
}

/// Whether the key is there and belongs to the authority. The proof of it is a signature.
fn signs(pem: &str, authority: &CertificateDer<'static>, validity: Validity, key: &[u8]) -> bool {
    let sample = "sample";
    let signed = || {
        let key = std::str::from_utf8(key).ok()?;
        let authority = Authority::from_pem(pem.to_owned(), key).ok()?;
        let (chain, key) = authority.sign(sample, validity.from).ok()?;
        certificate(chain.as_bytes(), key.as_bytes()).ok()
    };
    signed().is_some_and(|shown| is_signed(&shown, authority, sample, validity.from))
}

/// Whether a client that trusts what is in `bundle` takes what is `shown`.
#[cfg(test)]
pub(super) fn is_trusted(bundle: &[u8], shown: &CertifiedKey, host: &str, at: Time) -> bool {
    let (_, trusted) = authorities(bundle);
    let mut authorities = trusted.iter().filter(|(_, validity)| validity.covers(at));
    authorities.any(|(authority, _)| is_signed(shown, authority, host, at))
}

#[cfg(test)]
mod tests;
