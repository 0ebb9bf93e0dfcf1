//! Membership as hashicorp's memberlist has it: who of the speakers is alive, in one view with upstream's speakers.
//!
//! Owns the messages and, in the modules below, their encoding and the machine that exchanges them. Never knows what a
//! member announces.

pub mod message;

pub use message::{
    Ack, Alive, Dead, Incarnation, IndirectPing, Message, Nack, NodeState, Origin, Ping, PushPull, Status,
    Suspect, Versions,
};
