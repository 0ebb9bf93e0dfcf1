//! No unfinished code, no test that is not run, no wait for time instead of a condition.
//!
//! Owns: the list of such words. Never: looks into comments and strings.

use crate::rust::{self, Kind};
use crate::{Finding, Sources};

const CHECK: &str = "words";

/// Tokens in a row, and what is wrong with them. Tests are not exempt.
const FORBIDDEN: [(&[&str], &str); 6] = [
    (&["todo", "!"], "finish it, or leave it out"),
    (&["unimplemented", "!"], "finish it, or leave it out"),
    (&["dbg", "!"], "remove it; the product logs with tracing"),
    (
        &["#", "[", "ignore"],
        "a test that is not run proves nothing; mend it or remove it",
    ),
    (
        &["thread", ":", ":", "sleep"],
        "wait for the condition itself, with a deadline",
    ),
    (&["allow", "(", "dead_code"], "remove what is not used"),
];

/// Places with one of the words.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in sources.with_extension("rs") {
        let tokens = rust::read(text).unwrap_or_default().tokens;
        let spelling: Vec<&str> = tokens.iter().map(|token| spelling(&token.kind)).collect();
        for (words, advice) in FORBIDDEN {
            let places = spelling
                .windows(words.len())
                .enumerate()
                .filter(|(_, window)| *window == words);
            findings.extend(places.map(|(at, _)| Finding {
                path: path.to_owned(),
                line: Some(tokens[at].line),
                check: CHECK,
                message: format!("`{}`: {advice}", words.concat()),
            }));
        }
    }
    findings
}

fn spelling(kind: &Kind) -> &str {
    match kind {
        Kind::Word(text) | Kind::Mark(text) => text,
        Kind::Text(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    fn found(code: &str) -> Vec<String> {
        places(&check(&Sources::of(&[("a.rs", code)])))
    }

    #[test]
    fn every_word_is_found_in_the_product_and_in_tests() {
        for code in [
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"later\") }",
            "fn f() { let x = dbg!(1); }",
            "#[test] #[ignore] fn t() {}",
            "#[test] #[ignore = \"slow\"] fn t() {}",
            "fn f() { std::thread::sleep(second); }",
            "#[cfg(test)] mod tests { use std::thread::sleep; }",
            "#[allow(dead_code)] fn f() {}",
        ] {
            assert_eq!(found(code), ["a.rs:1"], "{code}");
        }
    }

    #[test]
    fn the_line_is_that_of_the_word() {
        assert_eq!(found("fn f() {\n\n    todo!()\n}"), ["a.rs:3"]);
    }

    #[test]
    fn speaking_of_a_word_is_not_using_it() {
        for code in [
            "// todo!()\nfn f() {}",
            "/// Never `dbg!`\nfn f() {}",
            "fn f() { g(\"todo!\") }",
            "fn todo() { todo() }",
            "#[serde(ignore)] struct A;",
            "async fn f() { tokio::time::sleep(second).await }",
        ] {
            assert_eq!(found(code), Vec::<String>::new(), "{code}");
        }
    }
}
