//! Who comes first when several Services are decided at the same time, as at the start, after a change of the pools, or
//! when an address is released. Owns the order alone.

use crate::facts::ServiceFacts;

/// The place of a Service in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    claim: Claim,
    created_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// It asks for certain addresses: no others will do.
    Addresses,
    /// Clients use the address it has or had.
    Present,
    /// It asks for a certain pool.
    Pool,
    /// Anything will do.
    Any,
}

/// The turn of `service`: the better claim first, of equal ones the older Service.
pub fn turn(service: &ServiceFacts) -> Turn {
    let claim = if service.requested_ips().is_some() || service.load_balancer_ip.is_some() {
        Claim::Addresses
    } else if !service.ingress.is_empty() {
        Claim::Present
    } else if service.requested_pool().is_some() {
        Claim::Pool
    } else {
        Claim::Any
    };
    Turn {
        claim,
        created_s: service.created_s,
    }
}
