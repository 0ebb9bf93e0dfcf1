//! Where in the old configuration something is, and what there is to say about it.

use std::fmt;

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// To the value of this key.
    Key(String),
    /// To the entry with this number, from 0.
    Entry(usize),
}

/// The way to a value, from the outside in. It may lead to a key that is not there: then the nearest value around it
/// is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<Step>);

impl Place {
    /// The value of `key` in here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The entry with this number, from 0, of the list that is here.
    #[must_use]
    pub fn entry(&self, number: usize) -> Self {
        self.with(Step::Entry(number))
    }

    /// The way here.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// `address-pools[0].addresses[2]`, counted from 0.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Entry(number) => write!(f, "[{number}]")?,
            }
        }
        Ok(())
    }
}

/// Something to say about a place: a mistake, or what its author should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

/// What has been found so far. Mistakes are collected instead of returned one at a time: whoever mends a file wants to
/// know all of them.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) mistakes: Vec<Remark>,
    /// What the author should know about a result that can be used.
    pub(super) notes: Vec<Remark>,
}

impl Findings {
    /// Findings about one thing, which every message names.
    pub(super) fn about(&mut self, subject: String) -> About<'_> {
        About {
            findings: self,
            subject,
        }
    }
}

/// Collects what there is to say about one thing.
pub(super) struct About<'a> {
    findings: &'a mut Findings,
    subject: String,
}

impl About<'_> {
    pub(super) fn mistake(&mut self, place: Place, message: impl fmt::Display) {
        let message = format!("{}: {message}", self.subject);
        self.findings.mistakes.push(Remark { place, message });
    }

    pub(super) fn note(&mut self, place: Place, message: impl fmt::Display) {
        let message = format!("{}: {message}", self.subject);
        self.findings.notes.push(Remark { place, message });
    }
}
