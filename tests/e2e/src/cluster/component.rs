//! One process of the control plane, stopped and started again while everything else goes on.
//!
//! Owns: what `cluster stop` and `cluster start` do, for tests of failures and for the curious.
//! Never: touches a process of a node: that is the business of whoever is in there.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::components::Components;
use super::layout::Layout;
use super::owner::Lock;
use super::process::{Place, Process, Start};
use super::progress::Progress;
use super::{control_plane, health};
use crate::wait;

/// SIGKILL takes effect at once, but for a write to a slow disk.
const END_LIMIT: Duration = Duration::from_secs(15);
/// The API server reads its data and is ready two seconds later.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Ends a process of the control plane, as if it had crashed.
///
/// # Errors
/// If there is none of that name.
pub async fn stop(layout: &Layout, name: &str) -> Result<()> {
    let record = super::running(layout)?;
    flags(layout, name)?;
    let process = record
        .process(name)
        .with_context(|| format!("{name} was never started"))?;
    process.kill();
    wait::until_true(format!("{name} to end"), END_LIMIT, || !process.alive()).await
}

/// Starts it again, and waits until the API server is ready. Harmless if it runs.
///
/// # Errors
/// If it does not start.
pub async fn start(layout: &Layout, name: &str) -> Result<()> {
    let progress = Progress::start();
    let lock = Lock::acquire(&progress).await?;
    let mut record = super::running(layout)?;
    let flags = flags(layout, name)?;
    if !record.process(name).is_some_and(Process::alive) {
        let components = Components::prepare(&progress).await?;
        let process = on_host(layout, &components, name, flags).start().await?;
        record.processes.retain(|process| process.name != name);
        record.processes.push(process);
        record.write(&lock)?;
    }
    health::api_server(layout, START_LIMIT).await.map(drop)
}

/// How a process of the control plane is started.
pub(super) fn on_host(layout: &Layout, components: &Components, name: &str, flags: Vec<String>) -> Start {
    Start {
        name: name.to_owned(),
        cgroup: control_plane::CGROUP.to_owned(),
        place: Place::Host,
        log: layout.log(name),
        command: std::iter::once(components.program(name)).chain(flags).collect(),
        search_path: components.search_path(),
    }
}

fn flags(layout: &Layout, name: &str) -> Result<Vec<String>> {
    let all = || {
        control_plane::storage(layout)
            .into_iter()
            .chain(control_plane::controllers(layout))
    };
    let Some((_, flags)) = all().find(|(known, _)| *known == name) else {
        let known: Vec<_> = all().map(|(known, _)| known).collect();
        bail!("there is no component {name:?}; there are {}", known.join(", "))
    };
    Ok(flags)
}
