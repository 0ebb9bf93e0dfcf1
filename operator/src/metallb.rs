//! One reconciliation of a MetalLB, in five steps. Owns their order and what follows from a failure of each; every step
//! is a module of its own.

pub mod apply;
pub mod build;
pub mod dereference;
pub mod status;
pub mod validate;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use metallb_api::names;

use crate::args::Settings;
use apply::Target;
use build::FreshKey;
use dereference::Dereferenced;
use status::{State, Subject};

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
            Self::Validate(_) => names::condition::INVALID,
            Self::Apply(_) => names::condition::FAILED_TO_SYNC,
            Self::Dereference(_) | Self::Status(_) => return None,
        };
        Some(State::Degraded {
            reason,
            message: explain(self),
        })
    }

    /// Whether the same attempt can succeed later without an edit of the resource.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Validate(_) => false,
            Self::Dereference(_) | Self::Apply(_) | Self::Status(_) => true,
        }
    }
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
/// such resource, or it is being deleted; what it owned goes with it.
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
    // (1) reads
    let Some(dereferenced) = dereference::dereference(client, &settings.namespace, name).await? else {
        return Ok(None);
    };
    let subject = Subject::new(&dereferenced.metallb);
    // (2) to (4)
    let (state, failure) = match converge(context, dereferenced, &fresh_key).await {
        Ok(state) => (state, None),
        Err(error) => match error.state() {
            Some(state) => (state, Some(error)),
            None => return Err(error),
        },
    };
    // (5) writes the status
    let news = status::update(client, &subject, &state, &now).await?;
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
) -> Result<State, Error> {
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
    let applied = Box::pin(target.apply(prepared)).await?;
    Ok(State::of(&applied, metallb.foreign_bgp))
}

/// Selects what the operator made.
pub fn managed() -> String {
    format!("{}={}", names::label::MANAGED_BY, names::label::METALLB_OPERATOR)
}
