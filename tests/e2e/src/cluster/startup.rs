//! Bringing a cluster up: the steps, in their order.
//!
//! ```text
//! network ─► etcd, API server ──────────────► nodes registered ─► kubelets, proxies, controllers ─► all ready
//!         └► first processes, containerd, images ┘
//! ```
//!
//! Owns: the order and what is waited for.
//! Never: cleans up; whoever calls it does, for it may also be interrupted.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::{try_join, try_join_all};
use k8s_openapi::api::core::v1::{Node as NodeObject, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};

use super::address::Node;
use super::components::Components;
use super::layout::Layout;
use super::owner::{Lock, Phase, Record};
use super::prerequisites::Found;
use super::process::{self, Process, Start};
use super::progress::Progress;
use super::{cgroup, component, control_plane, health, images, network, node, pki, teardown};
use crate::wait;

/// Ten times what each part takes on two processors.
const LIMIT: Duration = Duration::from_secs(90);

/// A start in progress.
pub struct Startup<'a> {
    /// What is started
    pub record: Record,
    /// The right to do so
    pub lock: &'a Lock,
    /// The programs
    pub components: Components,
    /// What the machine has
    pub found: Found,
    /// Where to say what is done
    pub progress: &'a Progress,
}

impl Startup<'_> {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    /// If a step fails, with the log of what failed.
    pub async fn run(&mut self) -> Result<()> {
        let layout = self.record.layout();
        let nodes = self.record.all_nodes()?;
        self.create_surroundings(&layout, &nodes).await?;

        self.progress
            .step("starting etcd, the API server and the nodes' container runtimes");
        for (name, flags) in control_plane::storage(&layout) {
            self.start_on_host(&layout, name, flags).await?;
        }
        let entries = self.start_machines(&layout, &nodes).await?;
        let archives = self.components.images();
        let runtimes = async {
            try_join_all(entries.iter().map(node::wait_for_runtime)).await?;
            images::load(&entries, &archives).await
        };
        let (client, ()) = self
            .or_death(&layout, try_join(health::api_server(&layout, LIMIT), runtimes))
            .await?;

        self.progress.step("starting kubelets, proxies and controllers");
        register(&client, &nodes).await?;
        for (name, flags) in control_plane::controllers(&layout) {
            self.start_on_host(&layout, name, flags).await?;
        }
        for &machine in &nodes {
            let init = self.first_process(machine)?;
            for agent in node::agents(&layout, &self.components, machine, &init, self.record.proxy_mode) {
                self.start(&agent).await?;
            }
        }
        let ready = try_join(
            nodes_ready(&client, nodes.len()),
            try_join(services(&entries), service_account(&client)),
        );
        self.or_death(&layout, ready).await?;
        self.record.phase = Phase::Ready;
        self.record.write(self.lock)
    }

    async fn create_surroundings(&self, layout: &Layout, nodes: &[Node]) -> Result<()> {
        self.progress.step(format!(
            "making the network and the keys of {} nodes",
            nodes.len()
        ));
        teardown::remove_files(layout).await?;
        if layout.logs().exists() {
            fs::remove_dir_all(layout.logs())?;
        }
        fs::create_dir_all(layout.logs())
            .with_context(|| format!("cannot create {}", layout.logs().display()))?;
        std::os::unix::fs::symlink(self.components.programs(), layout.programs())?;
        fs::write(layout.audit_policy(), control_plane::AUDIT_POLICY)?;
        pki::create(layout, nodes)?;
        teardown::make_directories(&self.record.undo)?;
        network::open(&self.record.undo.firewalls).await?;
        network::create(nodes).await?;
        cgroup::create(control_plane::CGROUP)?;
        for &machine in nodes {
            cgroup::create(&node::cgroup(machine))?;
            node::configure(layout, machine, &self.found.plugins)?;
        }
        // The nodes, and the control plane.
        cgroup::weigh(nodes.len() + 1)
    }

    async fn start_machines(&mut self, layout: &Layout, nodes: &[Node]) -> Result<Vec<node::Entry>> {
        let mut entries = Vec::new();
        for &machine in nodes {
            let start = node::first_process(layout, &self.components, machine)?;
            let init = self.start(&start).await?;
            node::wait_for_first_process(layout, &init).await?;
            self.start(&node::runtime(layout, &self.components, machine, &init))
                .await?;
            entries.push(node::Entry::node(machine, &init, &self.components.search_path()));
        }
        Ok(entries)
    }

    async fn start_on_host(&mut self, layout: &Layout, name: &str, flags: Vec<String>) -> Result<Process> {
        let start = component::on_host(layout, &self.components, name, flags);
        self.start(&start).await
    }

    async fn start(&mut self, start: &Start) -> Result<Process> {
        let process = start.start().await?;
        self.record.processes.push(process.clone());
        self.record.write(self.lock)?;
        Ok(process)
    }

    fn first_process(&self, machine: Node) -> Result<Process> {
        let name = node::process_name(machine, "init");
        self.record
            .process(&name)
            .cloned()
            .with_context(|| format!("{name} was not started"))
    }

    /// Waits for `what`, but not longer than all processes live; a timeout shows the API server's log.
    async fn or_death<T>(&self, layout: &Layout, what: impl Future<Output = Result<T>>) -> Result<T> {
        let watch = wait::until("a process to end", LIMIT * 2, async || {
            match process::all_alive(&self.record.processes, |name| layout.log(name)) {
                Ok(()) => Ok::<_, anyhow::Error>(wait::Look::NotYet("all live".to_owned())),
                Err(death) => Ok(wait::Look::Done(death)),
            }
        });
        tokio::select! {
            outcome = what => outcome.with_context(|| format!("the logs are in {}", layout.logs().display())),
            death = watch => bail!(death?),
        }
    }
}

async fn register(client: &kube::Client, nodes: &[Node]) -> Result<()> {
    let api: Api<NodeObject> = Api::all(client.clone());
    for &machine in nodes {
        let object = node::object(machine)?;
        api.create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("cannot register {}", machine.name()))?;
    }
    Ok(())
}

async fn nodes_ready(client: &kube::Client, count: usize) -> Result<()> {
    let api: Api<NodeObject> = Api::all(client.clone());
    wait::until(format!("{count} ready nodes"), LIMIT, async || {
        let list = api.list(&ListParams::default()).await?;
        let unready: Vec<_> = list.items.iter().filter_map(health::why_unready).collect();
        Ok::<_, kube::Error>(if unready.is_empty() && list.items.len() == count {
            wait::Look::Done(())
        } else {
            wait::Look::NotYet(unready.join("; "))
        })
    })
    .await
}

async fn services(entries: &[node::Entry]) -> Result<()> {
    try_join_all(entries.iter().map(|entry| health::services(entry, LIMIT)))
        .await
        .map(drop)
}

/// Pods cannot be made in a namespace before the controllers have given it its account.
async fn service_account(client: &kube::Client) -> Result<()> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    wait::until("the account of the namespace default", LIMIT, async || {
        api.get("default").await.map(|_| wait::Look::Done(()))
    })
    .await
}
