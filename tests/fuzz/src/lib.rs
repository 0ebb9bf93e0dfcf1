//! Damaged frames and packets for every decoder: none may panic, and none may take more memory than its bound.
//!
//! Owns the mutations, the bounds and the reports. It runs on the stable toolchain and so without knowing which branches
//! an input has taken; instead it keeps those inputs whose outcome it has not seen before, and corrects the checksum of
//! damaged bytes where a decoder would refuse everything else. `make fuzz` runs it for as long as you like.

mod failover;
mod frames;
mod membership;
mod mutation;

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;
use peak_alloc::PeakAlloc;

/// Counts what this process has allocated.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Inputs that are kept to be damaged further. When it is full a new one replaces any.
const CORPUS_MAX: usize = 512;

/// One decoder and what it is fed with.
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Valid inputs to begin with.
    seeds: fn() -> Vec<Vec<u8>>,
    /// Decodes, and says in one number how that went: inputs that went alike are of little use beside each other.
    decode: fn(&[u8]) -> u64,
    /// The most that one input may take, in bytes.
    bound: usize,
    /// How many inputs of other targets take as long as one of this.
    weight: u64,
}

/// Every decoder of bytes that strangers send.
pub static TARGETS: [Target; 11] = [
    frames::ARP,
    frames::NDP,
    failover::WORDS,
    membership::MESSAGE,
    membership::DATAGRAM,
    membership::SEALED_DATAGRAM,
    membership::COMPRESSED,
    membership::STREAM,
    membership::SEALED_STREAM,
    membership::MSGPACK,
    membership::LARGE,
];

/// For how long a target is run.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// So many inputs, less of those that take long: always the same ones.
    Inputs(u64),
    /// As many as fit into this time.
    Time(Duration),
}

/// What a run has seen.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many inputs were decoded.
    pub inputs: u64,
    /// How many outcomes differed from each other.
    pub outcomes: usize,
    /// The most memory that an input has taken, in bytes.
    pub most_bytes: usize,
}

/// An input that a decoder must not treat as it does.
#[derive(Debug)]
pub struct Finding {
    target: &'static str,
    what: String,
    input: Vec<u8>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut hex = String::with_capacity(2 * self.input.len());
        for byte in &self.input {
            write!(hex, "{byte:02x}")?;
        }
        write!(formatter, "{}: {}; the input is {hex}", self.target, self.what)
    }
}

impl std::error::Error for Finding {}

impl Target {
    /// Runs the decoder.
    ///
    /// # Errors
    /// It panicked, or took more memory than its bound.
    pub fn run(&self, length: Length, seed: u64) -> Result<Report, Finding> {
        let mut rng = Rng::with_seed(seed);
        let mut corpus = (self.seeds)();
        let mut outcomes = BTreeSet::new();
        let mut report = Report {
            inputs: 0,
            outcomes: 0,
            most_bytes: 0,
        };
        for input in corpus.clone() {
            self.once(&input, &mut outcomes, &mut report)?;
        }
        let start = Instant::now();
        while match length {
            Length::Inputs(count) => report.inputs < count / self.weight,
            // The clock is asked rarely: reading it takes as long as some decoders do.
            Length::Time(time) => {
                !report.inputs.is_multiple_of(0x100 / self.weight) || start.elapsed() < time
            }
        } {
            let input = mutation::mutate(&corpus, &mut rng);
            if self.once(&input, &mut outcomes, &mut report)? {
                if corpus.len() < CORPUS_MAX {
                    corpus.push(input);
                } else {
                    let place = rng.usize(..corpus.len());
                    corpus[place] = input;
                }
            }
        }
        report.outcomes = outcomes.len();
        Ok(report)
    }

    /// Decodes one input. Whether it went as none before.
    fn once(&self, input: &[u8], outcomes: &mut BTreeSet<u64>, report: &mut Report) -> Result<bool, Finding> {
        let finding = |what| Finding {
            target: self.name,
            what,
            input: input.to_vec(),
        };
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.decode)(input)));
        let taken = ALLOCATED.peak_usage().saturating_sub(before);
        let outcome = outcome.map_err(|panic| finding(format!("panicked: {}", words(&*panic))))?;
        report.inputs += 1;
        report.most_bytes = report.most_bytes.max(taken);
        if taken > self.bound {
            return Err(finding(format!("took {taken} bytes, more than {}", self.bound)));
        }
        Ok(outcomes.insert(outcome))
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
