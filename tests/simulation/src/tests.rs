//! What members are to each other, whatever the network does.

mod failover;
mod faults;
mod membership;
mod segment;
