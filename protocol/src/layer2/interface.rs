//! Interfaces as the announcer sees them, and how an address is present on one.

use std::collections::BTreeSet;
use std::net::IpAddr;

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
}

/// On which interfaces an address is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InterfaceChoice {
    /// On every one, also on those that come later.
    #[default]
    All,
    /// On those with these names, also on those that come later.
    Only(BTreeSet<String>),
}

impl InterfaceChoice {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// How an address is present on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not at all: no questions are answered.
    Absent,
    /// Questions are answered, but nobody is there to ask or to be told.
    Silent,
    /// Questions are answered, and the link was told this MAC.
    Live(MacAddr),
}

impl Presence {
    pub(super) fn of(ip: IpAddr, choice: Option<&InterfaceChoice>, interface: Option<&Interface>) -> Self {
        let (Some(choice), Some(interface)) = (choice, interface) else {
            return Self::Absent;
        };
        let capable = match ip {
            IpAddr::V4(_) => interface.arp,
            IpAddr::V6(_) => interface.ndp,
        };
        match (capable && choice.includes(&interface.name), interface.carrier) {
            (false, _) => Self::Absent,
            (true, false) => Self::Silent,
            (true, true) => Self::Live(interface.mac),
        }
    }
}
