//! Stands between a pod and the API server, and lets some requests meet what happens at a busy API server: throttling,
//! forgotten versions, and objects that somebody else has changed meanwhile.
//!
//! ```text
//! pod ── 10.96.0.1:443 ──(its node's packet filter)──► this proxy ──TLS──► kube-apiserver
//! ```
//!
//! Owns: the faults, their order, and how often each was met. The same requests meet the same faults. A conflict is a
//! real one: the object is changed before the write arrives.
//! Never: touches the host's packet filter: the rules are in the nodes and end with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::proxy::{Answer, ApiServer, Body, Proxy, refusal, status};
use crate::cluster::address::KUBERNETES_SERVICE;
use crate::cluster::layout::Layout;
use crate::cluster::node::Entry;

/// A watch ends so early here that a test sees many.
const WATCH_LIFE: Duration = Duration::from_secs(2);
/// Its table in the packet filter of a node. The priority is before kube-proxy's: the first translation counts.
const TABLE: &str = "faults";

#[derive(Debug, Default)]
struct Counters {
    status_writes: AtomicUsize,
    others: AtomicUsize,
    watches: AtomicUsize,
    conflicts: AtomicUsize,
    throttled: AtomicUsize,
    expired: AtomicUsize,
}

/// How often each fault was met so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Writes to the status of a Service that had just been changed
    pub conflicts: usize,
    /// 429 for writes and lists
    pub throttled: usize,
    /// 410 for watches, as an answer or in the middle
    pub expired: usize,
}

/// What a request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    /// This Service is changed first
    Conflict {
        namespace: String,
        name: String,
    },
    /// Passes, and is cut off after a while, in silence or with the error 410
    ShortWatch {
        expires: bool,
    },
    Refused(StatusCode),
}

impl Counters {
    fn next(&self, method: &Method, uri: &Uri) -> Fate {
        let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed) + 1;
        let path: Vec<_> = uri.path().split('/').skip(1).collect();
        let fate = if uri.query().is_some_and(|query| query.contains("watch=")) {
            match count(&self.watches) % 3 {
                0 => Fate::Refused(StatusCode::GONE),
                1 => Fate::ShortWatch { expires: true },
                _ => Fate::ShortWatch { expires: false },
            }
        } else if let ["api", "v1", "namespaces", namespace, "services", name, "status"] = path[..]
            && method != Method::GET
        {
            match count(&self.status_writes) {
                number if number.is_multiple_of(5) => Fate::Refused(StatusCode::TOO_MANY_REQUESTS),
                number if number.is_multiple_of(3) => Fate::Conflict {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                },
                _ => Fate::Pass,
            }
        } else if count(&self.others).is_multiple_of(5) {
            Fate::Refused(StatusCode::TOO_MANY_REQUESTS)
        } else {
            Fate::Pass
        };
        match &fate {
            Fate::Conflict { .. } => drop(count(&self.conflicts)),
            Fate::Refused(StatusCode::TOO_MANY_REQUESTS) => drop(count(&self.throttled)),
            Fate::Refused(_) | Fate::ShortWatch { expires: true } => drop(count(&self.expired)),
            Fate::Pass | Fate::ShortWatch { expires: false } => {}
        }
        fate
    }
}

/// Who decides about each request.
#[derive(Clone)]
struct Fates {
    counters: Arc<Counters>,
    /// With the rights to change any object
    client: Client,
}

/// See the module. Ends when dropped; connections through it break off.
#[derive(Debug)]
pub struct FaultProxy {
    node: Entry,
    counters: Arc<Counters>,
    _proxy: Proxy,
}

