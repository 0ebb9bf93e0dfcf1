//! Decisions as a table, and fifteen years of them.

use super::*;

/// The day the tests begin.
const TODAY: u32 = 20_000;
const NOW: Time = DAY.saturating_mul(TODAY);

/// In force from one day to another, counted from today.
fn life(from: i32, until: i32) -> Validity {
    let day = |offset| DAY * TODAY.saturating_add_signed(offset);
    Validity {
        from: day(from),
        until: day(until),
    }
}

/// In force since yesterday, for so many days more.
fn left(days: i32) -> Validity {
    life(-1, days)
}

fn leaf(validity: Validity, signed_by: usize) -> Leaf {
    Leaf { validity, signed_by }
}

fn facts(authorities: &[Validity], leaf: Leaf) -> Facts {
    Facts {
        authorities: authorities.to_vec(),
        can_sign: true,
        leaf: Some(leaf),
    }
}

/// The same without a certificate.
fn bare(authority: Validity) -> Facts {
    Facts {
        leaf: None,
        ..facts(&[authority], leaf(authority, 0))
    }
}

/// The same without the authority's key, as an adopted Secret may be.
fn keyless(facts: Facts) -> Facts {
    Facts {
        can_sign: false,
        ..facts
    }
}

fn check(table: Vec<(&str, Facts, Decision)>) {
    for (name, facts, decision) in table {
        assert_eq!(facts.decide(None, NOW), decision, "{name}");
    }
}

#[test]
fn what_is_of_no_use_is_replaced_by_as_little_as_possible() {
    let (ended, future) = (life(-9, -1), life(1, 9));
    check(vec![
        ("nothing", Facts::default(), Decision::Create),
        ("an authority that signs", bare(left(3000)), Decision::RenewLeaf),
        ("an authority near its end", bare(left(300)), Decision::Create),
        ("no key", keyless(bare(left(3000))), Decision::Create),
        ("ended", facts(&[left(3000)], leaf(ended, 0)), Decision::RenewLeaf),
        (
            "not yet in force",
            facts(&[left(3000)], leaf(future, 0)),
            Decision::RenewLeaf,
        ),
        (
            "an ended authority",
            facts(&[ended], leaf(left(300), 0)),
            Decision::Create,
        ),
    ]);
}

#[test]
fn what_is_in_use_is_renewed_ahead_of_its_end() {
    let (one, days) = ([left(3000)], |days| Decision::Keep(NOW + DAY * days));
    let near = leaf(left(90), 0);
    check(vec![
        ("all well", facts(&one, leaf(left(364), 0)), days(274)),
        (
            "a certificate near its end",
            facts(&one, near),
            Decision::RenewLeaf,
        ),
        (
            "both near their ends",
            facts(&[left(300)], near),
            Decision::RenewAuthority,
        ),
        (
            "an authority that ends first",
            facts(&[left(90)], leaf(left(300), 0)),
            Decision::RenewAuthority,
        ),
        ("adopted", keyless(facts(&one, leaf(left(300), 0))), days(210)),
        (
            "adopted and near its end",
            keyless(facts(&one, near)),
            Decision::RenewAuthority,
        ),
    ]);
}

#[test]
fn two_authorities_are_for_a_change_from_one_to_the_other() {
    let old = left(300);
    let bundle = [left(3000), old];
    check(vec![
        (
            "a new authority that nobody knows yet",
            facts(&[life(0, 3650), old], leaf(left(90), 1)),
            Decision::Keep(NOW + OVERLAP),
        ),
        (
            "its time to be known is over",
            facts(&bundle, leaf(left(90), 1)),
            Decision::RenewLeaf,
        ),
        (
            "the earlier one long unused",
            facts(&bundle, leaf(left(364), 0)),
            Decision::ForgetEarlier,
        ),
        (
            "somebody else's two",
            keyless(facts(&[left(3000), left(3000)], leaf(left(364), 1))),
            Decision::Keep(NOW + DAY * 274),
        ),
    ]);
}

#[test]
fn a_new_authority_signs_once_it_has_been_known_for_a_while() {
    let facts = facts(&[life(0, 3650), left(300)], leaf(left(90), 1));
    assert_eq!(facts.decide(Some(NOW), NOW), Decision::Keep(NOW + SETTLED));
    assert_eq!(facts.decide(Some(NOW), NOW + SETTLED), Decision::RenewLeaf);
}

/// What the decision makes of the facts, as a model of the part that signs.
fn carried_out(facts: &Facts, decision: Decision, now: Time) -> Facts {
    let lasting = |life| Validity {
        from: now,
        until: now + life,
    };
    let new_leaf = leaf(lasting(LEAF_LIFE), 0);
    match decision {
        Decision::Keep(_) => facts.clone(),
        Decision::RenewLeaf => Facts {
            leaf: Some(new_leaf),
            ..facts.clone()
        },
        Decision::ForgetEarlier => Facts {
            authorities: vec![facts.authorities[0]],
            ..facts.clone()
        },
        Decision::Create => self::facts(&[lasting(AUTHORITY_LIFE)], new_leaf),
        Decision::RenewAuthority => {
            let kept = facts.leaf.unwrap();
            let earlier = facts.authorities[kept.signed_by];
            self::facts(&[lasting(AUTHORITY_LIFE), earlier], leaf(kept.validity, 1))
        }
    }
}

#[test]
fn for_twenty_five_years_there_is_a_certificate_in_force_and_little_is_written() {
    let (mut facts, mut now) = (Facts::default(), NOW);
    let mut done: Vec<Decision> = Vec::new();
    while now < NOW + DAY * 25 * 365 {
        let decision = facts.decide(None, now);
        if let Decision::Keep(until) = decision {
            assert!(facts.serves(now) && facts.serves(until), "{facts:?} at {now:?}");
            assert!(until > now);
            now = until;
        } else {
            let served = facts.serves(now);
            facts = carried_out(&facts, decision, now);
            done.push(decision);
            assert!(facts.serves(now) || !served, "{decision:?} at {now:?}");
            assert!(facts.authorities.len() <= 2);
        }
    }
    let count = |decision| done.iter().filter(|done| **done == decision).count();
    assert_eq!(count(Decision::Create), 1);
    assert_eq!(count(Decision::RenewAuthority), 2, "{done:?}");
    assert_eq!(count(Decision::ForgetEarlier), 2, "{done:?}");
    assert!((30..36).contains(&count(Decision::RenewLeaf)), "{done:?}");
}
