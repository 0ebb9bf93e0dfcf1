//! Why a Service gets the address it gets: the order of pools, and the first address of a pool that is to be had.
//! Reads pools and ledger; gives nothing.
//!
//! Pools set aside for the Service come first, by rank and then by name; then the pools for everybody, by name. Within
//! a pool its address list is used up in the order in which it is written. An address that the Service may share is as
//! good as a free one: the lower of the two is taken.

use std::net::IpAddr;

use super::error::{AllocationError, Families};
use super::ledger::Ledger;
use super::sharing;
use crate::config::range::is_buggy;
use crate::config::{AddressRange, Pool, Pools};
use crate::facts::{IpFamily, ServiceFacts};

/// The families a Service wants addresses of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// One address of this family.
    One(IpFamily),
    /// One address of each family, or nothing.
    Both,
    /// One address of each family, or else one, of the preferred family if possible.
    Prefer(IpFamily),
}

impl Want {
    /// Whether an address of `family` is of any use.
    pub fn includes(self, family: IpFamily) -> bool {
        match self {
            Self::One(only) => only == family,
            Self::Both | Self::Prefer(_) => true,
        }
    }

    /// Whether one address is not all that is wanted.
    pub fn is_dual(self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Both | Self::Prefer(_) => true,
        }
    }

    fn families(self) -> Families {
        match self {
            Self::One(family) => Families::One(family),
            Self::Both | Self::Prefer(_) => Families::Dual,
        }
    }
}

/// Which pools are considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// Those that may be used without being asked for.
    Automatic,
    /// This one, which is asked for by name.
    Named(&'a Pool),
}

pub(super) fn choose(
    pools: &Pools,
    ledger: &Ledger,
    service: &ServiceFacts,
    want: Want,
    choice: Choice<'_>,
) -> Result<Vec<IpAddr>, AllocationError> {
    let search = Search { ledger, service };
    match choice {
        Choice::Named(pool) => search.of_named(pool, want),
        Choice::Automatic => automatic(pools, service)
            .iter()
            .find_map(|pools| search.among(pools, want))
            .ok_or(AllocationError::NoneFree),
    }
}

/// The pools that are tried for a Service that asks for none: those set aside for it, then those for everybody.
pub(super) fn automatic<'a>(pools: &'a Pools, service: &ServiceFacts) -> [Vec<&'a Pool>; 2] {
    let (mut reserved, generic): (Vec<_>, Vec<_>) = pools
        .iter()
        .filter(|pool| pool.auto_assign && pool.serves(service))
        .partition(|pool| pool.reservation.is_some());
    reserved.sort_by_key(|pool| pool.rank()); // stable: of equal rank in the order of names
    [reserved, generic]
}

pub(super) struct Search<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) service: &'a ServiceFacts,
}

impl Search<'_> {
    fn of_named(&self, pool: &Pool, want: Want) -> Result<Vec<IpAddr>, AllocationError> {
        if !pool.serves(self.service) {
            return Err(AllocationError::NotServed(pool.name.clone()));
        }
        self.among(&[pool], want).ok_or_else(|| {
            let any = IpFamily::BOTH
                .iter()
                .any(|family| self.first_usable(pool, *family).is_some());
            let pool = pool.name.clone();
            let families = want.families();
            if any {
                AllocationError::NoneOfFamily { pool, families }
            } else {
                AllocationError::NoneFreeInPool(pool)
            }
        })
    }

    /// What the first of `pools` that has it gives.
    fn among(&self, pools: &[&Pool], want: Want) -> Option<Vec<IpAddr>> {
        let one = |family| {
            pools
                .iter()
                .find_map(|pool| self.first_usable(pool, family))
                .map(|address| vec![address])
        };
        let both = || {
            let pair = |pool: &&Pool| {
                let [v4, v6] = IpFamily::BOTH.map(|family| self.first_usable(pool, family));
                Some(vec![v4?, v6?])
            };
            pools.iter().find_map(pair)
        };
        match want {
            Want::One(family) => one(family),
            Want::Both => both(),
            Want::Prefer(family) => both().or_else(|| one(family)).or_else(|| one(family.other())),
        }
    }

    /// The first address of `family` that the pool has for the Service.
    pub(super) fn first_usable(&self, pool: &Pool, family: IpFamily) -> Option<IpAddr> {
        let of_family = pool.ranges().iter().filter(|range| range.family() == family);
        of_family.into_iter().find_map(|range| {
            let free = self.first_free(range, pool.avoid_buggy_ips);
            let shared = self.first_shareable(pool, range, free);
            let own = self.first_own(pool, range);
            [free, shared, own].into_iter().flatten().min()
        })
    }

    /// The first address that nobody else can have because it lingers with this Service.
    fn first_own(&self, pool: &Pool, range: &AddressRange) -> Option<IpAddr> {
        self.ledger
            .lingering(&self.service.key)
            .find(|address| range.contains(*address) && self.is_joinable(pool, *address))
    }

    fn first_free(&self, range: &AddressRange, avoid_buggy_ips: bool) -> Option<IpAddr> {
        let family = range.family();
        let numbers = range.numbers();
        // Not more than two buggy addresses follow one another, so this looks at three numbers of a gap at most.
        let given =
            |number: u128| Some(family.address(number)).filter(|a| !(avoid_buggy_ips && is_buggy(*a)));
        self.ledger
            .gaps(family, &numbers)
            .find_map(|mut gap| gap.find_map(given))
    }

    /// The first address in use that the Service may join, before `free`.
    fn first_shareable(&self, pool: &Pool, range: &AddressRange, free: Option<IpAddr>) -> Option<IpAddr> {
        let key = self.service.sharing_key();
        if key.is_empty() {
            return None;
        }
        let family = range.family();
        let first = family.address(*range.numbers().start());
        let last = free.unwrap_or_else(|| family.address(*range.numbers().end()));
        self.ledger
            .shared(key, first, last)
            .find(|address| self.is_joinable(pool, *address))
    }

    fn is_joinable(&self, pool: &Pool, address: IpAddr) -> bool {
        pool.offers(address) && sharing::check(self.ledger, self.service, address).is_ok()
    }
}
