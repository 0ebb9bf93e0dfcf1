//! Waiting for a condition, and saying what was seen instead when it does not come true.
//!
//! Owns: the only sleep of this crate, between two looks.
//! Never: waits without a limit.

use std::fmt::{Debug, Display};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::Instant;

/// Pause between two looks: short against every wait of a test, long enough to cost nothing on two processors.
const INTERVAL: Duration = Duration::from_millis(100);

/// A look is a request or a short command. One that takes longer hangs, and is given up for the next.
const LOOK_LIMIT: Duration = Duration::from_secs(20);
/// What the last look gets, however little time is left: it may be the one that finds the condition true.
const LAST_LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What one look at the world found.
#[derive(Debug)]
pub enum Look<T> {
    /// The condition holds.
    Done(T),
    /// Not yet; the text says what is there instead and ends up in the error.
    NotYet(String),
}

/// Looks again and again until the condition holds. A look that hangs is ended, so that the limit holds.
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
        let left = limit.saturating_sub(started.elapsed());
        let bound = left.clamp(LAST_LOOK_LIMIT, LOOK_LIMIT);
        let seen = match tokio::time::timeout(bound, look()).await {
            Ok(Ok(Look::Done(value))) => return Ok(value),
            Ok(Ok(Look::NotYet(seen))) => seen,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("nothing: a look took more than {} s", bound.as_secs()),
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

/// Looks again and again until the same was seen for a whole `period`, and returns it.
///
/// # Errors
/// After `limit`, as [`until`].
pub async fn until_steady<T: PartialEq, E: Display>(
    what: impl Display,
    period: Duration,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let mut last: Option<(T, Instant)> = None;
    until(what, limit, async || {
        let found = look().await?;
        match last.take() {
            Some((same, since)) if same == found && since.elapsed() >= period => {
                return Ok(Look::Done(found));
            }
            Some((same, since)) if same == found => last = Some((same, since)),
            _ => last = Some((found, Instant::now())),
        }
        Ok::<_, E>(Look::NotYet(format!(
            "a change within the last {} s",
            period.as_secs_f32()
        )))
    })
    .await
}

/// Looks again and again until nothing is left of what there was.
///
/// # Errors
/// After `limit`, as [`until`], with what is left.
pub async fn until_none<I: IntoIterator<Item: Debug>, E: Display>(
    what: impl Display,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<I, E>,
) -> Result<()> {
    until(what, limit, async || {
        let left: Vec<_> = look().await?.into_iter().collect();
        Ok::<_, E>(if left.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(format!("{left:?}"))
        })
    })
    .await
}

/// Looks again and again until there are so many.
///
/// # Errors
/// After `limit`, as [`until`], with how many there are.
pub async fn until_count<E: Display>(
    what: impl Display,
    count: usize,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<usize, E>,
) -> Result<()> {
    until(what, limit, async || {
        let found = look().await?;
        Ok::<_, E>(if found == count {
            Look::Done(())
        } else {
            Look::NotYet(format!("{found}"))
        })
    })
    .await
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

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_does_not_outlive_the_limit() {
        let started = Instant::now();
        let limit = Duration::from_secs(50);
        let error = until("an answer", limit, async || {
            std::future::pending::<Result<Look<()>, anyhow::Error>>().await
        });
        let text = error.await.unwrap_err().to_string();
        assert!(text.contains("last seen: nothing"), "{text}");
        assert!(started.elapsed() < limit + LAST_LOOK_LIMIT + INTERVAL * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_is_steady_a_period_after_its_last_change() {
        let started = Instant::now();
        let period = Duration::from_secs(3);
        let changing = async || Ok::<_, anyhow::Error>(started.elapsed().as_secs().min(4));
        let found = until_steady("a pause", period, Duration::from_secs(20), changing);
        assert_eq!(found.await.unwrap(), 4);
        assert!(started.elapsed() >= Duration::from_secs(7));
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}
