//! What is known of the objects, and the next thing to do about them. No clock and no client: time comes in, actions
//! go out.

use std::collections::BTreeMap;
use std::time::Duration;

use metallb_api::Change;

use super::decision::Decision;
use super::held::{Contents, Held};
use super::issue::Authority;
use super::objects::{Stored, Teller, Told};
use super::pace::Pace;
use super::validity::Time;
use crate::tls::Shown;

/// The longest time without another look, so that a clock that was set is noticed.
const LOOK: Duration = Duration::from_hours(12);

/// What is seen.
#[derive(Debug)]
pub(super) enum Input {
    Secret(Change<Stored>),
    Webhooks(Change<Told>),
    Conversion(Change<Told>),
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing until then, unless something is seen.
    Wait(Time),
    /// Create the Secret.
    Create(Contents),
    /// Change the Secret that has this version.
    Update(String, Contents),
    /// Tell the API server whom to trust.
    Tell(Teller, Told, Vec<u8>),
}

/// What is known of the Secret.
enum Secret {
    /// Nothing yet.
    Unseen,
    /// There is none.
    Missing,
    /// It has this version, and holds this.
    There(String, Box<Held>),
}

impl Secret {
    fn held(&self) -> Option<&Held> {
        match self {
            Self::Unseen | Self::Missing => None,
            Self::There(_, held) => Some(held),
        }
    }
}

/// Everything this process knows of the certificate.
pub(super) struct State {
    host: String,
    /// The objects that have to tell of an authority before it is known.
    tellers: Vec<Teller>,
    secret: Secret,
    /// The last usable contents of the Secret, for when somebody deletes or breaks it.
    last: Option<Held>,
    told: BTreeMap<Teller, Option<Told>>,
    /// What every teller tells, and since when.
    known: Option<(Vec<u8>, Time)>,
    writing: Pace,
    telling: BTreeMap<Teller, Pace>,
}

impl State {
    /// Nothing is known yet.
    pub(super) fn new(host: String, tellers: Vec<Teller>) -> Self {
        Self {
            host,
            tellers,
            secret: Secret::Unseen,
            last: None,
            told: BTreeMap::new(),
            known: None,
            writing: Pace::default(),
            telling: BTreeMap::new(),
        }
    }

    /// Takes in what is seen at `now`.
    pub(super) fn observe(&mut self, input: Input, now: Time) {
        match input {
            Input::Secret(change) => {
                self.secret = only(change).map_or(Secret::Missing, |stored| self.examine(stored));
                let held = self.secret.held().filter(|held| held.facts.serves(now));
                self.last = held.cloned().or(self.last.take());
            }
            Input::Webhooks(change) => _ = self.told.insert(Teller::Webhooks, only(change)),
            Input::Conversion(change) => _ = self.told.insert(Teller::Conversion, only(change)),
        }
        self.observe_known(now);
    }

    fn examine(&self, stored: Stored) -> Secret {
        let known = self.secret.held().filter(|held| held.contents == stored.contents);
        let held = known
            .cloned()
            .unwrap_or_else(|| Held::examine(stored.contents, &self.host));
        Secret::There(stored.resource_version, Box::new(held))
    }

    /// Whether the API server has been told of the authorities in the Secret, and since when.
    fn observe_known(&mut self, now: Time) {
        let Some(held) = self.secret.held() else {
            self.known = None;
            return;
        };
        let bundle = &held.contents.authorities;
        let told = |teller: &Teller| {
            let told = self.told.get(teller)?.as_ref();
            let mut bundles = told.iter().flat_map(|told| &told.bundles);
            Some(bundles.all(|(_, told)| told == bundle))
        };
        if self.tellers.iter().any(|teller| told(teller) != Some(true)) {
            self.known = None;
        } else if self.known.as_ref().is_none_or(|(known, _)| known != bundle) {
            self.known = Some((bundle.clone(), now));
        }
    }

    /// The certificate that servers should show.
    pub(super) fn shown(&self, now: Time) -> Option<&Shown> {
        let held = self.secret.held()?;
        held.shown.as_ref().filter(|_| held.facts.serves(now))
    }

    /// The next thing to do. An action counts as tried when it is handed out.
    ///
    /// # Errors
    /// No certificate could be made. It is tried again later.
    pub(super) fn next(&mut self, now: Time) -> Result<Action, rcgen::Error> {
        let mut wake = now + LOOK;
        if matches!(self.secret, Secret::Unseen) {
            return Ok(Action::Wait(wake));
        }
        let nothing = Held::default();
        let held = self.secret.held().unwrap_or(&nothing);
        if held.facts.serves(now) {
            let bundle = &held.contents.authorities;
            for (teller, told) in &self.told {
                let wrong = |told: &&Told| told.bundles.iter().any(|(_, told)| told != bundle);
                let Some(told) = told.as_ref().filter(wrong) else {
                    continue;
                };
                let pace = self.telling.entry(*teller).or_default();
                if pace.ready() <= now {
                    pace.tried(now);
                    return Ok(Action::Tell(*teller, told.clone(), bundle.clone()));
                }
                wake = wake.min(pace.ready());
            }
        }
        let since = self.known.as_ref().map(|(_, since)| *since);
        let (decision, held) = match (held.facts.decide(since, now), &self.last) {
            // What this process still shows bridges the time until the new authority is known.
            (Decision::Create, Some(last)) if last.facts.serves(now) => (Decision::RenewAuthority, last),
            (decision, _) => (decision, held),
        };
        if let Decision::Keep(until) = decision {
            return Ok(Action::Wait(wake.min(until)));
        }
        if self.writing.ready() > now {
            return Ok(Action::Wait(wake.min(self.writing.ready())));
        }
        self.writing.tried(now);
        tracing::info!(?decision, "changing the certificate of the webhooks");
        let contents = issue(decision, held, &self.host, now)?;
        Ok(match &self.secret {
            Secret::Unseen | Secret::Missing => Action::Create(contents),
            Secret::There(version, _) => Action::Update(version.clone(), contents),
        })
    }
}

/// The one object of a watch that is narrowed to one.
fn only<F>(change: Change<F>) -> Option<F> {
    match change {
        Change::Apply(_, facts) => Some(facts),
        Change::Delete(_) => None,
        Change::Reset(all) => all.into_values().next(),
    }
}

/// Carries out `decision` on what is `held`.
fn issue(decision: Decision, held: &Held, host: &str, now: Time) -> Result<Contents, rcgen::Error> {
    let first = || held.authorities.first().cloned().unwrap_or_default();
    match decision {
        Decision::Keep(_) => Ok(held.contents.clone()),
        Decision::ForgetEarlier => Ok(Contents {
            authorities: first().into(),
            ..held.contents.clone()
        }),
        Decision::RenewLeaf => {
            let key = String::from_utf8_lossy(&held.contents.authority_key);
            let signed = Authority::from_pem(first(), &key)?.with_leaf(host, now)?;
            Ok(Contents {
                chain: signed.chain,
                key: signed.key,
                ..held.contents.clone()
            })
        }
        Decision::RenewAuthority => {
            let signer = held
                .facts
                .leaf
                .and_then(|leaf| held.authorities.get(leaf.signed_by));
            let signer = signer.map(String::as_str).unwrap_or_default();
            Ok(Authority::new(now)?.before(signer, &held.contents))
        }
        Decision::Create => Authority::new(now)?.with_leaf(host, now),
    }
}

#[cfg(test)]
mod tests;
