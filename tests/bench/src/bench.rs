//! What every row has at hand.
//!
//! Owns: the cluster with one implementation installed, the pool and announcement that rows use, and the order of it
//! all: one implementation after the other, and for each the rows.
//! Never: differs between the two.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use metallb_e2e::cluster::progress::Progress;
use metallb_e2e::fixtures::{l2_advertisement, pool};
use metallb_e2e::kubernetes::{Cluster, TempNamespace};
use metallb_e2e::lab::Lab;
use metallb_e2e::metallb;
use metallb_e2e::upstream::Upstream;
use metallb_e2e::wait::{self, Look};

use crate::containers;
use crate::crowd::{Crowd, Purpose};
use crate::figure::{Figure, Reading};
use crate::rows::Row;
use crate::served::Served;
use crate::stack::Stack;
use crate::wire::Client;

/// On every node one, as Services of users have it.
const WEB_SERVERS: u8 = 3;
/// 16,384 addresses of the segment, away from those of its machines.
const ADDRESSES: &str = "172.30.64.0/18";
const POOL: &str = "bench";

const QUIET_LIMIT: Duration = Duration::from_mins(3);
const QUIET_INTERVAL: Duration = Duration::from_millis(500);
/// A tenth of a processor: gossip and health checks take less, work takes more.
const QUIET: Duration = Duration::from_millis(50);

/// What was measured: implementation, row and figure.
pub type Readings = BTreeMap<(&'static str, &'static str, &'static str), f64>;

/// See the module.
pub struct Bench {
    cluster: Cluster,
    lab: Lab,
    client: Client,
    progress: Progress,
    settled: Cell<Option<Timestamp>>,
}

impl Bench {
    /// On the cluster of this checkout.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn connect() -> Result<Self> {
        let cluster = Cluster::connect().await?;
        let lab =
            Lab::of(&cluster)?.context("the client of our own cluster is needed; see `make cluster-up`")?;
        let client = Client::of(&lab).await?;
        Ok(Self {
            cluster,
            lab,
            client,
            progress: Progress::of("bench"),
            settled: Cell::default(),
        })
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its machines.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The client on its segment.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Since when the implementation is installed, and has nothing left to do for that.
    ///
    /// # Errors
    /// If it is not yet.
    pub fn settled(&self) -> Result<Timestamp> {
        self.settled.get().context("nothing is installed")
    }

    /// Measures these rows, first with one implementation and then with the other.
    ///
    /// # Errors
    /// If an implementation cannot be installed, or something did not happen in time.
    pub async fn run(&self, rows: &[&'static Row], upstream: &Upstream) -> Result<Readings> {
        let mut readings = Readings::new();
        for stack in Stack::BOTH {
            let rows: Vec<_> = rows
                .iter()
                .filter_map(|row| Some((*row, row.amount(stack)?)))
                .collect();
            if rows.is_empty() {
                continue;
            }
            self.progress.step(format!("installing {}", stack.name()));
            stack.install(&self.cluster, upstream).await?;
            self.quiet().await?;
            self.settled.set(Some(Timestamp::now()));
            for (row, amount) in rows {
                self.progress
                    .step(format!("{}: {} ({amount})", stack.name(), row.name));
                let measured = row.measure(self, amount).await;
                let measured = measured.with_context(|| format!("{} with {}", row.name, stack.name()))?;
                for Reading { what, value } in measured {
                    readings.insert((stack.name(), row.name, what), value);
                    self.progress
                        .step(format!("    {what}: {}", show(row, what, value)));
                }
            }
            self.progress.step(format!("removing {}", stack.name()));
            stack.uninstall(&self.cluster, upstream).await?;
        }
        Ok(readings)
    }

    /// Says how far a row has come.
    pub fn say(&self, what: impl std::fmt::Display) {
        self.progress.step(format!("    {what}"));
    }

    /// Runs a row in a namespace of its own, with a pool and its announcement, which are gone afterwards.
    ///
    /// # Errors
    /// Those of the row.
    pub async fn in_namespace<T>(
        &self,
        row: &str,
        body: impl AsyncFnOnce(&TempNamespace) -> Result<T>,
    ) -> Result<T> {
        let mut measured = None;
        self.cluster
            .in_namespace(row, async |namespace| {
                namespace.apply(pool(POOL, &[ADDRESSES])).await?;
                namespace.apply(l2_advertisement(POOL, &[POOL])).await?;
                measured = Some(body(namespace).await?);
                Ok(())
            })
            .await?;
        measured.context("a row that ended without a result")
    }

    /// Starts the web server [`WEB`](metallb::WEB), and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn serve_web(&self, namespace: &TempNamespace) -> Result<()> {
        metallb::serve_web(namespace, WEB_SERVERS).await
    }

    /// Creates the Service of this number for the web server, and follows it until a client can reach it.
    ///
    /// # Errors
    /// If a step takes longer than `limit`.
    pub async fn serve(&self, crowd: &mut Crowd, number: usize, limit: Duration) -> Result<Served> {
        Served::follow(crowd, self.client, number, limit).await
    }

    /// Creates the first Service of the crowd for the web server, and returns its address when a client has had an answer for it
    /// and there is nothing left to do.
    ///
    /// # Errors
    /// If a step takes longer than `limit`.
    pub async fn announced(&self, crowd: &mut Crowd, limit: Duration) -> Result<Ipv4Addr> {
        crowd.create(0..1, Purpose::Announcement).await?;
        let address = crowd.has_address(0, limit).await?.address;
        self.first_answer(address, limit).await?;
        self.quiet().await?;
        Ok(address)
    }

    /// When a client on the segment first got an answer for the address.
    ///
    /// # Errors
    /// If it gets none within `limit`.
    pub async fn first_answer(&self, address: Ipv4Addr, limit: Duration) -> Result<Instant> {
        self.client
            .ask(async move |asker| asker.first_answer(address, limit).await)
            .await
    }

    /// Waits until the implementation has worked off what was before, so that it is not measured with what comes next.
    ///
    /// # Errors
    /// If it goes on working.
    pub async fn quiet(&self) -> Result<()> {
        let mut before = None;
        wait::until("the implementation to be quiet", QUIET_LIMIT, async || {
            tokio::time::sleep(QUIET_INTERVAL).await;
            let running = containers::running(&self.cluster).await?;
            let times = running.iter().map(containers::Container::processor_time);
            let now: Duration = times.collect::<Result<Vec<_>>>()?.into_iter().sum();
            let spent = before.replace(now).map(|before| now.saturating_sub(before));
            Ok::<_, anyhow::Error>(match spent {
                Some(spent) if spent <= QUIET => Look::Done(()),
                spent => Look::NotYet(format!("it took {spent:?} of processor time")),
            })
        })
        .await
    }
}

fn show(row: &Row, what: &str, value: f64) -> String {
    let figure: Option<&Figure> = row.figures.iter().find(|figure| figure.what == what);
    figure.map_or_else(|| value.to_string(), |figure| figure.unit.show(value))
}
