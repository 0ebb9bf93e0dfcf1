//! Why a Service has no address, or not all that it prefers. Owns how the reasons become a sentence; which they are is
//! the allocator's.

use std::fmt::Write;

use metallb_api::names::event;

use crate::allocator::{AllocationError, Reason};
use crate::config::Fault;
use crate::facts::NoAddress;

/// How many pools a sentence names for one reason, and how many reasons it gives. Events end after 1,024 bytes, and
/// nobody reads more; the condition has them all.
const NAMED: usize = 4;

/// What stands between a Service and its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// One word for machines: the reason of the Event about it.
    pub reason: &'static str,
    /// One sentence for people: what is the matter, and each pool's reason.
    pub sentence: String,
    /// The pools that came into question, in the order in which they were tried, and why each of them gives nothing;
    /// empty if the request itself is at fault, or there is no such pool.
    pub pools: Vec<(String, Reason)>,
    /// Where in the sentence the pools' reasons begin; its end if there are none.
    head: usize,
}

impl Lack {
    /// The request itself is at fault.
    pub fn of_request(reason: &'static str, sentence: String) -> Self {
        Self {
            reason,
            head: sentence.len(),
            sentence,
            pools: Vec::new(),
        }
    }

    /// No pool gave anything.
    pub(super) fn of_pools(
        reason: &'static str,
        error: &AllocationError,
        pools: Vec<(String, Reason)>,
    ) -> Self {
        let mut sentence = error.to_string();
        let details = match error {
            AllocationError::NoneFree if pools.is_empty() => "there is no IPAddressPool".to_owned(),
            AllocationError::NoneFree
            | AllocationError::NoneFreeInPool(_)
            | AllocationError::NoneOfFamily { .. }
            | AllocationError::NotInPools(_) => details(&pools, NAMED),
            // These say it themselves.
            AllocationError::NotServed(_)
            | AllocationError::TooMany(_)
            | AllocationError::SameFamily(..)
            | AllocationError::Clash(_)
            | AllocationError::FamilyMismatch(_)
            | AllocationError::PoolMismatch { .. } => String::new(),
        };
        if !details.is_empty() {
            sentence += ": ";
        }
        let head = sentence.len();
        sentence += &details;
        Self {
            reason,
            sentence,
            pools,
            head,
        }
    }

    /// No pools are known: those that there are have `faults`, and there is no earlier set that could stay in force.
    pub(super) fn of_configuration(faults: &[Fault]) -> Self {
        let named: Vec<String> = faults.iter().take(NAMED).map(Fault::to_string).collect();
        let more = match faults.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let sentence = format!(
            "no configuration has been readable since this controller became the leader: {}{more}. Correct this, and the \
             Service gets its address; addresses in use stay",
            named.join("; ")
        );
        Self::of_request(event::ALLOCATION_FAILED, sentence)
    }

    /// The same for the status of the Service: with the reason of every pool. If that is more than a status should hold,
    /// it names as many as fit, and how many more there are.
    pub fn condition(&self) -> NoAddress {
        let (head, few) = self.sentence.split_at(self.head);
        if few.is_empty() || self.pools.len() <= NAMED {
            return NoAddress::new(self.reason, &self.sentence);
        }
        let limits = (0..=self.pools.len().ilog2()).map(|halvings| self.pools.len() >> halvings);
        let most = limits
            .map(|limit| details(&self.pools, limit))
            .find(|all| head.len() + all.len() <= NoAddress::LONGEST);
        NoAddress::new(self.reason, &format!("{head}{}", most.as_deref().unwrap_or(few)))
    }

    /// The pools of which it would have an address if others did not use it. If there is none, it lasts until the Service
    /// or the pools change.
    pub fn pools_in_use(&self) -> impl Iterator<Item = &str> {
        let in_use = self
            .pools
            .iter()
            .filter(|(_, reason)| reason.ends_with_a_release());
        in_use.map(|(pool, _)| pool.as_str())
    }
}

/// `pool a has no free IPv4 address: 4 of 4 in use; each of the pools b, c is set aside for other Services`: at most
/// `most` reasons, and as many pools for each of them.
fn details(pools: &[(String, Reason)], most: usize) -> String {
    let mut groups: Vec<(&Reason, Vec<&str>)> = Vec::new();
    for (pool, reason) in pools {
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(pool),
            None => groups.push((reason, vec![pool])),
        }
    }
    let clauses: Vec<String> = groups
        .iter()
        .take(most)
        .map(|(reason, pools)| clause(reason, pools, most))
        .collect();
    let mut text = clauses.join("; ");
    let rest = groups
        .iter()
        .skip(most)
        .map(|(_, names)| names.len())
        .sum::<usize>();
    if rest > 0 {
        let _ = write!(text, "; {rest} more give none either"); // writing to a String cannot fail
    }
    text
}

fn clause(reason: &Reason, pools: &[&str], most: usize) -> String {
    match pools {
        [pool] => format!("pool {pool} {reason}"),
        pools => {
            let named = pools.iter().take(most).copied().collect::<Vec<_>>().join(", ");
            let more = match pools.len().saturating_sub(most) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("each of the pools {named}{more} {reason}")
        }
    }
}
