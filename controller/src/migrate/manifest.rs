//! The file that the old configuration is in: a ConfigMap, also among other documents, or the bare text. Owns where a
//! line of the configuration is in the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use metallb_api::names::{legacy, object};
use metallb_core::migration::legacy::Config;
use serde::Deserialize;
use serde_saphyr::{Error, Localizer, Location, Spanned, UserMessageFormatter};

use super::Message;
use super::position::Spot;

/// The text of a configuration, and where it comes from.
pub(super) struct Source {
    /// What it was, for people.
    pub(super) name: String,
    /// The namespace that its resources belong to, if it says.
    pub(super) namespace: Option<String>,
    pub(super) text: String,
    shift: Shift,
}

/// How to get from a line of the configuration to one of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shift {
    /// They are the same lines, indented and further down.
    By { lines: u64, columns: u64 },
    /// The text is quoted, or folded: its lines are not in the file.
    None,
}

/// What is read of any document.
#[derive(Deserialize)]
struct Document {
    kind: Option<String>,
    metadata: Option<Metadata>,
    data: Option<BTreeMap<String, Spanned<String>>>,
    /// What `kubectl get configmaps` prints is one document.
    items: Option<Vec<Document>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

impl Source {
    /// A file that holds the configuration itself.
    pub(super) fn bare(text: &str) -> Self {
        Self {
            name: "a configuration without a ConfigMap".to_owned(),
            namespace: None,
            text: text.to_owned(),
            shift: Shift::By { lines: 0, columns: 0 },
        }
    }

    /// The configuration in the only ConfigMap of the file that has one.
    pub(super) fn in_config_map(file: &str) -> Result<Self, Message> {
        let documents: Vec<Option<Document>> =
            serde_saphyr::from_multiple(file).map_err(|error| explain(&error))?;
        let config_maps: Vec<Document> = documents
            .into_iter()
            .flatten()
            .flat_map(Document::parts)
            .filter(|document| document.kind.as_deref() == Some("ConfigMap"))
            .collect();
        let any = !config_maps.is_empty();
        let mut with_data = config_maps.into_iter().filter_map(|config_map| {
            let text = config_map.data?.remove(legacy::CONFIG_KEY)?;
            Some((config_map.metadata, text))
        });
        let (metadata, text) = with_data.next().ok_or_else(|| {
            Message::general(if any {
                "bad ConfigMap: no data under the key config"
            } else {
                "not a ConfigMap: give --only-data if the file holds the configuration itself"
            })
        })?;
        if let Some((_, second)) = with_data.next() {
            return Err(Message {
                spot: Some(Spot::of(second.referenced)),
                text: "this is the second ConfigMap with the key config: keep the one of MetalLB".to_owned(),
            });
        }
        Ok(Self::of_config_map(file, metadata.unwrap_or_default(), text))
    }

    fn of_config_map(file: &str, metadata: Metadata, text: Spanned<String>) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let name = given(metadata.name).unwrap_or_else(|| legacy::CONFIG_MAP.to_owned());
        let namespace = given(metadata.namespace).unwrap_or_else(|| object::NAMESPACE.to_owned());
        let elsewhere = name == legacy::KUBE_SYSTEM_CONFIG_MAP && namespace == legacy::KUBE_SYSTEM;
        Self {
            // It goes into a comment, which must not end before it does.
            name: format!("ConfigMap {namespace}/{name}").escape_debug().to_string(),
            namespace: (!elsewhere).then_some(namespace),
            shift: Shift::find(file, text.referenced.line(), &text.value),
            text: text.value,
        }
    }

    /// The configuration, if its form is right.
    pub(super) fn parse(&self) -> Result<Config, Message> {
        // No text at all is no configuration, which is for the conversion to say.
        let parsed: Result<Option<Config>, Error> = serde_saphyr::from_str(&self.text);
        parsed.map(Option::unwrap_or_default).map_err(|error| {
            let Message { spot, text } = explain(&error);
            Message {
                spot: spot.map(|spot| self.in_file(spot)),
                text,
            }
        })
    }

    /// Where a place of the configuration is in the file, if its lines are there.
    pub(super) fn in_file(&self, spot: Spot) -> Spot {
        match self.shift {
            Shift::By { lines, columns } => Spot {
                line: spot.line + lines,
                column: spot.column + columns,
                ..spot
            },
            Shift::None => Spot {
                within_value: true,
                ..spot
            },
        }
    }
}

impl Shift {
    /// Finds the lines of `text`, the value that begins at line `begin` (from 1) of `file`, in there.
    fn find(file: &str, begin: u64, text: &str) -> Self {
        let lines: Vec<&str> = file.lines().collect();
        let begin = usize::try_from(begin).unwrap_or(usize::MAX).saturating_sub(1);
        // A block begins where its first line with text is, says the parser; or after the line with the `|`.
        let blank = text.lines().take_while(|line| line.trim().is_empty()).count();
        let first_lines = [begin.saturating_sub(blank), begin, begin.saturating_add(1)];
        first_lines
            .into_iter()
            .find_map(|first| Self::try_at(lines.get(first..)?, first, text))
            .unwrap_or(Self::None)
    }

