//! Which solicited-node groups are needed on which interface. Owns the count of addresses behind each group: the group
//! keeps 24 bits of an address (RFC 4291 §2.7.1), so different addresses may share one.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::InterfaceIndex;

#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Never holds a zero.
    users: BTreeMap<(InterfaceIndex, Ipv6Addr), usize>,
}

impl Groups {
    /// One more address needs the group. True for the first.
    pub(super) fn acquire(&mut self, interface: InterfaceIndex, group: Ipv6Addr) -> bool {
        let users = self.users.entry((interface, group)).or_default();
        *users += 1;
        *users == 1
    }

    /// One address less needs the group. True for the last.
    pub(super) fn release(&mut self, interface: InterfaceIndex, group: Ipv6Addr) -> bool {
        match self.users.get_mut(&(interface, group)) {
            Some(users) if *users > 1 => {
                *users -= 1;
                false
            }
            Some(_) => self.users.remove(&(interface, group)).is_some(),
            None => false,
        }
    }
}
