//! Many Services, and when each got its address.
//!
//! Owns: creating and deleting them at the pace of the API server, and one watch that reads the clock.
//! Never: knows which implementation gives the addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::watcher::{self, Event};
use metallb_e2e::fixtures::{self, ingress_addresses};
use metallb_e2e::kubernetes::TempNamespace;
use metallb_e2e::metallb::WEB;
use metallb_e2e::wait::{self, Look};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Requests at a time: they keep two processors busy with the API server.
const CLIENTS: usize = 8;
/// kube-proxy leaves Services with this label to another proxy, of which there is none here.
const PROXY: &str = "service.kubernetes.io/service-proxy-name";
/// Of a Service that another implementation is to serve, of which there is none here.
const CLASS: &str = "example.com/nobody";
const WATCH_LIMIT: Duration = Duration::from_secs(30);
const REMOVE_LIMIT: Duration = Duration::from_mins(5);

/// What the Services are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To have an address. They have no endpoints and no node programs them, so that only the implementation under
    /// test and the API server are busy with them.
    Address,
    /// The same, but nobody serves them: what they take, the API server takes.
    Nobody,
    /// To be announced: their endpoints are the ready pods of the web server [`WEB`].
    Announcement,
    /// To be announced, with these endpoints, while no node programs them: thousands of them.
    Crowd,
}

/// What is known of the address of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// When the Service itself was first seen: from here on the implementation can do something
    pub appeared: Instant,
    /// The first address
    pub address: Ipv4Addr,
    /// When it was seen
    pub at: Instant,
    /// Whether another one, or none, was seen since
    pub changed: bool,
}

/// When a Service was created.
#[derive(Clone, Copy, Debug)]
pub struct Created {
    /// Before the request
    pub asked: Instant,
    /// After its answer
    pub answered: Instant,
}

/// What the watch has shown of Services that are there.
#[derive(Debug, Default)]
struct Known {
    appeared: BTreeMap<String, Instant>,
    given: BTreeMap<String, Given>,
    /// Since when Services have a ready endpoint
    ready: BTreeMap<String, Instant>,
}

/// The Services of a namespace.
pub struct Crowd {
    api: Api<Service>,
    known: watch::Receiver<Known>,
    watching: [JoinHandle<()>; 2],
}

impl Crowd {
    /// Those of this namespace. Returns when the watch has begun.
    ///
    /// # Errors
    /// If it does not begin.
    pub async fn of(namespace: &TempNamespace) -> Result<Self> {
        let api = namespace.api::<Service>();
        let (sender, known) = watch::channel(Known::default());
        let (begun, mut beginning) = watch::channel(false);
        let watching = [
            tokio::spawn(observe_endpoints(namespace.api(), sender.clone())),
            tokio::spawn(observe(api.clone(), sender, begun)),
        ];
        tokio::time::timeout(WATCH_LIMIT, beginning.wait_for(|begun| *begun))
            .await
            .context("the watch on Services does not begin")??;
        Ok(Self { api, known, watching })
    }

