//! A UDP socket that wakes its task for what arrives, and for nothing else.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A UDP socket. tokio's own is also told that there is room to send, each time that a datagram has left the machine:
/// where many small ones are sent, that is as many wakes for nothing.
///
/// # Guarantees
/// * Receiving and sending never block the thread.
#[derive(Debug)]
pub struct DatagramSocket {
    /// Never handed out, so that nobody can close or replace the descriptor (see `bind`).
    socket: AsyncFd<UdpSocket>,
}

impl DatagramSocket {
    /// Opens a socket at this address. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The address is not this machine's, or another process has it.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        // SAFETY: the descriptor is open and stays so as long as the `AsyncFd`, which owns the `UdpSocket` that owns it:
        // `DatagramSocket` has no method that moves or mutates the `UdpSocket`, and that returns the same descriptor from
        // every `as_raw_fd` call.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { socket })
    }

    /// Receives one datagram into `buffer`, and returns its length and its sender. A longer one is cut off at the buffer's
    /// end.
    ///
    /// # Errors
    /// Something that was sent before could not be delivered. The socket remains usable.
    pub fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(context))?;
            // `WouldBlock` clears the readiness, and the next round waits for it.
            if let Ok(result) = ready.try_io(|socket| socket.get_ref().recv_from(buffer)) {
                return Poll::Ready(result);
            }
        }
    }

    /// Sends one datagram, or nothing.
    ///
    /// # Errors
    /// There is no way to `to`, or no room (`WouldBlock`). The socket remains usable.
    pub fn try_send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        // A datagram is sent as a whole or not at all.
        self.socket.get_ref().send_to(datagram, to).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_one_sends_the_other_receives_whole() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let (one, other) = (
            DatagramSocket::bind(loopback).unwrap(),
            DatagramSocket::bind(loopback).unwrap(),
        );
        let (from, to) = [&one, &other]
            .map(|socket| socket.socket.get_ref().local_addr().unwrap())
            .into();
        let mut buffer = [0; 16];
        for datagram in [&b"first"[..], b"", b"last"] {
            let received = poll_fn(|context| other.poll_receive(context, &mut buffer));
            let (sent, received) = tokio::join!(async { one.try_send(datagram, to) }, received);
            sent.unwrap();
            let (length, sender) = received.unwrap();
            assert_eq!((&buffer[..length], sender), (datagram, from));
        }
        let nothing = poll_fn(|context| other.poll_receive(context, &mut buffer));
        let nothing = tokio::time::timeout(Duration::from_millis(1), nothing).await;
        assert!(nothing.is_err());
    }
}
