//! A namespace that lives as long as a test.
//!
//! Owns: everything that the test creates through it, also what has to be in other namespaces, such as address pools.
//! Never: is shared by two tests.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Resource;
use kube::api::{Api, DeleteParams, DynamicObject, ObjectMeta};
use metallb_api::names::object::NAMESPACE;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cluster;
use crate::wait;

/// Deletion runs the pods' grace period of 30 seconds at worst.
const REMOVE_LIMIT: Duration = Duration::from_secs(90);
const CREATE_LIMIT: Duration = Duration::from_secs(30);

/// See the module.
pub struct TempNamespace {
    cluster: Cluster,
    name: String,
    /// What was created outside of it, in that order
    elsewhere: Mutex<Vec<(Api<DynamicObject>, String)>>,
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
                    "--tail=60",
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

    pub(super) async fn remove(self) -> Result<()> {
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
        let namespaces: Api<Namespace> = Api::all(self.cluster.client());
        let _ = namespaces.delete(&self.name, &DeleteParams::default()).await; // looked at below
        wait::until(
            format!("the namespace {} to go", self.name),
            REMOVE_LIMIT,
            async || {
                Ok::<_, kube::Error>(match namespaces.get_opt(&self.name).await? {
                    None => wait::Look::Done(()),
                    Some(left) => wait::Look::NotYet(serde_json::to_string(&left.status).unwrap_or_default()),
                })
            },
        )
        .await
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
