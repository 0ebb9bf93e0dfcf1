//! The BGPAdvertisement, as far as selecting pools goes: enough to tell that a pool is meant for BGP alone.

use metallb_api::v1beta1;

use super::advertisement::{AdvertisementError, PoolChoice};

/// One BGPAdvertisement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BgpAdvertisement {
    /// The pools it selects.
    pub pools: PoolChoice,
}

impl BgpAdvertisement {
    /// Reads the object.
    ///
    /// # Errors
    /// See [`AdvertisementError`].
    pub fn parse(object: &v1beta1::BGPAdvertisement) -> Result<Self, AdvertisementError> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let names = object.spec.ip_address_pools.as_deref();
        let selectors = object.spec.ip_address_pool_selectors.as_deref();
        Ok(Self {
            pools: PoolChoice::parse(name, names, selectors)?,
        })
    }
}
