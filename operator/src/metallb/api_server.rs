//! An API server for tests: a map in memory. Kubernetes' controllers do at once what they would do in the end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as Task, Poll};

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::Service;

use super::{Context, Settings};

pub(super) const METALLB: &str = "/apis/metallb.io/v1beta1/namespaces/metallb-system/metallbs/metallb";

/// Where an operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// Before the API server gets this write.
    Before(usize),
    /// After it is done, and before the operator hears of it.
    After(usize),
}

/// The objects, by their paths.
#[derive(Default)]
struct Objects {
    by_path: BTreeMap<String, Value>,
    version: u64,
    writes: usize,
    death: Option<Death>,
}

#[derive(Clone, Default)]
pub(crate) struct Cluster {
    objects: Arc<Mutex<Objects>>,
    died: Arc<Notify>,
}

/// What a path leads to, by the number of its parts after the version.
enum Place {
    Collection,
    Object,
    /// The status of the object with this path
    Status(String),
    /// What there is besides Kubernetes
    Discovery,
}

fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let (["api", _, rest @ ..] | ["apis", _, _, rest @ ..]) = parts.as_slice() else {
        return Place::Discovery;
    };
    match rest.len() {
        0 => Place::Discovery,
        5 => Place::Status(path.rsplit_once('/').unwrap().0.to_owned()),
        length if length % 2 == 1 => Place::Collection,
        _ => Place::Object,
    }
}

fn merge(into: &mut Value, patch: Value) {
    match patch {
        Value::Object(patch) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (field, value) in patch {
                if value.is_null() {
                    into.as_object_mut().unwrap().remove(&field);
                } else {
                    merge(&mut into[field], value);
                }
            }
        }
        other => *into = other,
    }
}

/// What Kubernetes, and our own controller, add to an object.
fn completed(path: &str, mut object: Value) -> Value {
    object["metadata"]["uid"] = json!(format!("uid of {path}"));
    object["metadata"]["generation"] = json!(1);
    let replicas = object["spec"]["replicas"].clone();
    if path.contains("/deployments/") {
        object["status"] = json!({"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas});
    } else if path.contains("/daemonsets/") {
        object["status"] = json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
            "updatedNumberScheduled": 3, "numberReady": 3, "numberMisscheduled": 0});
    } else if path.ends_with("/metallb-webhook-cert") {
        object["data"] = json!({"ca.crt": "Y2E="});
    }
    for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["clientConfig"]["caBundle"] = json!("Y2E=");
    }
    object
}

impl Objects {
    /// Stores an object. Only one that is another than before gets another version.
    fn keep(&mut self, path: &str, mut object: Value) -> Value {
        let old = self.by_path.get(path);
        object["metadata"]["resourceVersion"] =
            old.map_or(Value::Null, |old| old["metadata"]["resourceVersion"].clone());
        if old != Some(&object) {
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        }
        self.by_path.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, method: &Method, path: &str, kind: &str, body: Value) -> (u16, Value) {
        let missing = || {
            (
                404,
                json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}),
            )
        };
        match (method, place(path)) {
            (_, Place::Discovery) => (
                200,
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
            ),
            (&Method::GET, Place::Collection) => {
                let inside = format!("{path}/");
                let found = self.by_path.iter().filter(|(path, _)| path.starts_with(&inside));
                let items: Vec<&Value> = found.map(|(_, object)| object).collect();
                (
                    200,
                    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}),
                )
            }
            (&Method::GET, _) => match self.by_path.get(path) {
                Some(object) => (200, object.clone()),
                None => missing(),
            },
            (&Method::PATCH, Place::Status(path)) => {
                let mut object = self.by_path[&path].clone();
                object["status"] = body["status"].clone();
                (200, self.keep(&path, object))
            }
            // One writer: what it applies is what it owns.
            (&Method::PATCH, _) if kind.contains("apply") => {
                let object = completed(path, body);
                (200, self.keep(path, object))
            }
            (&Method::PATCH, _) => match self.by_path.get(path).cloned() {
                Some(mut object) => {
                    merge(&mut object, body);
                    (200, self.keep(path, object))
                }
                None => missing(),
            },
            (&Method::DELETE, _) => match self.by_path.remove(path) {
                Some(object) => (200, object),
                None => missing(),
            },
            // Events.
            _ => (201, body),
        }
    }
}

impl Service<Request<Body>> for Cluster {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let kind = head
                .headers
                .get("content-type")
                .map_or("", |value| value.to_str().unwrap());
            let bytes = body.collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            let answer = {
                let mut objects = this.objects();
                objects.writes += usize::from(head.method != Method::GET);
                let number = (head.method != Method::GET).then_some(objects.writes);
                let dies =
                    |death: fn(usize) -> Death| number.map(death).is_some_and(|it| objects.death == Some(it));
                let (before, after) = (dies(Death::Before), dies(Death::After));
                let answer = (!before).then(|| objects.answer(&head.method, head.uri.path(), kind, body));
                answer.filter(|_| !after)
            };
            let Some((code, body)) = answer else {
                this.died.notify_one();
                return std::future::pending().await;
            };
            let mut response = Response::new(Body::from(body.to_string().into_bytes()));
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok(response)
        })
    }
}

impl Cluster {
    /// With the MetalLB `spec`, and what an installation of the operator brings.
    pub(crate) fn new(spec: &Value) -> Self {
        let this = Self::default();
        let there = [
            (
                "/api/v1/namespaces/metallb-system",
                json!({"apiVersion": "v1", "kind": "Namespace"}),
            ),
            (
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.metallb.io",
                json!({"spec": {"conversion": {"strategy": "None"}}}),
            ),
        ];
        for (path, object) in there {
            this.objects().keep(path, completed(path, object));
        }
        this.ask_for(spec);
        this
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    pub(crate) fn ask_for(&self, spec: &Value) {
        let metallb = json!({"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB",
            "metadata": {"name": "metallb", "namespace": "metallb-system"}, "spec": spec});
        let mut objects = self.objects();
        let mut metallb = completed(METALLB, metallb);
        metallb["status"] = objects
            .by_path
            .get(METALLB)
            .map_or_else(|| json!({}), |old| old["status"].clone());
        objects.keep(METALLB, metallb);
    }

    /// What an operator on it works with.
    pub(crate) fn context(&self) -> Context {
        Context {
            client: Client::new(self.clone(), "metallb-system"),
            settings: Settings::usual("metallb-system", "c".to_owned(), "s".to_owned()),
        }
    }

    /// How many writes it was asked for so far.
    pub(crate) fn writes(&self) -> usize {
        self.objects().writes
    }

    /// Somebody deletes what has this path.
    pub(crate) fn delete(&self, path: &str) {
        self.objects().by_path.remove(path).unwrap();
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.objects().by_path.contains_key(path)
    }

    /// From now on, counts the writes anew, and has the operator die there.
    pub(super) fn let_die(&self, death: Option<Death>) {
        let mut objects = self.objects();
        objects.writes = 0;
        objects.death = death;
    }

    /// Waits until the operator has died.
    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    /// All that there is, by path.
    pub(super) fn all(&self) -> BTreeMap<String, Value> {
        self.objects().by_path.clone()
    }
}
