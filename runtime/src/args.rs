//! What command lines of all three binaries have in common: Go-style flags and the pod's own namespace.

use std::ffi::OsString;
use std::path::PathBuf;
use std::{fs, io};

use clap::Parser;

use crate::tls::{Settings, SettingsError};

/// Where the kubelet tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Parses the command line. Ends the process with a usage message if it is wrong, as clap does.
///
/// Go programs take `-log-level=debug` and `--log-level=debug` alike, and manifests in the field use both.
pub fn parse<T: Parser>() -> T {
    T::parse_from(double_dashed(std::env::args_os()))
}

/// The namespace is unknown.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the own namespace: set METALLB_NAMESPACE or --namespace (no pod: {NAMESPACE_FILE})")]
pub struct NamespaceError(#[source] io::Error);

/// The namespace this process works in: the flag or variable if given, else the pod's own.
///
/// # Errors
/// Neither was given, and this is not a pod.
pub fn own_namespace(given: Option<String>) -> Result<String, NamespaceError> {
    match given.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Ok(namespace),
        None => fs::read_to_string(NAMESPACE_FILE)
            .map(|namespace| namespace.trim().to_owned())
            .map_err(NamespaceError),
    }
}

/// What the HTTPS servers of a process speak, and how its metrics are served.
#[derive(Debug, clap::Args)]
pub struct Serving {
    /// Port of the metrics, over HTTPS; 0 serves none
    #[arg(long, default_value_t = 9120)]
    pub port: u16,
    /// Directory with tls.crt and tls.key for the metrics [default: a certificate made at start]
    #[arg(long)]
    metrics_cert_dir: Option<PathBuf>,
    /// Lowest TLS version: VersionTLS12 or VersionTLS13 [default: VersionTLS13]
    #[arg(long, default_value = "", hide_default_value = true)]
    tls_min_version: String,
    /// Cipher suites of TLS 1.2, comma-separated, by their IANA names [default: all that are secure]
    #[arg(long, default_value = "", hide_default_value = true)]
    tls_cipher_suites: String,
    /// Curves, comma-separated, by their numbers: 29 is X25519, 23 P-256, 24 P-384 [default: all]
    #[arg(long, default_value = "", hide_default_value = true)]
    tls_curve_preferences: String,
}

impl Serving {
    /// The directory with the metrics' certificate, if there is one.
    pub fn metrics_cert_dir(&self) -> Option<&PathBuf> {
        self.metrics_cert_dir
            .as_ref()
            .filter(|directory| !directory.as_os_str().is_empty())
    }

    /// What the flags mean for every HTTPS server. What they ask for and cannot have is logged.
    ///
    /// # Errors
    /// They contradict each other, or name what there is not.
    pub fn tls(&self) -> Result<Settings, SettingsError> {
        let settings = Settings::new(
            &self.tls_min_version,
            &self.tls_cipher_suites,
            &self.tls_curve_preferences,
        )?;
        for name in settings.left_out() {
            tracing::warn!(name, "asked for by a --tls flag, but not offered here: left out");
        }
        Ok(settings)
    }
}

/// `-flag` becomes `--flag`. None of our flags has a short form except `-h` and `-V`.
fn double_dashed(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    args.map(|arg| match arg.to_str() {
        Some(text) if text.len() > 2 && text.starts_with('-') && !text.starts_with("--") => {
            OsString::from(format!("-{text}"))
        }
        _ => arg,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dash_is_as_good_as_two() {
        for (given, meant) in [
            ("--port=0", "--port=0"),
            ("-port=0", "--port=0"),
            ("-lb-class", "--lb-class"),
            ("-h", "-h"),
            ("value", "value"),
            ("-", "-"),
        ] {
            let got: Vec<OsString> = double_dashed([OsString::from(given)].into_iter()).collect();
            assert_eq!(got, [OsString::from(meant)], "{given}");
        }
    }

    #[test]
    fn a_given_namespace_wins_and_an_empty_one_does_not_count() {
        assert_eq!(own_namespace(Some("lb".into())).unwrap(), "lb");
        let message = own_namespace(Some(String::new())).unwrap_err().to_string();
        assert!(message.contains("METALLB_NAMESPACE"), "{message}");
    }
}
