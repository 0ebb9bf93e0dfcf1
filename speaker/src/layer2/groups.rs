//! The solicited-node groups joined on one interface. Owns the sockets that hold the memberships.
//!
//! The groups are joined as an IPv6 host does it, on UDP sockets that carry no data, and not on the packet socket
//! (`PACKET_ADD_MEMBERSHIP`): that would only open the network card's filter, whereas this also sends MLD reports, without
//! which a switch that snoops them may not forward solicitations to us (RFC 4861 §7.2.1, RFC 4541 §3).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv6Addr;

use metallb_protocol::layer2::InterfaceIndex;
use socket2::{Domain, Protocol, Socket, Type};

/// Memberships per socket: the kernel limits the memory for them (`net.core.optmem_max`), which in its smallest form,
/// 10 KiB, holds about 180. When one is full another is opened.
const MEMBERSHIPS: usize = 128;

/// The groups of one interface.
#[derive(Debug, Default)]
pub(super) struct Groups {
    wanted: BTreeSet<Ipv6Addr>,
    /// Where each joined group is.
    joined: BTreeMap<Ipv6Addr, usize>,
    /// Freed slots are used again. Bounded by the number of groups.
    sockets: Vec<Option<Members>>,
    /// Something changed since all was joined and left.
    unsettled: bool,
}

#[derive(Debug)]
struct Members {
    socket: Socket,
    count: usize,
}

impl Groups {
    /// The group is wanted from now on. [`Self::settle`] joins it.
    pub(super) fn want(&mut self, group: Ipv6Addr) {
        self.unsettled |= self.wanted.insert(group);
    }

    /// The group is no longer wanted. [`Self::settle`] leaves it.
    pub(super) fn drop(&mut self, group: Ipv6Addr) {
        self.unsettled |= self.wanted.remove(&group);
    }

    /// Joins and leaves until what is joined is what is wanted.
    ///
    /// # Errors
    /// The first reason why a group could not be joined. The others were tried nevertheless; calling again tries again.
    pub(super) fn settle(&mut self, interface: InterfaceIndex) -> io::Result<()> {
        if !self.unsettled {
            return Ok(());
        }
        let unwanted: Vec<_> = self
            .joined
            .iter()
            .filter(|(group, _)| !self.wanted.contains(group))
            .map(|(g, s)| (*g, *s))
            .collect();
        for (group, slot) in unwanted {
            self.leave(interface, group, slot);
        }
        let missing: Vec<_> = self
            .wanted
            .iter()
            .filter(|group| !self.joined.contains_key(group))
            .copied()
            .collect();
        let result = missing
            .into_iter()
            .map(|group| self.join(interface, group))
            .fold(Ok(()), Result::and);
        self.unsettled = result.is_err();
        result
    }

    fn join(&mut self, interface: InterfaceIndex, group: Ipv6Addr) -> io::Result<()> {
        let slot = self.slot_with_room()?;
        if let Some(members) = &mut self.sockets[slot] {
            members.socket.join_multicast_v6(&group, interface)?;
            members.count += 1;
            self.joined.insert(group, slot);
        }
        Ok(())
    }

    fn leave(&mut self, interface: InterfaceIndex, group: Ipv6Addr, slot: usize) {
        self.joined.remove(&group);
        let Some(members) = &mut self.sockets[slot] else {
            return;
        };
        // Fails when the interface lost IPv6 meanwhile, and with it the membership.
        let _ = members.socket.leave_multicast_v6(&group, interface);
        members.count -= 1;
        if members.count == 0 {
            self.sockets[slot] = None;
        }
    }

    fn slot_with_room(&mut self) -> io::Result<usize> {
        let has_room = |members: &Option<Members>| members.as_ref().is_some_and(|m| m.count < MEMBERSHIPS);
        if let Some(slot) = self.sockets.iter().position(has_room) {
            return Ok(slot);
        }
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
        let members = Some(Members { socket, count: 0 });
        if let Some(slot) = self.sockets.iter().position(Option::is_none) {
            self.sockets[slot] = members;
            Ok(slot)
        } else {
            self.sockets.push(members);
            Ok(self.sockets.len() - 1)
        }
    }
}
