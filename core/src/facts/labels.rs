//! The labels of one of thousands of objects. Owns their form in memory; what they mean is the selectors' business.

use std::collections::BTreeMap;

/// Something that has labels.
pub trait Labelled {
    /// The value of the label `key`; `None` if it is not set.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labelled for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// Labels in one piece of memory: a map of one label takes 700 bytes, this takes what the text takes. Looked up seldom,
/// kept ten thousand times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(
    /// `key=value` and a line feed for each, in the order of the keys. The API server lets neither sign into a label.
    Box<str>,
);

impl Labelled for Labels {
    fn label(&self, key: &str) -> Option<&str> {
        let mut labels = self.0.lines().filter_map(|line| line.split_once('='));
        labels.find_map(|(known, value)| (known == key).then_some(value))
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        let length = labels
            .iter()
            .map(|(key, value)| key.len() + value.len() + 2)
            .sum();
        let mut text = String::with_capacity(length);
        for (key, value) in &labels {
            text.extend([key, "=", value, "\n"]);
        }
        Self(text.into())
    }
}

impl<const N: usize> From<[(String, String); N]> for Labels {
    fn from(labels: [(String, String); N]) -> Self {
        BTreeMap::from(labels).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect::<BTreeMap<_, _>>().into()
    }

    #[test]
    fn each_label_is_found_by_the_whole_of_its_key() {
        let some = labels(&[("example.com/app", "web"), ("app", "db"), ("empty", "")]);
        for (key, value) in [
            ("app", Some("db")),
            ("example.com/app", Some("web")),
            ("empty", Some("")),
            ("ap", None),
            ("web", None),
            ("", None),
        ] {
            assert_eq!(some.label(key), value, "{key:?}");
        }
        assert_eq!(Labels::default().label(""), None);
    }

    #[test]
    fn the_same_labels_are_equal_in_any_order() {
        assert_eq!(
            labels(&[("a", "1"), ("b", "2")]),
            labels(&[("b", "2"), ("a", "1")])
        );
        assert_ne!(labels(&[("a", "1"), ("b", "2")]), labels(&[("a", "1")]));
        assert_eq!(labels(&[]), Labels::default());
    }
}
