//! Requests that cannot be met, in the words users search for.

use super::*;

/// Each is refused with this one Event, in a cluster where 192.0.2.1 is taken.
fn check_refused(cases: impl IntoIterator<Item = (ServiceFacts, String)>) {
    let mut allocator = usual();
    settle(&mut allocator, &service("first").asking_for_ips("192.0.2.1"));
    for (service, event) in cases {
        check(&mut allocator, &service, &[], &event);
    }
}

fn failed(text: &str) -> String {
    format!("Warning AllocationFailed Failed to allocate IP for \"default/svc\": {text}")
}

fn invalid(text: &str) -> String {
    format!("Warning LoadBalancerFailed invalid requested loadbalancer IPs: {text}")
}

fn dual(service: ServiceFacts) -> ServiceFacts {
    service.with_families(&BOTH, FamilyPolicy::RequireDualStack)
}

#[test]
fn what_is_not_to_be_had_is_named() {
    let svc = || service("svc");
    check_refused([
        (
            svc().asking_for_ips("4.3.2.1"),
            failed("[\"4.3.2.1\"] is not allowed in config"),
        ),
        (
            svc().asking_for_ips("192.0.2.1"),
            failed("can't change sharing key for \"default/svc\", address also in use by default/first"),
        ),
        (
            svc().asking_for_ips("2001:db8::1"),
            failed(
                "requested loadBalancer IP(s) [\"2001:db8::1\"] does not match the ipFamily of the service",
            ),
        ),
        (
            dual(svc().asking_for_ips("192.0.2.2,2001:db8::1")),
            failed(
                "[\"192.0.2.2\" \"2001:db8::1\"] is not allowed in config: pool gold does not have 2001:db8::1; pool six \
                 does not have 192.0.2.2",
            ),
        ),
        (
            svc().asking_for_ips("198.51.100.1").asking_for_pool("gold"),
            failed(
                "requested loadBalancer IP(s) [\"198.51.100.1\"] is not compatible with requested address pool gold",
            ),
        ),
        (
            dual(svc().asking_for_pool("gold")),
            failed("no available IPs in pool gold for dual IPFamily: pool gold has no IPv6 address"),
        ),
        (
            svc().asking_for_pool("six"),
            failed("no available IPs in pool six for ipv4 IPFamily: pool six has no IPv4 address"),
        ),
        (
            dual(svc()),
            failed(
                "no available IPs: pool main has no IPv6 address; pool six has no IPv4 address; pool gold is only for \
                 Services that ask for it",
            ),
        ),
    ]);
}

#[test]
fn what_makes_no_sense_is_quoted() {
    let svc = || service("svc");
    let mut twice = svc().asking_for_ips("192.0.2.2");
    twice.load_balancer_ip = Some("192.0.2.2".into());
    let mut bad_field = svc();
    bad_field.load_balancer_ip = Some("x".into());
    check_refused([
        (
            twice,
            invalid("service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP"),
        ),
        (
            svc().asking_for_ips("x,y"),
            invalid("invalid metallb.io/loadBalancerIPs: \"x,y\""),
        ),
        (bad_field, invalid("invalid spec.loadBalancerIP \"x\"")),
        (
            svc().asking_for_ips("192.0.2.2,192.0.2.3"),
            invalid("IPFamilyForAddresses: same address family [\"192.0.2.2\" \"192.0.2.3\"]"),
        ),
        (
            svc().asking_for_ips("192.0.2.2,192.0.2.3,2001:db8::1"),
            invalid(
                "IPFamilyForAddresses: invalid ips length 3 [\"192.0.2.2\" \"192.0.2.3\" \"2001:db8::1\"]",
            ),
        ),
        (
            svc().with_families(&[IpFamily::V4], FamilyPolicy::RequireDualStack),
            "Warning not enough clusterips Service requires dual stack but not enough clusterips [10.0.0.1]"
                .into(),
        ),
    ]);
}

#[test]
fn one_address_is_enough_for_a_service_that_prefers_two_and_asks_for_one() {
    let mut allocator = usual();
    let prefer = |name: &str| service(name).with_families(&BOTH, FamilyPolicy::PreferDualStack);
    let mut by_field = prefer("field");
    by_field.load_balancer_ip = Some("192.0.2.1".into());
    for (service, ip) in [
        (by_field, "192.0.2.1"),
        (prefer("six").asking_for_ips("2001:db8::3"), "2001:db8::3"),
    ] {
        let (_, outcome) = settle(&mut allocator, &service);
        assert_eq!((outcome.ingress, outcome.lack), (ips(&[ip]), None));
    }
}
