//! What a scraper reads of the controller, to the letter.

use metallb_api::NamespacedName;
use metallb_api::v1beta1::{IPAddressPool, IPAddressPoolSpec};
use metallb_core::facts::{IpFamily, ServiceFacts};

use super::*;

fn listed<F>(objects: impl IntoIterator<Item = (NamespacedName, F)>) -> Change<F> {
    Change::Reset(objects.into_iter().collect())
}

fn service(name: &str, family: IpFamily, annotations: &[(&str, &str)]) -> (NamespacedName, ServiceFacts) {
    let key = NamespacedName::new("shop", name);
    let cluster_ip = match family {
        IpFamily::V4 => "10.96.0.1",
        IpFamily::V6 => "fd00::1",
    };
    let facts = ServiceFacts {
        key: key.clone(),
        uid: name.into(),
        resource_version: "1".into(),
        load_balancer: true,
        cluster_ips: vec![cluster_ip.parse().unwrap()],
        ip_families: vec![family],
        annotations: annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..ServiceFacts::default()
    };
    (key, facts)
}

/// A pool of 4 IPv4 and 2^65 IPv6 addresses; four Services, two of which share an address.
fn inputs() -> [Input; 3] {
    let pool = |addresses: &[&str]| {
        let spec = IPAddressPoolSpec {
            addresses: addresses.iter().map(|&range| range.to_owned()).collect(),
            ..IPAddressPoolSpec::default()
        };
        (
            NamespacedName::new("metallb-system", "gold"),
            IPAddressPool::new("gold", spec),
        )
    };
    let shared = [
        ("metallb.io/allow-shared-ip", "one"),
        ("metallb.io/loadBalancerIPs", "192.0.2.1"),
    ];
    [
        Input::Namespace(listed([])),
        Input::Pool(listed([pool(&["192.0.2.0/30", "2001:db8::/63"])])),
        Input::Service(listed([
            service("a", IpFamily::V4, &[]),
            service("b", IpFamily::V4, &shared),
            service("c", IpFamily::V4, &shared),
            service("d", IpFamily::V6, &[]),
        ])),
    ]
}

/// The samples, without their types and explanations.
fn samples(metrics: &Metrics) -> Vec<String> {
    let text = String::from_utf8(metrics.text()).unwrap();
    let ours = |line: &&str| line.starts_with("metallb_") && !line.contains("build_info");
    text.lines().filter(ours).map(str::to_owned).collect()
}

#[test]
fn a_scraper_reads_how_full_each_pool_is() {
    let metrics = Metrics::new("v0.1.0").unwrap();
    let mut ours = ControllerMetrics::new(metrics.clone()).unwrap();
    let mut state = State::new(None);
    ours.observe_state(&state);
    for input in inputs() {
        ours.observe(&input);
        state.observe(input);
    }
    state.decide();
    ours.observe_state(&state);
    ours.observe_written(&Written::Failed { answered: false });
    ours.observe_written(&Written::Outdated);
    assert_eq!(
        samples(&metrics),
        [
            "metallb_allocator_addresses_in_use_total{pool=\"gold\"} 3",
            "metallb_allocator_addresses_total{pool=\"gold\"} 36893488147419103000",
            "metallb_allocator_ipv4_addresses_in_use_total{pool=\"gold\"} 2",
            "metallb_allocator_ipv4_addresses_total{pool=\"gold\"} 4",
            "metallb_allocator_ipv6_addresses_in_use_total{pool=\"gold\"} 1",
            "metallb_allocator_ipv6_addresses_total{pool=\"gold\"} 36893488147419103000",
            "metallb_allocator_services_allocated_total{pool=\"gold\"} 4",
            "metallb_controller_unannounced 0",
            "metallb_k8s_client_config_loaded_bool 1",
            "metallb_k8s_client_config_stale_bool 0",
            "metallb_k8s_client_update_errors_total 1",
            "metallb_k8s_client_updates_total 5",
        ]
    );
    for (_, gone) in [service("a", IpFamily::V4, &[]), service("d", IpFamily::V6, &[])] {
        state.observe(Input::Service(Change::Delete(gone.key)));
    }
    state.decide();
    ours.observe_state(&state);
    assert_eq!(
        samples(&metrics)[0],
        "metallb_allocator_addresses_in_use_total{pool=\"gold\"} 1"
    );
    assert_eq!(
        samples(&metrics)[6],
        "metallb_allocator_services_allocated_total{pool=\"gold\"} 2"
    );
}

#[test]
fn the_types_and_explanations_are_those_that_dashboards_know() {
    let metrics = Metrics::new("v0.1.0").unwrap();
    let mut ours = ControllerMetrics::new(metrics.clone()).unwrap();
    let mut state = State::new(None);
    for input in inputs() {
        state.observe(input);
    }
    state.decide();
    ours.observe_state(&state);
    let text = String::from_utf8(metrics.text()).unwrap();
    for (name, help) in [
        ("addresses_total", "Number of usable IP addresses, per pool"),
        (
            "ipv4_addresses_total",
            "Number of usable IPV4 addresses, per pool",
        ),
        (
            "ipv6_addresses_total",
            "Number of usable IPV6 addresses, per pool",
        ),
        (
            "addresses_in_use_total",
            "Number of IP addresses in use, per pool",
        ),
        (
            "ipv4_addresses_in_use_total",
            "Number of IPV4 addresses in use, per pool",
        ),
        (
            "ipv6_addresses_in_use_total",
            "Number of IPV6 addresses in use, per pool",
        ),
        (
            "services_allocated_total",
            "Number of services allocated, per pool",
        ),
    ] {
        let name = format!("metallb_allocator_{name}");
        let expected = format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{pool=\"gold\"}} ");
        assert!(text.contains(&expected), "{expected}is missing in {text}");
    }
}

#[test]
fn a_configuration_that_is_not_in_force_is_stale() {
    let metrics = Metrics::new("v0.1.0").unwrap();
    let mut ours = ControllerMetrics::new(metrics.clone()).unwrap();
    let mut state = State::new(None);
    for input in inputs() {
        state.observe(input);
    }
    state.decide();
    let wrong = IPAddressPoolSpec {
        addresses: vec!["192.0.2".into()],
        ..IPAddressPoolSpec::default()
    };
    let name = NamespacedName::new("metallb-system", "gold");
    state.observe(Input::Pool(Change::Apply(
        name,
        IPAddressPool::new("gold", wrong),
    )));
    state.decide();
    ours.observe_state(&state);
    let samples = samples(&metrics);
    for sample in [
        "metallb_k8s_client_config_loaded_bool 1",
        "metallb_k8s_client_config_stale_bool 1",
    ] {
        assert!(
            samples.iter().any(|line| line == sample),
            "{sample} is missing in {samples:?}"
        );
    }
}
