//! Which complaints are due to be told. Owns the patience: a pool, its advertisement and a Service usually arrive one
//! after the other from one file, and what is missing for a moment is nobody's mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metallb_api::NamespacedName;

use super::{Complaint, Note, Patience};

/// Longer than it takes to apply a directory of manifests, short enough that who waits in front of `kubectl describe`
/// sees it.
const FOR_OBJECTS: Duration = Duration::from_secs(2);
/// Longer than most pods take to become ready, so that an ordinary rollout tells nothing.
const FOR_PODS: Duration = Duration::from_secs(30);

impl Patience {
    /// The time it takes.
    pub fn length(self) -> Duration {
        match self {
            Self::ForObjects => FOR_OBJECTS,
            Self::ForPods => FOR_PODS,
        }
    }
}

/// The complaints of this node. At most one per Service, so it is bounded by the Services there are.
#[derive(Debug, Default)]
pub struct Complaints {
    by_service: BTreeMap<NamespacedName, (Complaint, Stage)>,
    /// Those that wait, by time: a cluster may have thousands, and every decision asks.
    waiting: BTreeSet<(Duration, NamespacedName)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Told if it still stands at this time.
    Waiting(Duration),
    Told,
}

impl Complaints {
    /// Takes note of what the newest plan of `service` complains about. Another text starts the patience anew, the
    /// same text changes nothing, none means that all is well.
    pub fn observe(&mut self, service: &NamespacedName, complaint: Option<&Complaint>, now: Duration) {
        let known = self.by_service.get(service);
        if known.map(|(complaint, _)| complaint) == complaint {
            return;
        }
        if let Some((_, Stage::Waiting(until))) = known {
            self.waiting.remove(&(*until, service.clone()));
        }
        let Some(complaint) = complaint else {
            self.by_service.remove(service);
            return;
        };
        let until = now + complaint.patience.length();
        self.waiting.insert((until, service.clone()));
        let waiting = (complaint.clone(), Stage::Waiting(until));
        self.by_service.insert(service.clone(), waiting);
    }

    /// When [`Complaints::due`] will have something to say.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.waiting.first().map(|(until, _)| *until)
    }

    /// What has lasted long enough by `now`; each complaint is said once.
    pub fn due(&mut self, now: Duration) -> Vec<Note> {
        let mut notes = Vec::new();
        while self.next_deadline().is_some_and(|until| until <= now)
            && let Some((_, service)) = self.waiting.pop_first()
        {
            let Some((complaint, stage)) = self.by_service.get_mut(&service) else {
                continue;
            };
            *stage = Stage::Told;
            notes.extend(complaint.messages.iter().map(|message| Note {
                service: service.clone(),
                warning: true,
                reason: complaint.reason,
                message: message.clone(),
            }));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn complaint(message: &str) -> Complaint {
        Complaint {
            reason: "r",
            messages: vec![message.to_owned()],
            patience: if message == "no pods" {
                Patience::ForPods
            } else {
                Patience::ForObjects
            },
        }
    }

    /// What is told when one Service's plans complain as the script says: (time in ms, complaint).
    fn told(script: &[(u64, Option<&str>)]) -> Vec<(u64, String)> {
        let service = NamespacedName::new("shop", "web");
        let mut complaints = Complaints::default();
        let mut told = Vec::new();
        for time in 0..40_000 {
            for (_, text) in script.iter().filter(|(at, _)| *at == time) {
                complaints.observe(&service, text.map(complaint).as_ref(), ms(time));
            }
            let expected = complaints
                .next_deadline()
                .is_some_and(|deadline| deadline <= ms(time));
            let due = complaints.due(ms(time));
            assert_eq!(expected, !due.is_empty(), "the deadline announces what is due");
            told.extend(due.into_iter().map(|note| (time, note.message)));
        }
        told
    }

    #[test]
    fn a_lasting_complaint_is_told_once() {
        assert_eq!(
            told(&[(100, Some("a")), (500, Some("a")), (9_000, Some("a"))]),
            [(2_100, "a".to_owned())]
        );
    }

    #[test]
    fn pods_are_given_time_to_start() {
        assert_eq!(told(&[(0, Some("no pods")), (29_999, None)]), []);
        assert_eq!(told(&[(0, Some("no pods"))]), [(30_000, "no pods".to_owned())]);
    }

    #[test]
    fn what_heals_in_time_is_not_told() {
        assert_eq!(told(&[(0, Some("a")), (1_999, None)]), []);
    }

    #[test]
    fn another_complaint_waits_anew() {
        assert_eq!(
            told(&[(0, Some("a")), (1_500, Some("b"))]),
            [(3_500, "b".to_owned())]
        );
    }

    #[test]
    fn a_complaint_that_returns_is_told_again() {
        let expected = [(2_000, "a".to_owned()), (6_000, "a".to_owned())];
        assert_eq!(
            told(&[(0, Some("a")), (3_000, None), (4_000, Some("a"))]),
            expected
        );
    }
}
