//! What the speaker keeps of a Service: a fifth of what the controller needs to know. Decides nothing.

use std::net::IpAddr;
use std::sync::Arc;

use crate::facts::{Labels, ServiceFacts, ServiceObject, TrafficPolicy};

/// One Service's claim to be announced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// Tells a Service from an earlier one of the same name; Events need it.
    pub uid: Box<str>,
    /// `spec.type` is `LoadBalancer`.
    pub load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<Box<str>>,
    /// The addresses in its status, in that order. Its plan has the same piece of memory.
    pub addresses: Arc<[IpAddr]>,
    /// Its status holds something else as well.
    pub invalid: bool,
    /// All labels: any of them may be named by a selector.
    pub labels: Labels,
    /// Whether traffic stays on the node that takes it.
    pub traffic: TrafficPolicy,
    /// The annotation that lets it share its address is there, even if empty.
    pub may_share: bool,
    /// The pool that the controller took the addresses from.
    pub pool: Option<Box<str>>,
}

impl From<&ServiceFacts> for Claim {
    fn from(service: &ServiceFacts) -> Self {
        Self {
            uid: service.uid.as_str().into(),
            load_balancer: service.load_balancer,
            class: service.class.as_deref().map(Box::from),
            addresses: service.ingress.as_slice().into(),
            invalid: service.foreign_ingress,
            labels: service.labels.clone(),
            traffic: service.traffic_policy,
            may_share: service.sharing_annotation().is_some(),
            pool: service.allocated_from().map(Box::from),
        }
    }
}

impl From<ServiceObject> for Claim {
    fn from(service: ServiceObject) -> Self {
        Self::from(&ServiceFacts::from(service))
    }
}

#[cfg(test)]
mod tests {
    use metallb_api::NamespacedName;

    use super::*;
    use crate::facts::EndpointFacts;
    use crate::plan::Plan;

    #[test]
    fn what_is_kept_for_each_of_thousands_of_services_stays_small() {
        assert_eq!(size_of::<NamespacedName>(), 16);
        assert!(size_of::<Claim>() <= 88, "{}", size_of::<Claim>());
        assert!(size_of::<EndpointFacts>() <= 40, "{}", size_of::<EndpointFacts>());
        assert!(size_of::<Plan>() <= 48, "{}", size_of::<Plan>());
    }
}
