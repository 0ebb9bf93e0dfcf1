//! A timer of the kernel, watched by tokio. Owns when it rings; what is then to be done is its user's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// In a century or so.
const LATEST: Duration = Duration::from_hours(1_000_000);

/// Rings once at a moment of the clock that counts since boot and goes on while the machine sleeps.
///
/// tokio's own timers share one wheel, which wakes the thread each time that it has to turn, too: about twice for a
/// wait of some dozen milliseconds, and up to a millisecond late.
#[derive(Debug)]
pub struct Timer {
    /// Never handed out, so that nobody can close or replace the descriptor (see `new`).
    timer: AsyncFd<Descriptor>,
    /// For when it is set. None once it has rung.
    at: Option<Duration>,
}

#[derive(Debug)]
struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// A timer that is not set. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The process has too many files open.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = Descriptor(TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?);
        // SAFETY: the descriptor is open and stays so as long as the `AsyncFd`, which owns the `Descriptor` that owns it:
        // `Timer` has no method that moves or mutates the `Descriptor`, and that returns the same descriptor from every
        // `as_raw_fd` call.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?;
        Ok(Self { timer, at: None })
    }

    /// It rings at `at`, and not at the moment for which it was set before. At once if `at` has passed.
    ///
    /// # Errors
    /// None that is known.
    pub fn set(&mut self, at: Duration) -> io::Result<()> {
        if self.at == Some(at) {
            return Ok(());
        }
        // Zero would mean never, and what is too long for the kernel would be refused.
        let moment = at.clamp(Duration::from_nanos(1), LATEST);
        let expiration = Expiration::OneShot(TimeSpec::from(moment));
        self.timer
            .get_ref()
            .0
            .set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.at = Some(at);
        Ok(())
    }

    /// Waits until it rings.
    ///
    /// # Errors
    /// None that is known.
    pub fn poll_ring(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.timer.poll_read_ready(context))?;
            // `WouldBlock` clears the readiness, and the next round waits for it: it was set anew meanwhile.
            if let Ok(result) = ready.try_io(|timer| timer.get_ref().0.wait().map_err(Errno::into)) {
                self.at = None;
                return Poll::Ready(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use nix::time::clock_gettime;

    use super::*;

    fn now() -> Duration {
        clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).unwrap().into()
    }

    #[tokio::test]
    async fn it_rings_once_and_not_before_its_moment() {
        let mut timer = Timer::new().unwrap();
        let start = now();
        for (first, then) in [(0, 3), (3, 0), (3, 3), (60_000, 3), (3, 6)] {
            let begin = now();
            timer.set(begin + Duration::from_millis(first)).unwrap();
            timer.set(begin + Duration::from_millis(then)).unwrap();
            poll_fn(|context| timer.poll_ring(context)).await.unwrap();
            assert!(now() >= begin + Duration::from_millis(then), "{first} {then}");
        }
        timer.set(Duration::MAX).unwrap();
        timer.set(Duration::ZERO).unwrap();
        poll_fn(|context| timer.poll_ring(context)).await.unwrap();
        assert!(
            now() < start + Duration::from_mins(1),
            "it was set anew each time"
        );
        let again = poll_fn(|context| timer.poll_ring(context));
        let again = tokio::time::timeout(Duration::from_millis(10), again).await;
        assert!(again.is_err(), "it rings once");
    }
}
