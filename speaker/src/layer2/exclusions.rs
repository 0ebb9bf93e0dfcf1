//! Which interfaces never announce, by name. Owns the file format of the ConfigMap that the administrator edits.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use metallb_api::names::{interface, object};
use regex::bytes::{RegexSet, RegexSetBuilder};

/// Regular expressions, matched anywhere in an interface's name.
#[derive(Debug)]
pub(crate) struct Exclusions(RegexSet);

/// The file cannot be used. The speaker does not start with it: announcing on an interface that was meant to be excluded
/// may take down a network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExclusionsError {
    /// It exists and cannot be read.
    #[error("cannot read the file")]
    Read(#[source] std::io::Error),
    /// It is not YAML with a list of strings in the expected field.
    #[error("expected a list of regular expressions under {}", object::EXCLUDE_L2_FIELD)]
    Format(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One of its regular expressions is wrong.
    #[error("wrong regular expression under {}", object::EXCLUDE_L2_FIELD)]
    Expression(#[source] regex::Error),
}

impl Exclusions {
    /// Reads the file at `path`. Without a file the default list applies.
    ///
    /// # Errors
    /// There is a file and it is wrong.
    pub(crate) fn load(path: &Path) -> Result<Self, ExclusionsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::new(interface::EXCLUDED),
            Err(error) => Err(ExclusionsError::Read(error)),
        }
    }

    fn parse(text: &str) -> Result<Self, ExclusionsError> {
        let mut fields: BTreeMap<String, serde_json::Value> =
            serde_saphyr::from_str(text).map_err(|error| ExclusionsError::Format(error.into()))?;
        let list = fields.remove(object::EXCLUDE_L2_FIELD).unwrap_or_default();
        let expressions: Option<Vec<String>> =
            serde_json::from_value(list).map_err(|error| ExclusionsError::Format(error.into()))?;
        Self::new(expressions.unwrap_or_default())
    }

    fn new<S: AsRef<str>>(expressions: impl IntoIterator<Item = S>) -> Result<Self, ExclusionsError> {
        // Not Unicode: the tables behind `\d` or `\w` are not compiled in, and without this flag they would be asked for.
        let set = RegexSetBuilder::new(expressions).unicode(false).build();
        set.map(Self).map_err(ExclusionsError::Expression)
    }

    /// Excludes nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self::new([""; 0]).unwrap()
    }

    /// Whether the interface called `name` never announces.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded<'a>(text: &str, names: &[&'a str]) -> Vec<&'a str> {
        let exclusions = Exclusions::parse(text).unwrap();
        names
            .iter()
            .copied()
            .filter(|name| exclusions.matches(name))
            .collect()
    }

    #[test]
    fn names_are_matched_anywhere_unless_anchored() {
        let field = object::EXCLUDE_L2_FIELD;
        let names = ["eth0", "eth1", "veth0a1b", "lo", "loop"];
        let check = |list: &str, expected: &[&str]| {
            assert_eq!(excluded(&format!("{field}:{list}"), &names), expected, "{list}");
        };
        check("\n- ^veth.*\n- ^lo$\n", &["veth0a1b", "lo"]);
        check("\n- eth\n", &["eth0", "eth1", "veth0a1b"]);
        check(" ['^eth\\d$']", &["eth0", "eth1"]);
        check(" []", &[]);
        check("", &[]);
        assert_eq!(excluded("{}", &names), [""; 0]);
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        let field = object::EXCLUDE_L2_FIELD;
        let check = |text: String, expected: &str| {
            let error = Exclusions::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        };
        check(format!("{field}: ['(']"), "wrong regular expression under");
        check(
            format!("{field}: eth0"),
            "expected a list of regular expressions under",
        );
        check("- eth0".into(), "expected a list of regular expressions under");
    }

    #[test]
    fn without_a_file_container_networks_are_excluded() {
        let exclusions = Exclusions::load(Path::new("/nonexistent/excludel2.yaml")).unwrap();
        let names = [
            "eth0",
            "bond0",
            "br-lan",
            "lo",
            "veth1",
            "cni0",
            "cali12",
            "docker0",
            "flannel.1",
        ];
        let kept: Vec<_> = names
            .into_iter()
            .filter(|name| !exclusions.matches(name))
            .collect();
        assert_eq!(kept, ["eth0", "bond0", "br-lan"]);
    }
}
