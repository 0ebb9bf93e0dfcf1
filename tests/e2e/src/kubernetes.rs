//! The cluster under test: our own or any other.
//!
//! Owns: the connection, and how a test creates and removes objects.
//! Never: assumes anything about the machines of the cluster; see [`lab`](crate::lab) for that.

use std::env;
use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use futures::FutureExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::Kubeconfig;
use kube::core::ApiResource;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;

use crate::cluster::health;
use crate::cluster::layout::Layout;
use crate::command;

mod namespace;

pub use namespace::TempNamespace;

/// Who the tests are in `managedFields`.
const FIELD_MANAGER: &str = "metallb-e2e";

/// A cluster to test on.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    kubeconfig: PathBuf,
    host: String,
}

impl Cluster {
    /// Connects to the cluster of `$KUBECONFIG`, or to the one of this checkout.
    ///
    /// # Errors
    /// If there is no such cluster.
    pub async fn connect() -> Result<Self> {
        let own = Layout::of_this_checkout().kubeconfig();
        let configured = env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
        let kubeconfig = configured.map_or(own, PathBuf::from);
        let content = Kubeconfig::read_from(&kubeconfig).with_context(|| {
            let path = kubeconfig.display();
            format!("no cluster: cannot read {path}; start one with `make cluster-up`, or set KUBECONFIG")
        })?;
        let config = health::direct(content).await?;
        let host = config.cluster_url.host().unwrap_or_default().to_owned();
        let client = Client::try_from(config)?;
        client
            .apiserver_version()
            .await
            .with_context(|| format!("the cluster at {host} does not answer"))?;
        Ok(Self {
            client,
            kubeconfig,
            host,
        })
    }

    /// The client library's client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Name or address of the API server.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Runs kubectl, as a user would: the cluster's own if this checkout has one, otherwise the one on `PATH`.
    ///
    /// # Errors
    /// As [`command::run`].
    pub async fn kubectl<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        command::finish(self.kubectl_command(arguments), None).await
    }

    /// As [`Cluster::kubectl`], with a text on its standard input.
    ///
    /// # Errors
    /// As [`command::run`].
    pub async fn kubectl_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Result<String> {
        command::finish(self.kubectl_command(arguments), Some(input)).await
    }

    /// `kubectl apply` of a manifest.
    ///
    /// # Errors
    /// As [`command::run`].
    pub async fn kubectl_apply(&self, manifest: &str) -> Result<String> {
        command::finish(self.kubectl_command(["apply", "-f", "-"]), Some(manifest)).await
    }

    /// Creates an object, or makes an existing one like this.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn apply<K>(&self, object: &K) -> Result<()>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
    {
        let name = object
            .meta()
            .name
            .as_deref()
            .ok_or_else(|| anyhow!("an object without a name"))?;
        let mut body = serde_json::to_value(object)?;
        body["apiVersion"] = K::api_version(&()).into();
        body["kind"] = K::kind(&()).into();
        let api = self.dynamic::<K>(object.meta().namespace.as_deref());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let what = || format!("the {} {name} was refused", K::kind(&()));
        api.patch(name, &params, &Patch::Apply(&body))
            .await
            .with_context(what)?;
        Ok(())
    }

    /// Runs the body of a test with a namespace of its own. Whatever happens, its Services and what was created through it
    /// elsewhere are gone afterwards, and the namespace is on its way; if the body fails, it is said why, and what was in it is
    /// shown first.
    ///
    /// # Errors
    /// Those of the body; a panic goes on as a panic.
    pub async fn in_namespace(
        &self,
        test: &str,
        body: impl AsyncFnOnce(&TempNamespace) -> Result<()>,
    ) -> Result<()> {
        let namespace = TempNamespace::create(self, test).await?;
        let outcome = std::panic::AssertUnwindSafe(body(&namespace))
            .catch_unwind()
            .await;
        if let Ok(Err(error)) = &outcome {
            eprintln!("{test} failed: {error:#}");
        }
        if !matches!(outcome, Ok(Ok(()))) {
            eprintln!("{}", namespace.describe().await);
        }
        let removed = namespace.remove().await;
        match outcome {
            Ok(Ok(())) => removed,
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn kubectl_command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let own = Layout::of_this_checkout().programs().join("kubectl");
        let mut command = self.tool(if own.exists() {
            own
        } else {
            PathBuf::from("kubectl")
        });
        command.args(arguments);
        command
    }

    /// A command that works on this cluster.
    pub fn tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig);
        // A proxy of the environment is for the internet. One that the kubeconfig names is used all the same.
        command.env("NO_PROXY", "*").env("no_proxy", "*");
        command
    }

    fn dynamic<K: Resource<DynamicType = ()>>(&self, namespace: Option<&str>) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<K>(&());
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &kind),
            None => Api::all_with(self.client(), &kind),
        }
    }
}
