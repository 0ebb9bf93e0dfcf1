//! What a watcher knows of one member that it watches, and what it does about silence.
//!
//! ```text
//!   silence   105 ms          130 ms              180 ms                       1.5 s
//!   ──────────┼───────────────┼───────────────────┼────────────────────────────┼──────────►
//!   beats     nudge it,       ask the others,     declare it dead, once more   leave it to
//!   come      again and again who look, too       than half agree              memberlist
//! ```
//!
//! Whoever is told only now and then, because another watcher is told each time, waits as much longer for all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Settings;
use crate::Time;

/// Somebody else heard it while we did not: each time in a row we wait twice as long before we ask again, up to here.
/// What is lost is between us and it, and there are others who watch it.
const MOST_DOUBLINGS: u32 = 3;

/// A member that we watch.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    heard: Time,
    /// What its longer beats multiply every threshold by.
    patience: u32,
    /// How much longer than an interval it may take until we are told again.
    rest: Duration,
    /// The same once it has told us the next time.
    next_rest: Duration,
    /// How often in a row others have heard it while we did not.
    vouched: u32,
    doubt: Option<Doubt>,
}

/// From the first nudge until it is heard.
#[derive(Clone, Debug)]
struct Doubt {
    next_nudge: Time,
    next_ask: Time,
    /// Whom we asked, and whether they hear nothing either.
    asked: BTreeMap<String, Option<bool>>,
}

/// What to do about a silent member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Ask it for a sign of life.
    Nudge,
    /// Ask the others who have not answered yet.
    Ask,
    /// It is dead, if whoever was asked agrees.
    Judge,
}

impl Watched {
    /// Beats are expected from now on.
    pub(super) fn new(patience: u32, now: Time) -> Self {
        Self {
            heard: now,
            patience,
            rest: Duration::ZERO,
            next_rest: Duration::ZERO,
            vouched: 0,
            doubt: None,
        }
    }

    /// Between two of its beats to us there are those that it tells others, for as long as `rest`. If that is less than
    /// before it holds from the next one on, which may come as late as those did.
    pub(super) fn expect(&mut self, rest: Duration) {
        self.next_rest = rest;
        self.rest = self.rest.max(rest);
    }

    /// A sign of life.
    pub(super) fn hear(&mut self, now: Time) {
        self.heard = now;
        self.rest = self.next_rest;
        self.vouched = 0;
        self.doubt = None;
    }

    /// Somebody who was asked has a sign of life.
    pub(super) fn vouch(&mut self, now: Time) {
        self.heard = now;
        self.vouched = (self.vouched + 1).min(MOST_DOUBLINGS);
        self.doubt = None;
    }

    /// Somebody who was asked hears nothing.
    pub(super) fn agree(&mut self, from: &str) {
        if let Some(answer) = self.doubt.as_mut().and_then(|doubt| doubt.asked.get_mut(from)) {
            *answer = Some(true);
        }
    }

    /// Since when it is silent.
    pub(super) fn silent_since(&self) -> Time {
        self.heard
    }

    /// When a silence of `length` is reached.
    pub(super) fn at(&self, length: Duration) -> Time {
        self.heard + length * (self.patience << self.vouched) + self.rest
    }

    /// Until when we look for it if somebody asks now: until it has been silent for long enough to be dead, whatever others
    /// have heard, and not less than whoever does not watch it.
    pub(super) fn look_until(&self, settings: &Settings, now: Time) -> Time {
        let silent_enough = self.heard + settings.declare_after * self.patience;
        silent_enough.max(now + settings.look_for)
    }

    /// When there is something to do.
    pub(super) fn due(&self, settings: &Settings, now: Time) -> Time {
        let Some(doubt) = &self.doubt else {
            return self.at(settings.nudge_after);
        };
        let judge = self.at(settings.declare_after);
        let next = doubt.next_nudge.min(doubt.next_ask);
        if judge > now { next.min(judge) } else { next }
    }

    /// What is to be done now, in this order.
    pub(super) fn step(&mut self, settings: &Settings, now: Time) -> Vec<Act> {
        let mut acts = Vec::new();
        if now < self.at(settings.nudge_after) {
            return acts;
        }
        let (ask_at, judge_at) = (self.at(settings.ask_after), self.at(settings.declare_after));
        let given_up = now >= self.at(settings.give_up_after);
        let doubt = self.doubt.get_or_insert_with(|| Doubt {
            next_nudge: now,
            next_ask: ask_at,
            asked: BTreeMap::new(),
        });
        if doubt.next_nudge <= now {
            acts.push(Act::Nudge);
            let wait = if given_up {
                settings.knock_every
            } else {
                settings.nudge_every
            };
            doubt.next_nudge = now + wait;
        }
        if doubt.next_ask <= now {
            if !given_up {
                acts.push(Act::Ask);
            }
            let wait = if given_up {
                settings.knock_every
            } else {
                settings.look_for
            };
            doubt.next_ask = now + wait;
        }
        if judge_at <= now {
            acts.push(Act::Judge);
        }
        acts
    }

