//! Version `v1beta2`: BGPPeer only, and the version it is stored in.

mod bgp_peer;

pub use bgp_peer::{BGPPeer, BGPPeerSpec, BGPPeerStatus, DynamicAsn};
