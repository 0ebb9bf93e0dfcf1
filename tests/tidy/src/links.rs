//! Every link of the Markdown files that stays in the repository leads somewhere.
//!
//! Owns: finding links and headings. Never: opens a web page.

use std::collections::BTreeSet;

use crate::{Finding, Sources};

const CHECK: &str = "links";

/// Links to files and headings that do not exist, and links to line numbers, which are wrong after the next edit.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in sources.with_extension("md") {
        for (line, target) in links(text) {
            findings.extend(fault(sources, path, target).map(|fault| Finding {
                path: path.to_owned(),
                line: Some(line),
                check: CHECK,
                message: format!("link to {target:?}: {fault}"),
            }));
        }
    }
    findings
}

fn fault(sources: &Sources, from: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target
        .split_once('#')
        .map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let Some(file) = resolve(from, file) else {
        return Some("leads out of the repository");
    };
    if !sources.exists(&file) {
        return Some("no such file");
    }
    let anchor = anchor?;
    if !file.to_ascii_lowercase().ends_with(".md") {
        return Some("line numbers change; link to the file");
    }
    let known = anchors(sources.text(&file).unwrap_or_default()).contains(anchor);
    (!known).then_some("no such heading")
}

/// The file a link names, as a path from the root. An empty link is to the file itself, a leading slash is the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if link.starts_with('/') {
        parts.clear();
    }
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The lines of a text outside fenced code, without code between backticks.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(opened)) => fence = Some(opened),
            (Some(open), Some(closed)) if open == closed => fence = None,
            (None, None) => return Some((index + 1, without_code(line))),
            _ => {}
        }
        None
    })
}

/// Leaves out what is between two backticks. One without a partner is only a character.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let unpaired = if parts.len().is_multiple_of(2) {
        parts.last()
    } else {
        None
    };
    parts.iter().step_by(2).chain(unpaired).copied().collect()
}

/// Every target with its line: `[text](target "title")`, `[label]: target`, `href="target"` and `src="target"`.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let rows: Vec<&str> = text.lines().collect();
    for (number, prose) in prose(text) {
        let line = rows[number - 1];
        for (opening, closing) in [
            ("](", [')', ' ']),
            ("href=\"", ['"', '"']),
            ("src=\"", ['"', '"']),
        ] {
            // Searched in the prose, so that code is skipped; taken from the text, which lives longer.
            for target in between(&prose, opening, closing) {
                links.extend(line.find(target).map(|at| (number, &line[at..at + target.len()])));
            }
        }
        let definition = line
            .strip_prefix('[')
            .filter(|rest| !rest.starts_with('^'))
            .and_then(|rest| rest.split_once("]:"));
        let target = definition.and_then(|(_, target)| target.split_whitespace().next());
        links.extend(target.map(|target| (number, target)));
    }
    links
}

fn between<'a>(text: &'a str, opening: &str, closing: [char; 2]) -> impl Iterator<Item = &'a str> {
    text.split(opening)
        .skip(1)
        .filter_map(move |rest| rest.split(closing).next())
}

/// The anchors that GitHub gives the headings of a file, and those written by hand.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let rows: Vec<&str> = text.lines().collect();
    for (number, prose) in prose(text) {
        let line = rows[number - 1];
        for opening in ["id=\"", "name=\""] {
            anchors.extend(between(&prose, opening, ['"', '"']).map(str::to_owned));
        }
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug = slug(title.trim());
        let repeated = |count: &usize| {
            if *count == 0 {
                slug.clone()
            } else {
                format!("{slug}-{count}")
            }
        };
        // One of them is free: there are more of them than anchors.
        let free = (0..=anchors.len())
            .map(|count| repeated(&count))
            .find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// GitHub's rule: the visible text in lower case, without punctuation, spaces as hyphens.
fn slug(title: &str) -> String {
    let mut visible = title.to_owned();
    while let Some((start, end)) = visible
        .find("](")
        .and_then(|at| Some((at, at + visible[at..].find(')')?)))
    {
        visible.replace_range(start..=end, "");
    }
    let kept = visible
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::places;

    const GUIDE: &str = "# A Guide\n## What `make test` does, and why\n## Again\n## Again\n<a id=\"own\"></a>\n\
                         ## See [the log](x.md)\n```\n# not a heading\n```\n";

    fn found(markdown: &str) -> Vec<String> {
        let files = [
            ("docs/a.md", markdown),
            ("docs/guide.md", GUIDE),
            ("README.md", ""),
            ("docs/x.md", ""),
            ("api/src/lib.rs", ""),
        ];
        places(&check(&Sources::of(&files)))
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for link in [
            "[a](guide.md)",
            "[a](./guide.md \"title\")",
            "[a](../README.md)",
            "[a](/api/src/lib.rs)",
            "[a](../api)",
            "![picture](../api/src)",
            "[a](https://example.org/x.md#y)",
            "[a](mailto:somebody@example.org)",
            "[a](guide.md#a-guide)",
            "[a](guide.md#what-make-test-does-and-why)",
            "[a](guide.md#again-1)",
            "[a](guide.md#own)",
            "[a](guide.md#see-the-log)",
            "# Here\n[a](#here)",
            "[a]: guide.md",
            "[^1]: a footnote",
            "`[a](missing.md)`",
            "```\n[a](missing.md)\n```",
        ] {
            assert_eq!(found(link), Vec::<String>::new(), "{link}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for link in [
            "[a](missing.md)",
            "[a](guide.md) and [b](missing.md)",
            "![a](missing.png)",
            "[a](../../outside.md)",
            "[a](/docs/missing.md)",
            "[a](guide.md#missing)",
            "[a](guide.md#again-2)",
            "[a](guide.md#not-a-heading)",
            "[a](#missing)",
            "[a](../api/src/lib.rs#L3)",
            "[a]: missing.md",
            "<a href=\"missing.md\">a</a>",
            "<img src=\"missing.svg\">",
            "a ` alone, then [a](missing.md)",
        ] {
            assert_eq!(found(link), ["docs/a.md:1"], "{link}");
        }
    }

    #[test]
    fn the_line_is_counted_past_fenced_code() {
        assert_eq!(found("```\ncode\n```\n\n[a](missing.md)"), ["docs/a.md:5"]);
    }
}
