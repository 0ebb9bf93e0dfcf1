//! What the API server asks: whether an object may be created, changed or deleted, and how a BGPPeer reads in its other
//! version.
//!
//! ```text
//!   API server ──HTTPS──► review ─► core::admission ─► AdmissionReview
//!                            └─► existing objects, listed anew for each question
//!              ──HTTPS──► api::conversion ─► ConversionReview
//! ```
//!
//! Every replica answers; none keeps state for it. Owns which rule is asked about what, not the rules.

mod farewell;
mod review;

use hyper::{Method, StatusCode};
use kube::Client;
use kube::core::conversion::ConversionReview;
use metallb_api::conversion;
use metallb_api::names::webhook;
use metallb_core::config::objects::Kind;
use metallb_runtime::http::{Request, Response, Routes};
use metallb_runtime::webhooks::{reviewed, unreadable};

pub(crate) use farewell::dismissed;
use review::Reviewer;

/// The paths that the API server calls. `namespace` is where the configuration belongs.
pub(crate) fn routes(client: &Client, namespace: &str) -> Routes {
    let mut routes = Routes::new().on(Method::POST, webhook::CONVERT_PATH, |request| async move {
        convert(&request)
    });
    for kind in Kind::ALL {
        let reviewer = Reviewer::new(client.clone(), namespace, kind);
        routes = routes.on(Method::POST, path(kind), move |request| {
            let reviewer = reviewer.clone();
            async move { reviewer.answer(&request).await }
        });
    }
    routes
}

fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::BfdProfile => webhook::BFD_PROFILE.path,
        Kind::BgpAdvertisement => webhook::BGP_ADVERTISEMENT.path,
        Kind::BgpPeer => webhook::BGP_PEER.path,
        Kind::Community => webhook::COMMUNITY.path,
        Kind::IpAddressPool => webhook::IP_ADDRESS_POOL.path,
        Kind::L2Advertisement => webhook::L2_ADVERTISEMENT.path,
    }
}

fn convert(request: &Request) -> Response {
    let review: Result<ConversionReview, _> = serde_json::from_slice(request.body());
    match review {
        Ok(review) => reviewed(StatusCode::OK, &conversion::review(review)),
        Err(error) => unreadable("ConversionReview", &error),
    }
}

#[cfg(test)]
mod tests;
