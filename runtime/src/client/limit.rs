//! The time limit of writes. Owns which requests are writes; what a caller does about a write that failed is his.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Service};

/// How long a write may take. The API server answers within milliseconds, or, with an admission webhook that hangs,
/// within the webhook's own limit (10 s by default). A longer silence is a connection that leads nowhere: the caller
/// tries again on a new one long before the limit for silent watches.
const WRITE_LIMIT: Duration = Duration::from_secs(11);

/// A write got no answer. Whether it was done is not known, so a caller must be able to repeat it.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer within {} s", WRITE_LIMIT.as_secs())]
struct Unanswered;

/// Passes requests on, and gives up on writes that take too long. Reads may be watches, which are silent in peace.
#[derive(Clone, Debug)]
pub(super) struct LimitWrites<S>(pub(super) S);

impl<S> Service<Request<Body>> for LimitWrites<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reads = request.method() == Method::GET;
        let answer = self.0.call(request);
        Box::pin(async move {
            if reads {
                return answer.await.map_err(Into::into);
            }
            match tokio::time::timeout(WRITE_LIMIT, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(Unanswered.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Pending, pending};

    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{Api, Patch, PatchParams};
    use kube::{Client, Error};

    use super::*;
    use crate::log::chain;

    /// An API server that takes requests and never answers.
    #[derive(Clone)]
    struct Silent;

    impl Service<Request<Body>> for Silent {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Pending<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            pending()
        }
    }

    async fn within<T>(limit: Duration, request: impl Future<Output = Result<T, Error>>) -> Option<String> {
        let answer = tokio::time::timeout(limit, request).await.ok()?;
        answer.err().map(|error| chain(&error))
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_fails_in_time_and_a_read_goes_on() {
        let api: Api<ConfigMap> = Api::namespaced(Client::new(LimitWrites(Silent), "ns"), "ns");
        let patch = Patch::Merge(serde_json::json!({}));
        let parameters = PatchParams::default();
        let error = within(Duration::from_secs(12), api.patch("a", &parameters, &patch)).await;
        let error = error.expect("given up");
        assert!(
            error.contains("the API server did not answer within 11 s"),
            "{error}"
        );
        assert_eq!(within(Duration::from_mins(1), api.get("a")).await, None);
    }
}
