//! The task that takes part in the election. Owns the requests to the API server; the [`Elector`] decides.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::core::Status;
use kube::{Client, Error};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Authority, Elector, Record, Step, Timing};
use crate::log::chain;
use crate::outage::Outage;

/// The wait for the answer to a handover. The kubelet kills a pod that ends seconds after it has asked it to.
const HAND_OVER: Duration = Duration::from_secs(1);
/// What the log says of a request that took too long.
const SILENCE: &str = "no answer in time";

/// Takes part in the election for as long as [`Candidate::run`] is polled.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    elector: Elector,
    /// The object as it was seen last: what a claim replaces.
    object: Option<Lease>,
    looks: Outage,
    claims: Outage,
    authority: watch::Sender<Authority>,
    patient: watch::Receiver<bool>,
    release: mpsc::Receiver<oneshot::Sender<()>>,
}

/// What the rest of the process knows of the election, and may ask of it.
#[derive(Debug, Clone)]
pub struct Leadership {
    authority: watch::Receiver<Authority>,
    patient: watch::Sender<bool>,
    release: mpsc::Sender<oneshot::Sender<()>>,
}

impl Candidate {
    /// A candidate for the Lease `name` in `namespace`. `instance` is the name of the pod, for people who look at the
    /// Lease; the identity gets a random end, so that a process never takes itself for its predecessor.
    pub fn new(client: Client, namespace: &str, name: &str, instance: &str) -> (Self, Leadership) {
        let me = format!("{instance}_{:016x}", fastrand::u64(..));
        let (authority, authority_of) = watch::channel(Authority::None);
        let (patient, is_patient) = watch::channel(false);
        let (release, releases) = mpsc::channel(1); // asked for once, at the end
        let candidate = Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            elector: Elector::new(me, Timing::DEFAULT),
            object: None,
            looks: Outage::default(),
            claims: Outage::default(),
            authority,
            patient: is_patient,
            release: releases,
        };
        let leadership = Leadership {
            authority: authority_of,
            patient,
            release,
        };
        (candidate, leadership)
    }

    /// Takes part until the lease is released, and then waits for the end of the process.
    ///
    /// # Errors
    /// None: whatever the API server says, the election goes on.
    pub async fn run(mut self) -> anyhow::Result<()> {
        loop {
            let now = Instant::now().into_std();
            let patient = *self.patient.borrow_and_update();
            self.elector.set_patient(patient, now);
            let step = self.elector.decide(now);
            self.publish(); // also before the claim, which may shorten the present authority
            match step {
                Step::Look => self.look().await,
                Step::Claim(record) => self.claim(record).await,
                Step::Wait(until) => tokio::select! {
                    () = sleep_until(until.into()) => {}
                    Ok(()) = self.patient.changed() => {}
                    Some(done) = self.release.recv() => {
                        self.hand_over().await;
                        let _ = done.send(()); // nobody waits for it any more: then it need not be told
                        return std::future::pending().await;
                    }
                },
            }
            self.publish();
        }
    }

    fn publish(&self) {
        let authority = self.elector.authority();
        let term = self.authority.borrow().term();
        if term != authority.term() {
            match authority {
                Authority::None => tracing::info!(lease = self.name, "leads no more"),
                Authority::Until { term, .. } => tracing::info!(lease = self.name, term, "leads"),
                Authority::Always => {}
            }
        }
        self.authority.send_if_modified(|known| {
            let changed = *known != authority;
            *known = authority;
            changed
        });
    }

    async fn look(&mut self) {
        let answer = timeout(self.elector.look_timeout(), self.api.get_opt(&self.name)).await;
        let now = Instant::now().into_std();
        let error = match answer {
            Ok(Ok(object)) => {
                self.elector.observe(object.as_ref().map(Record::of), now);
                self.object = object;
                if let Some(over) = self.looks.works() {
                    tracing::info!(
                        lease = self.name,
                        failures = over.failures,
                        "sees again who leads"
                    );
                }
                return;
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => SILENCE.to_owned(),
        };
        if self.looks.failed() {
            let failures = self.looks.failures();
            tracing::warn!(lease = self.name, error, failures, "cannot see who leads");
        }
        self.elector.not_seen(now);
    }

    async fn claim(&mut self, record: Record) {
        let sent = Instant::now().into_std();
        let answer = timeout(Timing::patience(record.duration), self.write(&record)).await;
        let now = Instant::now().into_std();
        let error = match answer {
            Ok(Ok(object)) => {
                self.elector.claimed(Record::of(&object), sent, now);
                self.object = Some(object);
                if let Some(over) = self.claims.works() {
                    tracing::info!(lease = self.name, failures = over.failures, "lease written again");
                }
                return;
            }
            Ok(Err(Error::Api(status))) if is_outdated(&status) => {
                self.claims = Outage::default(); // the API server works, and somebody else was faster
                return self.elector.outdated();
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => SILENCE.to_owned(),
        };
        if self.claims.failed() {
            let failures = self.claims.failures();
            tracing::warn!(lease = self.name, error, failures, "lease not written");
        }
        self.elector.unanswered(now);
    }

    /// Writes `record` in place of the object that was seen, or makes the object if there was none.
    async fn write(&self, record: &Record) -> Result<Lease, Error> {
        let mut lease = self.object.clone().unwrap_or_default();
        record.write_to(&mut lease, Timestamp::now());
        if self.object.is_some() {
            return self.api.replace(&self.name, &PostParams::default(), &lease).await;
        }
        lease.metadata.name = Some(self.name.clone());
        self.api.create(&PostParams::default(), &lease).await
    }

    async fn hand_over(&mut self) {
        let Some(record) = self.elector.release() else {
            return;
        };
        self.publish();
        match timeout(HAND_OVER, self.write(&record)).await {
            Ok(Ok(_)) => tracing::info!(lease = self.name, "handed over"),
            // The next leader waits until the lease is over.
            Ok(Err(error)) => tracing::warn!(lease = self.name, error = chain(&error), "not handed over"),
            Err(_) => tracing::warn!(lease = self.name, error = SILENCE, "not handed over"),
        }
    }
}

/// The object is not the one that was seen: changed, gone, or made by another one.
fn is_outdated(status: &Status) -> bool {
    status.is_conflict() || status.is_not_found() || status.is_already_exists()
}

impl Leadership {
    /// Of a process that takes part in no election and may always act.
    pub fn always() -> Self {
        Self {
            authority: watch::channel(Authority::Always).1,
            patient: watch::channel(false).0,
            release: mpsc::channel(1).0,
        }
    }

    /// Whether this process may act now.
    pub fn authority(&self) -> Authority {
        *self.authority.borrow()
    }

    /// Completes when the authority is another one than at the last call.
    pub async fn changed(&mut self) {
        if self.authority.changed().await.is_err() {
            std::future::pending::<()>().await; // without an election, it never changes
        }
    }

    /// Whether the leader has actions that take long, which need a long lease.
    pub fn set_patient(&self, patient: bool) {
        self.patient
            .send_if_modified(|known| std::mem::replace(known, patient) != patient);
    }

    /// Lets another one lead. Nothing of this process may be under way any more.
    pub async fn release(&self) {
        let (done, released) = oneshot::channel();
        if self.release.send(done).await.is_ok() {
            let _ = released.await; // the candidate is gone, and with it the process
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::task::{Context, Poll};

    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower::Service;

    use super::*;

    /// An API server whose Lease is made by another candidate between the first look and the first claim.
    #[derive(Clone)]
    struct Contended(mpsc::UnboundedSender<(Method, Instant)>, bool);

    impl Contended {
        fn answer(&mut self, method: &Method) -> (u16, Value) {
            let made = std::mem::replace(&mut self.1, true);
            let refusal = |code: u16, reason: &str| {
                let status = json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code});
                (code, status)
            };
            match (method, made) {
                (&Method::GET, false) => refusal(404, "NotFound"),
                (&Method::POST, _) => refusal(409, "AlreadyExists"),
                _ => {
                    let spec = json!({"holderIdentity": "other", "leaseDurationSeconds": 3});
                    let lease = json!({"metadata": {"name": "lease", "resourceVersion": "1"}, "spec": spec});
                    (200, lease)
                }
            }
        }
    }

    impl Service<Request<Body>> for Contended {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let (code, body) = self.answer(request.method());
            let _ = self.0.send((request.method().clone(), Instant::now()));
            let mut response = Response::new(Body::from(body.to_string().into_bytes()));
            *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
            ready(Ok(response))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_make_the_lease_at_once_the_slower_one_looks_again_without_a_pause() {
        let (asked, mut requests) = mpsc::unbounded_channel();
        let client = Client::new(Contended(asked, false), "ns");
        let (candidate, leadership) = Candidate::new(client, "ns", "lease", "me");
        let started = Instant::now();
        let mut seen = Vec::new();
        tokio::select! {
            ended = candidate.run() => panic!("{ended:?}"),
            () = async {
                while seen.len() < 3 {
                    seen.extend(requests.recv().await);
                }
            } => {}
        }
        let expected = [Method::GET, Method::POST, Method::GET].map(|method| (method, started));
        assert_eq!(seen, expected);
        assert_eq!(leadership.authority(), Authority::None);
    }
}
