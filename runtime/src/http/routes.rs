//! Which handler answers which path. Owns the answers 404 and 405, nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};

use super::{Request, Response, text};

type Handler = dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync;

/// The paths of a server, each with its method and its handler.
#[derive(Clone, Default)]
pub struct Routes(BTreeMap<&'static str, Route>);

#[derive(Clone)]
struct Route {
    method: Method,
    handler: Arc<Handler>,
}

impl Routes {
    /// No paths: every answer is 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `path`, which is compared as a whole, without the query. One path has one method; the last one added wins.
    ///
    /// A handler never panics. It is dropped unfinished when the client goes away or the request takes too long.
    #[must_use]
    pub fn on<F, A>(mut self, method: Method, path: &'static str, handler: F) -> Self
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let handler: Arc<Handler> = Arc::new(move |request| handler(request).boxed());
        self.0.insert(path, Route { method, handler });
        self
    }

    /// The answer to `request`.
    pub async fn answer(&self, request: Request) -> Response {
        match self.0.get(request.uri().path()) {
            None => {
                let known: Vec<&str> = self.0.keys().copied().collect();
                text(StatusCode::NOT_FOUND, format!("try {}\n", known.join(" or ")))
            }
            Some(route) if route.method != request.method() => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {}\n", route.method));
                if let Ok(method) = HeaderValue::from_str(route.method.as_str()) {
                    response.headers_mut().insert(ALLOW, method);
                }
                response
            }
            Some(route) => (route.handler)(request).await,
        }
    }
}
