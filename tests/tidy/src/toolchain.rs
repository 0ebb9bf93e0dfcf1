//! Every place that names the Rust version names the one of `rust-toolchain.toml`.
//!
//! Owns: the places. Never: judges the version itself.

use crate::{Finding, Sources};

const CHECK: &str = "toolchain";
const TOOLCHAIN: &str = "rust-toolchain.toml";
/// What stands before the version, in the files that end so.
const PLACES: [(&str, &str); 3] = [
    (".Containerfile", "FROM docker.io/library/rust:"),
    (".Containerfile", "ENV RUSTUP_TOOLCHAIN="),
    ("Cargo.toml", "rust-version = \""),
];

/// Places with another version, and Containerfiles without any.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let channel = sources
        .text(TOOLCHAIN)
        .and_then(|text| after(text, "channel = \""))
        .map(|(_, rest)| version(rest));
    let Some(channel) = channel else {
        return vec![finding(TOOLCHAIN, None, "names no channel")];
    };
    let mut findings = Vec::new();
    for (ending, before) in PLACES {
        for (path, text) in sources.iter().filter(|(path, _)| path.ends_with(ending)) {
            let fault = match after(text, before) {
                // A minimum such as 1.95 stands for all of its patches.
                Some((_, rest)) if covers(version(rest), channel) => None,
                Some((line, _)) => Some(finding(path, Some(line), &format!("{TOOLCHAIN} says {channel}"))),
                None if ending == "Cargo.toml" => None,
                None => Some(finding(path, None, &format!("needs `{before}`"))),
            };
            findings.extend(fault);
        }
    }
    findings
}

/// What follows a line's beginning, and the number of that line.
fn after<'a>(text: &'a str, before: &str) -> Option<(usize, &'a str)> {
    text.lines()
        .zip(1..)
        .find_map(|(line, number)| Some((number, line.strip_prefix(before)?)))
}

/// The digits and dots at the start.
fn version(text: &str) -> &str {
    text.split(|c: char| c != '.' && !c.is_ascii_digit())
        .next()
        .unwrap_or_default()
}

fn covers(version: &str, channel: &str) -> bool {
    !version.is_empty()
        && channel
            .strip_prefix(version)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn finding(path: &str, line: Option<usize>, message: &str) -> Finding {
    Finding {
        path: path.to_owned(),
        line,
        check: CHECK,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    const SAME: &str =
        "# An image\nFROM docker.io/library/rust:1.95.0-slim AS build\nENV RUSTUP_TOOLCHAIN=1.95.0\n";

    fn found(containerfile: &str, manifest: &str) -> Vec<String> {
        let toolchain = "[toolchain]\nchannel = \"1.95.0\"\n";
        let files = [
            (TOOLCHAIN, toolchain),
            ("images/a.Containerfile", containerfile),
            ("Cargo.toml", manifest),
        ];
        places(&check(&Sources::of(&files)))
    }

    #[test]
    fn one_version_everywhere_passes() {
        assert_eq!(found(SAME, "rust-version = \"1.95\""), Vec::<String>::new());
        assert_eq!(found(SAME, "rust-version.workspace = true"), Vec::<String>::new());
    }

    #[test]
    fn another_version_is_found_wherever_it_stands() {
        assert_eq!(
            found(&SAME.replace("rust:1.95.0", "rust:1.96.0"), ""),
            ["images/a.Containerfile:2"]
        );
        assert_eq!(
            found(&SAME.replace("IN=1.95.0", "IN=1.95.1"), ""),
            ["images/a.Containerfile:3"]
        );
        assert_eq!(found(SAME, "[package]\nrust-version = \"1.9\""), ["Cargo.toml:2"]);
        assert_eq!(
            found("FROM docker.io/library/rust:1.95.0-slim", ""),
            ["images/a.Containerfile"]
        );
        assert_eq!(places(&check(&Sources::of(&[]))), [TOOLCHAIN]);
    }
}