    fn try_at(lines: &[&str], first: usize, text: &str) -> Option<Self> {
        let pairs = || {
            text.lines()
                .zip(lines)
                .filter(|(line, _)| !line.trim().is_empty())
        };
        let (line, whole) = pairs().next()?;
        let indent = whole.strip_suffix(line)?;
        let same = pairs().all(|(line, whole)| whole.strip_prefix(indent) == Some(line));
        let all_there = text.lines().count() <= lines.len();
        (same && all_there && indent.trim().is_empty()).then(|| Self::By {
            lines: first as u64,
            columns: indent.chars().count() as u64,
        })
    }
}

impl Document {
    /// The document, or the objects in it.
    fn parts(self) -> Vec<Self> {
        match self.items {
            Some(items) => items,
            None => vec![self],
        }
    }
}

/// What is wrong with the YAML, as the parser says it, and in plain words where it speaks of Rust.
fn explain(error: &Error) -> Message {
    let formatter = UserMessageFormatter.with_localizer(&WithoutPlace);
    let text = match error.without_snippet() {
        Error::InvalidScalar {
            ty: "u16" | "u32" | "i32",
            ..
        } => "a number is expected, and not too large a one".to_owned(),
        Error::InvalidScalar { ty: "boolean", .. } => "true or false is expected".to_owned(),
        Error::Unexpected {
            expected: "sequence start",
            ..
        } => "a list is expected".to_owned(),
        error => error.render_with_formatter(&formatter),
    };
    Message {
        spot: error.location().map(Spot::of),
        text,
    }
}

/// The message has its place in front.
struct WithoutPlace;

impl Localizer for WithoutPlace {
    fn attach_location<'a>(&self, base: Cow<'a, str>, _: Location) -> Cow<'a, str> {
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_block_are_lines_of_the_file_and_those_of_a_quoted_text_are_not() {
        let by = |lines, columns| Shift::By { lines, columns };
        for (file, text, shift) in [
            (
                "data:\n  config: |\n    a: 1\n    b: 2\n",
                "a: 1\nb: 2\n",
                by(2, 4),
            ),
            (
                "data:\n  config: |\n\n    a: 1\n\n    b: 2\n",
                "\na: 1\n\nb: 2\n",
                by(2, 4),
            ),
            ("data:\r\n  config: |\r\n    a: 1\r\n", "a: 1\n", by(2, 4)),
            ("data:\n  config: \"a: 1\\nb: 2\"\n", "a: 1\nb: 2", Shift::None),
            (
                "data:\n  config: >\n    a: 1\n\n    b: 2\n",
                "a: 1\nb: 2\n",
                Shift::None,
            ),
        ] {
            let source = Source::in_config_map(&format!("{file}kind: ConfigMap\n")).unwrap();
            assert_eq!((source.text.as_str(), source.shift), (text, shift), "{file:?}");
        }
    }

    #[test]
    fn the_namespace_is_that_of_the_config_map_but_for_kube_system() {
        for (metadata, namespace) in [
            ("{}", Some("metallb-system")),
            ("{name: config, namespace: lb}", Some("lb")),
            ("{name: metallb-config, namespace: kube-system}", None),
            ("{name: config, namespace: kube-system}", Some("kube-system")),
        ] {
            let file = format!("kind: ConfigMap\nmetadata: {metadata}\ndata: {{config: 'a: 1'}}\n");
            let source = Source::in_config_map(&file).unwrap();
            assert_eq!(source.namespace.as_deref(), namespace, "{metadata}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_the_comment_it_is_in() {
        let file = "kind: ConfigMap\nmetadata: {name: \"a\\nkind: Secret\"}\ndata: {config: 'a: 1'}\n";
        let source = Source::in_config_map(file).unwrap();
        assert_eq!(source.name, "ConfigMap metallb-system/a\\nkind: Secret");
    }

    #[test]
    fn the_config_map_is_found_among_other_documents() {
        let config_map = "kind: ConfigMap\nmetadata: {name: config}\ndata: {config: 'a: 1'}\n";
        let list = "kind: List\nitems:\n- kind: ConfigMap\n  data: {ca.crt: x}\n- kind: ConfigMap\n  data: {config: 'a: 1'}\n";
        for file in [
            format!("# first\n---\nkind: Namespace\nmetadata: {{name: x}}\n---\n{config_map}"),
            list.to_owned(),
        ] {
            assert_eq!(Source::in_config_map(&file).unwrap().text, "a: 1", "{file}");
        }
        for (file, message) in [
            ("address-pools: []\n".to_owned(), "--only-data"),
            ("kind: ConfigMap\n".to_owned(), "no data under the key config"),
            (
                format!("{config_map}---\n{config_map}"),
                "line 7, column 16: this is the second",
            ),
            ("kind: ConfigMap\ndata: [\n".to_owned(), "line "),
        ] {
            let text = Source::in_config_map(&file).err().unwrap().to_string();
            assert!(text.contains(message), "{file}: {text}");
        }
    }
}
