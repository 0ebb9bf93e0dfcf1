//! Services that have an address, and that no speaker is heard to announce; and those whose condition says so although
//! one is. Owns since when, and when each is looked into; what is wrong is found out elsewhere.
//!
//! Usually there are none, or few. An address that has just been given is among them for the moments that speakers need.

use std::collections::BTreeMap;
use std::time::Duration;

use metallb_api::NamespacedName;
use metallb_core::facts::{Said, ServiceFacts};
use metallb_core::plan::Patience;
use metallb_core::world::Claim;

use super::State;
use crate::announced::{Heard, digest};

/// The time between two looks at all Services, of which there may be ten thousand: it takes a millisecond.
const PACE: Duration = Duration::from_secs(1);
/// How many are looked into at a time, and so in each [`PACE`]: each costs up to two requests, which come beside those that
/// give addresses. A cluster all of whose speakers are gone has thousands, and they are told one after the other.
pub(crate) const CASES: usize = 20;
/// How long no write of an address has been started before anybody is looked into. In a burst there is one every few
/// milliseconds, and all who just got an address are silent for the moment: asking for their endpoints one after the other
/// would take from the API server what the addresses wait for.
const CALM: Duration = Duration::from_millis(500);
/// But what goes on for longer than this is no burst.
const HELD: Duration = Duration::from_secs(5);
/// When a Service is looked into that has been silent for longer than anything needs to pass by itself: what is wrong with
/// it may be something else by now. What ends it is seen at once.
const AGAIN: Duration = Duration::from_mins(1);

/// A Service to look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) service: NamespacedName,
    pub(crate) uid: String,
    /// What its condition says.
    pub(crate) said: Option<Said>,
    pub(crate) concern: Concern,
}

/// What is the matter with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Nobody is heard to announce it.
    Silent {
        claim: Box<Claim>,
        /// For how long.
        lasted: Duration,
    },
    /// It is announced, or has no address, and its condition says otherwise.
    Over,
}

type Services = BTreeMap<NamespacedName, Box<ServiceFacts>>;

#[derive(Debug, Default)]
pub(super) struct Silent {
    /// Who is heard to be announced, once that is known.
    heard: Option<Heard>,
    now: Duration,
    /// Of addresses that are written.
    burst: Option<Burst>,
    /// Something changed since all Services were looked at.
    stale: bool,
    /// How many say that nobody announces them, and nobody does.
    told: u32,
    /// When they were.
    looked: Option<Duration>,
    /// When the first one is to be looked into.
    due: Option<Duration>,
    /// By the digest of the Service's name: where speakers are gone these are thousands. Bounded by the number of Services.
    by_service: BTreeMap<u64, Silence>,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    since: Duration,
    last: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Silence {
    /// Or else it is over.
    lasts: bool,
    since: Duration,
    due: Duration,
}

impl Silent {
    /// Some Service has changed.
    pub(super) fn look_again(&mut self) {
        self.stale = true;
    }

    pub(super) fn advance(&mut self, now: Duration) {
        self.now = now;
    }

    /// The write of an address starts.
    pub(super) fn wait_for_calm(&mut self) {
        let last = self.now;
        let goes_on = self.burst.filter(|burst| last <= burst.last + CALM);
        let since = goes_on.map_or(last, |burst| burst.since);
        self.burst = Some(Burst { since, last });
    }

    /// When [`State::take_cases`] may have something to say.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.heard.as_ref()?;
        let due = if self.stale {
            Some(Duration::ZERO)
        } else {
            self.due
        };
        let rested = self.looked.map_or(Duration::ZERO, |looked| looked + PACE);
        let calm = |burst: Burst| (burst.last + CALM).min(burst.since + HELD);
        let calm = self.burst.map_or(Duration::ZERO, calm);
        due.map(|due| due.max(rested).max(calm))
    }

