//! A figure: what is measured, in which unit, and what we want it to be.
//!
//! Owns: percentiles and how numbers are written.
//! Never: measures.

use std::time::Duration;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds
    Nanoseconds,
    /// Microseconds
    Microseconds,
    /// Milliseconds
    Milliseconds,
    /// Units of 1,000,000 bytes
    Megabytes,
    /// Hundredths
    Percent,
    /// A number of things, of which fewer are better
    Count,
}

impl Unit {
    /// A duration as a number of this unit of time.
    pub fn of(self, duration: Duration) -> f64 {
        let seconds = duration.as_secs_f64();
        match self {
            Self::Nanoseconds => seconds * 1e9,
            Self::Microseconds => seconds * 1e6,
            Self::Milliseconds => seconds * 1e3,
            Self::Megabytes | Self::Percent | Self::Count => seconds,
        }
    }

    /// The number with its unit, as precise as a reader can use: three digits at least, and no fraction from 100 on.
    pub fn show(self, value: f64) -> String {
        let symbol = match self {
            Self::Nanoseconds => " ns",
            Self::Microseconds => " µs",
            Self::Milliseconds => " ms",
            Self::Megabytes => " MB",
            Self::Percent => " %",
            Self::Count => "",
        };
        let digits = match self {
            Self::Count => 0,
            _ if value < 10.0 => 2,
            _ if value < 100.0 => 1,
            _ => 0,
        };
        format!("{}{symbol}", grouped(&format!("{value:.digits$}")))
    }
}

/// `12345.6` as `12,345.6`.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number
        .split_once('.')
        .map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    fraction.map_or(text.clone(), |fraction| format!("{text}.{fraction}"))
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What is measured; names the figure within its row
    pub what: &'static str,
    /// In which unit
    pub unit: Unit,
    /// What we want it to be at most
    pub target: Option<f64>,
}

impl Figure {
    /// A figure without a target.
    pub const fn new(what: &'static str, unit: Unit) -> Self {
        let target = None;
        Self { what, unit, target }
    }

    /// With a target.
    #[must_use]
    pub const fn at_most(self, target: f64) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    /// What was measured for it.
    pub const fn is(&self, value: f64) -> Reading {
        Reading {
            what: self.what,
            value,
        }
    }

    /// What was measured for it, as a time.
    pub fn took(&self, time: Duration) -> Reading {
        self.is(self.unit.of(time))
    }
}

/// What was measured for one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// See [`Figure::what`].
    pub what: &'static str,
    /// In the figure's unit
    pub value: f64,
}

/// Times of the same thing, done again and again.
#[derive(Clone, Debug)]
pub struct Sample(Vec<Duration>);

impl Sample {
    /// Puts them in order. None if there are none.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        (!times.is_empty()).then_some(Self(times))
    }

    /// The time that this share of them does not exceed (nearest rank): half of them is the median.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank.min(self.0.len()) - 1]
    }

    /// The longest.
    pub fn worst(&self) -> Duration {
        self.percentile(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let sample = |count| Sample::of((1..=count).rev().map(Duration::from_millis));
        for (count, percent, expected) in [
            (1, 50, 1),
            (1, 99, 1),
            (2, 50, 1),
            (100, 50, 50),
            (100, 99, 99),
            (500, 99, 495),
            (30, 99, 30),
            (7, 100, 7),
        ] {
            let found = sample(count).unwrap().percentile(percent);
            assert_eq!(
                found,
                Duration::from_millis(expected),
                "p{percent} of 1 to {count}"
            );
        }
        assert!(sample(0).is_none());
    }

    #[test]
    fn numbers_are_as_precise_as_a_reader_can_use() {
        for (unit, value, expected) in [
            (Unit::Milliseconds, 3347.4, "3,347 ms"),
            (Unit::Milliseconds, 28.66, "28.7 ms"),
            (Unit::Microseconds, 138.0, "138 µs"),
            (Unit::Nanoseconds, 1_234_567.0, "1,234,567 ns"),
            (Unit::Megabytes, 4.125, "4.12 MB"),
            (Unit::Count, 0.0, "0"),
        ] {
            assert_eq!(unit.show(value), expected);
        }
    }
}
