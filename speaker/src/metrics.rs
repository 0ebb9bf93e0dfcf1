//! What the speaker counts. Owns the metrics' shape; the numbers are the announcer's and the ledger's, asked for when
//! somebody scrapes.

use std::net::IpAddr;

use metallb_api::names::{metric, protocol};
use metallb_api::{Change, NamespacedName};
use metallb_core::world::Input;
use metallb_protocol::failover::Counters;
use metallb_runtime::configuration_state::Verdict;
use metallb_runtime::metrics::{Asker, Kubernetes, MetricError, Metrics};

use crate::layer2::Counted;
use crate::membership;

/// The Services that this node announces, each with its address.
pub(crate) type Announced = Vec<(NamespacedName, IpAddr)>;

/// The metrics that the owner of the facts keeps.
pub(crate) struct SpeakerMetrics {
    kubernetes: Kubernetes,
}

impl SpeakerMetrics {
    /// Adds those of the speaker on `node` to `metrics`.
    pub(crate) fn new(
        metrics: &Metrics,
        node: &str,
        counted: Asker<Counted>,
        announced: Asker<Announced>,
    ) -> anyhow::Result<Self> {
        layer2(metrics, node.to_owned(), counted)?;
        announcing(metrics, node.to_owned(), announced)?;
        Ok(Self {
            kubernetes: metrics.kubernetes.clone(),
        })
    }

    /// Adds those of membership.
    pub(crate) fn membership(
        metrics: &Metrics,
        counted: Asker<membership::Counted>,
    ) -> Result<(), MetricError> {
        let members = metrics.gauges(
            metric::MEMBERS,
            "Speakers that hear of one another, this one included",
            &[],
        )?;
        let dropped = metrics.counters(
            metric::MEMBERSHIP_DROPPED,
            "What was received on the port of the membership protocol and not followed, and what could not be sent",
            &[metric::REASON],
        )?;
        let events = metrics.counters(
            metric::FAILOVER_EVENTS,
            "What speakers found out about one another: this one declared_dead another, vouched for by others it was \
             not, this one was taken_for_dead, or it was paused and asked whether it was",
            &[metric::EVENT],
        )?;
        metrics.before_scrape(move || {
            let (counted, members, dropped) = (counted.clone(), members.clone(), dropped.clone());
            let events = events.clone();
            async move {
                let Some(counted) = counted.ask().await else {
                    return;
                };
                let count = u32::try_from(counted.members).unwrap_or(u32::MAX);
                members.with_label_values::<&str>(&[]).set(count.into());
                dropped.reset();
                for (reason, times) in counted.dropped {
                    dropped.with_label_values(&[reason]).inc_by(times);
                }
                events.reset();
                for (event, times) in by_event(counted.failover) {
                    events.with_label_values(&[event]).inc_by(times);
                }
            }
        });
        Ok(())
    }

    /// Counts what was seen.
    pub(crate) fn observe(&self, input: &Input) {
        let seen = match input {
            Input::Service(change) => objects(change),
            Input::Endpoints(change) => objects(change),
            Input::Node(change) => objects(change),
            Input::Speaker(change) => objects(change),
            Input::Pool(change) => objects(change),
            Input::L2Advertisement(change) => objects(change),
            Input::BgpAdvertisement(change) => objects(change),
            Input::Interfaces(_) | Input::Members { .. } => 0,
        };
        self.kubernetes.updates.inc_by(seen);
    }

    /// Counts an object with which something is wrong.
    pub(crate) fn observe_fault(&self) {
        self.kubernetes.update_errors.inc();
    }

    /// Notes whether there is a configuration in force, and whether all of what is written is in it.
    pub(crate) fn observe_verdict(&self, verdict: &Verdict) {
        let stale = verdict.as_ref().is_some_and(Result::is_err);
        self.kubernetes.observe_configuration(verdict.is_some(), stale);
    }
}

