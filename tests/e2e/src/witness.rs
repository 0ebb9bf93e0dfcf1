//! A watch that notes every address that each Service of a test was ever seen with.
//!
//! Owns: the answer to "did any address change in between, be it for a moment?".
//! Never: ends by itself: a watch that breaks off is resumed where it was, and one that cannot be fails the test.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fixtures::ingress_addresses;
use crate::kubernetes::TempNamespace;

/// The pause after an error: a test that stops the API server wants to see what comes first afterwards.
struct EverySecond;

impl Iterator for EverySecond {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl Backoff for EverySecond {
    fn reset(&mut self) {}
}

/// The addresses of each Service in the order of sight, without repetitions in a row.
pub type Seen = BTreeMap<String, Vec<Vec<String>>>;

/// See the module.
#[derive(Debug)]
pub struct Witness {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Witness {
    /// Starts to watch the Services of a test.
    pub fn of(namespace: &TempNamespace) -> Self {
        let (sender, seen) = watch::channel(Seen::new());
        let services = watcher(namespace.api::<Service>(), watcher::Config::default()).backoff(EverySecond);
        let mut last_error = String::new();
        let task = tokio::spawn(services.applied_objects().for_each(move |found| {
            match found {
                Ok(service) => {
                    let addresses = ingress_addresses(&service);
                    sender.send_modify(|seen| {
                        let lists = seen.entry(service.name_any()).or_default();
                        if lists.last() != Some(&addresses) {
                            lists.push(addresses);
                        }
                    });
                }
                Err(error) if error.to_string() == last_error => {}
                Err(error) => {
                    last_error = error.to_string();
                    eprintln!("the watch of Services goes on after: {last_error}");
                }
            }
            std::future::ready(())
        }));
        Self { seen, task }
    }

    /// The addresses of all Services, once there are `count` and all have some.
    ///
    /// # Errors
    /// If that does not happen in time; the text tells of those without.
    pub async fn all_have_addresses(
        &mut self,
        count: usize,
        limit: Duration,
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let has_one = |lists: &Vec<Vec<String>>| lists.last().is_some_and(|list| !list.is_empty());
        let complete = self
            .seen
            .wait_for(|seen| seen.len() == count && seen.values().all(has_one));
        let outcome = tokio::time::timeout(limit, complete)
            .await
            .map(|found| found.map(|seen| seen.clone()));
        let Ok(seen) = outcome else {
            let seen = self.seen.borrow();
            let without = seen
                .iter()
                .filter(|(_, lists)| !has_one(lists))
                .map(|(name, _)| name.as_str());
            let without = without.collect::<Vec<_>>().join(", ");
            anyhow::bail!(
                "{} of {count} Services were seen, without an address: {without}",
                seen.len()
            )
        };
        let last = |lists: Vec<Vec<String>>| lists.into_iter().next_back().unwrap_or_default();
        Ok(seen
            .context("the watch ended")?
            .into_iter()
            .map(|(name, lists)| (name, last(lists)))
            .collect())
    }

    /// Ends the watch.
    ///
    /// # Errors
    /// If a Service was ever seen with a second list of addresses, or without any after it had some.
    pub fn saw_no_change(self) -> Result<()> {
        ensure!(!self.task.is_finished(), "the watch ended before the test");
        for (service, lists) in &*self.seen.borrow() {
            let from_first = lists.iter().skip_while(|list| list.is_empty());
            ensure!(from_first.count() <= 1, "{service} had in turn {lists:?}");
        }
        Ok(())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}
