//! Carries out what was decided: addresses to the layer 2 thread, notes to Events, verdicts to the statuses and the
//! log.

use metallb_core::layer2::Interfaces;
use metallb_core::plan::{Action, Decision, Note};
use metallb_runtime::configuration_state::Verdict;
use metallb_runtime::events::{self, EventKind, Recorder};
use tokio::sync::watch as latest;

use crate::l2_status::Statuses;
use crate::layer2::{Handle, InterfaceChoice};
use crate::membership;
use crate::metrics::SpeakerMetrics;
use crate::owner::Owner;

/// What the speaker acts with.
pub(crate) struct Hands {
    pub(crate) layer2: Handle,
    /// `None` if the speakers do not hear of one another.
    pub(crate) membership: Option<membership::Handle>,
    pub(crate) recorder: Recorder,
    /// To the ConfigurationState.
    pub(crate) verdicts: latest::Sender<Verdict>,
    pub(crate) statuses: Statuses,
    /// The name of the own Pod.
    pub(crate) pod: String,
    pub(crate) metrics: SpeakerMetrics,
}

impl Hands {
    /// Says whether the configuration is in force, if that is news.
    pub(crate) fn say(&self, verdict: Verdict) {
        self.verdicts.send_if_modified(|known| {
            let news = *known != verdict;
            *known = verdict;
            news
        });
    }

    /// Does it. Nothing here waits.
    pub(crate) fn carry_out(&self, action: Action, owner: &Owner) {
        match action {
            Action::Announce { address, interfaces } => {
                let choice = match interfaces {
                    Interfaces::All => InterfaceChoice::All,
                    Interfaces::Named(names) => InterfaceChoice::Only(names),
                };
                tracing::info!(%address, interfaces = ?choice, "announcing");
                self.layer2.announce(address, choice);
            }
            Action::Remind { address } => {
                tracing::info!(%address, "telling the neighbours again");
                self.layer2.remind(address);
            }
            Action::HandOver { address } => {
                tracing::info!(%address, "handing over to another node");
                self.layer2.hand_over(address);
            }
            Action::Withdraw { address } => {
                tracing::info!(%address, "withdrawn");
                self.layer2.withdraw(address);
            }
            Action::Tell(note) => self.tell(note, owner),
            Action::Decided {
                service,
                before,
                decision,
            } => {
                self.statuses.decided(&service, decision.as_ref());
                let verdict = match decision {
                    None => "serviceDeleted",
                    Some(Decision::Announce(_)) => "announced",
                    Some(Decision::Withhold(reason)) => reason.as_str(),
                };
                // A Service that is announced elsewhere is what most Services are to most speakers.
                if matches!(before, Some(Decision::Announce(_))) || verdict == "announced" {
                    tracing::info!(%service, verdict, "decided");
                } else {
                    tracing::debug!(%service, verdict, "decided");
                }
            }
        }
    }

    fn tell(&self, note: Note, owner: &Owner) {
        let Note {
            service,
            warning,
            reason,
            message,
        } = note;
        // A Service that is gone has nobody to tell.
        if let Some(regarding) = owner.reference(&service) {
            let kind = if warning {
                EventKind::Warning
            } else {
                EventKind::Normal
            };
            if warning {
                tracing::warn!(%service, reason, note = message, "told");
            }
            self.recorder.publish(events::Note {
                regarding,
                kind,
                reason,
                message,
            });
        }
    }
}
