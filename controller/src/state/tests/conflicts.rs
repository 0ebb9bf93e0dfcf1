//! Two Services and one address: whose it is, and from when on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use metallb_core::facts::FamilyPolicy;

use super::*;

const V4: &str = "192.0.2.0";

fn asking(facts: ServiceFacts, ips: &str) -> ServiceFacts {
    let mut facts = facts;
    facts
        .annotations
        .push(("metallb.io/loadBalancerIPs".into(), ips.into()));
    facts
}

/// A pool of these addresses.
fn pool_of(addresses: &[&str]) -> IPAddressPool {
    let mut pool = pool(addresses[0]);
    pool.spec.addresses = addresses.iter().map(ToString::to_string).collect();
    pool
}

fn with(facts: ServiceFacts) -> Written {
    Written::Done(Box::new(facts))
}

#[test]
fn when_half_of_a_dual_stack_pool_goes_nobody_takes_the_half_that_stays() {
    let dual = ServiceFacts {
        cluster_ips: vec!["10.96.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        ip_families: vec![IpFamily::V4, IpFamily::V6],
        family_policy: FamilyPolicy::PreferDualStack,
        ..service("z", 1, &[V4, "2001:db8::"])
    };
    // "a" waits, and is first in every order.
    let mut state = started("192.0.2.0/32", vec![dual, service("a", 1, &[])]);
    reconfigure(&mut state, pool_of(&["192.0.2.0/32", "2001:db8::/127"]));
    told(&mut state);
    reconfigure(&mut state, pool("192.0.2.0/32"));
    assert_eq!(writes(&mut state), ["z=192.0.2.0"]);
}

#[test]
fn a_claim_that_is_about_to_be_given_up_moves_nobody() {
    let leaving = asking(service("z", 1, &[V4]), "192.0.2.1");
    let newer = ServiceFacts {
        created_s: 2,
        ..service("a", 1, &[V4])
    };
    let mut state = started("192.0.2.0/31", vec![leaving, newer]);
    assert_eq!(writes(&mut state), ["z=192.0.2.1"]);
}

#[test]
fn a_status_written_by_hand_is_put_right() {
    let mut state = started("192.0.2.0/32", vec![service("a", 1, &[V4]), service("b", 1, &[])]);
    let mut on_request = pool("192.0.2.0/31");
    on_request.spec.auto_assign = Some(false);
    reconfigure(&mut state, on_request);
    apply(&mut state, service("b", 2, &["192.0.2.1"]));
    assert_eq!(writes(&mut state), ["b="]);
}

#[test]
fn what_was_given_up_on_purpose_is_no_news_while_the_status_still_says_it() {
    let mut state = started("192.0.2.0/32", vec![service("z", 1, &[V4]), service("a", 1, &[])]);
    told(&mut state);
    for version in [2, 3] {
        apply(&mut state, asking(service("z", version, &[V4]), "192.0.2.77"));
    }
    assert!(!told(&mut state).contains(&("z".into(), event::CLEAR_ASSIGNMENT)));
}

/// A restored etcd brings back Services that were deleted since: what they had is theirs if nobody has it now.
#[test]
fn a_service_that_a_list_brings_back_keeps_its_address() {
    let mut state = started("192.0.2.0/30", vec![service("a", 900, &[V4])]);
    let back = [service("a", 7, &[V4]), service("b", 3, &["192.0.2.3"])];
    let back = back.map(|facts| (facts.key.clone(), facts));
    state.observe(Input::Service(all(back)));
    state.decide();
    assert_eq!(writes(&mut state), [""; 0]);
}

#[test]
fn an_address_is_given_on_when_its_release_is_written_and_not_before() {
    let mut state = started("192.0.2.0/32", vec![service("z", 1, &[V4]), service("a", 1, &[])]);
    apply(&mut state, asking(service("z", 2, &[V4]), "192.0.2.77"));
    assert_eq!(writes(&mut state), ["z="]);
    let released = ServiceFacts {
        annotations: Vec::new(),
        ..service("z", 3, &[])
    };
    finish(&mut state, "z", with(asking(released, "192.0.2.77")));
    assert_eq!(writes(&mut state), ["a=192.0.2.0"]);
}

#[test]
fn an_address_written_by_hand_is_given_to_nobody_until_it_is_put_right() {
    let mut state = started("192.0.2.0/32", vec![]);
    let by_hand = ServiceFacts {
        load_balancer: false,
        ..service("z", 1, &[V4])
    };
    state.observe(Input::Service(Change::Apply(key("z"), by_hand)));
    apply(&mut state, service("a", 1, &[]));
    assert_eq!(writes(&mut state), ["z="]);
    delete(&mut state, "z");
    assert_eq!(writes(&mut state), ["a=192.0.2.0"]);
}

#[test]
fn of_those_decided_together_the_better_claim_comes_first_and_then_the_older_service() {
    let aged = |name: &str, created_s| ServiceFacts {
        created_s,
        ..service(name, 1, &[])
    };
    let certain = asking(aged("z", 9), V4);
    let mut state = started("192.0.2.0/31", vec![aged("a", 3), aged("b", 2), certain]);
    assert_eq!(writes(&mut state), ["z=192.0.2.0", "b=192.0.2.1"]);
    finish(&mut state, "b", with(service("b", 2, &["192.0.2.1"])));
    apply(&mut state, aged("c", 1));
    delete(&mut state, "b");
    assert_eq!(writes(&mut state), ["c=192.0.2.1"]);
}

#[test]
fn at_the_start_nobody_gets_an_address_that_a_status_still_lists() {
    let leaving = asking(service("z", 1, &[V4]), "192.0.2.77");
    let mut state = started("192.0.2.0/32", vec![leaving, service("a", 1, &[])]);
    assert_eq!(writes(&mut state), ["z="]);
}

/// The pool is set aside for others while the write is under way: whether it arrives is not known yet.
#[test]
fn an_address_on_its_way_into_a_status_is_given_to_nobody_else() {
    for outcome in [
        Written::Outdated,
        Written::Failed { answered: false },
        with(service("z", 2, &[V4])),
    ] {
        let certain = matches!(outcome, Written::Outdated);
        let mut state = started("192.0.2.0/32", vec![service("z", 1, &[])]);
        let write = state.next_write().unwrap();
        let mut elsewhere = pool("192.0.2.0/32");
        elsewhere.spec.service_allocation = Some(ServiceAllocation {
            namespaces: Some(vec!["bank".into()]),
            ..ServiceAllocation::default()
        });
        reconfigure(&mut state, elsewhere);
        let rich = ServiceFacts {
            key: NamespacedName::new("bank", "a"),
            ..service("a", 1, &[])
        };
        apply(&mut state, rich);
        assert_eq!(writes(&mut state), [""; 0], "not before the answer");
        state.observe_written(&write, outcome);
        state.advance(Duration::from_mins(1));
        state.decide();
        if certain {
            apply(&mut state, service("z", 3, &[]));
        } else {
            assert_eq!(writes(&mut state), ["z="], "it may be in the status");
            finish(&mut state, "z", with(service("z", 3, &[])));
        }
        assert_eq!(writes(&mut state), ["a=192.0.2.0"]);
    }
}

#[test]
fn an_overlap_is_told_on_the_pool_that_came_later() {
    let mut state = started("192.0.2.0/30", vec![]);
    let mut newer = pool("192.0.2.0/31");
    newer.metadata.name = Some("a-new".into());
    let created = |second: i64| Some(Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap()));
    newer.metadata.creation_timestamp = created(2);
    let mut older = pool("192.0.2.0/30");
    older.metadata.creation_timestamp = created(1);
    reconfigure(&mut state, older);
    let key = NamespacedName::new("metallb-system", "a-new");
    state.observe(Input::Pool(Change::Apply(key, newer)));
    state.decide();
    let tells = state.take_tells();
    let [tell] = tells.as_slice() else {
        panic!("{tells:?}")
    };
    assert_eq!(tell.object.name(), "a-new");
    for name in ["\"a-new\"", "\"gold\""] {
        assert!(tell.event.message.contains(name), "{}", tell.event.message);
    }
}

