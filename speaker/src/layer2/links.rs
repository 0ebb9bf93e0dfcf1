//! The interfaces of this node as netlink tells them, one message at a time. Owns which interface may answer. Pure: the
//! messages are received elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use metallb_protocol::ethernet::MacAddr;
use metallb_protocol::layer2::{Interface, InterfaceIndex};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Exclusions;

/// What is known of all interfaces. Bounded by what the kernel has.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_index: BTreeMap<InterfaceIndex, Link>,
    /// Link-local addresses in use: an interface with one does IPv6. No entry is empty.
    link_local: BTreeMap<InterfaceIndex, BTreeSet<Ipv6Addr>>,
    /// How many interfaces were seen to come.
    births: u64,
}

#[derive(Debug)]
struct Link {
    /// Which of all interfaces that came this is.
    birth: u64,
    name: String,
    flags: LinkFlags,
    /// Part of a bond, a bridge or the like, which answers in its place.
    enslaved: bool,
    /// None where addresses are not those of Ethernet.
    mac: Option<MacAddr>,
    carrier_ups: u32,
}

impl Links {
    /// Knows no interface, and counts every one that it is told of as one that came. What is known after messages were
    /// lost is begun like this: whichever interface went and came back meanwhile cannot be told from the others.
    pub(super) fn anew(self) -> Self {
        Self {
            births: self.births,
            ..Self::default()
        }
    }

    /// Takes notice of one message, from a listing or from a change. The same message again changes nothing.
    pub(super) fn observe(&mut self, message: RouteNetlinkMessage) {
        match message {
            RouteNetlinkMessage::NewLink(message) if is_about_the_link(&message) => self.set_link(message),
            RouteNetlinkMessage::DelLink(message) if is_about_the_link(&message) => {
                self.by_index.remove(&message.header.index);
                self.link_local.remove(&message.header.index);
            }
            RouteNetlinkMessage::NewAddress(message) => self.set_address(&message, is_usable(&message)),
            RouteNetlinkMessage::DelAddress(message) => self.set_address(&message, false),
            // The multicast groups carry nothing else of interest.
            _ => {}
        }
    }

    /// The names of all interfaces that are not excluded.
    pub(super) fn names(&self, exclusions: &Exclusions) -> BTreeSet<String> {
        self.by_index
            .values()
            .map(|link| &link.name)
            .filter(|name| !exclusions.matches(name))
            .cloned()
            .collect()
    }

    /// The interfaces that may answer now, ordered by index.
    pub(super) fn answering(&self, exclusions: &Exclusions) -> Vec<Interface> {
        let interface = |(index, link): (&InterfaceIndex, &Link)| {
            let mac = link.mac?;
            let up = link.flags.contains(LinkFlags::Up) && !link.flags.contains(LinkFlags::Noarp);
            if !up || link.enslaved || exclusions.matches(&link.name) {
                return None;
            }
            Some(Interface {
                index: *index,
                name: link.name.clone(),
                mac,
                carrier: link.flags.contains(LinkFlags::LowerUp),
                arp: link.flags.contains(LinkFlags::Broadcast),
                ndp: self.link_local.contains_key(index),
                incarnation: link.birth,
                carrier_ups: link.carrier_ups,
            })
        };
        self.by_index.iter().filter_map(interface).collect()
    }

    fn set_link(&mut self, message: LinkMessage) {
        let known = self.by_index.get(&message.header.index);
        let mut link = Link {
            birth: known.map_or(self.births + 1, |known| known.birth),
            name: String::new(),
            flags: message.header.flags,
            enslaved: false,
            mac: None,
            carrier_ups: 0,
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Controller(controller) => link.enslaved = controller != 0,
                LinkAttribute::Address(bytes) => {
                    link.mac = <[u8; 6]>::try_from(bytes).ok().map(MacAddr::from);
                }
                LinkAttribute::CarrierUpCount(count) => link.carrier_ups = count,
                // A partial message about radio conditions.
                LinkAttribute::Wireless(_) => return,
                _ => {}
            }
        }
        self.births = self.births.max(link.birth);
        self.by_index.insert(message.header.index, link);
    }

    fn set_address(&mut self, message: &AddressMessage, usable: bool) {
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(IpAddr::V6(ip)) if ip.is_unicast_link_local() => Some(*ip),
            _ => None,
        });
        let Some(address) = address else { return };
        let addresses = self.link_local.entry(message.header.index).or_default();
        if usable {
            addresses.insert(address);
        } else {
            addresses.remove(&address);
        }
        if addresses.is_empty() {
            self.link_local.remove(&message.header.index);
        }
    }
}

/// Bridges and IPv6 send messages of the same type about their own view of an interface. A port that leaves a bridge is
/// "deleted" there, which must not be taken for the end of the interface.
fn is_about_the_link(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

/// Not before duplicate address detection is through: until then the interface may not do IPv6 at all (RFC 4862 §5.4.5).
/// The kernel sends another message when it is.
fn is_usable(message: &AddressMessage) -> bool {
    let unusable = AddressFlags::Tentative | AddressFlags::Dadfailed;
    let in_attribute = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let flags = in_attribute
        .unwrap_or_else(|| AddressFlags::from_bits_retain(u32::from(message.header.flags.bits())));
    !flags.intersects(unusable)
}

#[cfg(test)]
mod tests;
