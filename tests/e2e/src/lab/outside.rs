//! The operator as a process of this machine: killed at the very write that a test chooses, or refused some of its writes.
//!
//! ```text
//! operator (the program of the image, the account of the pod) ──TLS──► this proxy ──TLS──► kube-apiserver
//! ```
//!
//! Owns: the process, its way to the API server, and the order of its writes. Nothing of them outlives it.
//! Never: stops the operator inside the cluster; a test does, before it starts this one.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::sync::Notify;

use super::proxy::{Answer, ApiServer, Body, Proxy, refusal};
use super::{Container, Lab};
use crate::cluster::pki;
use crate::fixtures::METALLB_NAMESPACE;
use crate::kubernetes::Cluster;
use crate::metallb;

/// Deployment, ServiceAccount and container of the operator.
const DEPLOYMENT: &str = "metallb-operator-controller-manager";
const ACCOUNT: &str = "metallb-operator";
const CONTAINER: &str = "operator";
/// A reconciliation takes a fraction of a second; this is for a machine that does other things as well.
const LIMIT: Duration = Duration::from_mins(1);

/// Where a write is held for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// On its way to the API server, which never sees it.
    Before,
    /// On the way back: it is done, and the operator never hears of it.
    After,
}

/// See the module.
pub struct OutsideOperator {
    cluster: Cluster,
    directory: PathBuf,
    images: Vec<(String, String)>,
    writes: Writes,
    child: Option<Child>,
    proxy: Proxy,
}

impl OutsideOperator {
    /// Takes the program out of the operator's running container, and makes a way to the API server for it.
    pub(super) async fn prepare(lab: &Lab, cluster: &Cluster) -> Result<Self> {
        let pods = metallb::pods(cluster, metallb::OPERATORS).await?;
        let (pod, _) = pods
            .into_iter()
            .next()
            .context("an operator inside the cluster")?;
        let container = lab.container(cluster, METALLB_NAMESPACE, &pod, CONTAINER).await?;
        let words = ["--namespace", METALLB_NAMESPACE, "create", "token", ACCOUNT];
        let token = cluster.kubectl(words).await?;
        let writes = Writes::default();
        let layout = lab.record.layout();
        let proxy = Proxy::start(&layout, writes.clone()).await?;
        let directory = std::env::temp_dir().join(format!("metallb-operator-{}", proxy.address().port()));
        fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        let this = Self {
            cluster: cluster.clone(),
            images: images(cluster).await?,
            directory,
            writes,
            child: None,
            proxy,
        };
        this.copy_program(lab, &container).await?;
        let configuration = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": ACCOUNT}}],
            "users": [{"name": ACCOUNT, "user": {"token": token.trim()}}],
            "clusters": [{"name": "proxy", "cluster": {
                "server": format!("https://{}", this.proxy.address()),
                "certificate-authority": pki::files(&layout, "ca").certificate,
            }}],
        });
        fs::write(this.file("kubeconfig"), configuration.to_string())?;
        Ok(this)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Through the mounts of the node, which the host does not see.
    async fn copy_program(&self, lab: &Lab, container: &Container) -> Result<()> {
        let Container { node, id } = container;
        let root = format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/rootfs");
        let path = self.file(CONTAINER);
        let mut command = lab.node(node)?.command(["cat", &format!("{root}/{CONTAINER}")]);
        let copied = command.stdout(File::create(&path)?).status().await?;
        ensure!(copied.success(), "cannot copy the operator out of {root}");
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Starts it. What was written before is forgotten.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.writes.state().seen.clear();
        let log = File::create(self.file("log"))?;
        let mut command: Command = self.cluster.tool(self.file(CONTAINER));
        command
            .env("KUBECONFIG", self.file("kubeconfig"))
            .env("OPERATOR_NAMESPACE", METALLB_NAMESPACE)
            .envs(self.images.iter().map(|(name, value)| (name, value)))
            // Nobody else is there, no pod stands for it, and no Service leads to it.
            .args(["--enable-leader-election=false", "--port=0", "--webhook-port=0"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn().context("cannot start the operator")?);
        Ok(())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If it has ended by itself; the text holds what it said.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it is not running")?;
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("it has ended with {status}: {}", self.said());
        }
        child.kill().await?;
        self.writes.state().hold = None;
        Ok(())
    }

    /// Everything that it logged since its start.
    pub fn said(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// What it wrote since its start, refused or not: kind and name, and `status` if it was that, in this order. Events are
    /// left out.
    pub fn written(&self) -> Vec<String> {
        self.writes.state().seen.clone()
    }

    /// From now on writes of these are refused, and of no others.
    pub fn refuse(&self, what: &[&str]) {
        self.writes.state().refused = what.iter().map(|what| (*what).to_owned()).collect();
    }

    /// The write with this number, from 1, gets no further than this.
    pub fn hold(&self, number: usize, hold: Hold) {
        self.writes.state().hold = Some((number, hold));
    }

    /// Waits until a write is held.
    ///
    /// # Errors
    /// If it does not come to that; the text says what was written instead.
    pub async fn held(&self) -> Result<()> {
        let held = self.writes.0.held.notified();
        let waited = tokio::time::timeout(LIMIT, held).await;
        waited.with_context(|| format!("no write was held: {:?}\n{}", self.written(), self.said()))
    }
}

