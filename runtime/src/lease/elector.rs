//! Who leads, decided from what was seen of the Lease and when. Pure: the caller reads the clock and asks the API server.

use std::time::{Duration, Instant};

use super::{Authority, Record, Timing};

/// One candidate's knowledge of the election.
#[derive(Debug)]
pub struct Elector {
    me: String,
    timing: Timing,
    /// When the version that a claim would replace was seen; `None` if something unknown may have happened since.
    seen: Option<Instant>,
    /// What was seen last, however long ago, and since when it has been so.
    known: Option<(Option<Record>, Instant)>,
    leading: Option<Leading>,
    term: u64,
    /// The transitions in the last claim that succeeded: equal ones mean that nobody else has led since.
    transitions: Option<i32>,
    /// The last look got no answer in time.
    silent: bool,
    /// The last claim took long, or got no answer in time.
    slow: bool,
    /// The leader asks for a long lease.
    patient: bool,
    /// Nothing is asked before then.
    pause: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Leading {
    end: Instant,
    renew: Instant,
}

/// What a candidate has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Get the lease, and tell it with [`Elector::observe`].
    Look,
    /// Write this in place of what was seen last, provided that the object still has the version that was seen, and
    /// tell what came of it with [`Elector::claimed`], [`Elector::outdated`] or [`Elector::unanswered`].
    Claim(Record),
    /// Nothing, before then.
    Wait(Instant),
}

impl Elector {
    /// A candidate called `me`, a name that no other process has, not even an earlier one of the same pod: what that one
    /// had under way may still arrive.
    pub fn new(me: String, timing: Timing) -> Self {
        Self {
            me,
            timing,
            seen: None,
            known: None,
            leading: None,
            term: 0,
            transitions: None,
            silent: false,
            slow: false,
            patient: false,
            pause: None,
        }
    }

    /// The lease was looked at, and the answer came at `now`; `None` means that there is none.
    pub fn observe(&mut self, record: Option<Record>, now: Instant) {
        self.silent = false;
        let mine = record.as_ref().is_some_and(|record| record.holder == self.me);
        if self.leading.is_some() && !mine {
            tracing::warn!(
                holder = record.as_ref().map(|record| &record.holder),
                "another one has taken the lease"
            );
            self.leading = None;
        }
        if self.known.as_ref().is_none_or(|(known, _)| *known != record) {
            self.known = Some((record, now));
        }
        self.seen = Some(now);
        self.pause = None;
    }

    /// What to do at `now`.
    pub fn decide(&mut self, now: Instant) -> Step {
        if self.leading.is_some_and(|leading| leading.end <= now) {
            tracing::warn!("the lease was not renewed in time: leading no more");
            self.leading = None;
        }
        if let Some(pause) = self.pause.filter(|pause| now < *pause) {
            return Step::Wait(self.leading.map_or(pause, |leading| pause.min(leading.end)));
        }
        let (Some(seen), Some((record, since))) = (self.seen, &self.known) else {
            return Step::Look;
        };
        let claim = self.claim(record.as_ref());
        if let Some(leading) = &mut self.leading {
            if now < leading.renew {
                return Step::Wait(leading.renew.min(leading.end));
            }
            // Others will wait no longer than this claim says, even if its answer never comes back.
            leading.end = leading.end.min(now + Timing::authority(claim.duration));
            return Step::Claim(claim);
        }
        let free_from = match record {
            Some(record) if !record.holder.is_empty() && record.holder != self.me => *since + record.duration,
            Some(_) | None => *since,
        };
        let look = seen + self.timing.look;
        if free_from <= now {
            Step::Claim(claim)
        } else if look <= now {
            Step::Look
        } else {
            Step::Wait(look.min(free_from))
        }
    }

    /// The claim of `record`, sent at `sent`, succeeded: this process leads. The answer came at `now`.
    pub fn claimed(&mut self, record: Record, sent: Instant, now: Instant) {
        self.slow = now.saturating_duration_since(sent) > self.timing.slow;
        let replaced = self.known.as_ref().and_then(|(record, _)| record.as_ref());
        let was_mine = replaced.is_some_and(|replaced| replaced.holder == self.me);
        if !was_mine || self.transitions != Some(record.transitions) {
            self.term += 1;
            self.transitions = Some(record.transitions);
        }
        self.leading = Some(Leading {
            end: sent + Timing::authority(record.duration),
            renew: sent + self.timing.renew,
        });
        self.known = Some((Some(record), now));
        self.seen = Some(now);
        self.pause = None;
    }

    /// The object has another version than was seen: somebody else was faster, or an earlier claim without an answer
    /// had succeeded.
    pub fn outdated(&mut self) {
        self.seen = None;
    }

    /// A look got no answer, or none that says what the lease is like.
    pub fn not_seen(&mut self, now: Instant) {
        self.silent = true;
        self.wait_a_little(now);
    }

    /// A claim got no answer, or none that says what the lease is like now. It may have been written all the same.
    pub fn unanswered(&mut self, now: Instant) {
        self.slow = true;
        self.wait_a_little(now);
    }

    /// Whether the leader needs long leases from now on, for an action that takes long. Until that is over, this stays
    /// set: the next short lease ends its authority early.
    pub fn set_patient(&mut self, patient: bool, now: Instant) {
        if patient
            && !self.patient
            && let Some(leading) = &mut self.leading
        {
            leading.renew = now; // at once and not in a second
        }
        self.patient = patient;
    }

    /// Stops leading, and returns what to write in place of what was seen, so that others need not wait.
    pub fn release(&mut self) -> Option<Record> {
        self.leading.take()?;
        let (record, _) = self.known.as_ref()?;
        let record = record.as_ref()?;
        Some(Record {
            holder: String::new(),
            duration: Duration::from_secs(1), // the API server does not accept zero
            ..record.clone()
        })
    }

    /// Whether this process may act.
    pub fn authority(&self) -> Authority {
        match self.leading {
            Some(Leading { end, .. }) => Authority::Until { term: self.term, end },
            None => Authority::None,
        }
    }

    /// How long to wait for the answer to a look.
    pub fn look_timeout(&self) -> Duration {
        let lease = if self.silent {
            self.timing.long
        } else {
            self.timing.short
        };
        Timing::patience(lease)
    }

    fn wait_a_little(&mut self, now: Instant) {
        self.seen = None;
        let leads = self.leading.is_some();
        self.pause = Some(
            now + if leads {
                self.timing.retry
            } else {
                self.timing.look
            },
        );
    }

    fn claim(&self, before: Option<&Record>) -> Record {
        let transitions = before.map_or(0, |record| {
            record.transitions + i32::from(record.holder != self.me)
        });
        Record {
            holder: self.me.clone(),
            duration: self.duration(),
            transitions,
            renewed: before.and_then(|record| record.renewed),
        }
    }

    fn duration(&self) -> Duration {
        if self.slow || self.patient {
            self.timing.long
        } else {
            self.timing.short
        }
    }
}
