//! The count of requests, as every client of Kubernetes that is written in Go keeps it: the alerts that watch over those
//! watch over us, too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use prometheus::IntCounterVec;
use tower::Service;

/// The code of a request that got no answer.
const NO_ANSWER: &str = "<error>";

/// Passes requests on, and counts what came of them. A watch counts when it is granted.
#[derive(Clone)]
pub(super) struct CountRequests<S> {
    pub(super) inner: S,
    pub(super) requests: IntCounterVec,
    /// Of the API server, with its port.
    pub(super) host: Arc<str>,
}

impl<S, B, A> Service<Request<B>> for CountRequests<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (requests, host) = (self.requests.clone(), Arc::clone(&self.host));
        let method = request.method().clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map(Response::status);
            let code = code.as_ref().map_or(NO_ANSWER, |code| code.as_str());
            requests
                .with_label_values(&[code, host.as_ref(), method.as_str()])
                .inc();
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use http::Method;
    use prometheus::Opts;

    use super::*;

    /// An API server that answers with the code that it is asked for, and not at all to 0.
    struct Obedient;

    impl Service<Request<u16>> for Obedient {
        type Response = Response<()>;
        type Error = &'static str;
        type Future = Ready<Result<Response<()>, &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<u16>) -> Self::Future {
            ready(match request.into_body() {
                0 => Err("connection refused"),
                code => Ok(Response::builder().status(code).body(()).unwrap()),
            })
        }
    }

    #[tokio::test]
    async fn every_request_counts_under_what_came_of_it() {
        let requests =
            IntCounterVec::new(Opts::new("requests", "help"), &["code", "host", "method"]).unwrap();
        let mut counting = CountRequests {
            inner: Obedient,
            requests: requests.clone(),
            host: "192.0.2.1:6443".into(),
        };
        for (method, code) in [
            (Method::GET, 200),
            (Method::GET, 200),
            (Method::PATCH, 409),
            (Method::PATCH, 0),
        ] {
            let request = Request::builder().method(method).body(code).unwrap();
            let answered = counting.call(request).await.is_ok();
            assert_eq!(answered, code != 0);
        }
        for (code, method, count) in [("200", "GET", 2), ("409", "PATCH", 1), ("<error>", "PATCH", 1)] {
            let labels = [code, "192.0.2.1:6443", method];
            assert_eq!(
                requests.with_label_values(&labels).get(),
                count,
                "{code} {method}"
            );
        }
    }
}
