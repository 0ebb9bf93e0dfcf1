//! What a Service can be told is explained to its owner.
//!
//! Owns: finding reasons of Events and texts of allocation errors that the page for users does not mention. Never: judges
//! the explanation.

use crate::rust::{self, Kind, Token};
use crate::{Finding, Sources};

const CHECK: &str = "messages";
/// The page that explains them.
pub const EXPLAINED: &str = "docs/troubleshooting.md";
/// Where the texts are that follow a reason.
pub const ERRORS: [&str; 3] = [
    "core/src/allocator/error.rs",
    "core/src/allocator/reason.rs",
    "core/src/allocator/sharing.rs",
];
/// The module of the reasons.
const REASONS: &str = "event";
/// In that module too, and no reasons: who says it.
const SPEAKERS: [&str; 3] = ["CONTROLLER", "SPEAKER", "OPERATOR"];

/// Every message that is not on the page.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let page = sources.text(EXPLAINED).unwrap_or_default();
    let of = |path: &str, messages: fn(&str) -> Vec<(usize, String)>| {
        let found = messages(sources.text(path).unwrap_or_default());
        let unknown = found
            .into_iter()
            .filter(|(_, text)| !page.contains(text.as_str()));
        let finding = |(line, text): (usize, String)| Finding {
            path: path.to_owned(),
            line: Some(line),
            check: CHECK,
            message: format!("users can read {text:?}; explain it in {EXPLAINED}"),
        };
        unknown.map(finding).collect::<Vec<_>>()
    };
    let mut findings = of(crate::names::NAMES, reasons);
    findings.extend(ERRORS.iter().flat_map(|path| of(path, texts)));
    findings
}

/// The constants of the module of reasons.
fn reasons(text: &str) -> Vec<(usize, String)> {
    let module = format!("pub mod {REASONS} {{");
    let Some(start) = text.find(&module) else {
        return Vec::new();
    };
    // The module ends at the first bracket that is not indented.
    let length = text[start..]
        .find("\n}")
        .map_or(text.len() - start, |end| end + 2);
    let lines_before = text[..start].matches('\n').count();
    let tokens = tokens(&text[start..start + length]);
    let named = |at: usize| {
        let name = tokens[..at].iter().rev().find_map(|token| match &token.kind {
            Kind::Word(word) if word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => {
                Some(word)
            }
            Kind::Word(_) | Kind::Text(_) | Kind::Mark(_) => None,
        });
        name.is_none_or(|name| !SPEAKERS.contains(&name.as_str()))
    };
    let reason = |(at, token): (usize, &Token)| match &token.kind {
        Kind::Text(text) if named(at) => Some((token.line + lines_before, text.clone())),
        Kind::Text(_) | Kind::Word(_) | Kind::Mark(_) => None,
    };
    tokens.iter().enumerate().filter_map(reason).collect()
}

/// Of every `#[error("...")]` the longest part that is the same each time it is shown.
fn texts(text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let shown = |pair: &[Token]| match (&pair[0].kind, &pair[1].kind) {
        (Kind::Word(word), Kind::Mark(_) | Kind::Text(_)) if word == "error" => Some(pair[0].line),
        _ => None,
    };
    let lines: Vec<usize> = tokens.windows(2).filter_map(shown).collect();
    let part = |token: &Token| match &token.kind {
        Kind::Text(text)
            if lines
                .iter()
                .any(|line| token.line >= *line && token.line <= line + 1) =>
        {
            Some((token.line, longest_fixed_part(text)))
        }
        Kind::Text(_) | Kind::Word(_) | Kind::Mark(_) => None,
    };
    tokens.iter().filter_map(part).collect()
}

fn longest_fixed_part(text: &str) -> String {
    let parts = text
        .split('{')
        .map(|part| part.split_once('}').map_or(part, |(_, fixed)| fixed));
    let longest = parts.max_by_key(|part| part.len()).unwrap_or_default();
    longest
        .trim_matches(|char: char| char.is_whitespace() || "\\\",:".contains(char))
        .to_owned()
}

/// What is there outside tests.
fn tokens(text: &str) -> Vec<Token> {
    let code = rust::read(text).unwrap_or_default();
    code.tokens.into_iter().filter(|token| !token.test).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;
    use crate::names::NAMES;

    const REASONS_OF: &str = "pub mod label {\n    pub const A: &str = \"no reason\";\n}\n\
        pub mod event {\n    /// Who.\n    pub const SPEAKER: &str = \"metallb-speaker\";\n\
            \x20   /// What.\n    pub const LOST: &str = \"Lost\";\n}\n";
    const ERROR: &str = r#"
        pub enum Error {
            /// Documented.
            #[error("\"{0}\" \"{1}\" has the same family")]
            Same(u8, u8),
            #[error("no pool {pool} for {family}")]
            None { pool: u8, family: u8 },
            #[error(transparent)]
            Other(#[from] Other),
        }
        #[cfg(test)] mod tests { const A: &str = "only a test"; }
    "#;

    fn found(page: &str) -> Vec<String> {
        places(&check(&Sources::of(&[
            (NAMES, REASONS_OF),
            (ERRORS[0], ERROR),
            (EXPLAINED, page),
        ])))
    }

    #[test]
    fn what_the_page_does_not_mention_is_found() {
        let (reason, same, none) = (
            format!("{NAMES}:8"),
            format!("{}:4", ERRORS[0]),
            format!("{}:6", ERRORS[0]),
        );
        assert_eq!(found(""), [reason.as_str(), &same, &none]);
        assert_eq!(found("Lost: has the same family"), [none]);
        assert_eq!(found("Lost, has the same family, no pool"), Vec::<String>::new());
    }

    #[test]
    fn the_fixed_part_of_a_text_is_what_users_search_for() {
        for (text, part) in [
            ("no available IPs", "no available IPs"),
            ("{} is not allowed in config", "is not allowed in config"),
            (
                "port {port} is already in use on \\\"{address}\\\"",
                "is already in use on",
            ),
            ("can't share with {a:?}, used by {b}", "can't share with"),
        ] {
            assert_eq!(longest_fixed_part(text), part);
        }
    }
}
