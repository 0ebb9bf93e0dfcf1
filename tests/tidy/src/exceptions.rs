//! The violations that are known and accepted. This list may only shrink.
//!
//! Owns: the list, and that every line of it is still needed. Never: hides a second violation behind a first: an
//! exception is for one check on one file.

use crate::Finding;

const CHECK: &str = "exceptions";
const OWN_FILE: &str = "tests/tidy/src/exceptions.rs";

/// A check that one file need not pass.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// The check, named after its module.
    pub check: &'static str,
    /// The file, relative to the root of the repository.
    pub path: &'static str,
    /// Why it is better so, for whoever wants to remove the line.
    pub reason: &'static str,
}

/// Every exception there is.
pub const EXCEPTIONS: &[Exception] = &[];

/// What is left of the findings, and one more for each exception that excused nothing.
pub fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let excuses = |exception: &Exception, finding: &Finding| {
        exception.check == finding.check && exception.path == finding.path
    };
    let unused: Vec<Finding> = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| excuses(exception, finding)))
        .map(|Exception { check, path, reason }| Finding {
            path: OWN_FILE.to_owned(),
            line: None,
            check: CHECK,
            message: format!("{path} passes {check} now; remove its exception ({reason})"),
        })
        .collect();
    let mut left: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| !exceptions.iter().any(|exception| excuses(exception, finding)))
        .collect();
    left.extend(unused);
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    const EXCEPTION: Exception = Exception {
        check: "sizes",
        path: "a.rs",
        reason: "a table",
    };

    fn finding(check: &'static str, path: &str) -> Finding {
        Finding {
            path: path.to_owned(),
            line: None,
            check,
            message: String::new(),
        }
    }

    #[test]
    fn an_exception_excuses_one_check_on_one_file() {
        let findings = vec![
            finding("sizes", "b.rs"),
            finding("sizes", "a.rs"),
            finding("words", "a.rs"),
        ];
        assert_eq!(places(&apply(findings.clone(), &[EXCEPTION])), ["a.rs", "b.rs"]);
        assert_eq!(apply(findings, &[]).len(), 3);
    }

    #[test]
    fn an_exception_that_excuses_nothing_is_a_finding() {
        assert_eq!(
            places(&apply(vec![finding("words", "b.rs")], &[EXCEPTION])),
            ["b.rs", OWN_FILE]
        );
    }
}
