//! Packet sockets: whole frames of one kind on one interface. And what lets a thread that mostly waits be woken for
//! nothing else than what it waits for, and then soon: a UDP socket, a timer, and short slices of the processor.
//!
//! This is the one crate with `unsafe` code, because four things that the speaker needs have no safe form:
//!
//! * an `AF_PACKET` address is built as a C structure (no crate in our tree has a safe constructor for it);
//! * tokio watches a file descriptor only on the promise that it stays open and the same, which the type system cannot
//!   check for it;
//! * the C library's `malloc_trim` is a C function;
//! * the kernel's `sched_setattr` reads and writes a C structure, whose size it is told.
//!
//! They are wrapped here so that no caller can break the promise: [`PacketSocket`], [`DatagramSocket`] and [`Timer`] own
//! their descriptors, never give them away and never replace them. Everything else that touches the kernel (socket options, filters, groups, netlink) goes
//! through the safe interfaces of socket2 and rtnetlink, and stays out of this crate.
//!
//! Needs the capability NET_RAW and no other.

mod datagrams;
mod filter;
mod memory;
mod packet_socket;
mod slice;
mod targets;
mod timer;

pub use datagrams::DatagramSocket;
pub use filter::Traffic;
pub use memory::give_back_memory;
pub use packet_socket::PacketSocket;
pub use slice::run_in_short_slices;
pub use targets::Targets;
pub use timer::Timer;
