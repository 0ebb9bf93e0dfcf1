//! A certificate from a directory: `tls.crt` and `tls.key`, as the kubelet mounts a Secret and cert-manager fills it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::{Identity, certificate};
use crate::log::chain;

/// How often the files are looked at: the kubelet takes a minute to update them, so more often finds nothing sooner.
const LOOK: Duration = Duration::from_secs(10);
/// Bytes that are read of each file. A chain of ten certificates has 20 KB; what is longer is not a certificate.
const FILE_BYTES: u64 = 128 * 1024;

/// What the two files hold.
#[derive(PartialEq, Eq)]
struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            chain: read(&directory.join("tls.crt"))?,
            key: read(&directory.join("tls.key"))?,
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

/// Shows the certificate in `directory`, and from then on each later one. A change that does not make a certificate
/// (half written, say) is logged and the last good one stays shown.
///
/// # Errors
/// None: a directory that is not filled yet is waited for.
pub async fn follow(directory: impl AsRef<Path>, identity: Arc<Identity>) -> anyhow::Result<()> {
    let directory = directory.as_ref();
    let (mut known, mut complaint) = (None, String::new());
    loop {
        let found = Files::read(directory).and_then(|files| {
            if known.as_ref() != Some(&files) {
                files.show(&identity)?;
                tracing::info!(directory = %directory.display(), "showing the certificate of the directory");
                known = Some(files);
            }
            Ok(())
        });
        let now = found.err().map(|error| chain(&*error)).unwrap_or_default();
        if !now.is_empty() && now != complaint {
            tracing::error!(directory = %directory.display(), error = now, "no certificate there, the last good one stays");
        }
        complaint = now;
        tokio::time::sleep(LOOK).await;
    }
}