    /// Creates Services of these numbers.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub async fn create(
        &self,
        numbers: std::ops::Range<usize>,
        purpose: Purpose,
    ) -> Result<BTreeMap<String, Created>> {
        let create = async |number| {
            let service = service(number, purpose)?;
            let asked = Instant::now();
            self.api.create(&PostParams::default(), &service).await?;
            let answered = Instant::now();
            Ok::<_, anyhow::Error>((name(number), Created { asked, answered }))
        };
        stream::iter(numbers)
            .map(create)
            .buffer_unordered(CLIENTS)
            .try_collect()
            .await
            .context("a Service was refused")
    }

    /// Waits until `count` Services have an address.
    ///
    /// # Errors
    /// If they do not within `limit`.
    pub async fn have_addresses(&mut self, count: usize, limit: Duration) -> Result<()> {
        let complete = self.known.wait_for(|known| known.given.len() >= count);
        if let Ok(complete) = tokio::time::timeout(limit, complete).await {
            complete.map(drop).context("the watch on Services ended")
        } else {
            let seconds = limit.as_secs();
            let given = self.known.borrow().given.len();
            Err(anyhow!(
                "after {seconds} s only {given} of {count} Services have an address"
            ))
        }
    }

    /// Waits until the Service of this number has an address.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub async fn has_address(&mut self, number: usize, limit: Duration) -> Result<Given> {
        self.has("address", number, limit, |known| &known.given).await
    }

    /// Waits until the Service of this number has a ready endpoint, and returns when it had.
    ///
    /// # Errors
    /// If it has none within `limit`.
    pub async fn has_endpoints(&mut self, number: usize, limit: Duration) -> Result<Instant> {
        self.has("endpoint", number, limit, |known| &known.ready).await
    }

    async fn has<T: Copy>(
        &mut self,
        what: &str,
        number: usize,
        limit: Duration,
        table: impl Fn(&Known) -> &BTreeMap<String, T>,
    ) -> Result<T> {
        let name = name(number);
        let known = self.known.wait_for(|known| table(known).contains_key(&name));
        let known = tokio::time::timeout(limit, known).await;
        let known = known.with_context(|| format!("{name} has no {what} after {} s", limit.as_secs()))??;
        table(&known)
            .get(&name)
            .copied()
            .context("it was there a moment ago")
    }

    /// What is known of every address.
    pub fn addresses(&self) -> BTreeMap<String, Given> {
        self.known.borrow().given.clone()
    }

    /// Deletes the Service of this number.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn delete(&self, number: usize) -> Result<()> {
        self.api
            .delete(&name(number), &DeleteParams::default())
            .await
            .map(drop)
            .context("a Service cannot be deleted")
    }

    /// Deletes all, and waits until they are gone.
    ///
    /// # Errors
    /// If they do not go.
    pub async fn disperse(self) -> Result<()> {
        let all = self.api.list_metadata(&ListParams::default()).await?;
        let names = all.items.into_iter().filter_map(|service| service.metadata.name);
        stream::iter(names)
            .map(async |name| self.api.delete(&name, &DeleteParams::default()).await.map(drop))
            .buffer_unordered(CLIENTS)
            .try_collect::<()>()
            .await
            .context("a Service cannot be deleted")?;
        wait::until("all Services to go", REMOVE_LIMIT, async || {
            let left = self.api.list_metadata(&ListParams::default().limit(1)).await?;
            Ok::<_, kube::Error>(if left.items.is_empty() {
                Look::Done(())
            } else {
                Look::NotYet("some are left".to_owned())
            })
        })
        .await
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.watching.iter().for_each(JoinHandle::abort);
    }
}

async fn observe(api: Api<Service>, sender: watch::Sender<Known>, begun: watch::Sender<bool>) {
    let mut events = watcher::watcher(api, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        let at = Instant::now();
        match event {
            Ok(Event::Apply(service) | Event::InitApply(service)) => {
                sender.send_if_modified(|known| note(known, &service, at));
            }
            Ok(Event::Delete(service)) => {
                let name = service.metadata.name.unwrap_or_default();
                sender.send_if_modified(|known| {
                    known.appeared.remove(&name);
                    known.ready.remove(&name);
                    known.given.remove(&name).is_some()
                });
            }
            Ok(Event::InitDone) => drop(begun.send_replace(true)),
            Ok(Event::Init) => {}
            // It goes on by itself; what it missed comes with the next list, late.
            Err(error) => eprintln!("the watch on Services was interrupted: {error}"),
        }
    }
}

async fn observe_endpoints(api: Api<EndpointSlice>, sender: watch::Sender<Known>) {
    let mut events = watcher::watcher(api, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        let at = Instant::now();
        match event {
            Ok(Event::Apply(slice) | Event::InitApply(slice)) => {
                if let Some(service) = led_to(&slice) {
                    sender.send_if_modified(|known| {
                        let news = !known.ready.contains_key(&service);
                        known.ready.entry(service).or_insert(at);
                        news
                    });
                }
            }
            Ok(Event::Delete(_) | Event::Init | Event::InitDone) => {}
            Err(error) => eprintln!("the watch on EndpointSlices was interrupted: {error}"),
        }
    }
}

