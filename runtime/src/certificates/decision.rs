//! What is to be done with the certificates there are. A pure function of their lives and of the time.

use std::time::Duration;

use super::validity::{Time, Validity};

const DAY: Duration = Duration::from_hours(24);

/// How long an authority lives.
pub(super) const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
/// How long a server's certificate lives.
pub(super) const LEAF_LIFE: Duration = DAY.saturating_mul(365);
/// How long before its end something is renewed: long enough to be noticed and mended by people when it fails.
const AHEAD: Duration = DAY.saturating_mul(90);
/// From when every object names a new authority to the first certificate of it. The API servers watch these objects as
/// we do; this is what their watches may be behind ours.
const SETTLED: Duration = Duration::from_secs(10);
/// The longest wait for the objects to name a new authority; then its certificate is shown anyway, because nobody seems
/// to keep the objects up to date. Also how long an earlier authority stays known after its last certificate was
/// replaced, by when every replica has long shown the new one.
const OVERLAP: Duration = DAY;

/// What of the Secret's contents matters for the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The authorities clients are told to trust. The first is the one that signs.
    pub(super) authorities: Vec<Validity>,
    /// The first authority's key is there, and signs.
    pub(super) can_sign: bool,
    /// The server's certificate, if it has the right name, its key, and a signature of one of the authorities.
    pub(super) leaf: Option<Leaf>,
}

/// A server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    /// When it is in force.
    pub(super) validity: Validity,
    /// Which of the authorities signed it.
    pub(super) signed_by: usize,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing until this time.
    Keep(Time),
    /// A new certificate of the first authority.
    RenewLeaf,
    /// A new authority before the one that signed the certificate in use, which stays.
    RenewAuthority,
    /// Only the first authority stays.
    ForgetEarlier,
    /// Everything anew: nothing there is of use.
    Create,
}

impl Facts {
    /// The certificate in use and the authority that signed it, if both are in force.
    fn serving(&self, now: Time) -> Option<(Leaf, Validity)> {
        let leaf = self.leaf?;
        let signer = *self.authorities.get(leaf.signed_by)?;
        (leaf.validity.covers(now) && signer.covers(now)).then_some((leaf, signer))
    }

    /// Whether servers can show the certificate.
    pub(super) fn serves(&self, now: Time) -> bool {
        self.serving(now).is_some()
    }

    /// Whether the first authority signs, and what it signs now lives as long as it should.
    fn is_able(&self, now: Time) -> bool {
        let lives_on = |first: &Validity| first.covers(now) && now + LEAF_LIFE <= first.until;
        self.can_sign && self.authorities.first().is_some_and(lives_on)
    }

    /// Decides. `known_since` is when the API server was last told of other authorities than these, if it has been told
    /// of these.
    pub(super) fn decide(&self, known_since: Option<Time>, now: Time) -> Decision {
        let renew = if self.is_able(now) {
            Decision::RenewLeaf
        } else {
            Decision::RenewAuthority
        };
        let Some((leaf, signer)) = self.serving(now) else {
            return match renew {
                Decision::RenewLeaf => Decision::RenewLeaf,
                _ => Decision::Create,
            };
        };
        let due = leaf.validity.until.min(signer.until).saturating_sub(AHEAD);
        let (next, then) = match self.authorities.first() {
            // A new authority waits for being known.
            Some(first) if leaf.signed_by > 0 && self.is_able(now) => {
                let at_last = first.from + OVERLAP;
                let known = known_since.map_or(at_last, |since| since + SETTLED);
                (known.min(at_last), Decision::RenewLeaf)
            }
            _ if now < due && self.authorities.len() > 1 && leaf.signed_by == 0 && self.can_sign => {
                let forget = leaf.validity.from + OVERLAP;
                if forget < due {
                    (forget, Decision::ForgetEarlier)
                } else {
                    (due, renew)
                }
            }
            _ => (due, renew),
        };
        if now < next { Decision::Keep(next) } else { then }
    }
}

#[cfg(test)]
mod tests;
