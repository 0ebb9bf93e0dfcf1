//! A certificate from files: `tls.crt` and `tls.key` in a directory as a rule, as the kubelet mounts a Secret and
//! cert-manager fills it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::{Identity, certificate};
use crate::log::chain;

/// How often the files are looked at: the kubelet takes a minute to update them, so more often finds nothing sooner.
const LOOK: Duration = Duration::from_secs(10);
/// Bytes that are read of each file. A chain of ten certificates has 20 KB; what is longer is not a certificate.
const FILE_BYTES: u64 = 128 * 1024;

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, and those of the authorities between it and one that clients know
    pub certificate: PathBuf,
    /// Its key
    pub key: PathBuf,
}

impl Pair {
    /// Those in a directory that a Secret of the type `kubernetes.io/tls` is mounted at.
    pub fn inside(directory: &Path) -> Self {
        Self {
            certificate: directory.join("tls.crt"),
            key: directory.join("tls.key"),
        }
    }
}

/// What the two files hold.
#[derive(PartialEq, Eq)]
struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(pair: &Pair) -> anyhow::Result<Self> {
        Ok(Self {
            chain: read(&pair.certificate)?,
            key: read(&pair.key)?,
        })
    }

    fn show(&self, identity: &Identity) -> anyhow::Result<()> {
        let shown = certificate(&self.chain, &self.key)?;
        identity.show(Arc::new(shown));
        Ok(())
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let size = std::fs::metadata(file)
        .with_context(|| file.display().to_string())?
        .len();
    anyhow::ensure!(
        size <= FILE_BYTES,
        "{} is no certificate: it has {size} bytes",
        file.display()
    );
    std::fs::read(file).with_context(|| file.display().to_string())
}

/// Shows the certificate in `files`, and from then on each later one. A change that does not make a certificate
/// (half written, say) is logged and the last good one stays shown.
///
/// # Errors
/// None: a directory that is not filled yet is waited for.
pub async fn follow(pair: Pair, identity: Arc<Identity>) -> anyhow::Result<()> {
    let file = pair.certificate.display().to_string();
    let (mut known, mut complaint) = (None, String::new());
    loop {
        let found = Files::read(&pair).and_then(|files| {
            if known.as_ref() != Some(&files) {
                files.show(&identity)?;
                tracing::info!(file, "showing the certificate of the file");
                known = Some(files);
            }
            Ok(())
        });
        let now = found.err().map(|error| chain(&*error)).unwrap_or_default();
        if !now.is_empty() && now != complaint {
            tracing::error!(file, error = now, "no certificate there, the last good one stays");
        }
        complaint = now;
        tokio::time::sleep(LOOK).await;
    }
}
