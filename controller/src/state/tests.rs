//! Inputs in, writes and tells out: no API server.

use std::time::Duration;

use metallb_api::names::{condition, event};
use metallb_api::v1beta1::{IPAddressPoolSpec, ServiceAllocation};
use metallb_core::facts::IpFamily;
use metallb_core::service::EventKind;

use super::*;
use crate::write::Written;

mod beginnings;
mod conflicts;
mod findings;
mod silent;
mod simulation;
mod statuses;
mod terms;
mod writes;

const MINUTE: Duration = Duration::from_mins(1);

impl State {
    /// The next write, with all the time in the world.
    fn next_write(&mut self) -> Option<Write> {
        self.start_write(|_| true).map(|(write, _)| write)
    }
}

fn key(name: &str) -> NamespacedName {
    NamespacedName::new("shop", name)
}

/// A Service as the API server shows it: `ingress` is what its status says.
fn service(name: &str, version: u32, ingress: &[&str]) -> ServiceFacts {
    ServiceFacts {
        key: key(name),
        uid: format!("uid-{name}"),
        resource_version: version.to_string(),
        load_balancer: true,
        cluster_ips: vec!["10.96.0.1".parse().unwrap()],
        ip_families: vec![IpFamily::V4],
        ingress: ingress.iter().map(|ip| ip.parse().unwrap()).collect(),
        annotations: match ingress {
            [] => Vec::new(),
            _ => vec![("metallb.io/ip-allocated-from-pool".into(), "gold".into())],
        },
        ..ServiceFacts::default()
    }
}

fn pool(addresses: &str) -> IPAddressPool {
    let mut pool = IPAddressPool::new(
        "gold",
        IPAddressPoolSpec {
            addresses: vec![addresses.into()],
            ..Default::default()
        },
    );
    pool.metadata.namespace = Some("metallb-system".into());
    pool
}

fn all<F>(objects: impl IntoIterator<Item = (NamespacedName, F)>) -> Change<F> {
    Change::Reset(objects.into_iter().collect())
}

/// A controller that has listed everything.
fn started(pool_addresses: &str, services: Vec<ServiceFacts>) -> State {
    let mut state = State::new(None);
    state.observe(Input::Namespace(all([(
        NamespacedName::new("", "shop"),
        Labels::new(),
    )])));
    state.observe(Input::Pool(all([(
        NamespacedName::new("metallb-system", "gold"),
        pool(pool_addresses),
    )])));
    state.observe(Input::Service(all(services
        .into_iter()
        .map(|facts| (facts.key.clone(), facts)))));
    state.decide();
    state
}

/// The writes that may start now, as `name=addresses`.
fn writes(state: &mut State) -> Vec<String> {
    std::iter::from_fn(|| state.next_write())
        .map(|write| {
            let ips: Vec<_> = write.ingress.iter().map(ToString::to_string).collect();
            format!("{}={}", write.service.name(), ips.join(","))
        })
        .collect()
}

fn told(state: &mut State) -> Vec<(String, &'static str)> {
    state
        .take_tells()
        .into_iter()
        .map(|tell| (tell.object.name().to_owned(), tell.event.reason))
        .collect()
}

fn apply(state: &mut State, facts: ServiceFacts) {
    state.observe(Input::Service(Change::Apply(facts.key.clone(), facts)));
    state.decide();
}

fn delete(state: &mut State, name: &str) {
    state.observe(Input::Service(Change::Delete(key(name))));
    state.decide();
}

fn reconfigure(state: &mut State, pool: IPAddressPool) {
    let key = NamespacedName::new("metallb-system", "gold");
    state.observe(Input::Pool(Change::Apply(key, pool)));
    state.decide();
}

/// The write of `name` that is under way, and `outcome` of it.
fn finish(state: &mut State, name: &str, outcome: Written) {
    let write = Write {
        service: key(name),
        resource_version: "1".into(),
        ingress: vec![],
        pool: None,
        drop_deprecated_note: false,
    };
    state.observe_written(&write, outcome);
    state.decide();
}