    /// The others are these now. Those of them who are to be asked, for the first time or again.
    pub(super) fn ask(&mut self, others: Vec<String>) -> Vec<String> {
        let Some(doubt) = &mut self.doubt else {
            return Vec::new();
        };
        let before = std::mem::take(&mut doubt.asked);
        for other in others {
            let answer = before.get(&other).copied().flatten();
            doubt.asked.insert(other, answer);
        }
        let unanswered = doubt.asked.iter().filter(|(_, answer)| answer.is_none());
        unanswered.map(|(name, _)| name.clone()).collect()
    }

    /// Whether more than half of all concerned, it and ourselves included, hear nothing: we, and more than half of those
    /// we asked. Nobody asked, nobody agrees.
    pub(super) fn is_confirmed(&self) -> bool {
        let Some(doubt) = &self.doubt else { return false };
        let silent = doubt
            .asked
            .values()
            .filter(|answer| **answer == Some(true))
            .count();
        silent * 2 > doubt.asked.len()
    }

    /// Whether, after a silence of `length`, it and those who gave no answer are at least as many as we and those who gave one.
    pub(super) fn misses_half(&self, length: Duration, now: Time) -> bool {
        let Some(doubt) = &self.doubt else { return false };
        let answers = doubt.asked.values().filter(|answer| answer.is_some()).count();
        self.heard + length * self.patience <= now && answers * 2 <= doubt.asked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    /// Steps at every millisecond in `until`; what was done, and when.
    fn acts(watched: &mut Watched, from: u64, until: u64) -> Vec<(u64, Act)> {
        let settings = Settings::default();
        let mut all = Vec::new();
        for ms in from..until {
            let acts = watched.step(&settings, at(ms));
            all.extend(acts.into_iter().map(|act| (ms, act)));
        }
        all
    }

    #[test]
    fn silence_is_first_doubted_then_asked_about_and_then_judged() {
        let mut watched = Watched::new(1, at(0));
        let first =
            |acts: &[(u64, Act)], wanted| acts.iter().find(|(_, act)| *act == wanted).map(|(ms, _)| *ms);
        let all = acts(&mut watched, 0, 200);
        assert_eq!(first(&all, Act::Nudge), Some(105));
        assert_eq!(first(&all, Act::Ask), Some(130));
        assert_eq!(first(&all, Act::Judge), Some(180));
        assert!(!watched.is_confirmed());
    }

    #[test]
    fn more_than_half_of_those_asked_have_to_agree() {
        for (asked, agreeing, confirmed) in [
            (0, 0, false),
            (1, 0, false),
            (1, 1, true),
            (2, 1, false),
            (2, 2, true),
            (3, 1, false),
            (3, 2, true),
            (5, 2, false),
            (5, 3, true),
        ] {
            let mut watched = Watched::new(1, at(0));
            acts(&mut watched, 105, 135);
            let names: Vec<String> = (0..asked).map(|number| format!("n{number}")).collect();
            watched.ask(names.clone());
            for name in names.iter().take(agreeing) {
                watched.agree(name);
                watched.agree(name);
            }
            watched.agree("somebody who was not asked");
            assert_eq!(watched.is_confirmed(), confirmed, "{agreeing} of {asked}");
        }
    }

    #[test]
    fn a_sign_of_life_ends_the_doubt_and_one_that_only_others_have_makes_patient() {
        let mut watched = Watched::new(1, at(0));
        acts(&mut watched, 0, 140);
        watched.hear(at(140));
        assert_eq!(acts(&mut watched, 141, 245), []);
        watched.vouch(at(245));
        assert_eq!(acts(&mut watched, 245, 455), []);
        assert_eq!(acts(&mut watched, 455, 456), [(455, Act::Nudge)]);
    }

    #[test]
    fn who_is_not_told_of_each_beat_waits_longer_for_the_next_and_looks_no_longer_if_asked() {
        let ms = Duration::from_millis;
        let settings = Settings::default();
        let mut watched = Watched::new(1, at(0));
        watched.expect(ms(65));
        assert_eq!(acts(&mut watched, 0, 170), []);
        assert_eq!(acts(&mut watched, 170, 171), [(170, Act::Nudge)]);
        assert_eq!(watched.look_until(&settings, at(130)), at(180));
        assert_eq!(watched.look_until(&settings, at(195)), at(245));
        // It is told of each from now on, but the next one may still be one of those that were not for us.
        watched.expect(ms(0));
        assert_eq!(watched.at(settings.declare_after), at(245));
        watched.hear(at(200));
        assert_eq!(watched.at(settings.declare_after), at(380));
        // It is not any more: that holds at once.
        watched.expect(ms(65));
        assert_eq!(watched.at(settings.declare_after), at(445));
    }

    #[test]
    fn who_beats_more_slowly_is_given_more_time() {
        let settings = Settings::fast();
        let patience = settings.patience(Settings::default().beat_interval);
        assert_eq!(patience, 3);
        let watched = Watched::new(patience, at(0));
        assert_eq!(watched.due(&settings, at(0)), at(114));
        assert_eq!(settings.patience(Duration::from_millis(1)), 1);
        assert_eq!(settings.patience(Duration::from_mins(1)), 20);
    }
}
