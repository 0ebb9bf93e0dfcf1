//! From facts to findings. Pure: owns which parts the report has, and what counts as something to do.

use std::collections::BTreeMap;

use metallb_api::names::object;
use serde::Serialize;

use super::addresses::{self, Addresses};
use super::facts::Facts;
use super::{announcements, definitions, installations, legacy};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Weight {
    /// Somebody has to do something, or something gets lost.
    Todo,
    /// Changes by itself, to the same end.
    Note,
}

/// One thing that is not as this version makes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    /// What it is about, as `kubectl get` lists it.
    pub(super) subject: String,
    /// What would become of it.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<String>,
}

impl Finding {
    pub(super) fn note(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            weight: Weight::Note,
            subject: subject.into(),
            message: message.into(),
            step: None,
        }
    }

    pub(super) fn todo(
        subject: impl Into<String>,
        message: impl Into<String>,
        step: impl Into<String>,
    ) -> Self {
        Self {
            weight: Weight::Todo,
            subject: subject.into(),
            message: message.into(),
            step: Some(step.into()),
        }
    }
}

/// Everything that is to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Where this version is to be installed.
    pub(super) namespace: String,
    /// What runs already: an installation, and its workloads.
    pub(super) installations: BTreeMap<String, Vec<String>>,
    /// What becomes of the Services; `None` where the pools do not allow to tell.
    pub(super) services: Option<Addresses>,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is to be done and no address moves.
    pub(super) fn is_clear(&self) -> bool {
        let quiet = self.findings.iter().all(|finding| finding.weight == Weight::Note);
        let still = self
            .services
            .as_ref()
            .is_some_and(|services| services.moving.is_empty());
        quiet && still
    }
}

/// Decides what is to be said about the cluster.
pub(super) fn report(facts: &Facts) -> Report {
    let mut findings = installations::findings(facts);
    findings.extend(definitions::findings(facts));
    findings.extend(elsewhere(facts));
    findings.extend(legacy::findings(facts));
    for (what, why) in &facts.unreadable {
        let message = format!("cannot be read: {why}");
        findings.push(Finding::todo(what, message, "mend it, or delete it"));
    }
    let class = installations::class(facts);
    let services = match addresses::pools(facts) {
        Ok(pools) => {
            findings.extend(announcements::findings(facts, &pools, class));
            Some(addresses::rehearse(pools, &facts.services, class))
        }
        Err(faults) => {
            findings.extend(faults.into_iter().map(|fault| {
                Finding::todo(
                    format!("{} {}", fault.kind, fault.object),
                    format!(
                        "{}; until that is mended no Service gets or loses an address",
                        fault.message
                    ),
                    "mend it",
                )
            }));
            None
        }
    };
    findings.sort();
    findings.dedup();
    Report {
        namespace: facts.namespace.clone(),
        installations: installations::list(facts),
        services,
        findings,
    }
}

/// Configuration that is not where this version reads it.
fn elsewhere(facts: &Facts) -> Vec<Finding> {
    let keys = |kind: &'static str, metadata: Vec<&kube::core::ObjectMeta>| {
        let keys = metadata.into_iter().map(metallb_api::NamespacedName::of);
        keys.map(|key| (kind, key)).collect::<Vec<_>>()
    };
    let configured = [
        keys(
            "IPAddressPool",
            facts.pools.iter().map(|one| &one.metadata).collect(),
        ),
        keys(
            "L2Advertisement",
            facts.l2_advertisements.iter().map(|one| &one.metadata).collect(),
        ),
        keys(
            "BGPAdvertisement",
            facts.bgp_advertisements.iter().map(|one| &one.metadata).collect(),
        ),
        keys("BGPPeer", facts.peers.iter().map(|one| &one.metadata).collect()),
        keys(
            "BFDProfile",
            facts.bfd_profiles.iter().map(|one| &one.metadata).collect(),
        ),
    ];
    let mut findings: Vec<Finding> = configured
        .into_iter()
        .flatten()
        .filter(|(_, key)| key.namespace() != facts.namespace)
        .map(|(kind, key)| {
            Finding::todo(
                format!("{kind} {key}"),
                format!("is not read: configuration is read in {} only", facts.namespace),
                format!("create it in {}", facts.namespace),
            )
        })
        .collect();
    for metallb in &facts.metallbs {
        let key = metallb_api::NamespacedName::of(&metallb.metadata);
        if key.namespace() != facts.namespace || key.name() != object::METALLB {
            findings.push(Finding::todo(
                format!("MetalLB {key}"),
                format!(
                    "is not acted upon: the one resource is {}/{}",
                    facts.namespace,
                    object::METALLB
                ),
                "move what it says there",
            ));
        }
    }
    findings
}
