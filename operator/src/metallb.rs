//! One reconciliation of a MetalLB, in five steps. Owns their order and what follows from a failure of each; every step
//! is a module of its own.

#[cfg(test)]
pub(crate) mod api_server;
pub mod apply;
pub mod build;
pub mod dereference;
pub mod inputs;
#[cfg(test)]
mod kills;
pub mod obstacles;
pub mod rivals;
pub mod status;
pub mod validate;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use metallb_api::names;
use metallb_api::v1beta1::SpeakerCounts;
use metallb_runtime::memberlist_key::FreshKey;

use crate::args::Settings;
use apply::{Registrar, Target};
use dereference::Dereferenced;
use status::{Causes, State, Subject};

/// Why a reconciliation did not get through. The variant names the step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was changed, the status neither. Tried again.
    #[error(transparent)]
    Dereference(#[from] dereference::Error),
    /// The resource is wrong. The status says so; tried again when it is edited.
    #[error(transparent)]
    Validate(#[from] validate::Error),
    /// Some objects may be applied and others not. The status says so; tried again.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// All objects are applied, the status is old. Tried again.
    #[error(transparent)]
    Status(#[from] status::Error),
}

impl Error {
    /// What a user is told about it. `None`: the status itself cannot be read or written.
    fn state(&self) -> Option<State> {
        let reason = match self {
            Self::Validate(validate::Error::Name(_)) => names::condition::INCORRECT_NAME,
            Self::Validate(validate::Error::Rivals(_)) => names::condition::ANOTHER_INSTALLATION,
            Self::Validate(_) => names::condition::INVALID,
            Self::Apply(_) => names::condition::FAILED_TO_SYNC,
            Self::Dereference(_) | Self::Status(_) => return None,
        };
        Some(State::Degraded {
            reason,
            message: explain(self),
        })
    }

    /// Whether what is outside of the namespace is somebody else's for now.
    fn gives_way(&self) -> bool {
        matches!(self, Self::Validate(validate::Error::Rivals(_)))
    }

    /// When the same attempt can succeed without an edit of the resource.
    pub fn retry(&self) -> Retry {
        match self {
            // That they go is seen; this bounds how long it goes unnoticed if it was not.
            Self::Validate(validate::Error::Rivals(_)) => Retry::Slowly,
            Self::Validate(_) => Retry::Never,
            Self::Apply(error) if error.is_refusal() => Retry::Slowly,
            Self::Dereference(_) | Self::Apply(_) | Self::Status(_) => Retry::Soon,
        }
    }
}

/// When to repeat what failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At once, and with growing pauses
    Soon,
    /// Now and then: it most likely fails again, but what stands in its way may go without a sign
    Slowly,
    /// When somebody edits the resource
    Never,
}

/// An error with its cause, in the words of the API server where it is the cause.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let text = match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => return status.message.clone(),
        _ => error.to_string(),
    };
    match error.source() {
        // Some libraries repeat their cause in their own words around it.
        Some(source) if text.contains(&source.to_string()) => explain(source),
        Some(source) => format!("{text}: {}", explain(source)),
        None => text,
    }
}

/// What came out of a reconciliation.
#[derive(Debug)]
pub struct Outcome {
    /// The resource
    pub subject: Subject,
    /// Its state
    pub state: State,
    /// Whether its status was written, because the state is news
    pub news: bool,
    /// Why it is not better, if a step failed
    pub failure: Option<Error>,
}

/// What a reconciliation works with.
pub struct Context {
    /// The way to the API server
    pub client: Client,
    /// The installation
    pub settings: Settings,
}

