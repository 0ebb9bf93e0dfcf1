//! What administrators wrote, understood: custom resources in, a valid configuration or faults out.
//!
//! Parsing happens here and nowhere else; whoever holds a value of these types holds a valid one. Which configuration
//! is in force while the latest one is faulty is the caller's decision (the last good one).

pub mod advertisement;
pub mod bfd_profile;
pub mod bgp_advertisement;
pub mod community;
pub mod conflict;
pub(crate) mod duration;
pub mod fault;
pub mod l2_advertisement;
pub mod objects;
pub mod peer;
pub mod pool;
pub mod pools;
pub mod range;
pub mod reference;
pub mod selector;
pub mod standing;

pub use advertisement::{AdvertisementError, PoolChoice};
pub use bfd_profile::{BfdProfile, BfdProfileError};
pub use bgp_advertisement::{BgpAdvertisement, NamedCommunity};
pub use community::{Communities, CommunityError, CommunityValue};
pub use duration::parse as parse_duration;
pub use fault::Fault;
pub use l2_advertisement::L2Advertisement;
pub use objects::Objects;
pub use peer::{Peer, PeerError};
pub use pool::{Pool, PoolError};
pub use pools::Pools;
pub use range::{AddressRange, RangeError};
pub use selector::{Selector, SelectorError, SelectorListError};
