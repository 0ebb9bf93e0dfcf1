//! What the controller counts. Owns the metrics of the pools; the numbers are the allocator's.

use std::collections::BTreeMap;

use metallb_api::Change;
use metallb_api::names::metric;
use metallb_core::allocator::Usage;
use metallb_runtime::metrics::{Figures, GaugeVec, Metrics};

use crate::state::{Input, State};
use crate::write::Written;

/// The metrics that the owner of the state keeps.
pub(crate) struct ControllerMetrics {
    metrics: Metrics,
    pools: Figures,
    unannounced: GaugeVec,
}

impl ControllerMetrics {
    /// Adds those of the controller to `metrics`.
    pub(crate) fn new(metrics: Metrics) -> anyhow::Result<Self> {
        let pool = |name, help| metrics.gauges(name, help, &[metric::POOL]);
        let pools = Figures::new(vec![
            pool(metric::ADDRESSES, "Number of usable IP addresses, per pool")?,
            pool(
                metric::IPV4_ADDRESSES,
                "Number of usable IPV4 addresses, per pool",
            )?,
            pool(
                metric::IPV6_ADDRESSES,
                "Number of usable IPV6 addresses, per pool",
            )?,
            pool(
                metric::ADDRESSES_IN_USE,
                "Number of IP addresses in use, per pool",
            )?,
            pool(
                metric::IPV4_ADDRESSES_IN_USE,
                "Number of IPV4 addresses in use, per pool",
            )?,
            pool(
                metric::IPV6_ADDRESSES_IN_USE,
                "Number of IPV6 addresses in use, per pool",
            )?,
            pool(
                metric::SERVICES_ALLOCATED,
                "Number of services allocated, per pool",
            )?,
        ]);
        let unannounced = metrics.gauges(
            metric::UNANNOUNCED,
            "Number of services with an address that nobody announces",
            &[],
        )?;
        Ok(Self {
            metrics,
            pools,
            unannounced,
        })
    }

    /// Counts what was seen.
    pub(crate) fn observe(&self, input: &Input) {
        let seen = match input {
            Input::Service(change) => objects(change),
            Input::Pool(change) => objects(change),
            Input::Namespace(change) => objects(change),
        };
        self.metrics.kubernetes.updates.inc_by(seen);
    }

    /// Counts a write that came to nothing, for another reason than that there is something newer.
    pub(crate) fn observe_written(&self, written: &Written) {
        match written {
            Written::Done(_) | Written::Outdated => {}
            Written::Refused(_) | Written::Failed { .. } => self.observe_errors(1),
        }
    }

    /// Counts objects with which something is wrong.
    pub(crate) fn observe_errors(&self, count: u64) {
        self.metrics.kubernetes.update_errors.inc_by(count);
    }

    /// Shows how things stand where this is not the leader: what is given is the leader's to count, and the rules that
    /// compare these numbers take them from one process.
    pub(crate) fn observe_follower(&mut self, state: &State) {
        self.observe_configuration(state);
        self.pools.set(BTreeMap::new());
        self.unannounced.reset();
    }

    fn observe_configuration(&self, state: &State) {
        let loaded = state.allocator().pools().is_some();
        self.metrics
            .kubernetes
            .observe_configuration(loaded, state.is_stale());
    }

    /// Shows how things stand.
    pub(crate) fn observe_state(&mut self, state: &State) {
        self.observe_configuration(state);
        let silent: &[&str] = &[];
        self.unannounced
            .with_label_values(silent)
            .set(f64::from(state.unannounced()));
        let usage = state.allocator().usage();
        self.pools.set(
            usage
                .map(|(pool, usage)| (pool.to_owned(), figures(usage)))
                .collect::<BTreeMap<_, _>>(),
        );
    }
}

fn objects<F>(change: &Change<F>) -> u64 {
    match change {
        Change::Apply(..) | Change::Delete(_) => 1,
        Change::Reset(all) => all.len() as u64,
    }
}

/// In the order of the gauges.
#[expect(
    clippy::cast_precision_loss,
    reason = "a pool of so many addresses that it matters is never counted to the last one"
)]
fn figures(usage: Usage) -> Vec<f64> {
    let Usage {
        capacity_v4,
        capacity_v6,
        in_use_v4,
        in_use_v6,
        services,
    } = usage;
    vec![
        capacity_v4 as f64 + capacity_v6 as f64,
        capacity_v4 as f64,
        capacity_v6 as f64,
        (in_use_v4 + in_use_v6) as f64,
        in_use_v4 as f64,
        in_use_v6 as f64,
        services as f64,
    ]
}

#[cfg(test)]
mod tests;
