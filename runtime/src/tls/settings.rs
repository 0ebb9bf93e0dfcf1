//! What the three `--tls-*` flags mean. Owns their values, errors and defaults.

use std::str::FromStr;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::{self, ALL_KX_GROUPS};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    CipherSuite, Error, NamedGroup, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};

/// Both versions, and the newer one alone.
const FROM_TLS12: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const FROM_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];

/// The curves that Go knows and the crypto library here does not. Asked for beside others they are left out.
const CURVES_ELSEWHERE: [u16; 4] = [25, 4587, 4588, 4589];

/// What servers speak.
#[derive(Debug, Clone)]
pub struct Settings {
    provider: CryptoProvider,
    versions: &'static [&'static SupportedProtocolVersion],
    left_out: Vec<String>,
}

/// The flags cannot be followed. The process does not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// `--tls-min-version`.
    #[error("parsing tls-min-version: unknown tls version {0:?}, use VersionTLS12 or VersionTLS13")]
    Version(String),
    /// `--tls-cipher-suites` names one that there is not.
    #[error("parsing tls-cipher-suites: cipher suite {0} not supported or doesn't exist")]
    Suite(String),
    /// `--tls-cipher-suites` names none that is offered here.
    #[error("parsing tls-cipher-suites: none of them is offered, add one of {0}")]
    NoSuite(String),
    /// The suites of TLS 1.3 are fixed.
    #[error(
        "cipher suites cannot be configured with TLS 1.3; drop --tls-cipher-suites, or set --tls-min-version=VersionTLS12"
    )]
    FixedSuites,
    /// `--tls-curve-preferences` is not a list of numbers.
    #[error(
        "parsing tls-curve-preferences: invalid curve preference {0:?}: must be a numeric CurveID (1-65535)"
    )]
    CurveNumber(String),
    /// Zero.
    #[error("parsing tls-curve-preferences: curve preference {0} is out of range (must be 1-65535)")]
    CurveRange(u16),
    /// Twice the same.
    #[error("parsing tls-curve-preferences: duplicate curve preference {0}")]
    CurveTwice(u16),
    /// A number that is no curve.
    #[error("parsing tls-curve-preferences: curve preference {0} is not supported by this version, use {1}")]
    Curve(u16, String),
    /// Only curves that are not offered here.
    #[error("parsing tls-curve-preferences: none of them is offered, add one of {0}")]
    NoCurve(String),
}

impl Settings {
    /// Reads the values of the flags; an empty one means its default.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn new(
        min_version: &str,
        cipher_suites: &str,
        curve_preferences: &str,
    ) -> Result<Self, SettingsError> {
        let mut left_out = Vec::new();
        let mut provider = ring::default_provider();
        let suites = suites(cipher_suites, &provider.cipher_suites, &mut left_out)?;
        let curves = curves(curve_preferences, &mut left_out)?;
        let versions = match min_version {
            "" | "VersionTLS13" => FROM_TLS13,
            "VersionTLS12" => FROM_TLS12,
            other => return Err(SettingsError::Version(other.to_owned())),
        };
        if let Some(suites) = suites {
            if versions == FROM_TLS13 {
                return Err(SettingsError::FixedSuites);
            }
            provider.cipher_suites = suites;
        }
        provider.kx_groups = curves.unwrap_or(provider.kx_groups);
        Ok(Self {
            provider,
            versions,
            left_out,
        })
    }

    /// What was asked for and is not offered, for the log.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The configuration of a server that shows what `identity` gives.
    ///
    /// # Errors
    /// The curves and the suites do not fit together.
    pub(super) fn server(&self, identity: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(self.versions)?
            .with_no_client_auth()
            .with_cert_resolver(identity);
        // Clients keep their connections, so a remembered session would save little, and outlive a certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // HTTP/2 has nothing for one request at a time but its history of ways to exhaust a server.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The suites to offer, those of TLS 1.3 always among them; `None` for all.
fn suites(
    names: &str,
    offered: &[SupportedCipherSuite],
    left_out: &mut Vec<String>,
) -> Result<Option<Vec<SupportedCipherSuite>>, SettingsError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut chosen: Vec<_> = offered
        .iter()
        .filter(|suite| suite.tls13().is_some())
        .copied()
        .collect();
    let fixed = chosen.len();
    for name in names.split(',').map(str::trim) {
        let suite = suite(name).ok_or_else(|| SettingsError::Suite(name.to_owned()))?;
        match offered.iter().find(|offer| offer.suite() == suite) {
            Some(offer) if chosen.contains(offer) => {}
            Some(offer) => chosen.push(*offer),
            None => left_out.push(name.to_owned()),
        }
    }
    if chosen.len() == fixed && !left_out.is_empty() {
        let known = offered.iter().filter(|suite| suite.tls13().is_none());
        return Err(SettingsError::NoSuite(list(
            known.map(|suite| iana(suite.suite())),
        )));
    }
    Ok(Some(chosen))
}

