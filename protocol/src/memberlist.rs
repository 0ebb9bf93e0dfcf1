//! Membership as hashicorp's memberlist has it: who of the speakers is alive, in one view with upstream's speakers.
//!
//! Owns the messages, their encoding and the machine that exchanges them: SWIM (Das, Gupta, Motivala, 2002) with the
//! suspicion timers and the self-doubt of Lifeguard (Dadgar, Phillips, Currey, 2017). Never knows what a member announces.

mod broadcast;
mod compress;
mod contract;
pub mod datagram;
pub mod encoding;
#[cfg(test)]
mod examples;
mod join;
pub mod keyring;
mod machine;
mod members;
pub mod message;
mod msgpack;
mod news;
mod probe;
pub(crate) mod random;
mod settings;
mod size;
pub(crate) mod steady;
pub mod stream;
mod suspicion;
#[cfg(test)]
mod tests;
pub mod wire;

pub use contract::{Event, Ignored, Input, Transmit};
pub use datagram::Heard;
pub use keyring::{Key, Keyring, Nonce};
pub use machine::Machine;
pub use members::Member;
pub use message::{
    Ack, Alive, Dead, Incarnation, IndirectPing, Message, Nack, NodeState, Origin, Ping, PushPull, Status,
    Suspect, Versions,
};
pub use settings::{Identity, MOST_META, Settings};
pub use size::at_most;
pub use wire::{Refusal, Wire};
