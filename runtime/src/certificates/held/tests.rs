//! Secrets as they are found, made by us, by MetalLB and by accident.

use super::*;

const HOST: &str = "metallb-webhook-service.metallb-system.svc";
/// In 2027, a month after the adopted certificates were made.
const NOW: Time = Time::from_secs(1_797_800_000);

fn ours() -> Contents {
    Authority::new(NOW).unwrap().with_leaf(HOST, NOW).unwrap()
}

/// A Secret that MetalLB's own certificate rotation has filled: RSA, and a key in an older form.
fn adopted() -> Contents {
    Contents {
        authorities: include_bytes!("adopted/ca.crt").to_vec(),
        authority_key: include_bytes!("adopted/ca.key").to_vec(),
        chain: include_bytes!("adopted/tls.crt").to_vec(),
        key: include_bytes!("adopted/tls.key").to_vec(),
    }
}

#[test]
fn what_we_make_is_what_we_find() {
    let held = Held::examine(Contents::read(ours().data()), HOST);
    assert!(held.facts.can_sign && held.facts.serves(NOW), "{:?}", held.facts);
    assert_eq!(held.authorities.concat().as_bytes(), held.contents.authorities);
    assert!(held.shown.is_some());
}

#[test]
fn a_secret_of_upstream_metallb_is_used_as_it_is() {
    let held = Held::examine(adopted(), HOST);
    assert!(held.facts.serves(NOW), "{:?}", held.facts);
    assert!(
        !held.facts.can_sign,
        "its key is of a kind that is not used to sign here"
    );
    assert!(is_trusted(
        &adopted().authorities,
        &held.shown.unwrap(),
        HOST,
        NOW
    ));
}

fn check(contents: Contents, host: &str, known: usize, can_sign: bool, serves: bool) {
    let facts = Held::examine(contents, host).facts;
    let got = (facts.authorities.len(), facts.can_sign, facts.serves(NOW));
    assert_eq!(got, (known, can_sign, serves), "{facts:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_as_good_as_missing() {
    let (one, other) = (ours(), ours());
    let without = Contents {
        chain: vec![],
        ..one.clone()
    };
    let with_another_key = Contents {
        key: other.key,
        ..one.clone()
    };
    check(Contents::default(), HOST, 0, false, false);
    check(without, HOST, 1, true, false);
    check(with_another_key, HOST, 1, true, false);
    check(one, "other.metallb-system.svc", 1, true, false);
}

#[test]
fn an_authority_that_cannot_be_used_is_as_good_as_missing() {
    let (one, other) = (ours(), ours());
    let rubbish = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (bundle, known, serves) in [
        (vec![], 0, false),
        (other.authorities.clone(), 1, false),
        (rubbish.to_vec(), 0, false),
        ([&one.authorities[..], rubbish].concat(), 0, false),
        ([&other.authorities[..], &one.authorities].concat(), 2, true),
    ] {
        let contents = Contents {
            authorities: bundle,
            ..one.clone()
        };
        check(contents, HOST, known, false, serves);
    }
    for authority_key in [vec![], other.authority_key] {
        let contents = Contents {
            authority_key,
            ..one.clone()
        };
        check(contents, HOST, 1, false, true);
    }
}
