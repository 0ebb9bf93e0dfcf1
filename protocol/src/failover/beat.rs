//! When we beat, whom we tell, and whose beats we expect.

use super::Machine;
use super::settings::beat_interval;
use super::watch::Watched;
use super::words::Words;

impl Machine {
    /// The circle has changed: who watches us, whom we watch, and whom we knock for.
    pub(super) fn turn(&mut self) {
        let count = self.settings.watchers;
        self.watchers = self
            .ring
            .after(&self.own.name)
            .take(count)
            .map(str::to_owned)
            .collect();
        self.pacemaker = self.ring.pacemaker(&self.own.name).map(str::to_owned);
        let mut before = std::mem::take(&mut self.watched);
        for (place, name) in self.ring.before(&self.own.name).take(count).enumerate() {
            let entry = self.swim.entry(name);
            let interval = entry.and_then(|entry| beat_interval(&entry.member.meta));
            let interval = interval.unwrap_or_default();
            let patience = self.settings.patience(interval);
            let mut watched = before
                .remove(name)
                .unwrap_or_else(|| Watched::new(patience, self.now));
            watched.expect(self.settings.rest(place, interval));
            self.watched.insert(name.to_owned(), watched);
        }
        self.ring_since = self.now;
        self.heard_anybody = self.heard_anybody.max(self.now);
        self.lost.choose(&self.own.name, &self.ring, count, self.now);
        self.drop_foreign_looks();
    }

    /// `name` beats, and so do we if it is our pacemaker, a little before our time. Soon all beat at the same moment, and
    /// whoever is idle is woken once in each interval and not for everybody in turn, which is most of what being idle costs.
    pub(super) fn fall_in(&mut self, name: &str) {
        if self.pacemaker.as_deref() != Some(name) {
            return;
        }
        let interval = self.settings.beat_interval;
        // The next time it is the pacemaker's beat that wakes us, if it comes, and not our own timer just before.
        let slack = interval / 32;
        let since_beat = self.now.elapsed().saturating_sub(self.steady_beat.elapsed());
        if since_beat <= slack {
            self.next_beat = self.now + interval + slack;
        } else if since_beat >= interval * 3 / 4 {
            self.tell_watchers();
            self.next_beat = self.next_beat + slack;
        } else {
            self.next_beat = self.next_beat.min(self.steady_beat + interval * 3 / 4);
        }
    }

    /// Tells those of our watchers that we are there whose turn it is.
    pub(super) fn tell_watchers(&mut self) {
        (self.steady_beat, self.last_beat) = (self.now, Some(self.outside_now));
        self.next_beat = self.now + self.settings.beat_interval;
        self.beats = self.beats.wrapping_add(1);
        let every = self.settings.others_every.max(1);
        let beat = Words::Beat(self.own_beat(None));
        for (name, place) in self.watchers.clone().into_iter().zip(0..) {
            // The others one after the other, so that no beat costs more than the one before it.
            if place == 0 || self.beats.wrapping_add(place) % every == 0 {
                self.say_to(&name, &beat);
            }
        }
    }
}