impl Drop for OutsideOperator {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The images that the operator inside is told to use.
async fn images(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), METALLB_NAMESPACE);
    let pod = deployments
        .get(DEPLOYMENT)
        .await?
        .spec
        .and_then(|spec| spec.template.spec);
    let container = pod.and_then(|pod| pod.containers.into_iter().next());
    let variables = container.context("a container")?.env.unwrap_or_default();
    Ok(variables
        .into_iter()
        .filter_map(|variable| Some((variable.name, variable.value?)))
        .collect())
}

/// The writes that come by, and what becomes of them.
#[derive(Clone, Default)]
struct Writes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    held: Notify,
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    refused: BTreeSet<String>,
    hold: Option<(usize, Hold)>,
}

impl Writes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a write. Tells whether it is refused, and whether it is held.
    fn note(&self, what: String) -> (bool, Option<Hold>) {
        let mut state = self.state();
        let refused = state.refused.contains(&what);
        state.seen.push(what);
        let number = state.seen.len();
        let held = state.hold.filter(|(at, _)| *at == number);
        (refused, held.map(|(_, hold)| hold))
    }

    async fn hold_for_ever<T>(&self) -> T {
        self.0.held.notify_one();
        std::future::pending().await
    }
}

impl Answer for Writes {
    async fn answer(&self, api_server: &ApiServer, request: Request<Incoming>) -> Result<Response<Body>> {
        let Some(what) = write(request.method(), request.uri().path()) else {
            return Ok(api_server.send(request).await?.map(BodyExt::boxed));
        };
        let (refused, hold) = self.note(what);
        if refused {
            return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR));
        }
        if hold == Some(Hold::Before) {
            return self.hold_for_ever().await;
        }
        let response = api_server.send(request).await?;
        if hold == Some(Hold::After) {
            return self.hold_for_ever().await;
        }
        Ok(response.map(BodyExt::boxed))
    }
}

/// What a request writes, as [`OutsideOperator::written`] tells it.
fn write(method: &Method, path: &str) -> Option<String> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let parts: Vec<&str> = path.split('/').collect();
    let (end, kept) = match parts.as_slice() {
        [.., "status"] => (parts.len(), 3),
        _ => (parts.len(), 2),
    };
    let told = parts[end.saturating_sub(kept)..].join("/");
    (!parts.contains(&"events")).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_told_by_kind_and_name() {
        let base = "/apis/apps/v1/namespaces/a";
        for (method, path, expected) in [
            (
                Method::PATCH,
                format!("{base}/deployments/b"),
                Some("deployments/b"),
            ),
            (
                Method::PATCH,
                format!("{base}/deployments/b/status"),
                Some("deployments/b/status"),
            ),
            (
                Method::DELETE,
                format!("{base}/deployments/b"),
                Some("deployments/b"),
            ),
            (Method::GET, format!("{base}/deployments/b"), None),
            (Method::POST, "/api/v1/namespaces/a/events".to_owned(), None),
        ] {
            assert_eq!(write(&method, &path).as_deref(), expected, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_write_is_refused_by_its_name_and_held_by_its_number() {
        let writes = Writes::default();
        writes.state().refused.insert("a/b".to_owned());
        writes.state().hold = Some((2, Hold::After));
        let met = ["a/c", "a/b", "a/b"].map(|what| writes.note(what.to_owned()));
        assert_eq!(met, [(false, None), (true, Some(Hold::After)), (true, None)]);
    }
}
