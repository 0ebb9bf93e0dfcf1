//! What members are to each other, whatever the network does.

mod membership;
