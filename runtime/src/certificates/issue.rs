//! Making keys and certificates. Owns names, lives and key kinds; when something is made is decided elsewhere.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::decision::{AUTHORITY_LIFE, LEAF_LIFE};
use super::held::Contents;
use super::validity::Time;
use crate::tls::{CertificateError, Shown, certificate};

/// Certificates begin this long before they are made, for clients whose clocks are behind.
pub(super) const BACKDATED: Duration = Duration::from_hours(1);

/// Names of the authority as MetalLB has them, so that who looks at the Secret finds what it knows.
const AUTHORITY_NAME: &str = "cert";
const AUTHORITY_ORGANIZATION: &str = "metallb";

/// An authority that has its key.
pub(super) struct Authority {
    certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    /// A new one. Its key is of the kind P-256: every client of the last fifteen years takes it, it is made in
    /// a millisecond, and handshakes with it cost a tenth of what RSA costs.
    pub(super) fn new(now: Time) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = authority_params();
        lasts(&mut params, now, AUTHORITY_LIFE);
        Ok(Self {
            certificate_pem: params.self_signed(&key)?.pem(),
            key,
        })
    }

    /// One from what a Secret holds. Whether they belong together shows when it signs.
    pub(super) fn from_pem(certificate_pem: String, key_pem: &str) -> Result<Self, Error> {
        Ok(Self {
            certificate_pem,
            key: KeyPair::from_pem(key_pem)?,
        })
    }

    /// A certificate for `host` and its key, in PEM.
    pub(super) fn sign(&self, host: &str, now: Time) -> Result<(String, String), Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host);
        lasts(&mut params, now, LEAF_LIFE);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority_params(), &self.key);
        let made = params.signed_by(&key, &issuer)?;
        Ok((made.pem(), key.serialize_pem()))
    }

    /// This authority with a certificate of it for `host`.
    pub(super) fn with_leaf(&self, host: &str, now: Time) -> Result<Contents, Error> {
        let (chain, key) = self.sign(host, now)?;
        Ok(Contents {
            authorities: self.certificate_pem.clone().into(),
            authority_key: self.key.serialize_pem().into(),
            chain: chain.into(),
            key: key.into(),
        })
    }

    /// This authority before `earlier`, which has signed the certificate that stays.
    pub(super) fn before(&self, earlier: &str, leaf: &Contents) -> Contents {
        Contents {
            authorities: format!("{}{earlier}", self.certificate_pem).into(),
            authority_key: self.key.serialize_pem().into(),
            ..leaf.clone()
        }
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, AUTHORITY_ORGANIZATION);
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn lasts(params: &mut CertificateParams, now: Time, life: Duration) {
    let date = |time: Time| date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_secs());
    params.not_before = date(now.saturating_sub(BACKDATED));
    params.not_after = date(now + life);
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum SelfSignedError {
    /// The host's name cannot be in a certificate, or the kernel gives no randomness.
    #[error("cannot make a certificate")]
    Make(#[source] Error),
    /// A bug.
    #[error("the certificate made is not usable")]
    Use(#[source] CertificateError),
}

/// A certificate that nobody can verify, for a server whose clients trust the network and not its name. It outlives
/// every process: `now` plus the life of an authority.
///
/// # Errors
/// If `host` cannot be in a certificate, or the kernel gives no randomness.
pub fn self_signed(host: &str, now: Time) -> Result<Shown, SelfSignedError> {
    let key = KeyPair::generate().map_err(SelfSignedError::Make)?;
    let mut params = CertificateParams::new([host.to_owned()]).map_err(SelfSignedError::Make)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, host);
    lasts(&mut params, now, AUTHORITY_LIFE);
    let made = params.self_signed(&key).map_err(SelfSignedError::Make)?;
    let shown = certificate(made.pem().as_bytes(), key.serialize_pem().as_bytes());
    shown.map(Shown::new).map_err(SelfSignedError::Use)
}