    /// Brings the silent ones up to date.
    fn look(&mut self, services: &Services) {
        let (Some(heard), true) = (&self.heard, std::mem::take(&mut self.stale)) else {
            return;
        };
        let before = std::mem::take(&mut self.by_service);
        self.told = 0;
        for (service, facts) in services {
            let digest = digest(service);
            let lasts = wants_to_be_announced(facts) && !heard.contains(digest);
            self.told += u32::from(lasts && facts.unannounced.is_some());
            if lasts || facts.unannounced.is_some() {
                let known = before.get(&digest).copied();
                let silence = known.filter(|known| known.lasts == lasts);
                let silence = silence.unwrap_or_else(|| Silence::new(lasts, self.now));
                self.by_service.insert(digest, silence);
            }
        }
        self.due = self.by_service.values().map(|silence| silence.due).min();
    }

    /// Those that are due, the longest first, at most `limit`.
    fn take_due<'a>(&mut self, services: &'a Services, limit: usize) -> Vec<(&'a ServiceFacts, Silence)> {
        let now = self.now;
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (service, facts) in services {
            let digest = digest(service);
            let silence = self.by_service.get(&digest).filter(|silence| silence.due <= now);
            due.extend(silence.map(|silence| (silence.due, digest, facts.as_ref())));
        }
        due.sort_by_key(|(due, digest, _)| (*due, *digest));
        let mut taken = Vec::new();
        for (_, digest, facts) in due.into_iter().take(limit) {
            if let Some(silence) = self.by_service.get_mut(&digest) {
                silence.due = silence.after(now);
                taken.push((facts, *silence));
            }
        }
        self.due = self.by_service.values().map(|silence| silence.due).min();
        taken
    }
}

impl Silence {
    fn new(lasts: bool, now: Duration) -> Self {
        let (since, due) = (now, now);
        let mut silence = Self { lasts, since, due };
        silence.due = silence.first();
        silence
    }

    /// When it is looked into first.
    fn first(&self) -> Duration {
        if self.lasts {
            self.since + Patience::ForObjects.length()
        } else {
            self.since
        }
    }

    /// When it is looked into after `now`: when what may pass by itself should have passed.
    fn after(&self, now: Duration) -> Duration {
        let steps = [Patience::ForObjects, Patience::ForPods].map(|patience| self.since + patience.length());
        steps.into_iter().find(|due| *due > now).unwrap_or(now + AGAIN)
    }
}

impl State {
    /// Learns who is heard to be announced.
    pub(crate) fn observe_heard(&mut self, heard: Option<Heard>) {
        let silent = &mut self.silent;
        let revision = |heard: &Option<Heard>| heard.as_ref().map(|heard| heard.revision);
        if revision(&silent.heard) != revision(&heard) {
            for silence in silent.by_service.values_mut() {
                silence.due = silence.due.min(silence.first());
            }
        }
        silent.heard = heard;
        silent.look_again();
    }

    /// How many Services say that nobody announces them, and nobody does.
    pub(crate) fn unannounced(&self) -> u32 {
        self.silent.told
    }

    /// The Services to look into now, at most `limit`, and none in the meantime.
    pub(crate) fn take_cases(&mut self, limit: usize) -> Vec<Case> {
        let silent = &mut self.silent;
        if silent.next_due().is_none_or(|due| due > silent.now) {
            return Vec::new();
        }
        silent.looked = Some(silent.now);
        silent.look(&self.services);
        let now = silent.now;
        let case = |(facts, silence): (&ServiceFacts, Silence)| Case {
            service: facts.key.clone(),
            uid: facts.uid.clone(),
            said: facts.unannounced,
            concern: if silence.lasts {
                Concern::Silent {
                    claim: Box::new(Claim::from(facts)),
                    lasted: now.saturating_sub(silence.since),
                }
            } else {
                Concern::Over
            },
        };
        let taken = silent.take_due(&self.services, limit);
        taken.into_iter().map(case).collect()
    }
}

fn wants_to_be_announced(facts: &ServiceFacts) -> bool {
    facts.load_balancer && !facts.deleting && !facts.ingress.is_empty() && !facts.foreign_ingress
}
