//! `cluster up|down|status|load|exec|stop|start|prepare`: the test cluster from the command line.
//!
//! Owns: the arguments and the exit code.
//! Never: holds any logic; see the module `cluster` of the library.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use metallb_e2e::cluster::components::Components;
use metallb_e2e::cluster::layout::Layout;
use metallb_e2e::cluster::node::Entry;
use metallb_e2e::cluster::node::init::{Launch, NodeInit};
use metallb_e2e::cluster::owner::ProxyMode;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::cluster::{self, Wanted, component, prerequisites};

/// A real Kubernetes cluster in network namespaces of this machine.
#[derive(Debug, Parser)]
#[command(name = "cluster")]
struct Arguments {
    /// Whose cluster: the checkout that holds its files in target/cluster [default: the one this was built in]
    #[arg(long, global = true)]
    checkout: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the cluster; harmless if it is up
    Up {
        /// Number of nodes, 1 to 9
        #[arg(long, env = "NODES", default_value_t = 3)]
        nodes: u8,
        /// How kube-proxy translates Service addresses
        #[arg(long, env = "PROXY_MODE", value_enum, default_value_t)]
        proxy_mode: ProxyMode,
        /// Take down a cluster of another checkout, or of another shape, first
        #[arg(long)]
        replace: bool,
    },
    /// Remove the cluster and everything that belongs to it
    Down {
        /// Also if it belongs to another checkout
        #[arg(long)]
        force: bool,
    },
    /// Tell whether the cluster works and where its files are
    Status,
    /// Import image archives into every node
    Load {
        /// Archives as `make images` writes them
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Run a command on a node, or on `client`
    Exec {
        /// node1, node2, ... or client
        machine: String,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// End a process of the control plane, such as kube-apiserver, to see what happens without it
    Stop {
        /// etcd, kube-apiserver, kube-controller-manager or kube-scheduler
        component: String,
    },
    /// Start it again
    Start {
        /// See `stop`
        component: String,
    },
    /// Build the components if they are not in the cache, and print where they are
    Prepare,
    /// Print the Debian packages that the cluster and its tests need
    Packages,
    #[command(hide = true)]
    Launch(Launch),
    #[command(hide = true)]
    NodeInit(NodeInit),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let layout = match arguments.checkout {
        Some(path) => Layout::of(
            &path
                .canonicalize()
                .with_context(|| format!("no checkout {}", path.display()))?,
        ),
        None => Layout::of_this_checkout(),
    };
    match arguments.verb {
        // These two change their namespaces and must not have threads.
        Verb::Launch(launch) => launch.run(),
        Verb::NodeInit(init) => init.run(),
        Verb::Exec { machine, command } => {
            let entry = Entry::named(&cluster::running(&layout)?, &machine)?;
            Err(entry.command(command).into_std().exec()).context("cannot run nsenter")
        }
        Verb::Packages => {
            println!("{}", prerequisites::packages().join(" "));
            Ok(())
        }
        verb => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(run_async(layout, verb))
        }
    }
}

async fn run_async(layout: Layout, verb: Verb) -> Result<()> {
    match verb {
        Verb::Up {
            nodes,
            proxy_mode,
            replace,
        } => {
            cluster::up(&Wanted {
                layout,
                nodes,
                proxy_mode,
                replace,
            })
            .await
        }
        Verb::Down { force } => cluster::down(&layout, force).await,
        Verb::Load { archives } => cluster::load(&layout, &archives).await,
        Verb::Stop { component } => component::stop(&layout, &component).await,
        Verb::Start { component } => component::start(&layout, &component).await,
        Verb::Status => {
            println!("{}", cluster::status(&layout).await?);
            Ok(())
        }
        Verb::Prepare => {
            println!(
                "{}",
                Components::prepare(&Progress::start())
                    .await?
                    .programs()
                    .display()
            );
            Ok(())
        }
        Verb::Launch(_) | Verb::NodeInit(_) | Verb::Exec { .. } | Verb::Packages => Ok(()), // done by `run`
    }
}
