//! How full each pool is, written to its status. Owns the pace of these writes; counting is the allocator's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use metallb_api::names::field_manager;
use metallb_api::v1beta1::{IPAddressPool, IPAddressPoolStatus};
use metallb_runtime::backoff::Backoff;
use metallb_runtime::lease::Leadership;
use metallb_runtime::log::chain;
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until, timeout};

use crate::write::{REFUSED, is_refusal};

/// The least time between two rounds of writes. Counters are for people and dashboards: a burst of a thousand Services
/// costs one write per pool and second, not a thousand.
const PACE: Duration = Duration::from_secs(1);

/// What the status of pools should say and does not, by name.
pub(crate) type PoolStatuses = BTreeMap<String, IPAddressPoolStatus>;

/// The wait for an answer to one write. There are few of them, and they are not urgent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes what is `wanted`, for ever, while this process leads. What is written leaves `wanted` with the watch's next word on the pool; a pool whose
/// status could not be written waits, and the others do not.
pub(crate) async fn run(
    client: Client,
    namespace: String,
    mut wanted: Receiver<PoolStatuses>,
    mut leadership: Leadership,
) -> anyhow::Result<()> {
    let api: Api<IPAddressPool> = Api::namespaced(client, &namespace);
    let mut troubles = Troubles::default();
    loop {
        let latest = wanted.borrow_and_update().clone();
        troubles.keep(&latest);
        let mut postponed = false;
        for (pool, status) in latest {
            let now = Instant::now();
            let leads = leadership.authority().covers(now.into_std());
            postponed |= !leads;
            if !leads || !troubles.may_write(&pool, now) {
                continue;
            }
            match write(&api, &pool, &status).await {
                Ok(()) => troubles.written(&pool),
                Err(error) => {
                    let wait = troubles.failed(&pool, &error, Instant::now());
                    let (error, retry_s) = (format!("{error:#}"), wait.as_secs_f32());
                    tracing::warn!(pool, error, retry_s, "pool status not written");
                }
            }
        }
        tokio::time::sleep(PACE).await;
        let again = troubles.next();
        tokio::select! {
            changed = wanted.changed() => changed.context("the task that owns the pools is gone")?,
            () = leadership.changed(), if postponed => {}
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
        }
    }
}

/// The pools whose status could not be written, and when each is tried again.
#[derive(Debug, Default)]
struct Troubles(BTreeMap<String, (Backoff, Instant)>);

impl Troubles {
    fn may_write(&self, pool: &str, now: Instant) -> bool {
        self.0.get(pool).is_none_or(|(_, due)| *due <= now)
    }

    fn written(&mut self, pool: &str) {
        self.0.remove(pool);
    }

    /// Returns the wait. A refusal lasts until somebody changes a role or a policy, anything else passes by itself.
    fn failed(&mut self, pool: &str, error: &WriteError, now: Instant) -> Duration {
        let (backoff, due) = self
            .0
            .entry(pool.to_owned())
            .or_insert_with(|| (Backoff::default(), now));
        let wait = if error.is_refusal() {
            REFUSED
        } else {
            backoff.failed()
        };
        *due = now + wait;
        wait
    }

    /// Forgets all pools but those whose status is to be written.
    fn keep(&mut self, wanted: &PoolStatuses) {
        self.0.retain(|pool, _| wanted.contains_key(pool));
    }

    fn next(&self) -> Option<Instant> {
        self.0.values().map(|(_, due)| *due).min()
    }
}

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    /// It may have been written all the same.
    #[error("no answer in time")]
    Silence,
    #[error("{}", chain(.0))]
    Client(kube::Error),
}

impl WriteError {
    fn is_refusal(&self) -> bool {
        match self {
            Self::Client(kube::Error::Api(status)) => is_refusal(status.code),
            Self::Client(_) | Self::Silence => false,
        }
    }
}

async fn write(api: &Api<IPAddressPool>, pool: &str, status: &IPAddressPoolStatus) -> Result<(), WriteError> {
    let parameters = PatchParams {
        field_manager: Some(field_manager::CONTROLLER.into()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "status": status }));
    match timeout(TIMEOUT, api.patch_status(pool, &parameters, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()), // deleted meanwhile
        Ok(Err(error)) => Err(WriteError::Client(error)),
        Err(_) => Err(WriteError::Silence),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16) -> WriteError {
        let status = Status::failure("no", "Reason").with_code(code);
        WriteError::Client(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_pool_that_cannot_be_written_waits_alone_and_longer_each_time() {
        let mut troubles = Troubles::default();
        let now = Instant::now();
        let first = troubles.failed("gold", &answer(500), now);
        assert!(!troubles.may_write("gold", now) && troubles.may_write("silver", now));
        assert!(troubles.may_write("gold", now + first));
        assert_eq!(troubles.next(), Some(now + first));
        for _ in 0..3 {
            troubles.failed("gold", &WriteError::Silence, now);
        }
        assert!(troubles.failed("gold", &answer(503), now) > 3 * first);
        troubles.written("gold");
        assert!(troubles.may_write("gold", now) && troubles.next().is_none());
    }

    #[test]
    fn a_refused_pool_is_asked_for_once_a_minute() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.failed("gold", &answer(403), Instant::now()), REFUSED);
    }

    #[test]
    fn a_pool_that_needs_no_write_is_forgotten() {
        let mut troubles = Troubles::default();
        troubles.failed("gold", &answer(403), Instant::now());
        troubles.keep(&PoolStatuses::new());
        assert!(troubles.next().is_none());
    }
}
