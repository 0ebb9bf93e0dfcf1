//! No file grows past what one can hold in mind. (Functions: clippy's `too_many_lines`.)
//!
//! Owns: counting the lines of tests apart from the rest. Never: counts statements; an empty line is a line to scroll.

use crate::modules::{Reach, Reached};
use crate::{Finding, Sources, rust};

const CHECK: &str = "sizes";
/// About eight screens: the most that one reading takes in.
const MOST_LINES: usize = 400;
/// Tests are read one at a time, so that a file of them may be longer.
const MOST_LINES_OF_TESTS: usize = 600;

/// Files with too many lines of either kind.
pub fn check(sources: &Sources, reached: &Reached) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in sources.with_extension("rs") {
        let (lines, lines_of_tests) = count(text, reached.get(path).copied());
        let mut complain = |message: String| {
            findings.push(Finding {
                path: path.to_owned(),
                line: None,
                check: CHECK,
                message,
            });
        };
        if lines > MOST_LINES {
            complain(format!(
                "{lines} lines without tests, more than {MOST_LINES}; split it by noun"
            ));
        }
        if lines_of_tests > MOST_LINES_OF_TESTS {
            complain(format!(
                "{lines_of_tests} lines of tests, more than {MOST_LINES_OF_TESTS}; split them"
            ));
        }
    }
    findings
}

/// Lines of the product and lines of tests. A file that cannot be read as Rust is all product.
fn count(text: &str, reach: Option<Reach>) -> (usize, usize) {
    let all = text.lines().count();
    if reach == Some(Reach::Test) {
        return (0, all);
    }
    let code = rust::read(text).unwrap_or_default();
    let tests = code
        .test_lines
        .iter()
        .map(|lines| lines.end() + 1 - lines.start())
        .sum();
    (all - tests, tests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    fn file(lines: usize, lines_of_tests: usize) -> String {
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn t() {}\n".repeat(lines_of_tests - 3)
        );
        "fn f() {}\n".repeat(lines) + &tests
    }

    fn found(text: &str, reach: Reach) -> Vec<String> {
        let reached = Reached::from([("a.rs".to_owned(), reach)]);
        places(&check(&Sources::of(&[("a.rs", text)]), &reached))
    }

    #[test]
    fn both_limits_are_met_exactly_and_broken_by_one_line() {
        assert_eq!(found(&file(400, 600), Reach::Product), Vec::<String>::new());
        assert_eq!(found(&file(401, 600), Reach::Product), ["a.rs"]);
        assert_eq!(found(&file(400, 601), Reach::Product), ["a.rs"]);
        assert_eq!(found(&file(401, 601), Reach::Product), ["a.rs", "a.rs"]);
    }

    #[test]
    fn a_file_of_tests_counts_whole() {
        assert_eq!(found(&file(300, 300), Reach::Test), Vec::<String>::new());
        assert_eq!(found(&file(300, 301), Reach::Test), ["a.rs"]);
    }

    #[test]
    fn comments_and_empty_lines_count() {
        assert_eq!(found(&"\n".repeat(401), Reach::Product), ["a.rs"]);
        assert_eq!(found(&"// why\n".repeat(401), Reach::Product), ["a.rs"]);
    }
}
