//! One change of a Service or of the pools, and what becomes of its address.

use super::*;

type Specs = Vec<(&'static str, Value)>;
type Edit = fn(ServiceFacts) -> ServiceFacts;

/// `web` has 198.51.100.1 of pool `main`, and 198.51.100.0 is taken by `first`, which shares it under the key `k`.
fn scene() -> (Allocator, ServiceFacts) {
    let mut allocator = usual();
    settle(&mut allocator, &service("first").sharing("k"));
    let (web, _) = settle(&mut allocator, &service("web"));
    (allocator, web)
}

fn with_field(mut service: ServiceFacts, ip: &str) -> ServiceFacts {
    service.load_balancer_ip = Some(ip.into());
    service
}

#[test]
fn an_edit_of_a_service_that_does_not_concern_its_address_leaves_it() {
    let table: &[(&str, Edit)] = &[
        ("it asks for what it has", |web| {
            web.asking_for_ips("198.51.100.1")
        }),
        ("the same in the spec", |web| with_field(web, "198.51.100.1")),
        ("under the old prefix", |web| {
            web.annotated("metallb.universe.tf/loadBalancerIPs", "198.51.100.1")
        }),
        ("it asks for the pool it is in", |web| web.asking_for_pool("main")),
        ("for one that does not exist", |web| {
            web.asking_for_pool("missing")
        }),
        ("for none, and what the old prefix says does not count", |web| {
            web.asking_for_pool("")
                .annotated("metallb.universe.tf/address-pool", "gold")
        }),
        ("what it asks for is no address", |web| {
            web.asking_for_ips("192.0.2")
        }),
        ("both ways of asking", |web| {
            with_field(web, "192.0.2.1").asking_for_ips("192.0.2.1")
        }),
        ("nobody else has its address, whatever the key", |web| {
            web.sharing("k")
        }),
        ("whatever the ports", |web| web.on_ports(&[(Protocol::Udp, 53)])),
        ("whatever the policy", |web| web.local_to("web")),
        ("a label", |web| web.labelled("tier", "gold")),
        ("it would take two", |web| {
            web.with_families(&BOTH, FamilyPolicy::PreferDualStack)
        }),
        ("deletion has begun", |mut web| {
            web.deleting = true;
            web
        }),
    ];
    for (why, edit) in table {
        let (mut allocator, web) = scene();
        let (_, outcome) = settle(&mut allocator, &edit(web));
        assert_eq!(outcome.ingress, ips(&["198.51.100.1"]), "{why}");
        assert!(!outcome.write, "{why}");
    }
}

#[test]
fn an_address_stays_when_the_request_that_led_to_it_is_withdrawn() {
    let requests: [Edit; 3] = [
        |web| web.asking_for_pool("gold"),
        |web| web.asking_for_ips("192.0.2.0"),
        |web| with_field(web, "192.0.2.0"),
    ];
    for request in requests {
        let mut allocator = usual();
        let (mut held, _) = settle(&mut allocator, &request(service("web")));
        held.annotations
            .retain(|(name, _)| name == "metallb.io/ip-allocated-from-pool");
        held.load_balancer_ip = None;
        let (_, outcome) = settle(&mut allocator, &held);
        assert_eq!((outcome.ingress, outcome.write), (ips(&["192.0.2.0"]), false));
    }
}

#[test]
fn an_edit_that_asks_for_something_else_moves_the_service_or_says_why_not() {
    let refused = |text: &str| {
        vec![format!(
            "Warning AllocationFailed Failed to allocate IP for \"default/web\": {text}"
        )]
    };
    let given = |ip: &str| vec![format!("Normal IPAllocated Assigned IP [\"{ip}\"]")];
    let table: Vec<(Edit, &[&str], Vec<String>)> = vec![
        (
            |web| web.asking_for_pool("gold"),
            &["192.0.2.0"],
            given("192.0.2.0"),
        ),
        (
            |web| web.asking_for_ips("192.0.2.3"),
            &["192.0.2.3"],
            given("192.0.2.3"),
        ),
        (
            |web| with_field(web, "192.0.2.3"),
            &["192.0.2.3"],
            given("192.0.2.3"),
        ),
        (
            |web| web.with_families(&[IpFamily::V6], FamilyPolicy::SingleStack),
            &["2001:db8::"],
            given("2001:db8::"),
        ),
        (
            |web| {
                web.sharing("k")
                    .on_ports(&[(Protocol::Tcp, 443)])
                    .asking_for_ips("198.51.100.0")
            },
            &["198.51.100.0"],
            given("198.51.100.0"),
        ),
        (
            |web| web.asking_for_ips("198.51.100.0"),
            &[],
            refused("can't change sharing key for \"default/web\", address also in use by default/first"),
        ),
        (
            |web| web.asking_for_ips("203.0.113.1"),
            &[],
            refused("[\"203.0.113.1\"] is not allowed in config"),
        ),
        (
            |web| web.asking_for_pool("six"),
            &[],
            refused("no available IPs in pool six for ipv4 IPFamily: pool six has no IPv4 address"),
        ),
        (
            |web| web.with_families(&BOTH, FamilyPolicy::RequireDualStack),
            &[],
            refused(
                "no available IPs: pool main has no IPv6 address; pool six has no IPv4 address; pool gold is only for \
                 Services that ask for it",
            ),
        ),
    ];
    for (edit, expected, events) in table {
        let (mut allocator, web) = scene();
        let (_, outcome) = settle(&mut allocator, &edit(web));
        assert_eq!((&outcome.ingress, told(&outcome)), (&ips(expected), events));
        assert_eq!(outcome.freed, ips(&["198.51.100.1"]), "{expected:?}");
    }
}

#[test]
fn an_edit_of_the_pools_moves_whom_it_has_to_and_nobody_else() {
    let all = "198.51.100.0/30";
    let kept = &["198.51.100.1"][..];
    let table: Vec<(Specs, &[&str])> = vec![
        (
            vec![("main", json!({ "addresses": [all], "autoAssign": false }))],
            kept,
        ),
        (vec![("main", json!({ "addresses": ["198.51.100.0/24"] }))], kept),
        (
            vec![(
                "main",
                json!({ "addresses": ["203.0.113.0/24", "198.51.100.1/32"] }),
            )],
            kept,
        ),
        (
            vec![("main", json!({ "addresses": [all], "avoidBuggyIPs": true }))],
            kept,
        ),
        (vec![("other", json!({ "addresses": [all] }))], kept),
        (
            vec![
                (
                    "a-new",
                    json!({ "addresses": ["192.0.2.0/24"], "serviceAllocation": { "priority": 1 } }),
                ),
                ("main", json!({ "addresses": [all] })),
            ],
            kept,
        ),
        (
            vec![(
                "main",
                json!({ "addresses": [all], "serviceAllocation": { "namespaces": ["default"] } }),
            )],
            kept,
        ),
        (
            vec![(
                "main",
                json!({ "addresses": [all], "serviceAllocation": { "namespaces": ["bank"] } }),
            )],
            &[],
        ),
        (
            vec![("main", json!({ "addresses": ["198.51.100.2/31"] }))],
            &["198.51.100.2"],
        ),
        (
            vec![
                (
                    "gold",
                    json!({ "addresses": ["192.0.2.0/30"], "autoAssign": false }),
                ),
                ("other", json!({ "addresses": ["203.0.113.8/32"] })),
            ],
            &["203.0.113.8"],
        ),
        (vec![("main", json!({ "addresses": ["2001:db8::/126"] }))], &[]),
    ];
    for (edited, expected) in table {
        let (mut allocator, web) = scene();
        allocator.set_pools(pools(&edited));
        let (_, outcome) = settle(&mut allocator, &web);
        assert_eq!(outcome.ingress, ips(expected), "{edited:?}");
        let cleared = told(&outcome).iter().any(|line| line.contains("ClearAssignment"));
        assert_eq!(cleared, expected != kept, "{outcome:?}");
    }
}

/// Two that share an address: the one that is edited so that it cannot share any more moves, the other one stays.
#[test]
fn of_two_that_share_an_address_the_one_that_is_edited_moves() {
    let table: [(Edit, bool); 5] = [
        (|web| web.sharing("j"), true),
        (|web| web.sharing(""), true),
        (|web| web.local_to("web"), true),
        (
            |web| web.on_ports(&[(Protocol::Tcp, 443), (Protocol::Tcp, 80)]),
            true,
        ),
        (
            |web| web.on_ports(&[(Protocol::Tcp, 444), (Protocol::Udp, 80)]),
            false,
        ),
    ];
    for (edit, moves) in table {
        let mut allocator = usual();
        let (first, _) = settle(&mut allocator, &service("first").sharing("k"));
        let web = service("web").sharing("k").on_ports(&[(Protocol::Tcp, 443)]);
        let (web, outcome) = settle(&mut allocator, &web);
        assert_eq!(outcome.ingress, first.ingress);
        let (_, outcome) = settle(&mut allocator, &edit(web));
        assert_eq!(
            outcome.ingress,
            ips(&[["198.51.100.0", "198.51.100.1"][usize::from(moves)]])
        );
        let cleared = told(&outcome).iter().any(|line| line.contains("ClearAssignment"));
        assert_eq!(cleared, moves);
        assert!(!converge(&mut allocator, &first).write);
    }
}

#[test]
fn services_of_several_namespaces_share_an_address_by_the_same_key() {
    let mut allocator = usual();
    let at = |name: &str, namespace: &str, port| {
        service(name)
            .in_namespace(namespace)
            .sharing("k")
            .on_ports(&[(Protocol::Udp, port)])
    };
    for (port, namespace) in [(53, "dns"), (123, "ntp"), (67, "dhcp")] {
        let (_, outcome) = settle(&mut allocator, &at("svc", namespace, port));
        assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
    }
}

#[test]
fn a_service_that_changes_its_type_and_comes_back_has_an_address_again() {
    let (mut allocator, web) = scene();
    let plain = |web: &ServiceFacts| ServiceFacts {
        load_balancer: false,
        ..web.clone()
    };
    // Back before anything was written: it is as if nothing had happened.
    converge(&mut allocator, &plain(&web));
    let (web, outcome) = settle(&mut allocator, &web);
    assert_eq!((outcome.ingress, outcome.write), (ips(&["198.51.100.1"]), false));
    // Back later: whoever came meanwhile keeps what it got.
    let (cleared, _) = settle(&mut allocator, &plain(&web));
    settle(&mut allocator, &service("meanwhile"));
    let back = ServiceFacts {
        load_balancer: true,
        ..cleared
    };
    assert_eq!(settle(&mut allocator, &back).1.ingress, ips(&["198.51.100.2"]));
}

#[test]
fn a_pool_that_is_deleted_and_made_again_takes_back_those_who_ask_for_it() {
    let mut allocator = usual();
    let (asking, _) = settle(&mut allocator, &service("web").asking_for_pool("gold"));
    let main = || ("main", json!({ "addresses": ["198.51.100.0/30"] }));
    allocator.set_pools(pools(&[main()]));
    let (moved, outcome) = settle(&mut allocator, &asking);
    let reasons: Vec<_> = outcome.events.iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["ClearAssignment", "addressPoolNotFound", "IPAllocated"]);
    assert_eq!(outcome.ingress, ips(&["198.51.100.0"]));
    allocator.set_pools(pools(&[
        main(),
        ("gold", json!({ "addresses": ["192.0.2.0/30"] })),
    ]));
    assert_eq!(settle(&mut allocator, &moved).1.ingress, ips(&["192.0.2.0"]));
}
