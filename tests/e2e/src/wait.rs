//! Waiting for a condition, and saying what was seen instead when it does not come true.
//!
//! Owns: the only sleep of this crate, between two looks.
//! Never: waits without a limit.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::Instant;

/// Pause between two looks: short against every wait of a test, long enough to cost nothing on two processors.
const INTERVAL: Duration = Duration::from_millis(100);

/// What one look at the world found.
#[derive(Debug)]
pub enum Look<T> {
    /// The condition holds.
    Done(T),
    /// Not yet; the text says what is there instead and ends up in the error.
    NotYet(String),
}

/// Looks again and again until the condition holds.
///
/// # Errors
/// After `limit`, with what was seen last; an error of `look` counts as something seen, so that a connection that is
/// refused at first does not end the wait.
pub async fn until<T, E: Display>(
    what: impl Display,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>, E>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(Look::Done(value)) => return Ok(value),
            Ok(Look::NotYet(seen)) => seen,
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() >= limit {
            return Err(anyhow!(
                "after {} s still waiting for {what}; last seen: {seen}",
                limit.as_secs_f32()
            ));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// As [`until`], for a condition with nothing to return.
///
/// # Errors
/// As [`until`].
pub async fn until_true(what: impl Display, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    until(what, limit, async || {
        Ok::<_, anyhow::Error>(if holds() {
            Look::Done(())
        } else {
            Look::NotYet("it does not hold".to_owned())
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timeout_names_the_condition_and_what_was_seen() {
        let error = until("two pods", Duration::from_secs(3), async || {
            Ok::<_, anyhow::Error>(Look::<()>::NotYet("one pod".to_owned()))
        });
        let text = error.await.unwrap_err().to_string();
        assert!(
            text.contains("two pods") && text.contains("last seen: one pod"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_something_seen_and_not_the_end() {
        let mut looks = 0;
        let value = until("an answer", Duration::from_secs(3), async || {
            looks += 1;
            if looks < 3 {
                Err("connection refused")
            } else {
                Ok(Look::Done(looks))
            }
        });
        assert_eq!(value.await.unwrap(), 3);
    }
}
