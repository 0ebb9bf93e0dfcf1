//! The rows of the table.
//!
//! Owns: the list, and how many Services each row takes.
//! Never: knows which implementation is installed.

use anyhow::{Result, bail};
use futures::future::LocalBoxFuture;

use crate::bench::Bench;
use crate::figure::{Figure, Reading};
use crate::stack::Stack;

mod allocate;
mod announce;
mod arp;
mod failover;
mod flood;
mod idle;
mod install;
mod memory;
mod one;
mod quiet;
mod restart;
mod search;

/// Something that is measured.
#[derive(Debug)]
pub struct Row {
    /// What `ONLY=` takes
    pub name: &'static str,
    /// What is done, for the reader of the table
    pub about: &'static str,
    /// What comes of it
    pub figures: &'static [Figure],
    /// How often, or with how many Services
    amount: Amount,
    measure: for<'a> fn(&'a Bench, usize) -> LocalBoxFuture<'a, Result<Vec<Reading>>>,
}

/// How much is done with each implementation. Where a run would take hours, upstream gets less; the table says so.
#[derive(Clone, Copy, Debug)]
struct Amount {
    ours: usize,
    /// None where it cannot be measured
    upstream: Option<usize>,
    /// Why they differ, for the reader of the table
    because: &'static str,
}

const GROWS: &str = "its cost for one Service grows with their number";

impl Amount {
    /// For what upstream is installed without.
    const fn of_ours(amount: usize) -> Self {
        Self {
            ours: amount,
            upstream: None,
            because: "",
        }
    }

    const fn same(amount: usize) -> Self {
        Self {
            ours: amount,
            upstream: Some(amount),
            because: "",
        }
    }
}

/// All of them. Memory comes first, while the processes are as they start; then those that only make Services, in which the
/// operator's quiet time passes; then those that kill and install. The largest crowd comes last of them.
pub static ROWS: [&Row; 14] = [
    &memory::ROW,
    &idle::ROW,
    &announce::ROW,
    &arp::ROW,
    &flood::ROW,
    &allocate::ROW,
    &one::ROW,
    &quiet::ROW,
    &failover::ROW,
    &failover::FAST,
    &install::ROW,
    &memory::MANY,
    &restart::ROW,
    &search::ROW,
];

impl Row {
    /// How much is done with this implementation; None if the row is not for it.
    pub fn amount(&self, stack: Stack) -> Option<usize> {
        match stack {
            Stack::Ours => Some(self.amount.ours),
            Stack::Upstream => self.amount.upstream,
        }
    }

    /// Whether both do the same, so that the ratio says it all.
    pub fn is_fair(&self) -> bool {
        self.amount
            .upstream
            .is_none_or(|amount| amount == self.amount.ours)
    }

    /// Why it is not.
    pub fn because(&self) -> &'static str {
        self.amount.because
    }

    /// Measures it.
    ///
    /// # Errors
    /// If something did not happen in time.
    pub async fn measure(&self, bench: &Bench, amount: usize) -> Result<Vec<Reading>> {
        (self.measure)(bench, amount).await
    }
}

/// The rows of these names, separated by commas or blanks; all if there are none.
///
/// # Errors
/// If there is no row of a name; the text lists those there are.
pub fn named(names: &str) -> Result<Vec<&'static Row>> {
    let wanted: Vec<&str> = names.split([',', ' ']).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| ROWS.iter().all(|row| row.name != **name))
    {
        let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        bail!("there is no row {unknown:?}; there are {}", known.join(", "));
    }
    let is_wanted = |row: &&&Row| wanted.is_empty() || wanted.contains(&row.name);
    Ok(ROWS.iter().filter(is_wanted).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name() {
        let names = |text| named(text).map(|rows| rows.iter().map(|row| row.name).collect::<Vec<_>>());
        assert_eq!(names("").unwrap().len(), ROWS.len());
        assert_eq!(names("arp, memory").unwrap(), ["memory", "arp"]);
        let error = names("app").unwrap_err().to_string();
        assert!(
            error.contains("\"app\"") && error.contains("allocate-500"),
            "{error}"
        );
    }

    #[test]
    fn names_are_unique() {
        for row in ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.name == row.name).count(), 1);
            for figure in row.figures {
                let same = row.figures.iter().filter(|other| other.what == figure.what);
                assert_eq!(same.count(), 1, "{} {}", row.name, figure.what);
            }
        }
    }
}
