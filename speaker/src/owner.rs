//! The decision loop without its clock and its sockets: facts in, actions out. Owns when the speaker may act at all.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use metallb_api::NamespacedName;
use metallb_core::config::Fault;
use metallb_core::plan::{Action, Complaints, Ledger, Pod};
use metallb_core::world::{Input, Kind, Own, World};
use metallb_runtime::configuration_state::Verdict;

use crate::metrics::Announced;

/// How long to wait for the list of the speakers' Pods when all else is known. It comes with the others, unless listing
/// Pods is forbidden; then all nodes count as members, which is better than announcing nothing.
const POD_PATIENCE: Duration = Duration::from_secs(5);

/// Everything the speaker knows and has decided. `now` is the time since the start.
pub(crate) struct Owner {
    world: World,
    ledger: Ledger,
    complaints: Complaints,
    stage: Stage,
    /// Decided while facts were taken in; [`Self::decide`] hands it out.
    decided: Vec<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Some kind of object was not listed yet.
    Listening,
    /// Only the speakers' Pods were not listed yet.
    WaitingForPods { until: Duration },
    /// Plans are carried out.
    Acting,
}

impl Owner {
    /// The owner before it has heard anything.
    pub(crate) fn new(own: Own) -> Self {
        Self {
            ledger: Ledger::new(own.node.clone()),
            world: World::new(own),
            complaints: Complaints::default(),
            stage: Stage::Listening,
            decided: Vec::new(),
        }
    }

    /// Takes in a fact at `now`. What is returned is wrong with the configuration and for the log.
    ///
    /// Facts are taken in one after the other before the next decision, but not over a fact that they replace: a node
    /// that was unready for a moment has lost its addresses to others, which told the neighbours, even if both changes
    /// arrive together.
    pub(crate) fn observe(&mut self, input: Input, now: Duration) -> Vec<Fault> {
        if self.world.supersedes(&input) {
            self.decided = self.decide(now);
        }
        self.world.observe(input)
    }

    /// What has to be done by `now`.
    pub(crate) fn decide(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = std::mem::take(&mut self.decided);
        self.advance(now);
        if self.stage != Stage::Acting {
            return actions;
        }
        let plans = self.world.take_plans();
        for (service, plan) in &plans {
            let complaint = plan.as_ref().and_then(|plan| plan.complaint.as_deref());
            self.complaints.observe(service, complaint, now);
        }
        let gap = self.world.take_gap();
        actions.extend(self.ledger.settle(plans));
        if gap {
            actions.extend(self.ledger.remind());
        }
        actions.extend(self.complaints.due(now).into_iter().map(Action::Tell));
        actions
    }

    /// When to decide again even if nothing new is heard.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self.stage {
            Stage::Listening => None,
            Stage::WaitingForPods { until } => Some(until),
            Stage::Acting => self.complaints.next_deadline(),
        }
    }

    /// Whether the configuration is in force as it is written; unknown before all of it was listed.
    pub(crate) fn verdict(&self) -> Verdict {
        let faults: Vec<&str> = self.world.faults().map(|fault| fault.message.as_str()).collect();
        let verdict = if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n"))
        };
        self.is_acting().then_some(verdict)
    }

    /// The Services that this node announces, each with its address, or once for each of two.
    pub(crate) fn announced(&self) -> Announced {
        let announced = self.ledger.announced_for();
        announced
            .map(|(address, service)| (service.clone(), address))
            .collect()
    }

    /// Where the speakers are, if that has changed since this was last asked.
    pub(crate) fn take_peers(&mut self) -> Option<BTreeSet<IpAddr>> {
        self.world.take_peers()
    }

    /// Whether enough is known to act.
    pub(crate) fn is_acting(&self) -> bool {
        self.stage == Stage::Acting
    }

    /// The Pod of this name, if it is one of the speakers'.
    pub(crate) fn pod(&self, name: &str) -> Option<Pod> {
        let uid = self.world.speaker_uid(name)?.to_owned();
        let name = name.to_owned();
        Some(Pod { name, uid })
    }

    /// The Service as Events refer to it. `kubectl describe` finds Events by all of these.
    pub(crate) fn reference(&self, service: &NamespacedName) -> Option<ObjectReference> {
        let claim = self.world.claim(service)?;
        Some(ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Service".into()),
            namespace: Some(service.namespace().to_owned()),
            name: Some(service.name().to_owned()),
            uid: Some(claim.uid.to_string()),
            ..ObjectReference::default()
        })
    }

    fn advance(&mut self, now: Duration) {
        if self.stage == Stage::Acting {
            return;
        }
        let missing = self.world.missing();
        self.stage = if missing.is_empty() {
            Stage::Acting
        } else if missing.iter().ne([&Kind::Speaker]) {
            Stage::Listening
        } else {
            match self.stage {
                Stage::WaitingForPods { until } if until <= now => {
                    tracing::warn!("cannot list the speakers' pods; every node is taken to run a speaker");
                    Stage::Acting
                }
                Stage::WaitingForPods { until } => Stage::WaitingForPods { until },
                _ => Stage::WaitingForPods {
                    until: now + POD_PATIENCE,
                },
            }
        };
    }
}

#[cfg(test)]
mod tests;
