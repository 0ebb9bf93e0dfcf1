//! Every string a user can see is spelt once, in `api/src/names.rs` or a module of it.
//!
//! Owns: finding second spellings in the product. Never: looks at tests, which are free to state what users type, nor
//! at the cluster tests, which know the product only from outside.

use crate::modules::{Reach, Reached};
use crate::rust::{self, Code, Kind};
use crate::{Finding, Sources};

const CHECK: &str = "names";
/// Where the names are.
pub const NAMES: &str = "api/src/names.rs";
/// And its modules.
const PARTS: &str = "api/src/names/";
/// The crate of the names may build them from parts; the crates of tests are users of the product.
const EXEMPT: [&str; 2] = ["api/", "tests/"];
/// Shorter strings mean many things.
const LEAST_CHARACTERS: usize = 9;

/// String literals of the product that repeat one of the names.
pub fn check(sources: &Sources, reached: &Reached) -> Vec<Finding> {
    let names: Vec<String> = sources
        .with_extension("rs")
        .filter(|(path, _)| *path == NAMES || path.starts_with(PARTS))
        .flat_map(|(_, text)| names_of(text))
        .collect();
    let mut findings = Vec::new();
    for (path, text) in sources.with_extension("rs") {
        let of_tests = reached.get(path) == Some(&Reach::Test);
        if of_tests || EXEMPT.iter().any(|directory| path.starts_with(directory)) {
            continue;
        }
        let code = rust::read(text).unwrap_or_default();
        for (line, literal) in literals(&code) {
            // The longest name says best which constant is meant.
            let repeated = names
                .iter()
                .filter(|name| repeats(literal, name))
                .max_by_key(|name| name.len());
            findings.extend(repeated.map(|name| Finding {
                path: path.to_owned(),
                line: Some(line),
                check: CHECK,
                message: format!("spells {name:?} again; use its constant in {NAMES}"),
            }));
        }
    }
    findings
}

/// The strings that stand for one thing only: long enough, and not a plain word such as "controller".
fn names_of(text: &str) -> Vec<String> {
    let code = rust::read(text).unwrap_or_default();
    let telling = |text: &str| {
        text.chars().count() >= LEAST_CHARACTERS && !text.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    literals(&code)
        .map(|(_, text)| text.to_owned())
        .filter(|text| telling(text))
        .collect()
}

/// A key or a sentence is also found inside a longer string; a single name such as "IPAllocated" could be part of any.
fn repeats(literal: &str, name: &str) -> bool {
    literal == name || (name.contains(['/', ' ']) && literal.contains(name))
}

fn literals(code: &Code) -> impl Iterator<Item = (usize, &str)> {
    code.tokens
        .iter()
        .filter(|token| !token.test)
        .filter_map(|token| match &token.kind {
            Kind::Text(text) => Some((token.line, text.as_str())),
            Kind::Word(_) | Kind::Mark(_) => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    const OWN: &str = r#"
        //! Not "a documented string".
        /// Nor "this one here".
        pub const POOL: &str = "metallb.io/address-pool";
        pub const ALLOCATED: &str = "IPAllocated";
        pub const SENTENCE: &str = "not announced";
        pub const PLAIN: &str = "controller";
        pub const SHORT: &str = "a/b";
        #[cfg(test)] mod tests { const T: &str = "only a test"; }
    "#;

    fn found_in(path: &str, literal: &str) -> bool {
        let code = format!("const A: &str = \"{literal}\";");
        let reached = Reached::from([("x/src/tests.rs".to_owned(), Reach::Test)]);
        let findings = check(&Sources::of(&[(NAMES, OWN), (path, &code)]), &reached);
        assert!(findings.is_empty() || places(&findings) == [format!("{path}:1")]);
        !findings.is_empty()
    }

    #[test]
    fn a_second_spelling_is_found() {
        for literal in [
            "metallb.io/address-pool",
            "see metallb.io/address-pool",
            "IPAllocated",
            "is not announced: {}",
        ] {
            assert!(found_in("x/src/lib.rs", literal), "{literal}");
        }
    }

    #[test]
    fn a_module_of_the_names_counts_too() {
        let files = [
            (NAMES, ""),
            ("api/src/names/x.rs", OWN),
            ("x/src/lib.rs", "const A: &str = \"IPAllocated\";"),
        ];
        assert_eq!(
            places(&check(&Sources::of(&files), &Reached::new())),
            ["x/src/lib.rs:1"]
        );
    }

    #[test]
    fn strings_that_mean_something_else_pass() {
        for literal in [
            "metallb.io/other",
            "IPAllocatedLater",
            "controller",
            "a/b",
            "a documented string",
            "this one here",
            "only a test",
        ] {
            assert!(!found_in("x/src/lib.rs", literal), "{literal}");
        }
    }

    #[test]
    fn tests_the_api_and_the_cluster_tests_are_exempt() {
        for path in ["x/src/tests.rs", "api/src/v1beta1.rs", "tests/e2e/src/lib.rs"] {
            assert!(!found_in(path, "IPAllocated"), "{path}");
        }
        let code = "#[cfg(test)] mod tests { const A: &str = \"IPAllocated\"; }";
        assert_eq!(
            check(
                &Sources::of(&[(NAMES, OWN), ("x/src/lib.rs", code)]),
                &Reached::new()
            ),
            []
        );
    }
}
