//! What only our own cluster has: the machines themselves and a client on their segment.
//!
//! Owns: the answer to "is the cluster under test ours?", and what tests do to its machines.
//! Never: asks the Kubernetes API what can be seen on the wire.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

use crate::cluster::address::{HOST_IPV4, INTERFACE, Node};
use crate::cluster::images::AGNHOST;
use crate::cluster::node::Entry;
use crate::cluster::owner::Record;
use crate::kubernetes::Cluster;

mod asker;
mod busy;
mod cable;
mod client;
mod fault_proxy;
mod obstacle;
mod outside;
mod process;
mod proxy;
mod visitor;

pub use asker::{Asker, Heard};
pub use busy::Busy;
pub use cable::PulledCable;
pub use client::{Capture, Client};
pub use fault_proxy::{FaultProxy, Faults};
pub use obstacle::{Loss, Obstacle};
pub use outside::{Hold, OutsideOperator};
pub use process::Stopped;
pub use visitor::{Connections, Visitor, Visits};

/// Kubernetes' test server for clusters that can pull images.
const PUBLIC_AGNHOST: &str = "registry.k8s.io/e2e-test-images/agnhost:2.53";

/// The image of web servers on this cluster: [`fixtures::web`](crate::fixtures::web) takes it.
pub fn web_image(cluster: &Cluster) -> &'static str {
    if is_ours(cluster) { AGNHOST } else { PUBLIC_AGNHOST }
}

/// Our own cluster, running on this machine.
#[derive(Clone, Debug)]
pub struct Lab {
    record: Record,
}

impl Lab {
    /// The lab, if the cluster under test is ours. Otherwise the test has nothing to look at: it says so and ends.
    ///
    /// # Errors
    /// In CI (`CI` is set), where no test may be skipped.
    pub fn of(cluster: &Cluster) -> Result<Option<Self>> {
        if is_ours(cluster)
            && let Some(record) = Record::read()?
        {
            return Ok(Some(Self { record }));
        }
        let reason = format!(
            "the cluster at {} has no client on its segment; use `make cluster-up`",
            cluster.host()
        );
        if std::env::var_os("CI").is_some() {
            bail!("this test must not be skipped in CI, but {reason}");
        }
        eprintln!("skipped: {reason}");
        Ok(None)
    }

    /// The client's machine.
    ///
    /// # Errors
    /// Never in a running cluster.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(Entry::named(
            &self.record,
            crate::cluster::address::CLIENT,
        )?))
    }

    /// The way into a node, to run commands there.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn node(&self, name: &str) -> Result<Entry> {
        Entry::named(&self.record, name)
    }

    /// Names of the nodes.
    ///
    /// # Errors
    /// Never in a running cluster.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        self.record.all_nodes()
    }

    /// The nodes by their hardware address, to tell who answered an ARP request.
    ///
    /// # Errors
    /// If a node cannot be asked.
    pub async fn nodes_by_mac(&self) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for node in self.nodes()? {
            let entry = self.node(&node.name())?;
            let mac = entry
                .run(["cat", &format!("/sys/class/net/{INTERFACE}/address")])
                .await?;
            found.insert(mac.trim().to_owned(), node.name());
        }
        Ok(found)
    }

    /// Disconnects a node from the segment, until the result is plugged in or dropped.
    ///
    /// # Errors
    /// If there is no such node.
    pub async fn pull_cable(&self, node: &str) -> Result<PulledCable> {
        let nodes = self.nodes()?;
        let known = nodes.into_iter().find(|known| known.name() == node);
        PulledCable::pull(known.with_context(|| format!("there is no node {node}"))?).await
    }

    /// Cuts a node off from the other nodes and the client, but not from the API server, until the result is removed or
    /// dropped. Its link stays up.
    ///
    /// # Errors
    /// If there is no such node.
    pub async fn part(&self, node: &str) -> Result<Obstacle> {
        Obstacle::part(&self.nodes()?, node).await
    }

    /// Loses packets of the speakers to one another, until the result is removed or dropped.
    ///
    /// # Errors
    /// If there is no such node.
    pub async fn lose(&self, loss: Loss) -> Result<Obstacle> {
        Obstacle::lose(&self.nodes()?, loss).await
    }

    /// Stops a container's process, as the kernel does at SIGSTOP, until the result goes on or is dropped.
    ///
    /// # Errors
    /// If it does not run.
    pub fn stop(&self, container: &Container) -> Result<Stopped> {
        Stopped::first(&container.id)
    }

    /// Has a container compute all the time, on all processors.
    ///
    /// # Errors
    /// If it does not run.
    pub fn keep_busy(&self, container: &Container) -> Result<Busy> {
        Busy::like(&container.id)
    }

    /// Puts a proxy that gives errors between a pod and the API server, for connections to come.
    ///
    /// # Errors
    /// If the pod does not run.
    pub async fn fault_proxy(&self, cluster: &Cluster, namespace: &str, pod: &str) -> Result<FaultProxy> {
        let found = Api::<Pod>::namespaced(cluster.client(), namespace)
            .get(pod)
            .await?;
        let address = found.status.and_then(|status| status.pod_ip);
        let node = found.spec.and_then(|spec| spec.node_name);
        let (Some(address), Some(node)) = (address, node) else {
            bail!("{namespace}/{pod} does not run")
        };
        FaultProxy::between(
            &self.record.layout(),
            cluster.client(),
            self.node(&node)?,
            &address,
        )
        .await
    }

    /// Sends SIGKILL to the process of a container, as the kernel does when memory runs out.
    ///
    /// # Errors
    /// If the container does not run.
    pub async fn kill_container(
        &self,
        cluster: &Cluster,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Result<()> {
        let found = self.container(cluster, namespace, pod, container).await?;
        self.kill(&found)
    }

    /// Finds a container, for a time when the API server cannot be asked.
    ///
    /// # Errors
    /// If the container does not run.
    pub async fn container(
        &self,
        cluster: &Cluster,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Result<Container> {
        let found = Api::<Pod>::namespaced(cluster.client(), namespace)
            .get(pod)
            .await?;
        let node = found.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let statuses = found
            .status
            .and_then(|status| status.container_statuses)
            .unwrap_or_default();
        let status = statuses.iter().find(|status| status.name == container);
        let id = status.and_then(|status| status.container_id.as_deref()?.strip_prefix("containerd://"));
        let (Some(node), Some(id)) = (node, id) else {
            bail!("{namespace}/{pod} has no running container {container}")
        };
        Ok(Container {
            node,
            id: id.to_owned(),
        })
    }

    /// The operator outside of the cluster, with the permissions that it has inside, not started yet.
    ///
    /// # Errors
    /// If none runs inside, whose program can be taken.
    pub async fn operator_outside(&self, cluster: &Cluster) -> Result<OutsideOperator> {
        OutsideOperator::prepare(self, cluster).await
    }

    /// The TCP ports on which its pod can be reached from outside.
    ///
    /// # Errors
    /// If it does not run any more.
    pub fn listens(&self, container: &Container) -> Result<BTreeSet<u16>> {
        process::listens(&container.id)
    }

    /// Sends SIGKILL to its process.
    ///
    /// # Errors
    /// If it does not run any more.
    pub fn kill(&self, container: &Container) -> Result<()> {
        process::kill_first(&container.id)
    }
}

/// A running container, as its node knows it.
#[derive(Clone, Debug)]
pub struct Container {
    node: String,
    id: String,
}

fn is_ours(cluster: &Cluster) -> bool {
    cluster.host() == HOST_IPV4.to_string() && matches!(Record::read(), Ok(Some(_)))
}
