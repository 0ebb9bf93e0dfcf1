//! How long to wait before the next attempt at the API server.

use std::time::Duration;

/// The first wait: long enough for a restarted API server to open its port, short enough not to be noticed.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait. A cluster of 1,000 nodes with five watches each asks a recovering API server 1,000 times a
/// second at this cap, which it answers with 429 at worst; a longer cap would cost users seconds after every outage.
const CAP: Duration = Duration::from_secs(5);

/// Exponential backoff with full-range jitter between half and all of the current wait.
#[derive(Debug, Clone)]
pub struct Backoff {
    failures: u32,
    cap: Duration,
}

impl Default for Backoff {
    /// For an API server that does not answer as it should.
    fn default() -> Self {
        Self::up_to(CAP)
    }
}

impl Backoff {
    /// With `cap` as the longest wait, for what will probably last.
    pub fn up_to(cap: Duration) -> Self {
        Self { failures: 0, cap }
    }

    /// The wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        let wait = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }

    /// The attempt succeeded: the next failure waits shortly again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    fn ceiling(&self) -> Duration {
        FIRST
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u128> = (0..40)
            .map(|_| {
                let ceiling = backoff.ceiling();
                let wait = backoff.failed();
                assert!(
                    wait <= ceiling && wait >= ceiling / 2,
                    "{wait:?} is outside half to all of {ceiling:?}"
                );
                ceiling.as_millis()
            })
            .collect();
        assert_eq!(ceilings[..8], [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(ceilings[39], 5000);
        backoff.succeeded();
        assert_eq!(backoff.ceiling(), FIRST);
    }
}
