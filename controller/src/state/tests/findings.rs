//! What is wrong with objects that no address depends on: who is told, and how often.

use metallb_core::config::Fault;

use super::*;

fn finding(kind: &'static str, name: &str, message: &str) -> Finding {
    Finding {
        fault: Fault {
            kind,
            object: NamespacedName::new("metallb-system", name),
            message: message.to_owned(),
        },
        uid: format!("uid of {name}"),
    }
}

#[test]
fn what_is_wrong_beside_the_pools_is_told_once_to_each_object_and_holds_nobody_up() {
    let mut state = started("192.0.2.0/30", vec![service("web", 1, &[])]);
    assert_eq!(writes(&mut state), ["web=192.0.2.0"]);
    told(&mut state);
    assert_eq!(state.verdict(), None, "not all of it was read");
    state.observe_findings(Some(vec![]));
    assert_eq!((state.verdict(), state.is_stale()), (Some(Ok(())), false));

    let twice = finding("L2Advertisement", "twice", "duplicate");
    let tor = finding("BGPPeer", "tor", "no profile");
    state.observe_findings(Some(vec![twice.clone(), tor.clone()]));
    let tells = state.take_tells();
    let rows: Vec<_> = tells
        .iter()
        .map(|tell| (tell.subject, tell.uid.as_str(), tell.event.message.as_str()))
        .collect();
    let meanwhile = |message| {
        format!("{message}. Until this is corrected, what it said when it was last valid stays in force")
    };
    assert_eq!(
        rows,
        [
            (
                Subject::Configuration("L2Advertisement"),
                "uid of twice",
                meanwhile("duplicate").as_str()
            ),
            (
                Subject::Configuration("BGPPeer"),
                "uid of tor",
                meanwhile("no profile").as_str()
            ),
        ]
    );
    assert_eq!(
        (state.verdict(), state.is_stale()),
        (
            Some(Err(
                "L2Advertisement metallb-system/twice: duplicate\nBGPPeer metallb-system/tor: no profile"
                    .into()
            )),
            true
        )
    );

    state.observe_findings(Some(vec![tor]));
    assert_eq!(told(&mut state), []);
    state.observe_findings(Some(vec![twice]));
    assert_eq!(
        told(&mut state),
        [("twice".into(), condition::CONFIGURATION_ERROR)]
    );
    state.observe_findings(Some(vec![]));
    assert!(!state.is_stale());
}

#[test]
fn what_a_controller_learns_while_another_one_leads_is_told_by_that_one() {
    let mut state = started("192.0.2.0/30", vec![]);
    for round in 0..3 {
        let message = format!("wrong in round {round}");
        state.observe_findings(Some(vec![finding("BGPPeer", "tor", &message)]));
        state.drop_tells();
    }
    assert_eq!(told(&mut state), []);
}