/// A suite by the name in the register of IANA, or by one of the two older names that Kubernetes takes, too.
fn suite(name: &str) -> Option<CipherSuite> {
    let name = match name {
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => {
            format!("{name}_SHA256")
        }
        _ => name.to_owned(),
    };
    (0..=u16::MAX)
        .map(CipherSuite::from)
        .find(|suite| iana(*suite) == name)
}

/// The library marks the suites of TLS 1.3 in their names, the register does not.
fn iana(suite: CipherSuite) -> String {
    suite.as_str().unwrap_or_default().replace("TLS13_", "TLS_")
}

/// The curves to offer, in this order; `None` for all.
fn curves(
    ids: &str,
    left_out: &mut Vec<String>,
) -> Result<Option<Vec<&'static dyn SupportedKxGroup>>, SettingsError> {
    if ids.is_empty() {
        return Ok(None);
    }
    let known = || {
        list(
            ALL_KX_GROUPS
                .iter()
                .map(|group| u16::from(group.name()).to_string()),
        )
    };
    let (mut seen, mut chosen) = (Vec::new(), Vec::new());
    for text in ids.split(',').map(str::trim) {
        let id = u16::from_str(text).map_err(|_| SettingsError::CurveNumber(text.to_owned()))?;
        if id == 0 {
            return Err(SettingsError::CurveRange(id));
        }
        if seen.contains(&id) {
            return Err(SettingsError::CurveTwice(id));
        }
        seen.push(id);
        match ALL_KX_GROUPS
            .iter()
            .find(|group| group.name() == NamedGroup::from(id))
        {
            Some(group) => chosen.push(*group),
            None if CURVES_ELSEWHERE.contains(&id) => left_out.push(format!("curve {id}")),
            None => return Err(SettingsError::Curve(id, known())),
        }
    }
    if chosen.is_empty() {
        return Err(SettingsError::NoCurve(known()));
    }
    Ok(Some(chosen))
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: [&str; 3]) -> Result<(usize, usize, Vec<String>), String> {
        let [version, suites, curves] = flags;
        let settings = Settings::new(version, suites, curves).map_err(|error| error.to_string())?;
        let (suites, curves) = (
            settings.provider.cipher_suites.len(),
            settings.provider.kx_groups.len(),
        );
        Ok((suites, curves, settings.left_out))
    }

    const V12: &str = "VersionTLS12";
    const GCM: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    const CBC: &str = "TLS_RSA_WITH_AES_128_CBC_SHA";

    #[test]
    fn what_the_flags_can_say() {
        for (flags, offered) in [
            (["", "", ""], (9, 3, vec![])),
            (["VersionTLS13", "", "29"], (9, 1, vec![])),
            ([V12, GCM, "23, 24"], (4, 2, vec![])),
            ([V12, "TLS_AES_128_GCM_SHA256", ""], (3, 3, vec![])),
            ([V12, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", ""], (4, 3, vec![])),
            (
                [V12, &format!("{CBC}, {GCM},{GCM}"), "4588,29"],
                (4, 1, vec![CBC.to_owned(), "curve 4588".to_owned()]),
            ),
        ] {
            assert_eq!(check(flags), Ok(offered), "{flags:?}");
        }
    }

    #[test]
    fn what_they_cannot_say() {
        for (flags, error) in [
            (
                ["TLS1.2", "", ""],
                "parsing tls-min-version: unknown tls version \"TLS1.2\"",
            ),
            (
                [V12, "RC4", ""],
                "parsing tls-cipher-suites: cipher suite RC4 not supported or doesn't exist",
            ),
            (
                [V12, CBC, ""],
                "parsing tls-cipher-suites: none of them is offered, add one of TLS_ECDHE_",
            ),
            (["", GCM, ""], "cipher suites cannot be configured with TLS 1.3"),
            (
                ["", "", "P-256"],
                "parsing tls-curve-preferences: invalid curve preference \"P-256\": must be a numeric CurveID",
            ),
            (
                ["", "", "65536"],
                "parsing tls-curve-preferences: invalid curve preference \"65536\"",
            ),
            (
                ["", "", "0"],
                "parsing tls-curve-preferences: curve preference 0 is out of range",
            ),
            (
                ["", "", "29,29"],
                "parsing tls-curve-preferences: duplicate curve preference 29",
            ),
            (
                ["", "", "7"],
                "parsing tls-curve-preferences: curve preference 7 is not supported by this version, use 29, 23, 24",
            ),
            (
                ["", "", "25"],
                "parsing tls-curve-preferences: none of them is offered",
            ),
        ] {
            let message = check(flags).unwrap_err();
            assert!(message.starts_with(error), "{flags:?}: {message}");
        }
    }
}
