//! Services that nobody announces: who is looked into, and when.

use metallb_core::facts::Said;

use super::*;
use crate::announced::Heard;

/// The Services that are looked into `at` this second, as `name silent for 2 s` or `name over`.
fn looked_into(state: &mut State, at: u64) -> Vec<String> {
    state.advance(Duration::from_secs(at));
    let line = |case: Case| match case.concern {
        Concern::Silent { lasted, .. } => {
            format!("{} silent for {} s", case.service.name(), lasted.as_secs())
        }
        Concern::Over => format!("{} over", case.service.name()),
    };
    state.take_cases(CASES).into_iter().map(line).collect()
}

/// The seconds until `end` in which somebody is looked into, and that the deadline says when.
fn script(state: &mut State, from: u64, end: u64) -> Vec<(u64, Vec<String>)> {
    let second = |at| {
        let expected = state.next_due().is_some_and(|due| due <= Duration::from_secs(at));
        let cases = looked_into(state, at);
        assert!(expected || cases.is_empty(), "{cases:?} at {at} s");
        (!cases.is_empty()).then_some((at, cases))
    };
    (from..end).filter_map(second).collect()
}

fn heard(state: &mut State, services: &[&str]) {
    let services: Vec<_> = services.iter().map(|name| key(name)).collect();
    state.observe_heard(Some(Heard::of(&services)));
}

fn with_condition(mut facts: ServiceFacts) -> ServiceFacts {
    facts.unannounced = Some(Said::new("False", "NoReadyEndpoint", "why"));
    facts
}

fn case(at: u64, line: &str) -> (u64, Vec<String>) {
    (at, vec![line.to_owned()])
}

#[test]
fn a_service_that_stays_silent_is_looked_into_when_what_passes_by_itself_should_have_passed() {
    let services = vec![
        service("web", 1, &["192.0.2.0"]),
        service("api", 1, &["192.0.2.1"]),
        service("new", 1, &[]),
    ];
    let mut state = started("192.0.2.0/29", services);
    assert_eq!(state.next_due(), None, "nothing is known of who announces");
    assert_eq!(script(&mut state, 0, 50), []);
    heard(&mut state, &["api"]);
    let expected = [
        case(52, "web silent for 2 s"),
        case(80, "web silent for 30 s"),
        case(140, "web silent for 90 s"),
        case(200, "web silent for 150 s"),
    ];
    assert_eq!(script(&mut state, 50, 220), expected);
    // A new advertisement may be what it waits for.
    let mut mended = Heard::of(&[key("api")]);
    mended.revision = 1;
    state.observe_heard(Some(mended));
    assert_eq!(script(&mut state, 220, 270), [case(220, "web silent for 170 s")]);
    heard(&mut state, &["api", "web"]);
    assert_eq!(script(&mut state, 270, 400), []);
    heard(&mut state, &["api"]);
    assert_eq!(script(&mut state, 400, 410), [case(402, "web silent for 2 s")]);
    delete(&mut state, "web");
    assert_eq!(script(&mut state, 410, 600), []);
}

#[test]
fn a_condition_goes_as_soon_as_somebody_announces_or_there_is_no_address() {
    let mut state = started(
        "192.0.2.0/29",
        vec![with_condition(service("web", 1, &["192.0.2.0"]))],
    );
    heard(&mut state, &[]);
    assert_eq!(script(&mut state, 0, 10), [case(2, "web silent for 2 s")]);
    assert_eq!(state.unannounced(), 1);
    heard(&mut state, &["web"]);
    // The write that ends it may fail.
    assert_eq!(
        script(&mut state, 10, 15),
        [case(10, "web over"), case(12, "web over")]
    );
    assert_eq!(state.unannounced(), 0);
    apply(&mut state, service("web", 2, &["192.0.2.0"]));
    assert_eq!(script(&mut state, 15, 100), []);

    let mut clusterip = with_condition(service("web", 3, &[]));
    clusterip.load_balancer = false;
    clusterip.annotations.clear();
    apply(&mut state, clusterip);
    assert_eq!(script(&mut state, 100, 101), [case(100, "web over")]);
}

#[test]
fn thousands_are_looked_into_a_few_at_a_time_and_each_has_its_turn() {
    let named = |number: u8| service(&format!("s{number:03}"), 1, &[&format!("192.0.2.{number}")]);
    let mut state = started("192.0.2.0/24", (0..100).map(named).collect());
    heard(&mut state, &[]);
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    for (at, cases) in script(&mut state, 0, 9) {
        assert!(
            (2..7).contains(&at) && cases.len() == CASES,
            "{} at {at} s",
            cases.len()
        );
        for line in cases {
            let name = line.split(' ').next().unwrap_or_default();
            *turns.entry(name.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(turns.len(), 100);
    assert!(turns.values().all(|turns| *turns == 1), "{turns:?}");
    // Whoever finds it out is busy.
    state.advance(Duration::from_secs(40));
    assert_eq!(state.take_cases(0), []);
    assert!(
        state.next_due() > Some(Duration::from_secs(40)),
        "the owner does not turn in circles"
    );
}

#[test]
fn nobody_is_looked_into_while_addresses_are_written_in_a_burst() {
    let mut state = started("192.0.2.0/24", vec![service("web", 1, &["192.0.2.0"])]);
    heard(&mut state, &[]);
    assert_eq!(state.take_cases(CASES), []);
    let mut looks = Vec::new();
    for tenth in 1..400 {
        state.advance(Duration::from_millis(tenth * 100));
        // One burst that ends, and one that does not.
        if (15..=30).contains(&tenth) || tenth >= 280 {
            apply(&mut state, service(&format!("new{tenth}"), 1, &[]));
            state.next_write().expect("an address is given");
        }
        let cases = state.take_cases(CASES);
        looks.extend(
            cases
                .into_iter()
                .map(|case| (tenth, case.service.name().to_owned())),
        );
    }
    assert_eq!(looks, [(35, "web".to_owned()), (330, "web".to_owned())]);
}
