//! Questions whether an object may be created, changed or deleted. Owns the way from an AdmissionReview to its answer.

use std::future::Future;

use hyper::StatusCode;
use kube::api::DynamicObject;
use kube::core::admission::{self, AdmissionRequest, AdmissionResponse, AdmissionReview};
use kube::core::response::{Status, reason};

use super::{reviewed, unreadable};
use crate::http::{Request, Response};

/// What the author of an object gets to hear.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why it is refused, if it is
    pub refusal: Option<Refusal>,
    /// What there is to know in either case
    pub warnings: Vec<String>,
}

/// Why an object is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In words
    pub message: String,
    cause: Cause,
}

/// What HTTP calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Forbidden,
    BadRequest,
    InternalError,
}

impl Refusal {
    /// By the rules.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::of(Cause::Forbidden, message)
    }

    /// The question cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::of(Cause::BadRequest, message)
    }

    /// What the decision needs is not known.
    pub fn internal_error(message: impl Into<String>) -> Self {
        Self::of(Cause::InternalError, message)
    }

    fn of(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cause,
        }
    }
}

/// Answers `request` as `decide` does.
pub async fn answer<D: Future<Output = Answer>>(
    request: &Request,
    decide: impl FnOnce(AdmissionRequest<DynamicObject>) -> D,
) -> Response {
    let review: Result<AdmissionReview<DynamicObject>, _> = serde_json::from_slice(request.body());
    let asked: AdmissionRequest<DynamicObject> = match review {
        Err(error) => return unreadable(admission::META_KIND, &error),
        Ok(review) => match review.try_into() {
            Ok(asked) => asked,
            Err(error) => {
                let response = AdmissionResponse::invalid(error);
                return reviewed(StatusCode::BAD_REQUEST, &response.into_review());
            }
        },
    };
    let response = AdmissionResponse::from(&asked);
    let (kind, name) = (asked.kind.kind.clone(), asked.name.clone());
    let decided = decide(asked).await;
    match &decided.refusal {
        None => {}
        Some(Refusal {
            message,
            cause: Cause::Forbidden,
        }) => tracing::info!(kind, name, why = message, "refused"),
        Some(Refusal { message, .. }) => {
            tracing::warn!(kind, name, error = message, "refused without a verdict");
        }
    }
    reviewed(StatusCode::OK, &worded(response, decided).into_review())
}

fn worded(mut response: AdmissionResponse, Answer { refusal, warnings }: Answer) -> AdmissionResponse {
    if let Some(Refusal { message, cause }) = refusal {
        let (code, reason) = match cause {
            Cause::Forbidden => (403, reason::FORBIDDEN),
            Cause::BadRequest => (400, reason::BAD_REQUEST),
            Cause::InternalError => (500, reason::INTERNAL_ERROR),
        };
        response.allowed = false;
        response.result = Status::failure(&message, reason).with_code(code);
    }
    response.warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
    response
}