impl FaultProxy {
    /// Sends the new connections of a pod through a proxy. Those that exist stay: kill the container.
    ///
    /// # Errors
    /// If the node does not take the rule.
    pub(super) async fn between(
        layout: &Layout,
        client: Client,
        node: Entry,
        pod_address: &str,
    ) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let fates = Fates {
            counters: Arc::clone(&counters),
            client,
        };
        let proxy = Proxy::start(layout, fates).await?;
        let address = proxy.address();
        let rules = format!(
            "table ip {TABLE} {{ chain prerouting {{ type nat hook prerouting priority -110; \
             ip saddr {pod_address} ip daddr {KUBERNETES_SERVICE} tcp dport 443 dnat to {address}; }}; }}"
        );
        let this = Self {
            node,
            counters,
            _proxy: proxy,
        };
        this.node.run(["nft", &rules]).await?;
        Ok(this)
    }

    /// How often each fault was met so far.
    pub fn faults(&self) -> Faults {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        Faults {
            conflicts: read(&self.counters.conflicts),
            throttled: read(&self.counters.throttled),
            expired: read(&self.counters.expired),
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let mut command = self.node.command(["nft", "delete", "table", "ip", TABLE]);
        let _ = command.as_std_mut().status();
    }
}

impl Answer for Fates {
    async fn answer(&self, api_server: &ApiServer, request: Request<Incoming>) -> Result<Response<Body>> {
        let fate = self.counters.next(request.method(), request.uri());
        match &fate {
            Fate::Refused(code) => return Ok(refusal(*code)),
            Fate::Conflict { namespace, name } => self.change(namespace, name).await?,
            Fate::Pass | Fate::ShortWatch { .. } => {}
        }
        let response = api_server.send(request).await?;
        Ok(match fate {
            Fate::ShortWatch { expires } if response.status().is_success() => {
                response.map(|body| cut(body, expires))
            }
            _ => response.map(BodyExt::boxed),
        })
    }
}

impl Fates {
    /// As another user would, between the decision about a Service and its write.
    async fn change(&self, namespace: &str, name: &str) -> Result<()> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_nanos();
        let change = json!({"metadata": {"annotations": {"changed-meanwhile": now.to_string()}}});
        match services
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await
        {
            Err(kube::Error::Api(status)) if !status.is_not_found() => bail!(status.message),
            _ => Ok(()),
        }
    }
}

fn cut(body: Incoming, expires: bool) -> Body {
    let frames = body
        .into_data_stream()
        .map(|chunk| chunk.map(Frame::data))
        .take_until(tokio::time::sleep(WATCH_LIFE));
    let event = format!(
        "{}\n",
        json!({"type": "ERROR", "object": status(StatusCode::GONE)})
    );
    let end = expires.then(|| Ok(Frame::data(Bytes::from(event))));
    BodyExt::boxed(StreamBody::new(frames.chain(futures::stream::iter(end))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_request_meets_every_fault_that_it_can() {
        let counters = Counters::default();
        let fates = |method: Method, uri: &'static str| {
            let uri = Uri::from_static(uri);
            (0..15).map(|_| counters.next(&method, &uri)).collect::<Vec<_>>()
        };
        let writes = fates(
            Method::PATCH,
            "/api/v1/namespaces/a/services/b/status?fieldManager=x",
        );
        let lists = fates(Method::GET, "/api/v1/services?limit=500");
        let watches = fates(Method::GET, "/api/v1/services?watch=true");
        let conflict = Fate::Conflict {
            namespace: "a".to_owned(),
            name: "b".to_owned(),
        };
        for (fates, expected) in [
            (&writes, conflict),
            (&writes, Fate::Refused(StatusCode::TOO_MANY_REQUESTS)),
            (&writes, Fate::Pass),
            (&lists, Fate::Refused(StatusCode::TOO_MANY_REQUESTS)),
            (&lists, Fate::Pass),
            (&watches, Fate::Refused(StatusCode::GONE)),
            (&watches, Fate::ShortWatch { expires: true }),
            (&watches, Fate::ShortWatch { expires: false }),
        ] {
            assert!(fates.contains(&expected), "{expected:?} in {fates:?}");
        }
    }
}
