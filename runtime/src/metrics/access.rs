//! Who may read the metrics: whoever Kubernetes lets `get` the path. Owns the questions and what is remembered of the
//! answers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use metallb_api::names::metric;
use ring::digest;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::log::chain;

/// How long a permission is believed: twice the usual time between two scrapes, so that a scraper asks the API server
/// something every other time, and as long as Kubernetes' own servers believe a token.
const ALLOWED_FOR: Duration = Duration::from_mins(1);
/// How long a refusal is believed: short, because somebody may be about to grant the right.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long a permission is believed when the API server cannot be asked: metrics are wanted most when things fail.
const UNASKED_FOR: Duration = Duration::from_mins(10);
/// Tokens that are remembered. There are two or three scrapers, whose tokens change every hour; when more come, the one
/// that was asked about first is forgotten.
const REMEMBERED: usize = 32;
/// Questions to the API server at once.
const QUESTIONS: usize = 2;
/// How long a token that nobody knows holds one of these places: somebody who tries tokens tries at most twenty in a
/// second.
const UNKNOWN_TOKEN: Duration = Duration::from_millis(100);

/// What Kubernetes says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is somebody's who may.
    Allowed,
    /// It is somebody's who may not.
    Forbidden,
    /// It is nobody's.
    Unknown,
}

/// Somebody who can be asked.
pub(super) trait Review: Send + Sync + 'static {
    /// Whose the token is, and whether they may.
    fn review(&self, token: &str) -> impl Future<Output = Result<Verdict, kube::Error>> + Send;
}

/// Why somebody does not get the metrics.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No token, or one that nobody knows.
    #[error("unauthorized: send the token of a service account, as \"Authorization: Bearer <token>\"")]
    Unauthorized,
    /// A token of somebody who may not.
    #[error(
        "forbidden: bind a ClusterRole to this account that allows to get the non-resource URL {}",
        metric::PATH
    )]
    Forbidden,
    /// The API server cannot be asked.
    #[error("cannot ask the API server who this is, see the log")]
    Unasked,
}

impl Refusal {
    /// The status of HTTP.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unasked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A token, without being one: what is remembered of it is of no use to a thief.
type Fingerprint = [u8; 32];

#[derive(Clone, Copy)]
struct Remembered {
    verdict: Verdict,
    since: Instant,
}

/// Decides who may read.
pub(super) struct Access<R> {
    reviewer: R,
    remembered: Mutex<BTreeMap<Fingerprint, Remembered>>,
    questions: Semaphore,
}

impl<R: Review> Access<R> {
    /// Nobody is known yet.
    pub(super) fn new(reviewer: R) -> Self {
        Self {
            reviewer,
            remembered: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    /// Whether whoever sent `headers` may read the metrics.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = bearer(headers).ok_or(Refusal::Unauthorized)?;
        let fingerprint = fingerprint(token);
        let verdict = match self.recall(fingerprint) {
            Some(verdict) => verdict,
            None => self.ask(token, fingerprint).await?,
        };
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden => Err(Refusal::Forbidden),
            Verdict::Unknown => Err(Refusal::Unauthorized),
        }
    }

    /// What is still believed.
    fn recall(&self, token: Fingerprint) -> Option<Verdict> {
        let known = *self.memory().get(&token)?;
        let believed = if known.verdict == Verdict::Allowed {
            ALLOWED_FOR
        } else {
            REFUSED_FOR
        };
        (known.since.elapsed() < believed).then_some(known.verdict)
    }

    async fn ask(&self, token: &str, fingerprint: Fingerprint) -> Result<Verdict, Refusal> {
        let _place = self.questions.acquire().await.map_err(|_| Refusal::Unasked)?;
        // Somebody may have asked the same while this one waited.
        if let Some(verdict) = self.recall(fingerprint) {
            return Ok(verdict);
        }
        match self.reviewer.review(token).await {
            Ok(Verdict::Unknown) => {
                sleep(UNKNOWN_TOKEN).await;
                Ok(Verdict::Unknown)
            }
            Ok(verdict) => {
                self.remember(fingerprint, verdict);
                Ok(verdict)
            }
            Err(error) => {
                let known = self.memory().get(&fingerprint).copied();
                let lenient = |known: &Remembered| known.since.elapsed() < UNASKED_FOR;
                tracing::warn!(
                    error = chain(&error),
                    "cannot ask whether a scraper may read the metrics"
                );
                known
                    .filter(lenient)
                    .map(|known| known.verdict)
                    .ok_or(Refusal::Unasked)
            }
        }
    }

    fn remember(&self, token: Fingerprint, verdict: Verdict) {
        let mut memory = self.memory();
        if memory.len() >= REMEMBERED && !memory.contains_key(&token) {
            let oldest = memory.iter().min_by_key(|(_, known)| known.since);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                memory.remove(&oldest);
            }
        }
        let since = Instant::now();
        memory.insert(token, Remembered { verdict, since });
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<Fingerprint, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of a request, RFC 6750 section 2.1.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    fingerprint
}

/// Asks the API server.
pub(super) struct KubernetesReview {
    tokens: Api<TokenReview>,
    rights: Api<SubjectAccessReview>,
}

impl KubernetesReview {
    pub(super) fn new(client: Client) -> Self {
        Self {
            tokens: Api::all(client.clone()),
            rights: Api::all(client),
        }
    }

    async fn user(&self, token: &str) -> Result<Option<UserInfo>, kube::Error> {
        let question = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let answer = self.tokens.create(&PostParams::default(), &question).await?;
        let status = answer.status.filter(|status| status.authenticated == Some(true));
        Ok(status.and_then(|status| status.user))
    }
}

impl Review for KubernetesReview {
    async fn review(&self, token: &str) -> Result<Verdict, kube::Error> {
        let Some(user) = self.user(token).await? else {
            return Ok(Verdict::Unknown);
        };
        let question = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(metric::PATH.to_owned()),
                    verb: Some("get".to_owned()),
                }),
                user: user.username,
                uid: user.uid,
                groups: user.groups,
                extra: user.extra,
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = self.rights.create(&PostParams::default(), &question).await?;
        let allowed = answer.status.is_some_and(|status| status.allowed);
        Ok(if allowed {
            Verdict::Allowed
        } else {
            Verdict::Forbidden
        })
    }
}

#[cfg(test)]
mod tests;