/// The write of `name` that is under way succeeds: the object has `version` now, and these addresses.
fn done(state: &mut State, name: &str, version: u32, ingress: &[&str]) {
    finish(
        state,
        name,
        Written::Done(Box::new(service(name, version, ingress))),
    );
}

/// It is `now`, counted from the start.
fn pass(state: &mut State, now: Duration) {
    state.advance(now);
    state.decide();
}

fn refused() -> Written {
    Written::Refused("admission webhook \"policy.example.org\" denied the request".into())
}

#[test]
fn nothing_is_given_before_every_kind_was_listed() {
    let mut state = State::new(None);
    apply(&mut state, service("web", 1, &[]));
    state.observe(Input::Pool(all([(
        NamespacedName::new("metallb-system", "gold"),
        pool("192.0.2.0/30"),
    )])));
    state.observe(Input::Namespace(all([])));
    state.decide();
    assert!(!state.is_complete());
    assert_eq!(writes(&mut state), [""; 0]);
    state.observe(Input::Service(all([(key("web"), service("web", 1, &[]))])));
    state.decide();
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}

#[test]
fn existing_addresses_are_adopted_before_the_first_new_one_is_given() {
    // "a" comes first in every order, and would get .0 if it were served as it comes.
    let mut state = started(
        "192.0.2.0/30",
        vec![service("a", 1, &[]), service("z", 1, &["192.0.2.0"])],
    );
    assert_eq!(writes(&mut state), ["a=192.0.2.1"]);
}

#[test]
fn of_two_services_with_one_address_the_older_keeps_it() {
    let older = ServiceFacts {
        created_s: 1,
        ..service("z", 1, &["192.0.2.0"])
    };
    let newer = ServiceFacts {
        created_s: 2,
        ..service("a", 1, &["192.0.2.0"])
    };
    let mut state = started("192.0.2.0/30", vec![older, newer]);
    assert_eq!(writes(&mut state), ["a=192.0.2.1"]);
    assert_eq!(told(&mut state), [("a".into(), event::CLEAR_ASSIGNMENT)]);
}

#[test]
fn a_restart_changes_nothing() {
    let services = vec![service("a", 7, &["192.0.2.3"]), service("b", 8, &["192.0.2.0"])];
    let mut state = started("192.0.2.0/30", services);
    assert_eq!(writes(&mut state), [""; 0]);
    assert_eq!(told(&mut state), []);
}

#[test]
fn a_service_without_address_is_told_once_and_served_when_one_is_released() {
    let mut state = started(
        "192.0.2.8/32",
        vec![service("a", 1, &["192.0.2.8"]), service("b", 1, &[])],
    );
    assert_eq!(told(&mut state), [("b".into(), event::ALLOCATION_FAILED)]);
    apply(&mut state, service("b", 2, &[]));
    assert_eq!(told(&mut state), []);
    delete(&mut state, "a");
    assert_eq!(writes(&mut state), ["b=192.0.2.8"]);
    done(&mut state, "b", 3, &["192.0.2.8"]);
    assert_eq!(told(&mut state), [("b".into(), event::IP_ALLOCATED)]);
}

#[test]
fn a_write_for_a_service_that_was_made_anew_says_nothing_about_the_new_one() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    delete(&mut state, "web");
    let anew = ServiceFacts {
        uid: "another".into(),
        ..service("web", 7, &[])
    };
    apply(&mut state, anew);
    done(&mut state, "web", 5, &["192.0.2.0"]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}

#[test]
fn a_deletion_missed_while_disconnected_releases_the_address() {
    let mut state = started(
        "192.0.2.8/32",
        vec![service("a", 1, &["192.0.2.8"]), service("b", 1, &[])],
    );
    state.observe(Input::Service(all([(key("b"), service("b", 1, &[]))])));
    state.decide();
    assert_eq!(writes(&mut state), ["b=192.0.2.8"]);
}

