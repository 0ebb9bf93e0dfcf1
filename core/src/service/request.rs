//! Which addresses a Service asks for, and of which families it needs some. Parsing only: whether they are to be had is
//! the allocator's.

use std::net::IpAddr;

use metallb_api::names::annotation;

use crate::allocator::{Quoted, Want};
use crate::facts::{FamilyPolicy, IpFamily, ServiceFacts};

/// Why what a Service asks for makes no sense. The user has to correct the Service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error(
        "service can not have both {} and svc.Spec.LoadBalancerIP",
        annotation::LOAD_BALANCER_IPS
    )]
    Twice,
    #[error("invalid {name}: {0:?}", name = annotation::LOAD_BALANCER_IPS)]
    Annotation(String),
    #[error("invalid spec.loadBalancerIP {0:?}")]
    Spec(String),
    #[error(transparent)]
    Families(#[from] FamiliesError),
}

/// Why addresses cannot belong to one Service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FamiliesError {
    #[error("IPFamilyForAddresses: same address family {}", Quoted(.0))]
    Same(Vec<IpAddr>),
    #[error("IPFamilyForAddresses: invalid ips length {} {}", .0.len(), Quoted(.0))]
    Length(Vec<IpAddr>),
}

/// The addresses asked for, in the order they are written in; empty if any will do.
pub(super) fn addresses(service: &ServiceFacts) -> Result<Vec<IpAddr>, RequestError> {
    match (service.requested_ips(), service.load_balancer_ip.as_deref()) {
        (None, None) => Ok(Vec::new()),
        (Some(_), Some(_)) => Err(RequestError::Twice),
        (None, Some(text)) => {
            let address: IpAddr = text.parse().map_err(|_| RequestError::Spec(text.to_owned()))?;
            Ok(vec![address.to_canonical()])
        }
        (Some(list), None) => {
            let address = |text: &str| -> Result<IpAddr, RequestError> {
                let parsed: Result<IpAddr, _> = text.trim().parse();
                parsed
                    .map(|address| address.to_canonical())
                    .map_err(|_| RequestError::Annotation(list.to_owned()))
            };
            let addresses = list.split(',').map(address).collect::<Result<Vec<_>, _>>()?;
            check_families(&addresses)?;
            Ok(addresses)
        }
    }
}

/// One address, or one of each family.
pub(super) fn check_families(addresses: &[IpAddr]) -> Result<(), FamiliesError> {
    match addresses {
        [_] => Ok(()),
        [first, second] if IpFamily::from(*first) != IpFamily::from(*second) => Ok(()),
        [_, _] => Err(FamiliesError::Same(addresses.to_vec())),
        [] | [_, _, _, ..] => Err(FamiliesError::Length(addresses.to_vec())),
    }
}

/// The families that the cluster addresses call for.
pub(super) fn want(service: &ServiceFacts) -> Result<Want, FamiliesError> {
    check_families(&service.cluster_ips)?;
    Ok(match (service.cluster_ips.as_slice(), service.family_policy) {
        ([only], _) => Want::One(IpFamily::from(*only)),
        (_, FamilyPolicy::PreferDualStack) => {
            Want::Prefer(service.ip_families.first().copied().unwrap_or(IpFamily::V4))
        }
        (_, FamilyPolicy::SingleStack | FamilyPolicy::RequireDualStack) => Want::Both,
    })
}
