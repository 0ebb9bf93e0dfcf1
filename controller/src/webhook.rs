//! What the API server asks: whether an object may be created, changed or deleted, and how a BGPPeer reads in its other
//! version.
//!
//! ```text
//!   API server ──HTTPS──► review ─► core::admission ─► AdmissionReview
//!                            └─► existing objects, listed anew for each question
//!              ──HTTPS──► api::conversion ─► ConversionReview
//! ```
//!
//! Every replica answers; none keeps state for it. Owns the form of questions and answers, not the rules. A question
//! always gets an answer with a message, whatever it contains.

mod farewell;
mod review;

use hyper::{Method, StatusCode};
use kube::Client;
use kube::core::conversion::ConversionReview;
use metallb_api::conversion;
use metallb_api::names::webhook;
use metallb_core::config::objects::Kind;
use metallb_runtime::http::{self, Request, Response, Routes};

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
        Ok(review) => answer(StatusCode::OK, &conversion::review(review)),
        Err(error) => unreadable("ConversionReview", &error),
    }
}

/// The body is no review: without its uid there is no answer that the API server takes for one.
fn unreadable(what: &str, error: &serde_json::Error) -> Response {
    tracing::warn!(what, %error, "question not understood");
    http::text(StatusCode::BAD_REQUEST, format!("this is no {what}: {error}\n"))
}

fn answer<T: serde::Serialize>(status: StatusCode, review: &T) -> Response {
    match serde_json::to_vec(review) {
        Ok(body) => http::json(status, body),
        Err(error) => http::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the answer cannot be written: {error}\n"),
        ),
    }
}

#[cfg(test)]
mod tests;
