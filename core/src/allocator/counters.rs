//! How full a pool is, in the numbers of its status.

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

fn saturated(count: u128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