fn objects<F>(change: &Change<F>) -> u64 {
    match change {
        Change::Apply(..) | Change::Delete(_) => 1,
        Change::Reset(all) => all.len() as u64,
    }
}

/// The events of failover. What was refused of them is counted as dropped.
fn by_event(counters: Counters) -> [(&'static str, u64); 4] {
    let Counters {
        declared,
        vouched,
        deposed,
        paused,
        too_many_looks: _,
    } = counters;
    [
        ("declared_dead", declared),
        ("vouched", vouched),
        ("taken_for_dead", deposed),
        ("paused", paused),
    ]
}

/// Whether this node answers, and what went over the wire, ARP and neighbour discovery together.
fn layer2(metrics: &Metrics, node: String, counted: Asker<Counted>) -> Result<(), MetricError> {
    let of_ip = |name, help| metrics.counters(name, help, &[metric::IP]);
    let requests = of_ip(
        metric::LAYER2_REQUESTS,
        "Number of layer2 requests received for owned IPs",
    )?;
    let responses = of_ip(
        metric::LAYER2_RESPONSES,
        "Number of layer2 responses sent for owned IPs in response to requests",
    )?;
    let gratuitous = of_ip(
        metric::LAYER2_GRATUITOUS,
        "Number of gratuitous layer2 packets sent for owned IPs as a result of failovers",
    )?;
    let contested = of_ip(
        metric::LAYER2_CONTESTED,
        "Number of times that another station kept using an owned IP for more than a second",
    )?;
    let may = metrics.gauges(
        metric::MAY_ANNOUNCE,
        "1 while this node may answer for addresses, 0 while it asks the other speakers whether they reckon with it",
        &[],
    )?;
    let owned = metrics.gauges(
        metric::ADDRESS_OWNED,
        "1 while this node answers for an IP, 0 while it is chosen for it and may not answer",
        &[metric::IP, metric::NODE],
    )?;
    let all = [requests, responses, gratuitous, contested];
    metrics.before_scrape(move || {
        let (counted, all, node) = (counted.clone(), all.clone(), node.clone());
        let (may, owned) = (may.clone(), owned.clone());
        async move {
            let Some(Counted {
                entitled,
                addresses,
                yielded,
            }) = counted.ask().await
            else {
                return;
            };
            // What is no longer served is no longer counted.
            for counter in &all {
                counter.reset();
            }
            owned.reset();
            may.with_label_values::<&str>(&[])
                .set(f64::from(u8::from(entitled)));
            for (ip, counters) in addresses {
                let answers = entitled && !yielded.contains(&ip);
                let answers = f64::from(u8::from(answers));
                owned.with_label_values(&[&ip.to_string(), &node]).set(answers);
                let figures = [
                    counters.requests,
                    counters.responses,
                    counters.gratuitous,
                    counters.contested,
                ];
                for (counter, figure) in all.iter().zip(figures) {
                    counter.with_label_values(&[ip.to_string()]).inc_by(figure);
                }
            }
        }
    });
    Ok(())
}

fn announcing(metrics: &Metrics, node: String, announced: Asker<Announced>) -> Result<(), MetricError> {
    let gauge = metrics.gauges(
        metric::ANNOUNCED,
        "Services being announced from this node. This is desired state, it does not guarantee that the routing \
         protocols have converged.",
        &[metric::SERVICE, metric::PROTOCOL, metric::NODE, metric::IP],
    )?;
    metrics.before_scrape(move || {
        let (announced, gauge, node) = (announced.clone(), gauge.clone(), node.clone());
        async move {
            let Some(announced) = announced.ask().await else {
                return;
            };
            gauge.reset();
            for (service, ip) in announced {
                let labels = [
                    service.to_string(),
                    protocol::LAYER2.to_owned(),
                    node.clone(),
                    ip.to_string(),
                ];
                gauge.with_label_values(&labels).set(1.0);
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests;
