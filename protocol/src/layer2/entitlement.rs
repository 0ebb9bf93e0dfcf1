//! Whether this station may speak at all. It serves what it is told to serve, and may yet have to be silent for a while:
//! others may have taken it for dead, and have its addresses.
//!
//! Owns what that does to everything else: what was about to be said is not said, and what others say meanwhile is no
//! contest, since they are right.

use std::net::IpAddr;

use super::claims::Claims;
use super::interface::Presence;
use super::schedule::Schedule;
use super::yielding::Yielded;
use super::{Announcer, InterfaceIndex};

impl Announcer {
    /// Whether this station may answer, as it was last told.
    pub fn is_entitled(&self) -> bool {
        !self.muted
    }

    pub(super) fn set_entitled(&mut self, entitled: bool) {
        if self.muted != entitled {
            return;
        }
        self.muted = !entitled;
        self.claims = Claims::default();
        self.yielded = Yielded::default();
        if self.muted {
            self.schedule = Schedule::default();
            self.transmits.clear();
            return;
        }
        let sites: Vec<(IpAddr, InterfaceIndex)> = self
            .addresses
            .iter()
            .flat_map(|(ip, served)| {
                let live = self.interfaces.values().filter(|interface| {
                    let presence = Presence::of(*ip, Some(&served.assignment), Some(interface));
                    matches!(presence, Presence::Live(_))
                });
                live.map(|interface| (*ip, interface.index))
            })
            .collect();
        for site in sites {
            self.schedule.start(site, self.now);
        }
        for served in self.addresses.values_mut() {
            // As at the begin of a term: whoever had it meanwhile is given the time to fall silent.
            (served.since, served.contested) = (self.now, false);
        }
    }
}
