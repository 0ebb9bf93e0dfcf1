//! The certificate of the webhooks: made, kept in a Secret, renewed without a restart, and known to the API server.
//!
//! ```text
//!   Secret ──────────┐                                          ┌─► Secret (merge patch with its resourceVersion)
//!   webhooks, CRD ───┼─► state: what is held ─► decision ─► act ┼─► caBundle of webhooks and CRD, if it has one
//!   the clock ───────┘            │                             └─► issue (keys, signatures)
//!                                 └─► Identity that the servers show
//! ```
//!
//! Every replica of a process that answers webhooks runs this and acts alike; the resourceVersion lets one of them win, and the others
//! take what it wrote. A new authority is made known before a certificate of it is shown, so that nobody who trusts
//! what the API server trusts ever meets a certificate it does not know. It does not serve anything itself.

mod decision;
mod held;
mod issue;
mod objects;
mod pace;
mod run;
mod state;
mod validity;

use std::sync::Arc;

use kube::Client;

use self::objects::Teller;
use crate::tasks::Tasks;
use crate::tls::Identity;

/// What to keep, and where.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Namespace of the Secret and of the Service.
    pub namespace: String,
    /// The Secret. One that MetalLB made is adopted; an empty, broken or missing one is filled.
    pub secret: String,
    /// The Service that the API server reaches the webhooks by.
    pub service: String,
    /// The ValidatingWebhookConfiguration that tells the API server whom to trust; there need not be one.
    pub webhooks: &'static str,
    /// The definition that does, if it is converted by a webhook as well.
    pub conversion: Option<&'static str>,
}

impl Certificates {
    /// The name that the API server expects to find in the certificate.
    fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// The objects that tell the API server whom to trust, with their names.
    fn tellers(&self) -> impl Iterator<Item = (Teller, &'static str)> {
        let conversion = self.conversion.map(|name| (Teller::Conversion, name));
        [(Teller::Webhooks, self.webhooks)].into_iter().chain(conversion)
    }

    /// The name of one of these objects.
    fn name(&self, teller: Teller) -> &'static str {
        match teller {
            Teller::Webhooks => self.webhooks,
            Teller::Conversion => self.conversion.unwrap_or_default(),
        }
    }
}

/// Keeps the certificate, for ever. The identity shows one as soon as the Secret has it.
pub fn spawn(tasks: &mut Tasks, client: &Client, certificates: Certificates) -> Arc<Identity> {
    let identity = Arc::new(Identity::new());
    run::spawn(tasks, client, certificates, Arc::clone(&identity));
    identity
}

pub use self::issue::self_signed;
