//! One leader among several replicas, by a Lease of the API server. Owns who may act and until when; what the leader
//! does is the binary's.
//!
//! ```text
//!   Lease ──get──► Elector::observe ─┐                 ┌─► claim: create or replace it, at the version seen
//!   now ─────────► Elector::decide ──┴─► Step ─────────┼─► look again, or wait
//!                        ▲                             └─► Authority of the leader: `covers(deadline)`
//!                        └── claimed, outdated, unanswered ◄── what came of the claim
//! ```
//!
//! # Why two never act at once
//!
//! 1. A claim replaces the Lease at the version that was seen, so of two claims on one version one fails (409).
//! 2. A candidate claims the Lease of another one only after it has seen it unchanged for the whole duration written in
//!    it, counted on its own clock from the answer in which it first saw it. The leader counts from the moment it *sent*
//!    the claim, which was earlier, and stops a sixth of the duration earlier still. No clock is compared with another
//!    one; the sixth is what their speeds may differ by, and what a request may need to reach the API server.
//! 3. A leader starts an action only if it ends while its authority lasts: [`Authority::covers`] the action's deadline.
//!    A request to the API server carries that deadline along (`?timeout=`), so that the API server does not work on it
//!    any longer either. When the next leader starts, nothing of the former one is under way.
//! 4. A leader that ends in peace first finishes what is under way, and then hands over by clearing the holder.
//!
//! What remains is a network that holds a request back for longer than that sixth, and then delivers it. Such a write
//! still carries the version of the object that it was decided on, and fails if anything has changed that object since.
//!
//! # The numbers
//!
//! See [`Timing`].

use std::time::{Duration, Instant};

mod candidate;
mod elector;
mod record;
#[cfg(test)]
mod tests;

pub use candidate::{Candidate, Leadership};
pub use elector::{Elector, Step};
pub use record::Record;

/// How long a lease lasts, and how often it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The duration as a rule. A crashed leader is replaced this long after its last renewal was seen: 3 s, a look of
    /// 0.5 s and a list of all Services stay within 5 s. Each second more would be one more without new addresses; each
    /// second less would make a leader of every second API server's hiccup lose its lease.
    pub short: Duration,
    /// The duration while the API server takes long to answer, or the leader needs more time for one action: an outage
    /// or a hanging admission webhook is no reason to change the leader, and with [`Timing::short`] nobody could finish
    /// a write that takes a few seconds.
    pub long: Duration,
    /// The leader renews this long after the last renewal was sent. With the short duration this leaves time for three
    /// more attempts before its authority ends.
    pub renew: Duration,
    /// The wait after a renewal that failed.
    pub retry: Duration,
    /// Followers look at the lease this often: the bound on how long a handover in peace goes unnoticed. A read costs
    /// the API server about a millisecond.
    pub look: Duration,
    /// A claim that takes longer than this makes the next lease a long one.
    pub slow: Duration,
}

impl Timing {
    /// What the controller uses.
    pub const DEFAULT: Self = Self {
        short: Duration::from_secs(3),
        long: Duration::from_secs(18),
        renew: Duration::from_secs(1),
        retry: Duration::from_millis(250),
        look: Duration::from_millis(500),
        slow: Duration::from_millis(400),
    };

    /// How long to wait for an answer about a lease of `duration`.
    fn patience(duration: Duration) -> Duration {
        duration / 3
    }

    /// How long a claim of `duration` gives its sender authority.
    fn authority(duration: Duration) -> Duration {
        duration * 5 / 6
    }
}

/// Whether this process may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// It is a follower, or a leader that could not renew its lease.
    None,
    /// It leads.
    Until {
        /// Counts how often it became the leader after another one, or the first one. A leader that stopped for a while,
        /// and found that nobody has led meanwhile, goes on with its term.
        term: u64,
        /// Every action has to be over by then.
        end: Instant,
    },
    /// There is no election: it is the only one.
    Always,
}

impl Authority {
    /// Whether an action may be started that is over at `deadline`.
    pub fn covers(&self, deadline: Instant) -> bool {
        match self {
            Self::None => false,
            Self::Until { end, .. } => deadline <= *end,
            Self::Always => true,
        }
    }

    /// Which term of leadership it is; `None` for a follower.
    pub fn term(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Until { term, .. } => Some(*term),
            Self::Always => Some(0),
        }
    }
}
