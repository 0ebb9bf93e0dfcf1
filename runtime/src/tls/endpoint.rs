//! What a server speaks, beside what it shows. Owns the exchange of it while connections live.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::{Error, ServerConfig};

use super::Settings;

/// The TLS side of one server. What it speaks may change at any time; connections that are open go on as they began.
#[derive(Debug)]
pub struct Endpoint {
    identity: Arc<dyn ResolvesServerCert>,
    config: RwLock<Arc<ServerConfig>>,
}

impl Endpoint {
    /// Shows what `identity` gives, and speaks what `settings` say.
    ///
    /// # Errors
    /// The curves and the suites do not fit together.
    pub fn new(settings: &Settings, identity: Arc<dyn ResolvesServerCert>) -> Result<Arc<Self>, Error> {
        let config = RwLock::new(settings.server(Arc::clone(&identity))?);
        Ok(Arc::new(Self { identity, config }))
    }

    /// Speaks what `settings` say from the next handshake on.
    ///
    /// # Errors
    /// The curves and the suites do not fit together. Then it goes on as before.
    pub fn speak(&self, settings: &Settings) -> Result<(), Error> {
        let config = settings.server(Arc::clone(&self.identity))?;
        // A poisoned lock holds a configuration as whole as any: it is written by one assignment.
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// For the next handshake.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}
