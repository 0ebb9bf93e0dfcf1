//! The configuration as it is written, and whether the controller has read it. Owns what was last wrong with it; the
//! rules are those of `metallb_core::config`.

use std::collections::BTreeMap;

use metallb_api::v1beta1::IPAddressPool;
use metallb_api::{Change, NamespacedName};
use metallb_core::allocator::Allocator;
use metallb_core::config::{Fault, Pools};
use metallb_runtime::configuration_state::Verdict;

use super::{Labels, State};
use crate::findings::{Finding, Findings};
use crate::pool_status::PoolStatuses;

/// The objects that make the configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    pools: BTreeMap<NamespacedName, IPAddressPool>,
    namespaces: BTreeMap<NamespacedName, Labels>,
    /// Something has changed since it was last read. That there is no pool has to be read, too.
    stale: bool,
    /// What was wrong with the pools when they were last read.
    faults: Vec<Fault>,
    /// What was wrong with the other objects when they were last looked at.
    findings: Findings,
}

impl State {
    /// Whether the configuration is in force as it is written; unknown before all of it was read.
    pub(crate) fn verdict(&self) -> Verdict {
        let Configuration {
            stale,
            faults,
            findings,
            ..
        } = &self.configuration;
        let findings = findings.as_ref()?.iter();
        // What is wrong with a pool names it anyway.
        let pools = faults.iter().map(|fault| fault.message.clone());
        let messages: Vec<String> = pools
            .chain(findings.map(|finding| finding.fault.to_string()))
            .collect();
        let verdict = if messages.is_empty() {
            Ok(())
        } else {
            Err(messages.join("\n"))
        };
        (!*stale).then_some(verdict)
    }
}

/// What came of reading the configuration.
#[derive(Debug)]
pub(super) enum Reading {
    /// It says what it said before.
    Unchanged,
    /// It is valid.
    Valid(Pools),
    /// It is not, for these reasons that were not known before.
    Faulty(Vec<Fault>),
}

impl Configuration {
    pub(super) fn new() -> Self {
        Self {
            pools: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            stale: true,
            faults: Vec::new(),
            findings: None,
        }
    }

    /// Learns what is wrong beside the pools. Returns what was not known before.
    pub(super) fn observe_findings(&mut self, findings: Findings) -> Vec<Finding> {
        let before = std::mem::replace(&mut self.findings, findings);
        let before = before.unwrap_or_default();
        let now = self.findings.iter().flatten();
        now.filter(|finding| !before.contains(finding)).cloned().collect()
    }

    pub(super) fn observe_pools(&mut self, change: Change<IPAddressPool>) {
        // Its status is ours: an echo of it is no change of the configuration.
        self.stale |= change.merge_into(&mut self.pools, |old, new| old.spec == new.spec);
    }

    pub(super) fn observe_namespaces(&mut self, change: Change<Labels>) {
        self.stale |= change.merge_into(&mut self.namespaces, |old, new| old == new);
    }

    pub(super) fn read(&mut self) -> Reading {
        if !std::mem::take(&mut self.stale) {
            return Reading::Unchanged;
        }
        let namespaces = self
            .namespaces
            .iter()
            .map(|(key, labels)| (key.name().to_owned(), labels.clone()))
            .collect();
        match Pools::parse(self.pools.values(), &namespaces) {
            Ok(pools) => {
                self.faults.clear();
                Reading::Valid(pools)
            }
            Err(faults) => {
                let news = faults
                    .iter()
                    .filter(|fault| !self.faults.contains(fault))
                    .cloned()
                    .collect();
                self.faults = faults;
                Reading::Faulty(news)
            }
        }
    }

    /// What was wrong with the pools when they were last read.
    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether something was wrong with it when it was last read.
    pub(super) fn is_faulty(&self) -> bool {
        !self.faults.is_empty()
            || self
                .findings
                .as_ref()
                .is_some_and(|findings| !findings.is_empty())
    }

    /// The uid of a pool.
    pub(super) fn uid(&self, pool: &NamespacedName) -> Option<String> {
        self.pools.get(pool)?.metadata.uid.clone()
    }

    /// What the status of pools should say and does not: also that of a pool that was made anew under its old name.
    pub(super) fn outdated_statuses(&self, allocator: &Allocator) -> PoolStatuses {
        let outdated = |(key, pool): (&NamespacedName, &IPAddressPool)| {
            let status = allocator.status(key.name())?;
            (pool.status.as_ref() != Some(&status)).then(|| (key.name().to_owned(), status))
        };
        self.pools.iter().filter_map(outdated).collect()
    }
}
