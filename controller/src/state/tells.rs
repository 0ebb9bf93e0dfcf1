//! What the authors of objects are told. Owns when: a complaint when it is new, an address when it is written down, a
//! refusal once until the write goes through.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_api::names::{annotation, condition, event};
use metallb_core::allocator::Quoted;
use metallb_core::config::Fault;
use metallb_core::facts::{NoAddress, ServiceFacts};
use metallb_core::service::{EventKind, Lack, ServiceEvent};

use crate::write::{REFUSED, Write};

/// Something to tell the author of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tell {
    /// What kind of object it is.
    pub(crate) subject: Subject,
    /// The object.
    pub(crate) object: NamespacedName,
    /// Its uid.
    pub(crate) uid: String,
    /// What.
    pub(crate) event: ServiceEvent,
}

/// The kinds of objects that are told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A Service.
    Service,
    /// An object of this kind, which configures MetalLB.
    Configuration(&'static str),
}

/// Bounded by the number of Services: each map holds what the last decision or write of one gave rise to.
#[derive(Debug, Default)]
pub(super) struct Tells {
    /// What each Service was told by its last decision: a complaint that lasts is told once.
    told: BTreeMap<NamespacedName, Vec<ServiceEvent>>,
    /// What the conditions of Services said when this controller first saw them: whoever led before has told it. Each goes
    /// with the first decision.
    said: BTreeMap<NamespacedName, NoAddress>,
    /// Addresses that are given and not yet written down.
    unwritten: BTreeMap<NamespacedName, News>,
    /// Why the last write of a Service was refused.
    refused: BTreeMap<NamespacedName, ServiceEvent>,
    out: Vec<Tell>,
}

/// What to tell as soon as the status lists `ingress`.
#[derive(Debug)]
struct News {
    ingress: Vec<IpAddr>,
    events: Vec<ServiceEvent>,
}

impl Tells {
    /// A Service is seen for the first time.
    pub(super) fn listed(&mut self, facts: &ServiceFacts) {
        if let Some(said) = &facts.no_address {
            self.said.insert(facts.key.clone(), said.clone());
        }
    }

    /// A Service was decided about: it is to have `ingress`, and if `written`, its status says so. It may lack something.
    pub(super) fn decided(
        &mut self,
        facts: &ServiceFacts,
        events: Vec<ServiceEvent>,
        lack: Option<&Lack>,
        ingress: &[IpAddr],
        written: bool,
    ) {
        let (news, complaints): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| event.reason == event::IP_ALLOCATED);
        let before = self.told.remove(&facts.key).unwrap_or_default();
        let said = self.said.remove(&facts.key);
        let said = lack.filter(|lack| said.is_some_and(|said| said == lack.condition()));
        let is_new = |event: &ServiceEvent| {
            !before.contains(event) && said.is_none_or(|lack| event.reason != lack.reason)
        };
        for event in complaints.iter().filter(|event| is_new(event)) {
            self.push(Tell::service(facts, event.clone()));
        }
        if !complaints.is_empty() {
            self.told.insert(facts.key.clone(), complaints);
        }
        // What was given before and never written counts only if it still belongs to what is given now.
        let unwritten = self.unwritten.remove(&facts.key);
        let mut due = unwritten
            .filter(|news| news.ingress.iter().all(|ip| ingress.contains(ip)))
            .map_or_else(Vec::new, |news| news.events);
        due.extend(news);
        if written {
            self.refused.remove(&facts.key);
            self.out
                .extend(due.into_iter().map(|event| Tell::service(facts, event)));
        } else if !due.is_empty() {
            let news = News {
                ingress: ingress.to_vec(),
                events: due,
            };
            self.unwritten.insert(facts.key.clone(), news);
        }
    }

    /// The API server refused `write` for `reason`: told once, until a write goes through.
    pub(super) fn refused(&mut self, facts: &ServiceFacts, write: &Write, reason: &str) {
        let event = refusal(write, reason);
        if self.refused.get(&facts.key) != Some(&event) {
            self.push(Tell::service(facts, event.clone()));
            self.refused.insert(facts.key.clone(), event);
        }
    }

    /// Somebody else has changed what was written, and `ingress` is written again.
    pub(super) fn restored(&mut self, facts: &ServiceFacts, ingress: &[IpAddr]) {
        let event = ServiceEvent {
            kind: EventKind::Warning,
            reason: event::STATUS_RESTORED,
            message: format!(
                "{} has changed the address in the status of this Service, and MetalLB changes it back to {}. To have \
                 another address ask for it in the annotation {}",
                who(facts),
                Quoted(ingress),
                annotation::LOAD_BALANCER_IPS
            ),
        };
        self.push(Tell::service(facts, event));
    }

    /// Somebody else keeps changing what was written.
    pub(super) fn contested(&mut self, facts: &ServiceFacts) {
        let who = who(facts);
        let event = ServiceEvent {
            kind: EventKind::Warning,
            reason: event::STATUS_CONTESTED,
            message: format!(
                "{who} keeps changing the address in the status of this Service, which MetalLB has given it. Let only \
                 one of the two serve it, for example by spec.loadBalancerClass"
            ),
        };
        self.push(Tell::service(facts, event));
    }

    /// Tells it without further ado.
    pub(super) fn push(&mut self, tell: Tell) {
        self.out.push(tell);
    }

    /// The Service is gone.
    pub(super) fn forget(&mut self, service: &NamespacedName) {
        self.told.remove(service);
        self.said.remove(service);
        self.unwritten.remove(service);
        self.refused.remove(service);
    }

    /// What is to be told since the last call.
    pub(super) fn take(&mut self) -> Vec<Tell> {
        std::mem::take(&mut self.out)
    }
}

impl Tell {
    /// About an object that configures MetalLB, and what follows from its fault `meanwhile`.
    pub(super) fn fault(fault: Fault, uid: String, meanwhile: &str) -> Self {
        let Fault {
            kind,
            object,
            message,
        } = fault;
        tracing::error!(%object, kind, error = message, "configuration not usable, the last good one stays in force");
        Self {
            subject: Subject::Configuration(kind),
            object,
            uid,
            event: ServiceEvent {
                kind: EventKind::Warning,
                reason: condition::CONFIGURATION_ERROR,
                message: format!("{message}. Until this is corrected, {meanwhile}"),
            },
        }
    }

    /// About a Service.
    pub(super) fn service(facts: &ServiceFacts, event: ServiceEvent) -> Self {
        Self {
            subject: Subject::Service,
            object: facts.key.clone(),
            uid: facts.uid.clone(),
            event,
        }
    }
}

/// Who has written the status, other than MetalLB.
fn who(facts: &ServiceFacts) -> String {
    match &facts.foreign_writer {
        Some(manager) => format!("{manager:?}"),
        None => "Something".to_owned(),
    }
}

/// What a Service is told when the API server refuses its write.
fn refusal(write: &Write, reason: &str) -> ServiceEvent {
    let what = match write.ingress.as_slice() {
        [] => "removal of its address from the status".to_owned(),
        ingress => format!("address {}", Quoted(ingress)),
    };
    ServiceEvent {
        kind: EventKind::Warning,
        reason: event::STATUS_REFUSED,
        message: format!(
            "The API server refuses the {what}: {reason}. Correct the Service, or the admission policy or role that \
             says so; it is tried again every {} s",
            REFUSED.as_secs()
        ),
    }
}
