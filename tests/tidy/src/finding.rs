//! One violation, as it is shown to the person who has to mend it.
//!
//! Owns: the form of the message. Never: decides whether something is a violation.

use std::fmt;

/// A violation of one check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the repository.
    pub path: String,
    /// The line, unless it concerns the whole file.
    pub line: Option<usize>,
    /// The check, named after its module.
    pub check: &'static str,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {} ({})", self.message, self.check)
    }
}

/// `path:line message` without the rest, so that the checks' own tests stay one line per case.
#[cfg(test)]
pub(crate) fn places(findings: &[Finding]) -> Vec<String> {
    let place = |finding: &Finding| match finding.line {
        Some(line) => format!("{}:{line}", finding.path),
        None => finding.path.clone(),
    };
    findings.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compiler_message() {
        let mut finding = Finding {
            path: "a/b.rs".to_owned(),
            line: Some(7),
            check: "words",
            message: "bad".to_owned(),
        };
        assert_eq!(finding.to_string(), "a/b.rs:7: bad (words)");
        finding.line = None;
        assert_eq!(finding.to_string(), "a/b.rs: bad (words)");
    }
}
