//! What a Service is told. The texts are MetalLB's: people search for them.

use metallb_api::NamespacedName;
use metallb_api::names::event;

use super::lack::Lack;

/// Good news, or something to act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Went as wanted.
    Normal,
    /// Somebody should do something; the message says what.
    Warning,
}

/// One Event on a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// Good news or not.
    pub kind: EventKind,
    /// One word for machines.
    pub reason: &'static str,
    /// One sentence for people.
    pub message: String,
}

impl ServiceEvent {
    pub(super) fn normal(reason: &'static str, message: String) -> Self {
        Self {
            kind: EventKind::Normal,
            reason,
            message,
        }
    }

    pub(super) fn warning(reason: &'static str, message: String) -> Self {
        Self {
            kind: EventKind::Warning,
            reason,
            message,
        }
    }

    /// No address, for this reason.
    pub(super) fn failed(service: &NamespacedName, lack: &Lack) -> Self {
        let message = format!(
            "Failed to allocate IP for {:?}: {}",
            service.to_string(),
            lack.sentence
        );
        Self::warning(event::ALLOCATION_FAILED, message)
    }

    pub(super) fn deprecated(annotation: &str) -> Self {
        Self::warning(
            event::DEPRECATED_ANNOTATION,
            format!("Service uses deprecated annotation {annotation}"),
        )
    }
}
