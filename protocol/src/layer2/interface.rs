//! Interfaces as the announcer sees them, and how an address is present on one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::ethernet::MacAddr;

/// The kernel's number for an interface. Not used again for another one while the system runs.
pub type InterfaceIndex = u32;

/// An interface that may be used for answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number.
    pub index: InterfaceIndex,
    /// The name, by which an [`InterfaceChoice`] selects it.
    pub name: String,
    /// The MAC that answers name.
    pub mac: MacAddr,
    /// There is a link partner. Without one nothing is told; it is told when the carrier comes.
    pub carrier: bool,
    /// ARP works here: the interface can broadcast.
    pub arp: bool,
    /// NDP works here: the interface does IPv6.
    pub ndp: bool,
    /// Another one of the same number and name has another incarnation: what was open and joined on the former has gone
    /// with it.
    pub incarnation: u64,
    /// How often the carrier came. A loss too short to be seen leaves its trace here.
    pub carrier_ups: u32,
}

/// On which interfaces an address is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InterfaceChoice {
    /// On every one, also on those that come later.
    #[default]
    All,
    /// On those with these names, also on those that come later.
    Only(Arc<BTreeSet<String>>),
}

impl InterfaceChoice {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// For how long an address is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tenure {
    /// Until something else is said.
    #[default]
    Staying,
    /// Until another station is heard to have it, but not longer than [`HANDOVER_LIMIT`](super::HANDOVER_LIMIT).
    /// Questions are answered, and nobody is told.
    Leaving,
}

/// How an address is to be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Where.
    pub choice: InterfaceChoice,
    /// For how long. What is not served already does not begin to leave.
    pub tenure: Tenure,
    /// Differs from that of an earlier assignment of the same address if another station may have had it in between:
    /// then the link is told again.
    pub term: u64,
}

/// How an address is present on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not at all: no questions are answered.
    Absent,
    /// Questions are answered, but nobody is told: because there is nobody, or because the address leaves.
    Silent,
    /// Questions are answered, and the link was told.
    Live(Told),
}

/// What the link was told, and on which occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    mac: MacAddr,
    term: u64,
    carrier_ups: u32,
}

/// Whether `ip` can be served on `interface`, and is to be.
pub(super) fn serves(choice: &InterfaceChoice, ip: IpAddr, interface: &Interface) -> bool {
    let capable = match ip {
        IpAddr::V4(_) => interface.arp,
        IpAddr::V6(_) => interface.ndp,
    };
    capable && choice.includes(&interface.name)
}

impl Presence {
    pub(super) fn of(ip: IpAddr, assignment: Option<&Assignment>, interface: Option<&Interface>) -> Self {
        let (Some(assignment), Some(interface)) = (assignment, interface) else {
            return Self::Absent;
        };
        let Assignment { choice, tenure, term } = assignment;
        if !serves(choice, ip, interface) {
            return Self::Absent;
        }
        match (tenure, interface.carrier) {
            (Tenure::Leaving, _) | (Tenure::Staying, false) => Self::Silent,
            (Tenure::Staying, true) => Self::Live(Told {
                mac: interface.mac,
                term: *term,
                carrier_ups: interface.carrier_ups,
            }),
        }
    }
}
