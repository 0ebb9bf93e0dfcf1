//! What a process counts about itself, and how Prometheus gets it.
//!
//! ```text
//!   scraper ──HTTPS──► access: who is it, and may it? (asked of the API server, remembered for a minute)
//!                         └──► registry ─► text
//! ```
//!
//! It owns the registry, the counters that every process has, and who may read them. What the others mean is the
//! business of those who count.

mod access;
mod ask;
mod process;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use hyper::{Method, StatusCode};
use kube::Client;
use metallb_api::names::metric;
pub use prometheus::GaugeVec;
use prometheus::core::Collector;
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use self::access::{Access, KubernetesReview};
use self::process::Process;
use crate::admin::every_address;
use crate::args::Serving;
use crate::certificates::self_signed;
use crate::http::{Limits, Routes, Server, answer, text};
use crate::tasks::Tasks;
use crate::tls::files::{self, Pair};
use crate::tls::{Endpoint, Identity, Settings};

pub use self::ask::{Asker, Question, Questions, questions};
pub use prometheus::Error as MetricError;

/// What has to be done before a scrape: whoever shows figures brings them up to date.
type Refresh = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Two scrapers of a redundant Prometheus, each with a connection that it keeps and one that it opens anew.
const LIMITS: Limits = Limits {
    connections: 16,
    body_bytes: 1024,
};

/// The metrics of this process. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    process: Arc<Mutex<Process>>,
    refreshes: Arc<Mutex<Vec<Refresh>>>,
    /// What every process counts about the Kubernetes objects it sees.
    pub kubernetes: Kubernetes,
}

/// What every process counts about the Kubernetes objects it sees.
#[derive(Clone)]
pub struct Kubernetes {
    /// Objects that were seen, new, changed or deleted.
    pub updates: IntCounter,
    /// Those with which something was wrong.
    pub update_errors: IntCounter,
    /// Requests to the API server.
    pub(crate) requests: IntCounterVec,
    loaded: IntGauge,
    stale: IntGauge,
}

impl Kubernetes {
    /// Notes whether there is a configuration in force, and whether what the user wrote last is not in it.
    pub fn observe_configuration(&self, loaded: bool, stale: bool) {
        self.loaded.set(loaded.into());
        self.stale.set(stale.into());
    }
}

impl Metrics {
    /// The metrics that every process has.
    ///
    /// # Errors
    /// Two of them have one name; a bug.
    pub fn new(version: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let kubernetes = Kubernetes {
            updates: IntCounter::new(
                metric::K8S_UPDATES,
                "Number of k8s object updates that have been processed.",
            )?,
            update_errors: IntCounter::new(
                metric::K8S_UPDATE_ERRORS,
                "Number of k8s object updates that failed for some reason.",
            )?,
            requests: IntCounterVec::new(
                Opts::new(
                    metric::REQUESTS,
                    "Number of HTTP requests, partitioned by status code, method, and host.",
                ),
                &["code", "host", "method"],
            )?,
            loaded: IntGauge::new(
                metric::CONFIG_LOADED,
                "1 if the MetalLB configuration was successfully loaded at least once.",
            )?,
            stale: IntGauge::new(
                metric::CONFIG_STALE,
                "1 if running on a stale configuration, because the latest config failed to load.",
            )?,
        };
        registry.register(Box::new(kubernetes.updates.clone()))?;
        registry.register(Box::new(kubernetes.update_errors.clone()))?;
        registry.register(Box::new(kubernetes.requests.clone()))?;
        registry.register(Box::new(kubernetes.loaded.clone()))?;
        registry.register(Box::new(kubernetes.stale.clone()))?;
        let build = IntGauge::with_opts(
            Opts::new(metric::BUILD_INFO, "1, for the version that runs.").const_label("version", version),
        )?;
        build.set(1);
        registry.register(Box::new(build))?;
        let process = Process::new(&registry)?;
        Ok(Self {
            registry,
            process: Arc::new(Mutex::new(process)),
            refreshes: Arc::default(),
            kubernetes,
        })
    }

