//! YAML documents with a comment above each.

use std::fmt::Write as _;

use serde::Serialize;

/// A stream of documents.
#[derive(Default)]
pub(crate) struct Documents(String);

impl Documents {
    /// Adds `object`, with `comment` above it, line by line.
    pub(crate) fn add<'a>(
        mut self,
        comment: impl IntoIterator<Item = &'a str>,
        object: &impl Serialize,
    ) -> Self {
        self.0.push_str("---\n");
        for line in comment.into_iter().flat_map(str::lines) {
            writeln!(self.0, "# {line}").expect("writing to a String does not fail");
        }
        self.0.push_str(&text(object));
        self
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// `object` as one document, with a line feed at its end.
pub(crate) fn text(object: &impl Serialize) -> String {
    let mut text = serde_saphyr::to_string(object).expect("a Kubernetes object has only string keys");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
