//! How full a pool is, in the numbers of its status and in those of the metrics.

use metallb_api::v1beta1::IPAddressPoolStatus;

use super::ledger::InUse;
use crate::config::Pool;
use crate::facts::IpFamily;

/// What the status of `pool` should say. Numbers beyond 64 bits read as the largest one.
pub(super) fn status(pool: &Pool, in_use: InUse) -> IPAddressPoolStatus {
    let available = |family, used: u64| saturated(pool.capacity(family).saturating_sub(used.into()));
    IPAddressPoolStatus {
        assigned_ipv4: saturated(in_use.v4.into()),
        assigned_ipv6: saturated(in_use.v6.into()),
        available_ipv4: available(IpFamily::V4, in_use.v4),
        available_ipv6: available(IpFamily::V6, in_use.v6),
    }
}

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Addresses of IPv4 that it has.
    pub capacity_v4: u128,
    /// Addresses of IPv6 that it has. Two pools can have more than fit in 128 bits; then this is the largest number.
    pub capacity_v6: u128,
    /// Distinct addresses of IPv4 that Services hold.
    pub in_use_v4: u64,
    /// Distinct addresses of IPv6 that Services hold.
    pub in_use_v6: u64,
    /// Services that hold some of them.
    pub services: u64,
}

impl Usage {
    pub(super) fn of(pool: &Pool, in_use: InUse) -> Self {
        Self {
            capacity_v4: pool.capacity(IpFamily::V4),
            capacity_v6: pool.capacity(IpFamily::V6),
            in_use_v4: in_use.v4,
            in_use_v6: in_use.v6,
            services: in_use.services,
        }
    }
}

fn saturated(count: u128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