#[test]
fn a_pool_that_cannot_be_read_leaves_the_last_good_one_in_force() {
    let mut state = started("192.0.2.0/30", vec![]);
    state.observe(Input::Pool(Change::Apply(
        NamespacedName::new("metallb-system", "gold"),
        pool("192.0.2.0/33"),
    )));
    apply(&mut state, service("web", 1, &[]));
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    assert_eq!(
        told(&mut state),
        [("gold".into(), condition::CONFIGURATION_ERROR)]
    );
}

#[test]
fn a_pool_that_moves_takes_its_services_along() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &["192.0.2.0"])]);
    state.observe(Input::Pool(Change::Apply(
        NamespacedName::new("metallb-system", "gold"),
        pool("198.51.100.0/30"),
    )));
    state.decide();
    assert_eq!(writes(&mut state), ["web=198.51.100.0"]);
}

#[test]
fn a_service_that_is_no_load_balancer_any_more_gives_its_address_back() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &["192.0.2.0"])]);
    let plain = ServiceFacts {
        load_balancer: false,
        ..service("web", 2, &["192.0.2.0"])
    };
    apply(&mut state, plain);
    assert_eq!(writes(&mut state), ["web="]);
}

#[test]
fn services_for_others_are_left_alone() {
    let other = ServiceFacts {
        class: Some("example.org/other".into()),
        ..service("web", 1, &["203.0.113.9"])
    };
    let plain = ServiceFacts {
        load_balancer: false,
        ..service("plain", 1, &[])
    };
    let mut state = started("192.0.2.0/30", vec![other, plain]);
    assert_eq!(writes(&mut state), [""; 0]);
    assert!(state.services.is_empty());
}

#[test]
fn the_counters_follow_what_is_given_until_the_pool_says_so() {
    let mut state = started(
        "192.0.2.0/30",
        vec![service("a", 1, &["192.0.2.0"]), service("b", 1, &[])],
    );
    let counters = |state: &State| {
        let statuses = state.pool_statuses();
        statuses
            .get("gold")
            .map(|status| (status.assigned_ipv4, status.available_ipv4))
    };
    assert_eq!(counters(&state), Some((2, 2)));
    delete(&mut state, "a");
    assert_eq!(counters(&state), Some((1, 3)));
    let written = IPAddressPool {
        status: state.pool_statuses().remove("gold"),
        ..pool("192.0.2.0/30")
    };
    reconfigure(&mut state, written);
    assert_eq!(counters(&state), None);
    // Made anew under its old name, it has no status.
    reconfigure(&mut state, pool("192.0.2.0/30"));
    assert_eq!(counters(&state), Some((1, 3)));
}

#[test]
fn a_list_is_believed_even_if_its_versions_went_back() {
    let mut state = started("192.0.2.0/30", vec![service("web", 900, &["192.0.2.0"])]);
    let restored = service("web", 7, &[]);
    state.observe(Input::Service(all([(key("web"), restored)])));
    state.decide();
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
}

#[test]
fn without_any_pool_a_service_is_told_so() {
    let mut state = State::new(None);
    state.observe(Input::Namespace(all([])));
    state.observe(Input::Pool(all([])));
    state.observe(Input::Service(all([(key("web"), service("web", 1, &[]))])));
    state.decide();
    assert_eq!(told(&mut state), [("web".into(), event::ALLOCATION_FAILED)]);
}

/// Trying everybody who waits again at each single release would take minutes here.
#[test]
fn thousands_that_lose_their_address_at_once_are_decided_in_one_go() {
    const SERVICES: u32 = 4000;
    let named: Vec<_> = (0..SERVICES)
        .map(|index| service(&format!("s{index}"), 1, &[]))
        .collect();
    let mut state = started("10.0.0.0/16", named);
    for write in std::iter::from_fn(|| state.next_write()).collect::<Vec<_>>() {
        let ip = write.ingress[0].to_string();
        let written = service(write.service.name(), 2, &[&ip]);
        state.observe_written(&write, Written::Done(Box::new(written)));
    }
    state.decide();
    reconfigure(&mut state, pool("10.0.255.255/32"));
    assert_eq!(state.waiting.len(), SERVICES as usize - 1);
    reconfigure(&mut state, pool("10.0.0.0/16"));
    assert_eq!(state.waiting.len(), 0);
}