#[test]
fn a_service_of_our_class_that_is_no_load_balancer_any_more_is_cleaned() {
    let mut state = State::new(Some("example.org/ours".into()));
    let ours = ServiceFacts {
        class: Some("example.org/ours".into()),
        ..service("web", 1, &[V4])
    };
    state.observe(Input::Namespace(all([])));
    state.observe(Input::Pool(all([(
        NamespacedName::new("metallb-system", "gold"),
        pool("192.0.2.0/32"),
    )])));
    state.observe(Input::Service(all([(key("web"), ours)])));
    state.decide();
    // The API server takes the class and the status away, and leaves the annotation.
    let plain = ServiceFacts {
        load_balancer: false,
        ingress: Vec::new(),
        ..service("web", 2, &[V4])
    };
    apply(&mut state, plain);
    assert_eq!(writes(&mut state), ["web="]);
    assert!(state.allocator.holding(&key("web")).is_none());
}

/// Trying all of them at each release would take minutes here.
#[test]
fn thousands_that_wait_are_served_one_for_each_address_released() {
    const SERVICES: u16 = 4000;
    let holders = (0..SERVICES).map(|index| {
        let [high, low] = index.to_be_bytes();
        service(&format!("h{index}"), 1, &[&format!("10.0.{high}.{low}")])
    });
    let waiting = (0..SERVICES).map(|index| service(&format!("w{index:04}"), 1, &[]));
    let mut state = started("10.0.0.0-10.0.15.159", holders.chain(waiting).collect());
    assert_eq!(state.waiting.len(), usize::from(SERVICES));
    for index in 0..SERVICES {
        delete(&mut state, &format!("h{index}"));
        let [high, low] = index.to_be_bytes();
        assert_eq!(writes(&mut state), [format!("w{index:04}=10.0.{high}.{low}")]);
    }
}
