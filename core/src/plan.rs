//! What this node does about a Service, and what changes when that changes. Owns the verdicts as values; who reaches
//! them is [`crate::world`], who carries them out is the speaker.
//!
//! ```text
//!   World ─► Plan of each dirty Service ─► Ledger::settle ─► Action: announce, hand over, withdraw, tell, decided
//!                         └─ complaint ──► Complaints (told when it lasts)
//!   what is announced ─► Report ─► StatusWrite: the ServiceL2Status objects of this node
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use metallb_api::NamespacedName;

use crate::layer2::{Interfaces, Reason};

mod complaints;
mod ledger;
mod statuses;

pub use complaints::Complaints;
pub use ledger::Ledger;
pub use statuses::{Pod, Report, Says, StatusFacts, StatusWrite, reported_service};

/// The verdict about one Service on this node. The addresses of a Service are announced together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The Service's addresses, in the order of its status.
    pub addresses: Arc<[IpAddr]>,
    /// Whether this node answers for them.
    pub decision: Decision,
    /// Another node does. Then this one, if it did until now, need not stop before it hears the other.
    pub elsewhere: bool,
    /// What this node has to tell the Service's owner if it stays so.
    pub complaint: Option<Box<Complaint>>,
}

impl Plan {
    /// Nothing is announced, and nobody needs to be told.
    pub(crate) fn withhold(addresses: Arc<[IpAddr]>, reason: Reason) -> Self {
        Self {
            addresses,
            decision: Decision::Withhold(reason),
            elsewhere: false,
            complaint: None,
        }
    }

    /// Whether this node, if it announced until now, goes on until the other one has begun.
    fn hands_over(&self) -> bool {
        match self.decision {
            Decision::Announce(_) => false,
            Decision::Withhold(reason) => self.elsewhere && reason.can_linger(),
        }
    }
}

/// Whether this node answers for a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// On these interfaces.
    Announce(Interfaces),
    /// Not, for this reason.
    Withhold(Reason),
}

/// Something that keeps a Service from being reached and that its owner or the cluster's administrator must change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The Event's reason, from `metallb_api::names::event`.
    pub reason: &'static str,
    /// One message per Event: what is wrong, and what to do next.
    pub messages: Vec<String>,
    /// How long it must last before it is told.
    pub patience: Patience,
}

/// How long something may be wrong before it is told: it may pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Objects that belong together arrive one after the other.
    ForObjects,
    /// Pods pull their images and start.
    ForPods,
}

/// One thing for the speaker to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer for the address on these interfaces, from now on or instead of what was said before.
    Announce {
        /// The address.
        address: IpAddr,
        /// Where.
        interfaces: Interfaces,
    },
    /// Tell the neighbours again where the address is, which this node announces already: another node may have told
    /// them otherwise in the meantime.
    Remind {
        /// The address.
        address: IpAddr,
    },
    /// Go on answering for the address until the other node that announces it from now on is heard, and stop then.
    HandOver {
        /// The address.
        address: IpAddr,
    },
    /// Stop answering for the address at once.
    Withdraw {
        /// The address.
        address: IpAddr,
    },
    /// Tell the Service's owner.
    Tell(Note),
    /// The verdict about a Service changed: for the log.
    Decided {
        /// The Service.
        service: NamespacedName,
        /// The verdict until now; `None` for a Service not seen before.
        before: Option<Decision>,
        /// The new verdict; `None` when the Service is gone.
        decision: Option<Decision>,
    },
}

/// One Event to write about a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The Service.
    pub service: NamespacedName,
    /// Whether somebody has to act upon it.
    pub warning: bool,
    /// The Event's reason, from `metallb_api::names::event`.
    pub reason: &'static str,
    /// The Event's message.
    pub message: String,
}