/// The Service whose clients these endpoints serve, if one of them is ready.
fn led_to(slice: &EndpointSlice) -> Option<String> {
    let is_ready = |endpoint: &Endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.is_none_or(|conditions| conditions.ready.unwrap_or(true))
    };
    let service = slice.labels().get("kubernetes.io/service-name")?;
    slice.endpoints.iter().any(is_ready).then(|| service.clone())
}

/// Notes the address of a Service. Tells whether that is news.
fn note(known: &mut Known, service: &Service, at: Instant) -> bool {
    let name = service.metadata.name.clone().unwrap_or_default();
    let first = ingress_addresses(service)
        .first()
        .and_then(|address| address.parse().ok());
    let appeared = *known.appeared.entry(name.clone()).or_insert(at);
    match (known.given.get_mut(&name), first) {
        (None, None) => false,
        (None, Some(address)) => {
            let given = Given {
                appeared,
                address,
                at,
                changed: false,
            };
            known.given.insert(name, given);
            true
        }
        (Some(given), now) => {
            let changed = now != Some(given.address);
            given.changed |= changed;
            changed
        }
    }
}

fn name(number: usize) -> String {
    format!("service-{number:05}")
}

fn service(number: usize, purpose: Purpose) -> Result<Service> {
    let mut service = match purpose {
        Purpose::Announcement | Purpose::Crowd => fixtures::load_balancer(WEB)?,
        Purpose::Address | Purpose::Nobody => serde_json::from_value(json!({
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        }))?,
    };
    service.metadata.name = Some(name(number));
    if purpose != Purpose::Announcement {
        service.labels_mut().insert(PROXY.into(), "nobody".into());
        let spec = service.spec.get_or_insert_default();
        spec.allocate_load_balancer_node_ports = Some(false); // there are only 2,768
        spec.load_balancer_class = (purpose == Purpose::Nobody).then(|| CLASS.to_owned());
    }
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_address(addresses: &[&str]) -> Service {
        let ingress: Vec<_> = addresses.iter().map(|address| json!({"ip": address})).collect();
        serde_json::from_value(json!({
            "metadata": {"name": "a"}, "status": {"loadBalancer": {"ingress": ingress}},
        }))
        .unwrap()
    }

    #[test]
    fn the_first_address_counts_and_every_other_is_a_change() {
        let mut known = Known::default();
        let appeared = Instant::now();
        let (first, later) = (
            appeared + Duration::from_secs(1),
            appeared + Duration::from_secs(2),
        );
        assert!(!note(&mut known, &with_address(&[]), appeared));
        assert!(note(&mut known, &with_address(&["172.30.64.1"]), first));
        assert!(!note(&mut known, &with_address(&["172.30.64.1"]), later));
        assert_eq!((known.given["a"].at, known.given["a"].changed), (first, false));
        assert!(note(&mut known, &with_address(&[]), later));
        assert!(note(&mut known, &with_address(&["172.30.64.2"]), later));
        let given = known.given["a"];
        assert_eq!((given.appeared, given.at, given.changed), (appeared, first, true));
    }

    #[test]
    fn a_service_that_only_wants_an_address_keeps_nobody_else_busy() {
        let service = service(7, Purpose::Address).unwrap();
        assert_eq!(service.metadata.name.as_deref(), Some("service-00007"));
        assert!(service.metadata.labels.unwrap().contains_key(PROXY));
        let spec = service.spec.unwrap();
        assert_eq!((spec.selector, spec.load_balancer_class), (None, None));
    }

    #[test]
    fn a_service_for_nobody_differs_in_its_class_alone() {
        let mut service = service(7, Purpose::Nobody).unwrap();
        let class = service.spec.as_mut().unwrap().load_balancer_class.take();
        assert_eq!(class.as_deref(), Some(CLASS));
        assert_eq!(service, super::service(7, Purpose::Address).unwrap());
    }
}
