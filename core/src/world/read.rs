//! What is read of the objects that configure announcements. Owns the sentence about one that cannot be used.

use std::collections::BTreeMap;

use metallb_api::v1beta1;

use crate::config::{BgpAdvertisement, L2Advertisement, Pool};

/// A pool. Whom it serves is the allocator's business, so the namespaces are not needed.
///
/// # Errors
/// What is wrong with it.
#[expect(clippy::needless_pass_by_value, reason = "watches hand over what they read")]
pub fn pool(object: v1beta1::IPAddressPool) -> Result<Pool, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    Pool::parse(&object, &BTreeMap::new()).map_err(|error| format!("parsing address pool {name}: {error}"))
}

/// An L2Advertisement.
///
/// # Errors
/// What is wrong with it.
#[expect(clippy::needless_pass_by_value, reason = "watches hand over what they read")]
pub fn l2_advertisement(object: v1beta1::L2Advertisement) -> Result<L2Advertisement, String> {
    L2Advertisement::parse(&object).map_err(|error| error.to_string())
}

/// A BGPAdvertisement.
///
/// # Errors
/// What is wrong with it.
#[expect(clippy::needless_pass_by_value, reason = "watches hand over what they read")]
pub fn bgp_advertisement(object: v1beta1::BGPAdvertisement) -> Result<BgpAdvertisement, String> {
    BgpAdvertisement::parse(&object).map_err(|error| error.to_string())
}