    /// Adds a gauge with labels.
    ///
    /// # Errors
    /// The name is taken or malformed; a bug.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// Adds a counter with labels.
    ///
    /// # Errors
    /// The name is taken or malformed; a bug.
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// Adds anything that is made of metrics.
    ///
    /// # Errors
    /// A name is taken; a bug.
    pub fn add<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// Has `refresh` done before each scrape, which waits for it.
    pub fn before_scrape<F, A>(&self, refresh: F)
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let mut refreshes = self.refreshes.lock().unwrap_or_else(PoisonError::into_inner);
        refreshes.push(Box::new(move || refresh().boxed()));
    }

    /// What a scraper gets: everything, up to date.
    pub async fn scrape(&self) -> Vec<u8> {
        let refreshes = {
            let refreshes = self.refreshes.lock().unwrap_or_else(PoisonError::into_inner);
            join_all(refreshes.iter().map(|refresh| refresh()))
        };
        refreshes.await;
        self.text()
    }

    /// Everything, as Prometheus reads it (text format 0.0.4).
    pub fn text(&self) -> Vec<u8> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).look();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }

    /// Serves them over HTTPS to those who may read them, unless `serving` says no.
    ///
    /// # Errors
    /// No certificate could be made.
    pub fn serve(
        &self,
        tasks: &mut Tasks,
        client: &Client,
        serving: &Serving,
        tls: &Settings,
    ) -> anyhow::Result<()> {
        if serving.port == 0 {
            return Ok(());
        }
        let identity = Arc::new(Identity::new());
        if let Some(directory) = serving.metrics_cert_dir() {
            let pair = Pair::inside(directory);
            tasks.spawn("metrics certificate", files::follow(pair, Arc::clone(&identity)));
        } else {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            identity.show(self_signed(&host(), now)?);
        }
        let server = Server {
            address: every_address(serving.port),
            tls: Some(Endpoint::new(tls, identity).context("the --tls flags do not fit together")?),
            routes: self.routes(Access::new(KubernetesReview::new(client.clone()))),
            limits: LIMITS,
        };
        let port = serving.port;
        tasks.spawn("metrics", async move {
            server.run().await.with_context(|| {
                format!("cannot serve metrics at port {port}; choose another one with --port")
            })
        });
        Ok(())
    }

    fn routes<R: access::Review>(&self, access: Access<R>) -> Routes {
        let (metrics, access) = (self.clone(), Arc::new(access));
        Routes::new().on(Method::GET, metric::PATH, move |request| {
            let (metrics, access) = (metrics.clone(), Arc::clone(&access));
            async move {
                match access.check(request.headers()).await {
                    Ok(()) => answer(StatusCode::OK, prometheus::TEXT_FORMAT, metrics.scrape().await),
                    Err(refusal) => text(refusal.status(), format!("{refusal}\n")),
                }
            }
        })
    }
}

/// The name that the certificate made at start carries. Nobody can verify it, so any is good.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".into()
    } else {
        name.to_owned()
    }
}

/// Gauges of which each label stands for an object, kept in line with the objects there are.
pub struct Figures {
    gauges: Vec<GaugeVec>,
    known: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    /// One gauge for each figure of an object.
    pub fn new(gauges: Vec<GaugeVec>) -> Self {
        Self {
            gauges,
            known: BTreeMap::new(),
        }
    }

    /// Sets the figures of all objects there are, by name. Those of an object that is gone disappear.
    pub fn set(&mut self, now: BTreeMap<String, Vec<f64>>) {
        for gone in self.known.keys().filter(|name| !now.contains_key(*name)) {
            for gauge in &self.gauges {
                // It was set under this name before.
                let _ = gauge.remove_label_values(&[gone]);
            }
        }
        for (name, figures) in &now {
            if self.known.get(name) != Some(figures) {
                for (gauge, figure) in self.gauges.iter().zip(figures) {
                    gauge.with_label_values(&[name]).set(*figure);
                }
            }
        }
        self.known = now;
    }
}

#[cfg(test)]
mod tests;
