//! A namespace that lives as long as a test.
//!
//! Owns: everything that the test creates through it, also what has to be in other namespaces, such as address pools.
//! Never: is shared by two tests.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Service, ServiceAccount};
use kube::Resource;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectMeta};
use metallb_api::names::object::NAMESPACE;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cluster;
use crate::wait;

/// Nothing holds a Service back.
const REMOVE_LIMIT: Duration = Duration::from_secs(30);
const CREATE_LIMIT: Duration = Duration::from_secs(30);

/// See the module.
pub struct TempNamespace {
    cluster: Cluster,
    name: String,
    /// What was created outside of it, in that order
    elsewhere: Mutex<Vec<(Api<DynamicObject>, String)>>,
    /// The same, applied as manifests
    manifests: Mutex<Vec<String>>,
}

impl TempNamespace {
    pub(super) async fn create(cluster: &Cluster, test: &str) -> Result<Self> {
        let name = format!("e2e-{test}-{}", random_suffix()?);
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        cluster.apply(&namespace).await?;
        let this = Self {
            cluster: cluster.clone(),
            name,
            elsewhere: Mutex::default(),
            manifests: Mutex::default(),
        };
        // Pods are refused until the controllers have made the account they run under.
        let accounts: Api<ServiceAccount> = this.api();
        wait::until(
            format!("the account of {}", this.name),
            CREATE_LIMIT,
            async || accounts.get("default").await.map(wait::Look::Done),
        )
        .await?;
        Ok(this)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The objects of a kind in it.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + k8s_openapi::Metadata,
    {
        Api::namespaced(self.cluster.client(), &self.name)
    }

    /// Creates or changes an object. Without a namespace it is put into this one; with another namespace, or of a kind
    /// that has none, it is removed when the test ends.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn apply<K>(&self, mut object: K) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Serialize
            + DeserializeOwned
            + Clone
            + Debug,
    {
        let namespace = object
            .meta_mut()
            .namespace
            .get_or_insert_with(|| self.name.clone())
            .clone();
        let name = object
            .meta()
            .name
            .clone()
            .ok_or_else(|| anyhow!("an object without a name"))?;
        if namespace != self.name {
            let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
            elsewhere.push((self.cluster.dynamic::<K>(Some(&namespace)), name));
        }
        self.cluster.apply(&object).await
    }

    /// Runs kubectl in it, as a user would.
    ///
    /// # Errors
    /// As [`command::run`](crate::command::run).
    pub async fn kubectl<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> Result<String> {
        self.cluster.kubectl(self.in_it(words)).await
    }

    /// `kubectl apply` of a manifest whose objects name no namespace, or whose namespace is this one.
    ///
    /// # Errors
    /// As [`command::run`](crate::command::run).
    pub async fn kubectl_apply(&self, manifest: &str) -> Result<String> {
        let words = self.in_it(["apply", "--filename", "-"]);
        self.cluster.kubectl_with_input(words, manifest).await
    }

    /// `kubectl apply` of a manifest whose objects are in other namespaces. They are removed when the test ends.
    ///
    /// # Errors
    /// As [`command::run`](crate::command::run).
    pub async fn kubectl_apply_elsewhere(&self, manifest: &str) -> Result<String> {
        self.manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(manifest.to_owned());
        self.cluster.kubectl_apply(manifest).await
    }

    fn in_it<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
        ["--namespace", self.name.as_str()].into_iter().chain(words)
    }

    /// What is in it, for the report of a failed test.
    pub(super) async fn describe(&self) -> String {
        let mut text = format!("---- {} when the test failed ----\n", self.name);
        for namespace in [self.name.as_str(), NAMESPACE] {
            let commands: [&[&str]; 3] = [
                &["get", "pods,services,endpointslices", "--output=wide"],
                &["get", "events", "--sort-by=.lastTimestamp"],
                &[
                    "logs",
                    "--selector=app",
                    "--all-containers",
                    "--prefix",
                    "--tail=25",
                    "--ignore-errors",
                ],
            ];
            for command in commands {
                let words = ["--namespace", namespace]
                    .into_iter()
                    .chain(command.iter().copied());
                let said = self
                    .cluster
                    .kubectl(words)
                    .await
                    .unwrap_or_else(|error| format!("{error:#}"));
                let _ = writeln!(text, "-- {namespace}: kubectl {}\n{said}", command.join(" "));
            }
        }
        text
    }

    /// Removes what another test could notice, and leaves the rest to Kubernetes, which takes five seconds to begin with
    /// even an empty namespace.
    pub(super) async fn remove(self) -> Result<()> {
        let services: Api<Service> = self.api();
        services
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
        wait::until(
            format!("the Services of {} to go", self.name),
            REMOVE_LIMIT,
            async || {
                let left = services.list_metadata(&ListParams::default()).await?.items;
                Ok::<_, kube::Error>(if left.is_empty() {
                    wait::Look::Done(())
                } else {
                    wait::Look::NotYet(format!("{} are left", left.len()))
                })
            },
        )
        .await?;
        let elsewhere = self
            .elsewhere
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for (api, name) in elsewhere.iter().rev() {
            match api.delete(name, &DeleteParams::default()).await {
                Err(error) if !is_gone(&error) => {
                    return Err(error).with_context(|| format!("cannot remove {name}"));
                }
                _ => {}
            }
        }
        let manifests = self
            .manifests
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for manifest in manifests.iter().rev() {
            let words = ["delete", "--ignore-not-found", "--wait=false", "--filename", "-"];
            self.cluster.kubectl_with_input(words, manifest).await?;
        }
        let namespaces: Api<Namespace> = Api::all(self.cluster.client());
        match namespaces.delete(&self.name, &DeleteParams::default()).await {
            Err(error) if !is_gone(&error) => Err(error).context("cannot remove the namespace of the test"),
            _ => Ok(()),
        }
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn random_suffix() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 5];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| anyhow!("the system has no random numbers"))?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect())
}
