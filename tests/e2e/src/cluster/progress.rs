//! What a command says while it works.
//!
//! Owns: the form of a progress line.
//! Never: writes to standard output, which belongs to the result.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Prints one line per step, with the time since the command began.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    who: &'static str,
    started: Instant,
}

impl Progress {
    /// Starts the clock of the command `cluster`.
    pub fn start() -> Self {
        Self::of("cluster")
    }

    /// Starts the clock of the command of this name.
    pub fn of(who: &'static str) -> Self {
        Self {
            who,
            started: Instant::now(),
        }
    }

    /// Says what is done next.
    pub fn step(&self, what: impl Display) {
        eprintln!("{} {:6.1} s  {what}", self.who, self.elapsed().as_secs_f64());
    }

    /// Time since the command began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
