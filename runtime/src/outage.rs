//! What does not work for a while. Owns when that is worth a line in the log, so that an outage is a line when it begins
//! and one when it is over, however often is tried in between. The words are the caller's.

use std::time::Duration;

use tokio::time::Instant;

/// An outage that lasts is told again this often: whoever reads a log from its end finds it there, with the error of
/// now, which may be another one than at first.
const REMINDER: Duration = Duration::from_mins(10);

/// One thing that may not work at times.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    present: Option<Present>,
}

#[derive(Debug)]
struct Present {
    since: Instant,
    told: Instant,
    failures: u64,
}

/// An outage that is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Over {
    /// Attempts that failed.
    pub(crate) failures: u64,
    /// From the first of them to the success.
    pub(crate) lasted: Duration,
}

impl Outage {
    /// One more attempt failed. Returns whether that is worth a line.
    pub(crate) fn failed(&mut self) -> bool {
        let now = Instant::now();
        let Some(present) = &mut self.present else {
            self.present = Some(Present {
                since: now,
                told: now,
                failures: 1,
            });
            return true;
        };
        present.failures += 1;
        let due = now.duration_since(present.told) >= REMINDER;
        if due {
            present.told = now;
        }
        due
    }

    /// Attempts that failed since it worked last.
    pub(crate) fn failures(&self) -> u64 {
        self.present.as_ref().map_or(0, |present| present.failures)
    }

    /// It works. Returns the outage that this ends.
    pub(crate) fn works(&mut self) -> Option<Over> {
        self.present.take().map(|present| Over {
            failures: present.failures,
            lasted: present.since.elapsed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_at_its_beginning_and_every_ten_minutes_and_all_failures_are_counted() {
        let mut outage = Outage::default();
        assert_eq!(outage.works(), None);
        let mut told = Vec::new();
        for second in 0..1500 {
            if outage.failed() {
                told.push(second);
            }
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!((told, outage.failures()), (vec![0, 600, 1200], 1500));
        let over = Over {
            failures: 1500,
            lasted: Duration::from_mins(25),
        };
        assert_eq!(outage.works(), Some(over));
        assert_eq!((outage.works(), outage.failures()), (None, 0));
        assert!(outage.failed(), "the next one is another one");
    }
}