/// Makes the cluster have what the MetalLB `name` asks for, and tells in its status how that went. `None`: there is no
/// such resource, or it is being deleted; what it owned goes with it, and what it could not own is removed.
///
/// # Errors
/// The resource could not be read, or its status not written: there is no place to tell but the log.
pub async fn reconcile(
    context: &Context,
    name: &str,
    fresh_key: FreshKey,
    now: Time,
) -> Result<Option<Outcome>, Error> {
    let Context { client, settings } = context;
    let registrar = Registrar {
        client,
        namespace: &settings.namespace,
    };
    // (1) reads
    let Some(dereferenced) = dereference::dereference(client, &settings.namespace, name).await? else {
        if name == names::object::METALLB {
            registrar.unregister().await?;
            apply::unconstrain(client, &settings.namespace).await?;
        }
        return Ok(None);
    };
    let subject = Subject::new(&dereferenced.metallb);
    // (2) to (4)
    let mut speakers = None;
    let (state, failure) = match converge(context, dereferenced, &fresh_key, &now).await {
        Ok((state, counted)) => {
            speakers = Some(counted);
            (state, None)
        }
        Err(error) => match error.state() {
            // What the controller is asked depends on nothing that has failed.
            Some(state) if name == names::object::METALLB && !error.gives_way() => {
                let error = registrar.catch_up().await.err().map_or(error, Error::Apply);
                (state, Some(error))
            }
            Some(state) => (state, Some(error)),
            None => return Err(error),
        },
    };
    // (5) writes the status
    let news = status::update(client, &subject, (&state, speakers), &now).await?;
    Ok(Some(Outcome {
        subject,
        state,
        news,
        failure,
    }))
}

async fn converge(
    context: &Context,
    dereferenced: Dereferenced,
    fresh_key: &FreshKey,
    now: &Time,
) -> Result<(State, SpeakerCounts), Error> {
    let Context { client, settings } = context;
    // (2) and (3) are pure
    let metallb = validate::validate(dereferenced)?;
    let prepared = build::build(&metallb, settings, fresh_key);
    // (4) writes the objects
    let target = Target {
        client,
        namespace: &settings.namespace,
        owner: &metallb.owner,
    };
    // Boxed: the objects are large, and every future around this one would carry the room for them.
    let applied = Box::new(Box::pin(target.apply(prepared)).await?);
    let mut causes = Causes::new();
    for (kind, component) in status::unfinished(&applied) {
        let evidence = obstacles::find(client, &settings.namespace, (kind, component)).await;
        if let Some(cause) = obstacles::cause(&evidence, now.0) {
            causes.insert(component, cause);
        }
    }
    let state = match metallb.rivals {
        None => State::of(&applied, metallb.foreign_bgp, &causes),
        Some(message) => State::Degraded {
            reason: names::condition::ANOTHER_INSTALLATION,
            message,
        },
    };
    Ok((state, status::speakers(&applied)))
}

/// Selects what the operator made.
pub fn managed() -> String {
    format!("{}={}", names::label::MANAGED_BY, names::label::METALLB_OPERATOR)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_cannot_succeed_is_not_tried_at_once() {
        let refused = |code: u16, message: &str| {
            let status = Status {
                code,
                message: message.to_owned(),
                ..Status::default()
            };
            Error::Apply(apply::Error::Apply {
                kind: "Deployment",
                name: "controller".to_owned(),
                source: kube::Error::Api(Box::new(status)),
            })
        };
        let name = validate::Error::Name("other".to_owned());
        let rivals = validate::Error::Rivals("another MetalLB is installed".to_owned());
        for (error, retry, text) in [
            (
                refused(422, "spec.template.spec.affinity: Invalid value"),
                Retry::Slowly,
                "failed to apply Deployment controller: spec.template.spec.affinity: Invalid value",
            ),
            (
                refused(403, "exceeded quota"),
                Retry::Soon,
                "failed to apply Deployment controller: exceeded quota",
            ),
            (
                Error::Validate(name),
                Retry::Never,
                "Incorrect MetalLB resource name: other",
            ),
            (
                Error::Validate(rivals),
                Retry::Slowly,
                "another MetalLB is installed",
            ),
        ] {
            assert_eq!((error.retry(), explain(&error).as_str()), (retry, text));
        }
    }
}
