//! One interface on which questions are answered: its sockets. Owns opening and closing them as the interface gains and
//! loses abilities. Never looks into a frame.

use std::io;
use std::task::{Context, Poll};

use metallb_protocol::layer2::{Interface, Protocol};
use metallb_sys::{PacketSocket, Traffic};

use super::asked::Asked;
use super::groups::Groups;

/// An interface and its sockets. What is open follows what the interface can do, see [`Self::settle`].
#[derive(Debug)]
pub(super) struct Port {
    interface: Interface,
    arp: Option<PacketSocket>,
    ndp: Option<PacketSocket>,
    /// The solicited-node groups.
    pub(super) groups: Groups,
    /// The last thing that did not work, so that it is said once and not at every retry.
    complaint: Option<io::ErrorKind>,
    /// Whose turn it is to be looked at first, so that a flood of one protocol does not silence the other.
    ndp_first: bool,
}

impl Port {
    /// A port without sockets.
    pub(super) fn new(interface: Interface) -> Self {
        Self {
            interface,
            arp: None,
            ndp: None,
            groups: Groups::default(),
            complaint: None,
            ndp_first: false,
        }
    }

    /// The interface's name.
    pub(super) fn name(&self) -> &str {
        &self.interface.name
    }

    /// Takes notice of a change of the interface. Of another incarnation nothing is kept: the kernel has closed and
    /// left everything on the former, without a word to the owner of the sockets that is repeated.
    pub(super) fn update(&mut self, interface: Interface) {
        if self.interface.incarnation == interface.incarnation {
            self.interface = interface;
        } else {
            *self = Self::new(interface);
        }
    }

    /// Opens, joins and closes until everything is as it should be. False if something did not work and should be tried
    /// again.
    #[must_use]
    pub(super) fn settle(&mut self, asked: &Asked) -> bool {
        let Interface { index, arp, ndp, .. } = self.interface;
        let result = open_if(arp, &mut self.arp, || {
            PacketSocket::open(index, Traffic::Arp, &asked.arp)
        })
        .and(open_if(ndp, &mut self.ndp, || {
            PacketSocket::open(index, Traffic::NeighborDiscovery, &asked.ndp)
        }))
        .and(self.groups.settle(index));
        let name = &self.interface.name;
        match &result {
            Ok(()) if self.complaint.is_some() => tracing::info!(interface = name, "interface works again"),
            Err(error) if self.complaint != Some(error.kind()) => {
                tracing::warn!(interface = name, %error, "interface does not work yet, trying again");
            }
            Ok(()) | Err(_) => {}
        }
        self.complaint = result.as_ref().err().map(io::Error::kind);
        result.is_ok()
    }

    /// Listens for what is asked now. A socket that cannot is closed: [`Self::settle`] opens another one.
    pub(super) fn aim(&mut self, asked: &Asked) {
        for (slot, targets) in [(&mut self.arp, &asked.arp), (&mut self.ndp, &asked.ndp)] {
            if slot.as_ref().is_some_and(|socket| socket.aim(targets).is_err()) {
                *slot = None;
            }
        }
    }

    /// Receives one frame. False instead of a length if a socket broke and was closed: [`Self::settle`] opens it again.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Option<usize>> {
        self.ndp_first = !self.ndp_first;
        let mut slots = [&mut self.arp, &mut self.ndp];
        if self.ndp_first {
            slots.reverse();
        }
        for slot in slots {
            while let Some(socket) = slot {
                match socket.poll_receive(context, buffer) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(len)) => return Poll::Ready(Some(len)),
                    // Said once when the interface goes down. The socket works again when it comes up; if it went for
                    // good, or came back as another one, netlink says so.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::NetworkDown => {}
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(interface = self.interface.name, %error, "receiving failed");
                        *slot = None;
                        return Poll::Ready(None);
                    }
                }
            }
        }
        Poll::Pending
    }

    /// Sends one frame if the interface takes it now. False if its send queue is full; what fails in any other way is
    /// lost: the interface is about to go, or to be opened anew.
    pub(super) fn send(&self, protocol: Protocol, frame: &[u8]) -> bool {
        let socket = match protocol {
            Protocol::Arp => &self.arp,
            Protocol::Ndp => &self.ndp,
        };
        let Some(socket) = socket else { return true };
        socket.try_send(frame).unwrap_or_else(|error| {
            tracing::debug!(interface = self.interface.name, %error, "frame not sent");
            true
        })
    }
}

fn open_if(
    wanted: bool,
    slot: &mut Option<PacketSocket>,
    open: impl FnOnce() -> io::Result<PacketSocket>,
) -> io::Result<()> {
    if !wanted {
        *slot = None;
    } else if slot.is_none() {
        *slot = Some(open()?);
    }
    Ok(())
}
