//! One interface on which questions are answered: its sockets. Owns opening and closing them as the interface gains and
//! loses abilities. Never looks into a frame.

use std::io;
use std::task::{Context, Poll};

use metallb_protocol::layer2::{Interface, Protocol};
use metallb_sys::{PacketSocket, Traffic};

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

    /// Takes notice of a change of the interface.
    pub(super) fn update(&mut self, interface: Interface) {
        self.interface = interface;
    }

    /// Opens, joins and closes until everything is as it should be. False if something did not work and should be tried
    /// again.
    #[must_use]
    pub(super) fn settle(&mut self) -> bool {
        let index = self.interface.index;
        let ndp = self.interface.ndp;
        let result = open_if(self.interface.arp, &mut self.arp, index, Traffic::ArpRequests)
            .and(open_if(ndp, &mut self.ndp, index, Traffic::NeighborSolicitations))
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
                    // Said once when the interface goes down. It may come up again, or netlink says that it has gone.
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

    /// Sends one frame if the interface takes it now. Nothing is kept for later: a question is asked again, and what is
    /// told without one is repeated anyway.
    pub(super) fn send(&self, protocol: Protocol, frame: &[u8]) {
        let socket = match protocol {
            Protocol::Arp => &self.arp,
            Protocol::Ndp => &self.ndp,
        };
        if let Some(socket) = socket
            && let Err(error) = socket.try_send(frame)
        {
            tracing::debug!(interface = self.interface.name, %error, "frame not sent");
        }
    }
}

fn open_if(
    wanted: bool,
    slot: &mut Option<PacketSocket>,
    interface: u32,
    traffic: Traffic,
) -> io::Result<()> {
    if !wanted {
        *slot = None;
    } else if slot.is_none() {
        *slot = Some(PacketSocket::open(interface, traffic)?);
    }
    Ok(())
}
