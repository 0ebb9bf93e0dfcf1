//! A socket for whole frames, watched by tokio. Owns the order in which it is opened. Never looks into a frame.

use std::io::{self, Read};
use std::mem::size_of;
use std::task::{Context, Poll, ready};

use libc::sockaddr_ll;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{Targets, Traffic};

/// A packet socket (packet(7)) on one interface.
///
/// # Guarantees
/// * Only frames of its [`Traffic`] about its [`Targets`] are received, and never those that this machine sent. All
///   others are dropped by the kernel and cost this process nothing.
/// * The interface is not put into promiscuous mode.
/// * Receiving and sending never block the thread.
/// * It wakes its task for what arrives, and not each time that a frame which it sent has left the machine.
#[derive(Debug)]
pub struct PacketSocket {
    /// Never handed out, so that nobody can close or replace the descriptor (see `open`).
    socket: AsyncFd<Socket>,
    traffic: Traffic,
}

impl PacketSocket {
    /// Opens a socket on the interface with this index. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `EPERM` without the capability NET_RAW; `ENODEV` or `ENXIO` if the interface has gone; `ENETDOWN` if it is down.
    pub fn open(interface: u32, traffic: Traffic, targets: &Targets) -> io::Result<Self> {
        // Protocol 0 receives nothing. The filter is in place before the bind below names a protocol, so no frame gets
        // past it.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&traffic.filter(targets))?;
        socket.bind(&link_layer_address(interface, traffic.ether_type())?)?;
        // SAFETY: the descriptor is open and stays so as long as the `AsyncFd`, which owns the `Socket` that owns it:
        // `PacketSocket` has no method that moves or mutates the `Socket`, and `Socket` returns the same descriptor
        // from every `as_raw_fd` call.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { socket, traffic })
    }

    /// Receives frames about these from now on. No frame is lost in the exchange.
    ///
    /// # Errors
    /// `ENOMEM` if the kernel has no room for the filter. The former one stays.
    pub fn aim(&self, targets: &Targets) -> io::Result<()> {
        self.socket.get_ref().attach_filter(&self.traffic.filter(targets))
    }

    /// Receives one frame into `buffer` and returns its length. A longer frame is cut off at the buffer's end.
    ///
    /// # Errors
    /// `ENETDOWN` is said once when the interface goes down: the socket goes on when it comes up. After any other
    /// error the socket is of no further use.
    pub fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(context))?;
            // `WouldBlock` clears the readiness, and the next round waits for it.
            if let Ok(result) = ready.try_io(|socket| socket.get_ref().read(buffer)) {
                return Poll::Ready(result);
            }
        }
    }

    /// Sends one frame, Ethernet header included, or nothing: false if the send queue of the socket or of the interface
    /// is full.
    ///
    /// # Errors
    /// `ENETDOWN` means that the interface is down. The socket remains usable after any error.
    pub fn try_send(&self, frame: &[u8]) -> io::Result<bool> {
        // Packet sockets send a frame as a whole or not at all, so there is no rest to look after.
        match self.socket.get_ref().send(frame) {
            Ok(_) => Ok(true),
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The socket's own queue, or the interface's.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// All frames with `ether_type` on `interface`, as an address to bind to.
fn link_layer_address(interface: u32, ether_type: u16) -> io::Result<SockAddr> {
    let index = i32::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is a plain C structure of integers, for which every bit pattern is valid, and it fits into
    // `sockaddr_storage` (RFC 3493 §3.10: large and aligned enough for every address), which `view_as` also checks.
    let address = unsafe { storage.view_as::<sockaddr_ll>() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("families are small numbers");
    address.sll_protocol = ether_type.to_be();
    address.sll_ifindex = index;
    let len = libc::socklen_t::try_from(size_of::<sockaddr_ll>()).expect("a structure of twenty bytes");
    // SAFETY: `storage` holds an initialised address of the family that its first field names, of this length.
    Ok(unsafe { SockAddr::new(storage, len) })
}
