//! Protocol machines: frames and times in, frames and deadlines out.
//!
//! ```text
//!   interfaces ─┐                                   ┌─► poll_transmit(): frames to put on the wire
//!   addresses ──┼─► handle(input, now) ─► Announcer ┼─► poll_event():    multicast groups to join and leave
//!   frames ─────┤                                   └─► next_deadline(): when to call handle() again
//!   timeout ────┘
//! ```
//!
//! Every machine here has that one contract: one input, then drain what it wants to send and to tell, then wait until
//! its deadline. A machine owns its protocol's rules and timers. It never opens a socket, reads a clock or draws a random
//! number, and it knows nothing of Kubernetes, so a test drives it through hours of protocol in microseconds.
//!
//! Codecs read bytes from strangers. They look at nothing before its length is known, and they allocate nothing that a
//! length field on the wire asks for.

pub mod arp;
pub mod ethernet;
pub mod failover;
pub mod layer2;
pub mod memberlist;
pub mod ndp;
pub mod time;

pub use time::Time;
